"""A bucket that has another name in its stores: clients only ever see theirs, and nobody gets in by the other."""

import pytest
import requests

from harness import configuration, media, replicas
from harness.accounts import BOB
from harness.clients import refused
from harness.media import MIB

THERE = {"media": ("hidden-media-1", "hidden-media-2"), "logs": ("hidden-logs-1", "hidden-logs-2")}
only_clouds = pytest.mark.parametrize("renamed", ["clouds"], indirect=True, scope="module")


def named(places):
    """Each bucket under its names in the two stores."""
    in_stores = {name: list(map(":".join, zip(places, names, strict=True))) for name, names in THERE.items()}
    return [configuration.bucket(name, replicas, write_mode="all") for name, replicas in in_stores.items()]


@pytest.fixture(scope="module", params=["folders", "clouds"])
def renamed(request, start_shared_relais, tmp_path_factory):
    """`media` and `logs` have other names in both stores; every other bucket has its own."""
    folder = tmp_path_factory.mktemp(request.param)
    sections = {"named": named(("first", "second")), "accounts": [BOB]}
    if request.param == "folders":
        system = replicas.over_folders(start_shared_relais, folder, **sections)
    else:
        clouds = [request.getfixturevalue(name) for name in ("moto_http", "moto_https")]
        system = replicas.over_clouds(start_shared_relais, folder, clouds, **sections)
    system.client().create_bucket(Bucket="plain")
    return system


@pytest.fixture
def s3(renamed):
    """A client, that fails as soon as an answer has a hidden name in it."""
    client = renamed.client()

    def look(response_dict, **_):
        body = response_dict["body"] if isinstance(response_dict["body"], bytes) else b""
        told = str(dict(response_dict["headers"])) + body.decode(errors="replace")
        assert "hidden-" not in told, told

    client.meta.events.register("before-parse.s3", look)
    return client


def at_both(renamed, key, bucket="media"):
    return [replicas.found(store, name, key) for store, name in zip(renamed.stores, THERE[bucket], strict=True)]


def test_objects_lie_under_the_other_name_and_are_listed_under_theirs(renamed, s3):
    s3.put_object(Bucket="media", Key="a/k", Body=b"x")
    assert at_both(renamed, "a/k") == [b"x", b"x"]
    assert s3.list_objects(Bucket="media")["Name"] == "media"
    assert s3.list_objects_v2(Bucket="media")["Name"] == "media"
    assert s3.list_object_versions(Bucket="media")["Name"] == "media"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="media", Prefix="a/")["Contents"]] == ["a/k"]
    names = {one["Name"] for one in s3.list_buckets()["Buckets"]}
    assert names >= {"media", "logs", "plain"}
    assert not {name for name in names if name.startswith("hidden-")}
    s3.delete_object(Bucket="media", Key="a/k")
    assert at_both(renamed, "a/k") == [None, None]


def test_copies_name_buckets_as_clients_do(renamed, s3):
    s3.put_object(Bucket="media", Key="from", Body=b"copied", Metadata={"a": "1"})
    for target in ("media", "plain", "logs"):
        s3.copy_object(Bucket=target, Key="to", CopySource={"Bucket": "media", "Key": "from"})
        got = s3.get_object(Bucket=target, Key="to")
        assert (got["Body"].read(), got["Metadata"]) == (b"copied", {"a": "1"})
    assert at_both(renamed, "to") == at_both(renamed, "to", "logs") == [b"copied"] * 2
    s3.copy_object(Bucket="media", Key="back", CopySource={"Bucket": "plain", "Key": "to"})
    assert at_both(renamed, "back") == [b"copied"] * 2
    hidden = {"Bucket": THERE["media"][0], "Key": "from"}
    assert refused(renamed.client().copy_object, Bucket="plain", Key="no", CopySource=hidden)[0] in (403, 404)


