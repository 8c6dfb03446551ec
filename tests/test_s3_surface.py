"""What S3 clients may ask of relais, asked by boto3 and aws-cli."""

import datetime
import hashlib
import os

import pytest
import requests

from harness import configuration, media, raw
from harness.clients import aws, aws_json, refused
from harness.media import MIB
from harness.stores import assert_replicas_hold, object_file


def test_object_comes_back_with_its_metadata(s3, bucket, relais):
    body = media.random_bytes(300_000)
    put = s3.put_object(
        Bucket=bucket,
        Key="folder/é è+%20.bin",
        Body=body,
        ContentType="application/x-test",
        CacheControl="max-age=60",
        ContentDisposition='attachment; filename="x.bin"',
        Metadata={"one": "1", "two": "second value"},
    )
    got = s3.get_object(Bucket=bucket, Key="folder/é è+%20.bin")
    assert got["Body"].read() == body
    assert got["ETag"] == put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert got["ContentType"] == "application/x-test"
    assert got["CacheControl"] == "max-age=60"
    assert got["ContentDisposition"] == 'attachment; filename="x.bin"'
    assert got["Metadata"] == {"one": "1", "two": "second value"}
    head = s3.head_object(Bucket=bucket, Key="folder/é è+%20.bin")
    assert head["ContentLength"] == len(body)
    assert head["LastModified"] == got["LastModified"]
    assert head["Metadata"] == got["Metadata"]
    assert_replicas_hold(relais.folders, bucket, "folder/é è+%20.bin", body)


def test_overwriting_replaces_bytes_and_metadata(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"first, and longer", Metadata={"old": "1"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"second", Metadata={"new": "2"})
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"second"
    assert got["Metadata"] == {"new": "2"}


def test_empty_object_is_an_object(s3, bucket, relais):
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    got = s3.get_object(Bucket=bucket, Key="empty")
    assert (got["ContentLength"], got["Body"].read()) == (0, b"")
    assert_replicas_hold(relais.folders, bucket, "empty", b"")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=990-", 990, 999), ("bytes=-10", 990, 999), ("bytes=500-5000", 500, 999)],
)
def test_ranges_give_just_those_bytes(s3, bucket, asked, first, last):
    body = media.random_bytes(1000)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {first}-{last}/1000"
    assert got["Body"].read() == body[first : last + 1]


def test_range_behind_the_end_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"short")
    assert refused(s3.get_object, Bucket=bucket, Key="k", Range="bytes=100-200") == (416, "InvalidRange")


def test_missing_object_and_bucket_are_named(s3, bucket):
    assert refused(s3.get_object, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    assert refused(s3.head_object, Bucket=bucket, Key="none")[0] == 404
    assert refused(s3.get_object, Bucket="no-such-bucket", Key="k") == (404, "NoSuchBucket")
    assert refused(s3.list_objects_v2, Bucket="no-such-bucket") == (404, "NoSuchBucket")
    assert refused(s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"x") == (404, "NoSuchBucket")


def fill(s3, bucket, keys):
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())


def test_listing_v2_folds_at_the_delimiter_and_pages(s3, bucket):
    fill(s3, bucket, ["a.txt", "b.txt", "photos/1.jpg", "photos/2.jpg", "photos/old/3.jpg", "z.txt"])
    listed = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["a.txt", "b.txt", "z.txt"]
    assert [entry["Prefix"] for entry in listed["CommonPrefixes"]] == ["photos/"]
    inside = s3.list_objects_v2(Bucket=bucket, Prefix="photos/", Delimiter="/")
    assert [entry["Key"] for entry in inside["Contents"]] == ["photos/1.jpg", "photos/2.jpg"]
    assert [entry["Prefix"] for entry in inside["CommonPrefixes"]] == ["photos/old/"]

    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}))
    assert [len(page["Contents"]) for page in pages] == [2, 2, 2]
    assert [page["IsTruncated"] for page in pages] == [True, True, False]
    every = [entry["Key"] for page in pages for entry in page["Contents"]]
    assert every == ["a.txt", "b.txt", "photos/1.jpg", "photos/2.jpg", "photos/old/3.jpg", "z.txt"]
    assert s3.list_objects_v2(Bucket=bucket, StartAfter="photos/2.jpg")["KeyCount"] == 2


