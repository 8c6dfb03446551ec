"""boto3, over HTTP and over HTTPS, where it sends a body in chunks with the checksum behind it."""

import base64
import hashlib
import io
import zlib
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
import requests
from awscrt import checksums
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from harness import media
from harness.clients import refused
from harness.keys import ODD_KEYS, body_of
from harness.media import MIB
from harness.stores import assert_replicas_hold

CLIENT = "boto3 (HTTP and HTTPS)"
PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
ALGORITHMS = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4),
    "CRC32C": lambda body: checksums.crc32c(body).to_bytes(4),
    "CRC64NVME": lambda body: checksums.crc64nvme(body).to_bytes(8),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
    "SHA512": lambda body: hashlib.sha512(body).digest(),
    "XXHASH64": lambda body: _xxhash("xxhash64", body),
    "XXHASH3": lambda body: _xxhash("xxhash3_64", body),
    "XXHASH128": lambda body: _xxhash("xxhash3_128", body),
}

# Those that are kept with the object; the others are verified and answered, and not kept.
KEPT = {"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"}


def version():
    return boto3.__version__


@pytest.fixture(scope="module", params=["http", "https"])
def tls(request, certificate):
    return certificate if request.param == "https" else None


@pytest.fixture
def http(relais):
    """Somebody without keys."""
    with requests.Session() as session:
        session.trust_env = False  # A bundle named by the environment would be trusted instead.
        session.verify = str(relais.certificate.authority) if relais.certificate else True
        yield session


@pytest.fixture
def sent(s3):
    """The headers of every request, as they were sent."""
    seen = []
    s3.meta.events.register("before-send.s3", lambda request, **_: seen.append(_text(request.headers)))
    return seen


def _text(headers):
    return {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value) for name, value in headers.items()
    }


def _xxhash(kind, body):
    digest = getattr(checksums.XXHash, f"new_{kind}")()
    digest.update(body)
    return digest.finalize()


def test_objects_with_odd_keys_are_put_read_listed_and_deleted(s3, bucket, relais):
    for key in ODD_KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=body_of(key))
    for key in ODD_KEYS:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body_of(key)
        assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(body_of(key))
        assert_replicas_hold(relais.folders, bucket, key, body_of(key))
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 4})
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == ODD_KEYS
    assert [entry["Key"] for entry in s3.list_objects(Bucket=bucket)["Contents"]] == ODD_KEYS
    s3.delete_object(Bucket=bucket, Key=ODD_KEYS[0])
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ODD_KEYS]})
    assert {entry["Key"] for entry in answer["Deleted"]} == set(ODD_KEYS)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_checksum_comes_behind_the_body_over_https_and_before_it_over_http(s3, bucket, relais, sent):
    body = media.random_bytes(3 * MIB + 1)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    (headers,) = sent
    if relais.certificate:
        assert headers["x-amz-trailer"] == "x-amz-checksum-crc32"
        assert headers["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
        assert headers["content-encoding"] == "aws-chunked"
        assert headers["x-amz-decoded-content-length"] == str(len(body))
        assert headers["transfer-encoding"] == "chunked" and "content-length" not in headers
    else:
        assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
        assert headers["x-amz-checksum-crc32"] == base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()
        assert "x-amz-trailer" not in headers
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    assert "ContentEncoding" not in got, "aws-chunked is how the body was sent, not what it is"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_checksum_is_verified_and_the_usual_ones_are_given_back(s3, bucket, algorithm, sent):
    body = media.random_bytes(100_001)
    name, expected = f"Checksum{algorithm}", base64.b64encode(ALGORITHMS[algorithm](body)).decode()
    assert s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)[name] == expected
    header = f"x-amz-checksum-{algorithm.lower()}"
    assert sent[0].get("x-amz-trailer") == header or sent[0][header] == expected
    if algorithm in KEPT:
        got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert got[name] == expected
        assert got["Body"].read() == body  # boto3 compares the checksum while it reads.
        head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert (head[name], head["ChecksumType"]) == (expected, "FULL_OBJECT")
        assert name not in s3.head_object(Bucket=bucket, Key="k")

    wrong = base64.b64encode(ALGORITHMS[algorithm](b"another body")).decode()
    answer = refused(s3.put_object, Bucket=bucket, Key="new", Body=body, **{name: wrong})
    assert answer == (400, "BadDigest")
    assert refused(s3.head_object, Bucket=bucket, Key="new")[0] == 404


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksum_of_a_multipart_object_is_that_of_its_parts_or_of_the_whole(s3, bucket, algorithm):
    body = media.random_bytes(5 * MIB + 7)
    extra = {"ChecksumAlgorithm": algorithm}
    s3.upload_fileobj(io.BytesIO(body), bucket, "k", ExtraArgs=extra, Config=PARTS)
    digest, kind, suffix = ALGORITHMS[algorithm], "FULL_OBJECT", ""
    expected = digest(body)
    if algorithm != "CRC64NVME":
        kind, suffix, expected = "COMPOSITE", "-2", digest(digest(body[: 5 * MIB]) + digest(body[5 * MIB :]))
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == base64.b64encode(expected).decode() + suffix
    assert head["ChecksumType"] == kind
    assert s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["Body"].read() == body


