"""Settling: what a store missed while it was away is brought to it as it is now; what cannot be settled is told."""

import json
import sqlite3
import time

import pytest
import requests

from harness import configuration, media, replicas
from harness.clients import ensure_bucket
from harness.media import MIB
from harness.process import eventually
from harness.servers import Moto

BUCKET = "late"
STREAM = "relais:events"
DEFAULT_TYPES = ("binary/octet-stream", "application/octet-stream", None)


@pytest.fixture
def far(start_relais):
    """A store far away that keeps what it has while it is stopped: another relais."""
    remote = start_relais("far", config=None, environment={"RELAIS_TRANSCRIPTION__ENABLED": "false"})
    remote.region = "local"
    ensure_bucket(remote.client(), BUCKET)
    return remote


@pytest.fixture
def start_near(start_relais, tmp_path):
    """Starts a relais over a folder and a store far away."""

    def start(far, name="near", environment=None, features=None, **settle):
        stores = {
            "first": configuration.folder_store(tmp_path / name / "first"),
            "second": configuration.s3_store(far, connect_timeout_seconds=1, attempts_max=1, **(features or {})),
        }
        buckets = [configuration.bucket(BUCKET, list(stores), write_mode="primary")]
        sections = configuration.no_sidecars() | ({"settle": settle} if settle else {})
        config = configuration.write_toml(tmp_path / f"{name}.toml", stores, buckets, **sections)
        near = start_relais(name, config=config, environment=environment)
        ensure_bucket(near.client(), BUCKET)
        return near

    return start


def metric(relais, name, **labels):
    """The value of a metric with these labels, or nothing."""
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    for line in requests.get(f"{relais.api_url}/metrics", timeout=10).text.splitlines():
        if line.startswith(f"{name}{{") and all(label in line for label in wanted):
            return float(line.rsplit(" ", 1)[1])
    return None


def shown(client, key):
    """What a store shows of an object, but for its dates."""
    if replicas.found(client, BUCKET, key) is None:
        return None
    head = client.head_object(Bucket=BUCKET, Key=key)
    tags = client.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
    kept = ("ETag", "ContentLength", "ContentType", "CacheControl", "Metadata")
    # A store may name a type where nobody gave one.
    return [head.get(name) for name in kept if head.get(name) not in DEFAULT_TYPES], tags


def upload(s3, key, sizes):
    upload_id = s3.create_multipart_upload(Bucket=BUCKET, Key=key, Metadata={"made": "in parts"})["UploadId"]
    parts = []
    for number, size in enumerate(sizes, 1):
        sent = s3.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload_id, PartNumber=number, Body=media.random_bytes(size)
        )
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts})


def test_what_a_store_missed_is_brought_to_it_as_it_is_now(far, start_near):
    near = start_near(far)
    s3 = near.client()
    for key in ("overwritten", "deleted", "retagged", "untagged"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"before", Tagging="old=1")
    store = far.client()
    eventually(lambda: all(shown(store, key) for key in ("overwritten", "deleted", "retagged", "untagged")))
    far.stop()

    for body in (b"one", b"two", b"three"):
        s3.put_object(
            Bucket=BUCKET,
            Key="overwritten",
            Body=body,
            ContentType="text/x-test",
            CacheControl="max-age=5",
            Metadata={"a": "1"},
        )
    s3.delete_object(Bucket=BUCKET, Key="deleted")
    s3.put_object_tagging(Bucket=BUCKET, Key="retagged", Tagging={"TagSet": [{"Key": "new", "Value": "2"}]})
    s3.delete_object_tagging(Bucket=BUCKET, Key="untagged")
    s3.put_object(Bucket=BUCKET, Key="come and gone", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="come and gone")
    upload(s3, "parts", [5 * MIB, 5 * MIB, 1000])
    upload(s3, "odd parts", [6 * MIB + 1, 5 * MIB, 5 * MIB + 7, 1])
    assert s3.head_object(Bucket=BUCKET, Key="odd parts")["ETag"].endswith('-4"')
    eventually(lambda: metric(near, "relais_unsettled", store="second") >= 6, seconds=30)
    assert metric(near, "relais_unsettled_oldest_seconds", store="second") > 0
    assert metric(near, "relais_unsettled", store="first") == 0

    far.start()
    for key in ("overwritten", "deleted", "retagged", "untagged", "come and gone", "parts", "odd parts"):
        eventually(lambda: shown(store, key) == shown(s3, key), seconds=30, what=key)  # noqa: B023
    assert store.get_object(Bucket=BUCKET, Key="overwritten")["Body"].read() == b"three"
    # A second look at the key may be under way; what it began it ends.
    eventually(lambda: not store.list_multipart_uploads(Bucket=BUCKET).get("Uploads"), what="no upload is left")
    eventually(lambda: metric(near, "relais_unsettled", store="second") == 0, seconds=30)
    settled = {
        cause: metric(near, "relais_replicas_settled_total", replica="second", cause=cause)
        for cause in ("missing", "different", "deleted", "tags")
    }
    assert settled["missing"] >= 2 and settled["different"] >= 1 and settled["deleted"] >= 1 and settled["tags"] >= 2