def test_listing_v1_folds_at_the_delimiter_and_pages(s3, bucket):
    fill(s3, bucket, ["a", "b/1", "b/2", "c"])
    listed = s3.list_objects(Bucket=bucket, Delimiter="/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["a", "c"]
    assert [entry["Prefix"] for entry in listed["CommonPrefixes"]] == ["b/"]
    first = s3.list_objects(Bucket=bucket, MaxKeys=3)
    assert first["IsTruncated"] and [entry["Key"] for entry in first["Contents"]] == ["a", "b/1", "b/2"]
    rest = s3.list_objects(Bucket=bucket, Marker="b/2")
    assert [entry["Key"] for entry in rest["Contents"]] == ["c"]


def test_listing_tells_size_time_and_etag(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"12345")["ETag"]
    (entry,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (entry["Size"], entry["ETag"]) == (5, etag)
    assert abs(entry["LastModified"] - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=2)


def test_copy_keeps_or_replaces_metadata(s3, bucket, relais):
    s3.put_object(Bucket=bucket, Key="from é", Body=b"body", ContentType="text/x-a", Metadata={"a": "1"})
    s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "from é"})
    kept = s3.get_object(Bucket=bucket, Key="kept")
    assert (kept["Body"].read(), kept["ContentType"], kept["Metadata"]) == (b"body", "text/x-a", {"a": "1"})
    s3.copy_object(
        Bucket=bucket,
        Key="replaced",
        CopySource={"Bucket": bucket, "Key": "from é"},
        MetadataDirective="REPLACE",
        ContentType="text/x-b",
        Metadata={"b": "2"},
    )
    replaced = s3.head_object(Bucket=bucket, Key="replaced")
    assert (replaced["ContentType"], replaced["Metadata"]) == ("text/x-b", {"b": "2"})
    assert_replicas_hold(relais.folders, bucket, "replaced", b"body")
    missing = {"Bucket": bucket, "Key": "none"}
    assert refused(s3.copy_object, Bucket=bucket, Key="x", CopySource=missing) == (404, "NoSuchKey")


def test_delete_is_done_on_every_replica_and_may_be_repeated(s3, bucket, relais):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for _ in range(2):
        assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    assert not any(object_file(folder, bucket, "k").exists() for folder in relais.folders)


def test_bulk_delete_says_what_it_deleted(s3, bucket, relais):
    fill(s3, bucket, ["a", "b & <c>", "stays"])
    asked = {"Objects": [{"Key": "a"}, {"Key": "b & <c>"}, {"Key": "never was"}]}
    answer = s3.delete_objects(Bucket=bucket, Delete=asked)
    assert {entry["Key"] for entry in answer["Deleted"]} == {"a", "b & <c>", "never was"}
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["stays"]
    assert not any(object_file(folder, bucket, "a").exists() for folder in relais.folders)


def test_multipart_upload_is_one_object(s3, bucket, relais):
    parts = [media.random_bytes(5 * MIB), media.random_bytes(5 * MIB + 1), b"tail"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big", ContentType="video/x", Metadata={"m": "1"})[
        "UploadId"
    ]
    done = []
    for number, part in enumerate(parts, 1):
        etag = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=part)["ETag"]
        done.append({"PartNumber": number, "ETag": etag})
    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [
        (n, len(part)) for n, part in enumerate(parts, 1)
    ]
    assert refused(s3.head_object, Bucket=bucket, Key="big")[0] == 404, "seen before it was completed"
    # Not there yet: the ids of a store are not those that clients hold. It is refused by name, not answered wrongly.

    completed = s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": done})
    got = s3.get_object(Bucket=bucket, Key="big")
    assert got["Body"].read() == b"".join(parts)
    assert (got["ContentType"], got["Metadata"], got["ETag"]) == ("video/x", {"m": "1"}, completed["ETag"])
    assert_replicas_hold(relais.folders, bucket, "big", b"".join(parts))
    assert refused(s3.list_parts, Bucket=bucket, Key="big", UploadId=upload)[0] == 404


def test_aborted_multipart_upload_leaves_nothing(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=1, Body=b"x" * MIB)
    s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=upload)
    refusal = refused(s3.upload_part, Bucket=bucket, Key="big", UploadId=upload, PartNumber=2, Body=b"x")
    assert refusal == (404, "NoSuchUpload")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_part_may_be_copied_from_another_object(s3, bucket, relais):
    source = media.random_bytes(6 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=source)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    copied = s3.upload_part_copy(
        Bucket=bucket,
        Key="copy",
        UploadId=upload,
        PartNumber=1,
        CopySource=f"{bucket}/source",
        CopySourceRange=f"bytes=0-{5 * MIB - 1}",
    )
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(Bucket=bucket, Key="copy", UploadId=upload, MultipartUpload={"Parts": parts})
    assert_replicas_hold(relais.folders, bucket, "copy", source[: 5 * MIB])


def test_buckets_are_made_listed_and_removed(s3, relais):
    s3.create_bucket(Bucket="short-lived")
    assert "short-lived" in {entry["Name"] for entry in s3.list_buckets()["Buckets"]}
    assert s3.head_bucket(Bucket="short-lived")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert all((folder / "short-lived").is_dir() for folder in relais.folders)
    s3.put_object(Bucket="short-lived", Key="k", Body=b"x")
    assert refused(s3.delete_bucket, Bucket="short-lived") == (409, "BucketNotEmpty")
    s3.delete_object(Bucket="short-lived", Key="k")
    s3.delete_bucket(Bucket="short-lived")
    assert refused(s3.head_bucket, Bucket="short-lived")[0] == 404
    assert not any((folder / "short-lived").exists() for folder in relais.folders)