def test_uploads_in_parts_name_buckets_as_clients_do(renamed, s3):
    source = media.random_bytes(5 * MIB)
    s3.put_object(Bucket="plain", Key="source", Body=source)
    begun = s3.create_multipart_upload(Bucket="media", Key="big")
    assert begun["Bucket"] == "media"
    upload = {"Bucket": "media", "Key": "big", "UploadId": begun["UploadId"]}
    first = s3.upload_part_copy(**upload, PartNumber=1, CopySource={"Bucket": "plain", "Key": "source"})
    second = s3.upload_part(**upload, PartNumber=2, Body=b"tail")
    assert s3.list_parts(**upload)["Bucket"] == "media"
    assert s3.list_multipart_uploads(Bucket="media")["Bucket"] == "media"
    parts = [{"PartNumber": 1, "ETag": first["CopyPartResult"]["ETag"]}, {"PartNumber": 2, "ETag": second["ETag"]}]
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert (done["Bucket"], done["Key"]) == ("media", "big")
    assert done["Location"].endswith("/media/big")
    assert at_both(renamed, "big") == [source + b"tail"] * 2


def test_form_is_answered_with_the_name_of_the_bucket(renamed, s3):
    fields = {"success_action_status": "201"}
    form = s3.generate_presigned_post("media", "form.txt", Fields=fields, Conditions=[fields])
    sent = requests.post(form["url"], data=form["fields"], files={"file": ("form.txt", b"by form")}, timeout=20)
    assert sent.status_code == 201, sent.text
    assert "<Bucket>media</Bucket>" in sent.text and "/media/form.txt</Location>" in sent.text
    assert "hidden-" not in sent.text + str(sent.headers)
    assert at_both(renamed, "form.txt") == [b"by form"] * 2


def test_errors_name_the_bucket_of_the_client(s3):
    assert refused(s3.get_object, Bucket="media", Key="none") == (404, "NoSuchKey")
    assert refused(s3.get_bucket_tagging, Bucket="media") == (404, "NoSuchTagSet")
    s3.put_object(Bucket="media", Key="in-the-way", Body=b"x")
    assert refused(s3.delete_bucket, Bucket="media") == (409, "BucketNotEmpty")


@only_clouds
def test_target_of_logging_has_its_name_in_each_store(renamed, s3):
    for store, name in zip(renamed.stores, THERE["logs"], strict=True):
        store.put_bucket_acl(Bucket=name, ACL="log-delivery-write")
    wanted = {"TargetBucket": "logs", "TargetPrefix": "of-media/"}
    s3.put_bucket_logging(Bucket="media", BucketLoggingStatus={"LoggingEnabled": wanted})
    found = s3.get_bucket_logging(Bucket="media")["LoggingEnabled"]
    assert {name: found[name] for name in wanted} == wanted
    there = [
        store.get_bucket_logging(Bucket=name)["LoggingEnabled"]["TargetBucket"]
        for store, name in zip(renamed.stores, THERE["media"], strict=True)
    ]
    assert there == list(THERE["logs"])
    s3.put_bucket_logging(Bucket="media", BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="media")


@pytest.mark.parametrize("hidden", [name for names in THERE.values() for name in names])
def test_nobody_gets_in_by_the_other_name(renamed, hidden):
    renamed.client().put_object(Bucket="media", Key="secret", Body=b"media's")
    bob = BOB.client(renamed.relais)
    assert refused(bob.create_bucket, Bucket=hidden)[0] in (403, 404, 409)
    for call, asked in (
        (bob.get_object, {"Key": "secret"}),
        (bob.put_object, {"Key": "secret", "Body": b"x"}),
        (bob.list_objects_v2, {}),
        (bob.delete_bucket, {}),
    ):
        assert refused(call, Bucket=hidden, **asked)[0] in (403, 404), call.__name__
    root = renamed.client()
    assert refused(root.get_object, Bucket=hidden, Key="secret")[0] in (403, 404), "one object, one bucket"
    assert at_both(renamed, "secret") == [b"media's"] * 2