def test_an_acl_that_changed_alone_reaches_a_store_that_was_away(far, start_near):
    s3, store = start_near(far).client(), far.client()
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    eventually(lambda: replicas.found(store, BUCKET, "k"))

    def is_public():
        return requests.get(f"{far.url}/{BUCKET}/k", timeout=5).status_code == 200

    for acl, public in (("public-read", True), ("private", False)):
        far.stop()
        s3.put_object_acl(Bucket=BUCKET, Key="k", ACL=acl)
        far.start()
        eventually(lambda: is_public() == public, seconds=30, what=acl)  # noqa: B023


def test_a_deletion_and_a_write_where_versions_are_kept(far, start_near):
    s3, store = start_near(far).client(), far.client()
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"one")
    eventually(lambda: replicas.found(store, BUCKET, "k"))
    far.stop()
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"two")
    latest = s3.put_object(Bucket=BUCKET, Key="k", Body=b"three")["VersionId"]
    s3.delete_object(Bucket=BUCKET, Key="gone")
    far.start()
    eventually(lambda: replicas.found(store, BUCKET, "k") == b"three", seconds=30)
    assert len(store.list_object_versions(Bucket=BUCKET, Prefix="k")["Versions"]) == 2
    # Its id leads to the version that settling made.
    eventually(
        lambda: s3.delete_object(Bucket=BUCKET, Key="k", VersionId=latest)
        and replicas.found(store, BUCKET, "k") != b"three",
        seconds=20,
    )


def names(redis_server):
    records = [json.loads(fields["record"]) for _, fields in redis_server.client.xrange(STREAM)]
    return [record["eventName"] for record in records if record["s3"]["object"]["key"] == "k"]


def test_what_cannot_be_settled_is_announced_and_tried_on(far, start_near, redis_server):
    settle = {"threshold_seconds": 1, "failed_after_seconds": 1, "failed_retry_seconds": 1}
    near = start_near(far, environment={"REDIS_URL": redis_server.url}, **settle)
    s3, store = near.client(), far.client()
    store.delete_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")

    def told(name):
        return f"Replication:{name}" in names(redis_server)

    eventually(lambda: told("OperationMissedThreshold"), seconds=30)
    eventually(lambda: told("OperationFailedReplication"), seconds=30)
    with sqlite3.connect(near.data / "relais.db") as catalog:
        replicas_kept, settling = catalog.execute("SELECT replicas, settling FROM objects WHERE key = 'k'").fetchone()
    assert json.loads(replicas_kept) == {"first": "current", "second": "failed"}
    assert "NoSuchBucket" in json.loads(settling)["second"]["reason"]

    store.create_bucket(Bucket=BUCKET)
    eventually(lambda: replicas.found(store, BUCKET, "k"), seconds=30)
    eventually(lambda: told("OperationReplicatedAfterThreshold"), seconds=30)
    for name in ("OperationMissedThreshold", "OperationFailedReplication", "OperationReplicatedAfterThreshold"):
        assert names(redis_server).count(f"Replication:{name}") == 1


def test_nothing_goes_to_a_store_that_is_paused(far, start_near):
    near = start_near(far)
    s3, store = near.client(), far.client()

    def catalog(statement):
        with sqlite3.connect(near.data / "relais.db", timeout=10) as connection:
            connection.execute(statement)

    catalog("INSERT INTO pauses (store, paused_at) VALUES ('second', 1)")
    far.stop()
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    time.sleep(3)  # Until the pause is read.
    far.start()
    time.sleep(5)
    assert not replicas.found(store, BUCKET, "k")
    catalog("DELETE FROM pauses")
    eventually(lambda: replicas.found(store, BUCKET, "k"), seconds=20)


@pytest.mark.parametrize("profile", ["generic", "aws"])
def test_parts_are_the_same_on_a_cloud(start_near, profile):
    with Moto() as cloud:
        near = start_near(cloud, features={"profile": profile, "features.conditional_writes": False})
        s3 = near.client()
        cloud.stop()
        upload(s3, "parts", [5 * MIB, 5 * MIB, 1000])
        s3.put_object(Bucket=BUCKET, Key="tagged", Body=b"x", Tagging="a=1")
        cloud.start()
        store = replicas.account(cloud)
        store.create_bucket(Bucket=BUCKET)  # Moto forgets all when it ends.
        eventually(lambda: replicas.found(store, BUCKET, "parts"), seconds=60)
        eventually(lambda: shown(store, "tagged") == shown(s3, "tagged"), seconds=60)
        assert shown(store, "parts") == shown(s3, "parts")
        # A second look at the key may be under way; what it began it ends.
        eventually(lambda: not store.list_multipart_uploads(Bucket=BUCKET).get("Uploads"), what="no upload is left")
