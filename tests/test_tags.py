"""Tags of objects and buckets are equal on both replicas, over folders and over S3 accounts; changes are events."""

import json
from functools import partial

import pytest

from harness import configuration, replicas
from harness.clients import ensure_bucket, refused
from harness.process import eventually
from harness.servers import Moto

STREAM = "relais:events"
only_folders = pytest.mark.parametrize("replicated", ["folders"], indirect=True, scope="module")


def tags(client, bucket, key="k", **version):
    found = client.get_object_tagging(Bucket=bucket, Key=key, **version)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


def tag_set(**tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def test_tags_come_with_the_object_and_are_replaced_and_removed(replicated, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="colour=red&note=a%20b%2Bc%2F%C3%A9")
    wanted = {"colour": "red", "note": "a b+c/é"}
    assert tags(s3, bucket) == wanted
    assert replicated.on_both(lambda store: tags(store, bucket)) == [wanted] * 2
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(only="this"))
    assert replicated.on_both(lambda store: tags(store, bucket)) == [{"only": "this"}] * 2
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert replicated.on_both(lambda store: tags(store, bucket)) == [{}] * 2
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(old="1"))
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    assert replicated.on_both(lambda store: tags(store, bucket)) == [{}] * 2, "an overwrite takes the tags away"


def test_wrong_tags_are_refused_and_change_nothing(replicated, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="kept=1")
    too_many = tag_set(**{f"key{number}": "x" for number in range(11)})
    for wrong in (too_many, tag_set(**{"k" * 129: "v"}), tag_set(k="v" * 257)):
        status, code = refused(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=wrong)
        assert (status, code in ("BadRequest", "InvalidTag")) == (400, True), code
    assert replicated.on_both(lambda store: tags(store, bucket)) == [{"kept": "1"}] * 2
    assert refused(s3.get_object_tagging, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    assert refused(s3.put_object_tagging, Bucket=bucket, Key="none", Tagging=tag_set(a="1")) == (404, "NoSuchKey")


def test_copy_takes_the_tags_along_or_replaces_them(replicated, s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"x", Tagging="a=1&b=2")
    source = {"Bucket": bucket, "Key": "from"}
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    assert replicated.on_both(lambda store: tags(store, bucket, "kept")) == [{"a": "1", "b": "2"}] * 2
    s3.copy_object(Bucket=bucket, Key="replaced", CopySource=source, TaggingDirective="REPLACE", Tagging="c=3")
    assert replicated.on_both(lambda store: tags(store, bucket, "replaced")) == [{"c": "3"}] * 2


def test_upload_in_parts_has_the_tags_that_it_began_with(replicated, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Tagging="a=1")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    done = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=done)
    assert replicated.on_both(lambda store: tags(store, bucket)) == [{"a": "1"}] * 2


def test_buckets_have_tags(replicated, s3, bucket):
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(team="media"))
    wanted = tag_set(team="media")["TagSet"]
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == wanted
    assert replicated.on_both(lambda store: store.get_bucket_tagging(Bucket=bucket)["TagSet"]) == [wanted] * 2
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")
    assert replicated.on_both(lambda store: refused(store.get_bucket_tagging, Bucket=bucket)[0]) == [404] * 2


@only_folders  # Moto takes them.
def test_tag_may_not_be_there_twice(replicated, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="kept=1")
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert refused(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=twice) == (400, "InvalidTag")
    assert replicated.on_both(lambda store: tags(store, bucket)) == [{"kept": "1"}] * 2


def test_changes_of_tags_are_events(start_relais, redis_server, tmp_path):
    system = replicas.over_folders(start_relais, tmp_path, environment={"REDIS_URL": redis_server.url})
    s3 = system.client()
    s3.create_bucket(Bucket="announced")
    s3.put_object(Bucket="announced", Key="k", Body=b"x")
    s3.put_object_tagging(Bucket="announced", Key="k", Tagging=tag_set(a="1"))
    s3.delete_object_tagging(Bucket="announced", Key="k")

    def names():
        records = [json.loads(fields["record"]) for _, fields in redis_server.client.xrange(STREAM)]
        return [record["eventName"] for record in records if record["s3"]["object"]["key"] == "k"]

    wanted = ["ObjectCreated:Put", "ObjectTagging:Put", "ObjectTagging:Delete"]
    eventually(lambda: names() == wanted, what="each change is announced, in order")


def test_tags_reach_a_replica_that_was_down(start_relais, moto_http, tmp_path):
    with Moto() as second:
        stores = {"first": configuration.s3_store(moto_http), "second": configuration.s3_store(second)}
        buckets = [configuration.bucket("late-tags", list(stores), write_mode="primary")]
        config = configuration.write_toml(tmp_path / "relais.toml", stores, buckets, **configuration.no_sidecars())
        s3 = start_relais(config=config).client()
        ensure_bucket(s3, "late-tags")
        s3.put_object(Bucket="late-tags", Key="before", Body=b"x", Tagging="old=1")
        second.stop()
        s3.put_object(Bucket="late-tags", Key="with", Body=b"x", Tagging="a=1")
        s3.put_object(Bucket="late-tags", Key="after", Body=b"x")
        s3.put_object_tagging(Bucket="late-tags", Key="after", Tagging=tag_set(b="2"))
        s3.delete_object_tagging(Bucket="late-tags", Key="before")
        assert tags(s3, "late-tags", "after") == {"b": "2"}

        second.start()
        store = replicas.account(second)
        store.create_bucket(Bucket="late-tags")  # Moto forgets all when it ends.

        def is_there(key, wanted):
            return replicas.found(store, "late-tags", key) and tags(store, "late-tags", key) == wanted

        for key, wanted in (("with", {"a": "1"}), ("after", {"b": "2"}), ("before", {})):
            eventually(partial(is_there, key, wanted), seconds=60, what=f"{key} is there with its tags")