def test_large_file_goes_up_in_parts_and_comes_down_in_ranges(s3, bucket, relais, sent):
    body = media.random_bytes(12 * MIB + 1)
    extra = {"ContentType": "video/x", "Metadata": {"one": "1"}}
    s3.upload_fileobj(io.BytesIO(body), bucket, "large", ExtraArgs=extra, Config=PARTS)
    if relais.certificate:
        assert [headers.get("x-amz-trailer") for headers in sent].count("x-amz-checksum-crc32") == 3
    head = s3.head_object(Bucket=bucket, Key="large")
    assert (head["ContentType"], head["Metadata"]) == ("video/x", {"one": "1"})
    parts = [body[start : start + 5 * MIB] for start in range(0, len(body), 5 * MIB)]
    of_parts = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    assert head["ETag"] == f'"{of_parts}-3"'
    back = io.BytesIO()
    s3.download_fileobj(bucket, "large", back, Config=PARTS)
    assert back.getvalue() == body
    assert_replicas_hold(relais.folders, bucket, "large", body)


def test_uploads_under_way_are_listed_and_given_up(s3, bucket):
    begun = [s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in ("a", "b")]
    listed = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [(upload["Key"], upload["UploadId"]) for upload in listed] == list(zip("ab", begun, strict=True))
    for key, upload in zip("ab", begun, strict=True):
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_headers_and_metadata_are_kept(s3, bucket):
    kept = {
        "CacheControl": "max-age=60",
        "ContentDisposition": "attachment; filename*=UTF-8''%C3%A9.txt",
        "ContentEncoding": "br",
        "ContentLanguage": "fr",
        "ContentType": "text/plain; charset=utf-8",
        "Metadata": {"one": "1", "two-words": "a  b; c=d"},
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **kept)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert {name: head[name] for name in kept} == kept


@pytest.mark.parametrize(("asked", "first", "last"), [("0-9", 0, 9), ("990-", 990, 999), ("-10", 990, 999)])
def test_ranges_give_just_those_bytes(s3, bucket, asked, first, last):
    body = media.random_bytes(1000)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    got = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={asked}")
    assert (got["Body"].read(), got["ContentRange"]) == (body[first : last + 1], f"bytes {first}-{last}/1000")


def test_conditional_writes_let_one_of_many_win(s3, bucket):
    def create(number):
        try:
            s3.put_object(Bucket=bucket, Key="k", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"), error
            return None
        return b"%d" % number

    with ThreadPoolExecutor(8) as pool:
        won = [body for body in pool.map(create, range(8)) if body]
    got = s3.get_object(Bucket=bucket, Key="k")
    assert won == [got["Body"].read()]
    s3.put_object(Bucket=bucket, Key="k", Body=b"next", IfMatch=got["ETag"])
    again = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"late", IfMatch=got["ETag"])
    assert again == (412, "PreconditionFailed")
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch=got["ETag"])[0] == 412
    assert s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=got["ETag"])["Body"].read() == b"next"