def test_presigned_urls_work_until_they_expire_and_only_as_signed(s3, bucket):
    put = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a b/é.txt"}, ExpiresIn=60)
    assert requests.put(put, data=b"by url", timeout=20).status_code == 200
    get = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b/é.txt"}, ExpiresIn=60)
    assert requests.get(get, timeout=20).content == b"by url"
    other_key = requests.get(get.replace("a%20b", "a%20c"), timeout=20)
    assert other_key.status_code == 403 and "<Code>SignatureDoesNotMatch</Code>" in other_key.text
    assert requests.put(get, data=b"", timeout=20).status_code == 403
    late = requests.get(get.replace("X-Amz-Date=2", "X-Amz-Date=1"), timeout=20)
    assert late.status_code == 403


def test_nothing_is_given_without_a_signature(s3, bucket, relais):
    s3.put_object(Bucket=bucket, Key="k", Body=b"private")
    for method, path in [("GET", "k"), ("PUT", "new"), ("DELETE", "k"), ("GET", ""), ("POST", "?delete")]:
        answer = requests.request(method, f"{relais.url}/{bucket}/{path}", timeout=20)
        assert (answer.status_code, "<Code>AccessDenied</Code>" in answer.text) == (403, True), (method, path)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"private"


def test_browser_form_uploads_what_its_policy_allows(s3, bucket, relais):
    conditions = [["content-length-range", 0, 1000], {"Content-Type": "text/plain"}]
    fields = {"Content-Type": "text/plain"}
    form = s3.generate_presigned_post(bucket, "forms/${filename}", Fields=fields, Conditions=conditions, ExpiresIn=60)
    sent = requests.post(form["url"], data=form["fields"], files={"file": ("note.txt", b"by form")}, timeout=20)
    assert sent.status_code == 204, sent.text
    got = s3.get_object(Bucket=bucket, Key="forms/note.txt")
    assert (got["Body"].read(), got["ContentType"]) == (b"by form", "text/plain")
    assert_replicas_hold(relais.folders, bucket, "forms/note.txt", b"by form")

    too_large = requests.post(form["url"], data=form["fields"], files={"file": ("big.txt", bytes(2000))}, timeout=20)
    assert (too_large.status_code, "<Code>EntityTooLarge</Code>" in too_large.text) == (400, True), too_large.text
    forged = form["fields"] | {"key": "elsewhere/${filename}"}
    elsewhere = requests.post(form["url"], data=forged, files={"file": ("note.txt", b"x")}, timeout=20)
    assert elsewhere.status_code in (400, 403) and "<Code>" in elsewhere.text, elsewhere.text
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["forms/note.txt"]


def test_bucket_may_be_named_in_the_host(s3, bucket, relais):
    s3.put_object(Bucket=bucket, Key="folder/k", Body=b"virtual-host style")
    host = f"{bucket}.{configuration.DOMAIN}:{relais.s3_port}"
    headers = raw.signed_headers(relais, "GET", f"http://{host}/folder/k") | {"Host": host}
    answer = requests.get(f"{relais.url}/folder/k", headers=headers, timeout=20)
    assert (answer.status_code, answer.content) == (200, b"virtual-host style"), answer.text


def test_conditions_are_kept(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)[0] == 304
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch='"0"') == (412, "PreconditionFailed")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"0"') == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    s3.put_object(Bucket=bucket, Key="new", Body=b"4", IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"3"


def test_aws_cli_does_its_daily_work(relais, s3, bucket, tmp_path):
    folder = tmp_path / "site"
    (folder / "css").mkdir(parents=True)
    (folder / "index.html").write_text("<p>é</p>")
    (folder / "css" / "site.css").write_text("p {}")
    (folder / "large.bin").write_bytes(media.random_bytes(9 * MIB))  # aws-cli cuts it into parts.
    for file in folder.rglob("*.*"):
        os.utime(file, (1_700_000_000, 1_700_000_000))  # Clearly older than what will be stored.
    aws(relais, "s3", "sync", folder, f"s3://{bucket}/site")
    listed = aws(relais, "s3", "ls", "--recursive", f"s3://{bucket}/").stdout
    assert [line.split()[-1] for line in listed.splitlines()] == [
        "site/css/site.css",
        "site/index.html",
        "site/large.bin",
    ]
    aws(relais, "s3", "sync", f"s3://{bucket}/site", tmp_path / "back")
    assert (tmp_path / "back" / "large.bin").read_bytes() == (folder / "large.bin").read_bytes()
    assert not aws(relais, "s3", "sync", folder, f"s3://{bucket}/site").stdout, "a second sync has nothing to do"
    aws(relais, "s3", "mv", f"s3://{bucket}/site/index.html", f"s3://{bucket}/moved.html")
    head = aws_json(relais, "s3api", "head-object", "--bucket", bucket, "--key", "moved.html")
    assert head["ContentType"] == "text/html"
    url = aws(relais, "s3", "presign", f"s3://{bucket}/moved.html").stdout.strip()
    assert requests.get(url, timeout=20).content.decode() == "<p>é</p>"
    aws(relais, "s3", "rm", "--recursive", f"s3://{bucket}/")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
