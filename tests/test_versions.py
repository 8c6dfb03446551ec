"""Versions are on both replicas, over folders and over S3 accounts; clients see the primary's ids of them."""

import contextlib
from functools import partial

import pytest
from botocore.exceptions import ClientError

from harness import configuration, replicas
from harness.clients import ensure_bucket, refused
from harness.process import eventually
from harness.servers import Moto

only_folders = pytest.mark.parametrize("replicated", ["folders"], indirect=True, scope="module")


@pytest.fixture
def versioned(s3, bucket):
    """A bucket that keeps versions."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def write_versions(s3, bucket, *bodies, key="k"):
    return [s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"] for body in bodies]


def versions(s3, bucket):
    """Id, whether it is a delete marker and whether it is the latest, of each version, the latest first."""
    listed = s3.list_object_versions(Bucket=bucket)
    every = [(one["LastModified"], one, False) for one in listed.get("Versions", [])]
    every += [(one["LastModified"], one, True) for one in listed.get("DeleteMarkers", [])]
    found = [(one["VersionId"], marker, one["IsLatest"]) for _, one, marker in every]
    return sorted(found, key=lambda one: not one[2])


def bodies(store, bucket, key="k"):
    """What a store itself has: the bodies of its versions, and the number of its delete markers."""
    listed = store.list_object_versions(Bucket=bucket, Prefix=key)
    ids = [one["VersionId"] for one in listed.get("Versions", [])]
    found = {store.get_object(Bucket=bucket, Key=key, VersionId=id)["Body"].read() for id in ids}
    return found, len(listed.get("DeleteMarkers", []))


def tags(client, bucket, key="k", **version):
    found = client.get_object_tagging(Bucket=bucket, Key=key, **version)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


def tag_set(**tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def test_versioning_is_switched_on_in_both_stores(replicated, s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
        assert replicated.on_both(lambda store: store.get_bucket_versioning(Bucket=bucket)["Status"]) == [status] * 2


def test_every_version_can_be_read_by_its_id(replicated, s3, versioned):
    first, second = write_versions(s3, versioned, b"one", b"number two")
    assert first != second
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"number two"
    for id, body in ((first, b"one"), (second, b"number two")):
        got = s3.get_object(Bucket=versioned, Key="k", VersionId=id)
        assert (got["Body"].read(), got["VersionId"]) == (body, id)
        head = s3.head_object(Bucket=versioned, Key="k", VersionId=id)
        assert (head["ContentLength"], head["VersionId"]) == (len(body), id)
    assert versions(s3, versioned) == [(second, False, True), (first, False, False)]
    assert replicated.on_both(lambda store: bodies(store, versioned)) == [({b"one", b"number two"}, 0)] * 2


def test_clients_see_the_ids_of_the_primary_and_no_others(replicated, s3, versioned):
    write_versions(s3, versioned, b"one", b"two")
    seen = {id for id, *_ in versions(s3, versioned)}
    own = [{id for id, *_ in versions(store, versioned)} for store in replicated.stores]
    assert seen == own[0]
    assert not own[0] & own[1], "the replica has the same ids: nothing is tested"
    (foreign, *_) = own[1]
    assert refused(s3.get_object, Bucket=versioned, Key="k", VersionId=foreign)[0] in (400, 404)
    with contextlib.suppress(ClientError):  # S3 takes the removal of what is not there for done.
        s3.delete_object(Bucket=versioned, Key="k", VersionId=foreign)
    assert [len(found) for found, _ in replicated.on_both(lambda store: bodies(store, versioned))] == [2, 2]


@only_folders
def test_delete_marker_cannot_be_read(replicated, s3, versioned):
    write_versions(s3, versioned, b"hidden")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    for read in (s3.get_object, s3.head_object):
        assert refused(read, Bucket=versioned, Key="k", VersionId=marker)[0] == 405
    removed = s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    assert (removed["DeleteMarker"], removed["VersionId"]) == (True, marker)


def test_delete_marker_hides_and_its_removal_shows_again(replicated, s3, versioned):
    (id,) = write_versions(s3, versioned, b"hidden")
    deleted = s3.delete_object(Bucket=versioned, Key="k")
    assert deleted["DeleteMarker"] is True and deleted["VersionId"] != id
    assert refused(s3.get_object, Bucket=versioned, Key="k") == (404, "NoSuchKey")
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=id)["Body"].read() == b"hidden"
    assert refused(s3.head_object, Bucket=versioned, Key="k", VersionId=deleted["VersionId"])[0] == 405
    assert versions(s3, versioned) == [(deleted["VersionId"], True, True), (id, False, False)]
    assert replicated.on_both(lambda store: bodies(store, versioned)) == [({b"hidden"}, 1)] * 2

    s3.delete_object(Bucket=versioned, Key="k", VersionId=deleted["VersionId"])
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"hidden"
    assert replicated.on_both(lambda store: bodies(store, versioned)) == [({b"hidden"}, 0)] * 2
    assert replicated.on_both(lambda store: replicas.found(store, versioned, "k")) == [b"hidden"] * 2


def test_one_version_is_deleted_in_both_stores(replicated, s3, versioned):
    ids = write_versions(s3, versioned, b"one", b"two", b"three")
    s3.delete_object(Bucket=versioned, Key="k", VersionId=ids[1])
    assert refused(s3.get_object, Bucket=versioned, Key="k", VersionId=ids[1]) == (404, "NoSuchVersion")
    assert replicated.on_both(lambda store: bodies(store, versioned)) == [({b"one", b"three"}, 0)] * 2
    asked = {"Objects": [{"Key": "k", "VersionId": ids[2]}]}
    assert s3.delete_objects(Bucket=versioned, Delete=asked)["Deleted"] == [{"Key": "k", "VersionId": ids[2]}]
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"one"
    assert replicated.on_both(lambda store: bodies(store, versioned)) == [({b"one"}, 0)] * 2
    assert replicated.on_both(lambda store: replicas.found(store, versioned, "k")) == [b"one"] * 2


def test_old_version_may_be_copied(replicated, s3, versioned):
    first, _ = write_versions(s3, versioned, b"old", b"new")
    source = {"Bucket": versioned, "Key": "k", "VersionId": first}
    copied = s3.copy_object(Bucket=versioned, Key="restored", CopySource=source)
    assert copied["CopySourceVersionId"] == first
    assert replicated.on_both(lambda store: bodies(store, versioned, "restored")) == [({b"old"}, 0)] * 2
    again = s3.copy_object(Bucket=versioned, Key="k", CopySource=source)["VersionId"]
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=again)["Body"].read() == b"old"
    assert replicated.on_both(lambda store: replicas.found(store, versioned, "k")) == [b"old"] * 2


def test_versions_have_tags_of_their_own(replicated, s3, versioned):
    first, second = write_versions(s3, versioned, b"one", b"two")
    s3.put_object_tagging(Bucket=versioned, Key="k", VersionId=first, Tagging=tag_set(which="first"))
    s3.put_object_tagging(Bucket=versioned, Key="k", Tagging=tag_set(which="second"))
    assert tags(s3, versioned, VersionId=first) == {"which": "first"}
    assert tags(s3, versioned, VersionId=second) == tags(s3, versioned) == {"which": "second"}
    for store in replicated.stores:
        of_body = {}
        for id, *_ in versions(store, versioned):
            body = store.get_object(Bucket=versioned, Key="k", VersionId=id)["Body"].read()
            of_body[body] = tags(store, versioned, VersionId=id)
        assert of_body == {b"one": {"which": "first"}, b"two": {"which": "second"}}
    s3.delete_object_tagging(Bucket=versioned, Key="k", VersionId=first)
    assert (tags(s3, versioned, VersionId=first), tags(s3, versioned)) == ({}, {"which": "second"})


def test_versioned_multipart_upload_is_a_version(replicated, s3, versioned):
    write_versions(s3, versioned, b"one")
    upload = s3.create_multipart_upload(Bucket=versioned, Key="k")["UploadId"]
    etag = s3.upload_part(Bucket=versioned, Key="k", UploadId=upload, PartNumber=1, Body=b"in parts")["ETag"]
    done = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    id = s3.complete_multipart_upload(Bucket=versioned, Key="k", UploadId=upload, MultipartUpload=done)["VersionId"]
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=id)["Body"].read() == b"in parts"
    s3.delete_object(Bucket=versioned, Key="k", VersionId=id)
    assert replicated.on_both(lambda store: bodies(store, versioned)) == [({b"one"}, 0)] * 2


@only_folders  # Moto forgets all versions of a key that is written then.
def test_suspended_bucket_overwrites_only_its_null_version(replicated, s3, versioned):
    (kept,) = write_versions(s3, versioned, b"kept")
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    for body in (b"null one", b"null two"):
        s3.put_object(Bucket=versioned, Key="k", Body=body)
    assert {id for id, *_ in versions(s3, versioned)} == {kept, "null"}
    assert s3.get_object(Bucket=versioned, Key="k", VersionId="null")["Body"].read() == b"null two"
    assert replicated.on_both(lambda store: bodies(store, versioned)) == [({b"kept", b"null two"}, 0)] * 2


@pytest.fixture
def late(request, start_relais, moto_http, tmp_path):
    """Relais over two accounts, a bucket, and the ids of two versions, which were written while the second was down."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60]
    named = [configuration.bucket(name, ["first", "second"], write_mode="primary")]
    with Moto() as second:
        system = replicas.over_clouds(start_relais, tmp_path, (moto_http, second), named=named)
        s3 = system.client()
        ensure_bucket(s3, name)
        versioning = {"Bucket": name, "VersioningConfiguration": {"Status": "Enabled"}}
        s3.put_bucket_versioning(**versioning)
        second.stop()
        ids = write_versions(s3, name, b"one", b"two")
        second.start()
        system.stores[1].create_bucket(Bucket=name)  # Moto forgets all when it ends.
        system.stores[1].put_bucket_versioning(**versioning)
        becomes(system, name, b"two")
        yield system, name, ids


def becomes(system, bucket, body):
    """Waits until the store that was late has that body."""
    found = partial(replicas.found, system.stores[1], bucket, "k")
    eventually(lambda: found() == body, seconds=30, what=f"the late store has {body}")


def test_late_replica_follows_when_its_version_is_deleted(late):
    system, bucket, (_, second) = late
    s3 = system.client()
    s3.delete_object(Bucket=bucket, Key="k", VersionId=second)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"
    becomes(system, bucket, b"one")


def test_late_replica_loses_what_is_deleted_by_every_id(late):
    system, bucket, ids = late
    s3 = system.client()
    for id in ids:
        s3.delete_object(Bucket=bucket, Key="k", VersionId=id)
    assert refused(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    becomes(system, bucket, None)


def test_late_replica_follows_a_deletion_and_its_undoing(late):
    system, bucket, _ = late
    s3 = system.client()
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    becomes(system, bucket, None)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    becomes(system, bucket, b"two")