def test_copies_keep_or_replace_metadata_also_between_buckets_and_in_parts(s3, bucket, relais):
    body, other = media.random_bytes(11 * MIB), f"{bucket}-copies"
    s3.create_bucket(Bucket=other)
    source = {"Bucket": bucket, "Key": ODD_KEYS[-1]}
    s3.put_object(**source, Body=body, ContentType="text/x-a", Metadata={"a": "1"})
    s3.copy_object(Bucket=other, Key="kept", CopySource=source)
    kept = s3.head_object(Bucket=other, Key="kept")
    assert (kept["ContentType"], kept["Metadata"]) == ("text/x-a", {"a": "1"})
    replaced = {"MetadataDirective": "REPLACE", "ContentType": "text/x-b", "Metadata": {"b": "2"}}
    s3.copy_object(**source, CopySource=source, **replaced)
    head = s3.head_object(**source)
    assert (head["ContentType"], head["Metadata"]) == ("text/x-b", {"b": "2"})
    s3.copy(source, other, "in parts", Config=PARTS)
    assert s3.head_object(Bucket=other, Key="in parts")["ETag"].endswith('-3"')
    for key in ("kept", "in parts"):
        assert_replicas_hold(relais.folders, other, key, body)


def test_tags_are_set_with_the_object_and_later(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="team=red&odd=a%20b%2B")
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"odd": "a b+", "team": "red"}
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    blue = [{"Key": "team", "Value": "blue"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": blue})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == blue
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


def test_versions_are_kept_listed_read_and_removed(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = (s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] for body in (b"1", b"2"))
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert deleted["DeleteMarker"] is True
    assert refused(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"1"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [entry["VersionId"] for entry in listed["Versions"]] == [second, first]
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed["DeleteMarkers"]] == [
        (deleted["VersionId"], True)
    ]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=deleted["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_presigned_urls_read_write_and_delete_as_signed(s3, bucket, http):
    target = {"Bucket": bucket, "Key": ODD_KEYS[-1]}
    assert http.put(s3.generate_presigned_url("put_object", target), data=b"by url").status_code == 200
    named = target | {"ResponseContentDisposition": 'attachment; filename="x.txt"'}
    got = http.get(s3.generate_presigned_url("get_object", named))
    assert (got.content, got.headers["Content-Disposition"]) == (b"by url", 'attachment; filename="x.txt"')
    head = http.head(s3.generate_presigned_url("head_object", target))
    assert (head.status_code, head.headers["Content-Length"]) == (200, "6")
    assert http.delete(s3.generate_presigned_url("get_object", target)).status_code == 403
    assert http.delete(s3.generate_presigned_url("delete_object", target)).status_code == 204
    assert http.get(s3.generate_presigned_url("get_object", target)).status_code == 404


def test_presigned_part_is_uploaded_by_somebody_without_keys(s3, bucket, http, relais):
    target = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    body = media.random_bytes(5 * MIB)
    url = s3.generate_presigned_url("upload_part", target | {"UploadId": upload, "PartNumber": 1})
    parts = [{"PartNumber": 1, "ETag": http.put(url, data=body).headers["ETag"]}]
    assert http.put(url.replace("partNumber=1", "partNumber=2"), data=b"other").status_code == 403
    s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    assert_replicas_hold(relais.folders, bucket, "k", body)


def test_presigned_form_uploads_what_its_policy_allows(s3, bucket, http):
    fields = {"Content-Type": "text/plain", "x-amz-meta-one": "1"}
    conditions = [["content-length-range", 0, 100], *({name: value} for name, value in fields.items())]
    form = s3.generate_presigned_post(bucket, "forms/${filename}", Fields=fields, Conditions=conditions)
    sent = http.post(form["url"], data=form["fields"], files={"file": ("a b+é.txt", b"by form")})
    assert sent.status_code == 204, sent.text
    got = s3.get_object(Bucket=bucket, Key="forms/a b+é.txt")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"by form", "text/plain", {"one": "1"})
    too_large = http.post(form["url"], data=form["fields"], files={"file": ("big.txt", bytes(101))})
    assert (too_large.status_code, "<Code>EntityTooLarge</Code>" in too_large.text) == (400, True), too_large.text
