"""Checksums: compared on the way in, kept and given back; over TLS, where they come as headers and behind the body."""

import base64
import hashlib
import zlib

import pytest
from awscrt import checksums
from botocore.exceptions import ClientError

from harness import media, raw, replicas
from harness.clients import refused
from harness.media import MIB

def _number(function, size):
    return lambda body: base64.b64encode(function(body).to_bytes(size)).decode()


def _digest(name):
    return lambda body: base64.b64encode(hashlib.new(name, body).digest()).decode()


SUMS = {
    "CRC32": _number(zlib.crc32, 4),
    "CRC32C": _number(checksums.crc32c, 4),
    "CRC64NVME": _number(checksums.crc64nvme, 8),
    "SHA1": _digest("sha1"),
    "SHA256": _digest("sha256"),
}
COMPOSITE = ["CRC32", "CRC32C", "SHA1", "SHA256"]
FULL_OBJECT = ["CRC32", "CRC32C", "CRC64NVME"]
only_folders = pytest.mark.parametrize("replicated", ["folders"], indirect=True, scope="module")
every_algorithm = pytest.mark.parametrize("algorithm", SUMS)


@pytest.fixture(scope="module", params=["folders", "clouds"])
def replicated(request, start_shared_relais, certificate, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "folders":
        return replicas.over_folders(start_shared_relais, folder, certificate=certificate)
    clouds = [request.getfixturevalue(name) for name in ("moto_http", "moto_https")]
    return replicas.over_clouds(start_shared_relais, folder, clouds, certificate=certificate)


def field(algorithm):
    return f"Checksum{algorithm}"


def head(client, bucket, key="k"):
    return client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")


def sent_headers(s3, operation):
    """What the client really sends with the next requests."""
    sent = {}
    s3.meta.events.register(f"before-send.s3.{operation}", lambda request, **_: sent.update(request.headers))
    return sent


def assert_kept(replicated, s3, bucket, algorithm, body, wanted):
    for found in (head(s3, bucket), s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")):
        assert found[field(algorithm)] == wanted
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectSize"])
    assert attributes["Checksum"][field(algorithm)] == wanted
    assert attributes["ObjectSize"] == len(body)
    assert replicated.on_both(lambda store: head(store, bucket)[field(algorithm)]) == [wanted] * 2


@every_algorithm
def test_checksum_in_a_header_is_kept(replicated, s3, bucket, algorithm):
    body = media.random_bytes(300_000)
    wanted = SUMS[algorithm](body)
    sent = sent_headers(s3, "PutObject")
    answer = s3.put_object(Bucket=bucket, Key="k", Body=body, **{field(algorithm): wanted})
    assert f"x-amz-checksum-{algorithm.lower()}" in {name.lower() for name in sent}, "nothing is tested"
    assert answer[field(algorithm)] == wanted
    assert_kept(replicated, s3, bucket, algorithm, body, wanted)


@every_algorithm
def test_checksum_behind_the_body_is_kept(replicated, s3, bucket, algorithm):
    body = media.random_bytes(2 * MIB)
    sent = sent_headers(s3, "PutObject")
    answer = s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)
    trailer = {name.lower(): value for name, value in sent.items()}.get("x-amz-trailer")
    assert trailer in (f"x-amz-checksum-{algorithm.lower()}", f"x-amz-checksum-{algorithm.lower()}".encode())
    wanted = SUMS[algorithm](body)
    assert answer[field(algorithm)] == wanted
    assert_kept(replicated, s3, bucket, algorithm, body, wanted)


def test_checksum_is_given_only_to_who_asks(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ChecksumAlgorithm="SHA256")
    assert "ChecksumSHA256" not in s3.head_object(Bucket=bucket, Key="k")
    ranged = s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-0", ChecksumMode="ENABLED")
    assert ranged["Body"].read() == b"x"


def nothing_is_there(replicated, bucket, key="k"):
    return replicated.on_both(lambda store: replicas.found(store, bucket, key)) == [None, None]


@every_algorithm
def test_wrong_checksum_in_a_header_leaves_nothing(replicated, s3, bucket, algorithm):
    wrong = {field(algorithm): SUMS[algorithm](b"something else")}
    body = media.random_bytes(300_000)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=body, **wrong) == (400, "BadDigest")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", ChecksumAlgorithm=algorithm)["UploadId"]
    part = {"Bucket": bucket, "Key": "parts", "UploadId": upload, "PartNumber": 1, "Body": body}
    assert refused(s3.upload_part, **part, **wrong) == (400, "BadDigest")
    assert s3.list_parts(Bucket=bucket, Key="parts", UploadId=upload).get("Parts", []) == []
    assert nothing_is_there(replicated, bucket)


@every_algorithm
def test_wrong_checksum_behind_the_body_leaves_nothing(replicated, s3, bucket, algorithm):
    body = media.random_bytes(300_000)
    for wrong in (SUMS[algorithm](b"something else"), "not base64!", ""):
        framed, headers = raw.chunked(body, len(body), wrong or " ", algorithm=algorithm)
        answer = raw.put(replicated.relais, f"/{bucket}/k", framed, headers, raw.UNSIGNED_TRAILER)
        assert (answer.status, answer.code in ("BadDigest", "InvalidRequest")) == (400, True), answer.text
        assert nothing_is_there(replicated, bucket)
    framed, headers = raw.chunked(body, len(body), SUMS[algorithm](body), algorithm=algorithm)
    assert raw.put(replicated.relais, f"/{bucket}/k", framed, headers, raw.UNSIGNED_TRAILER).status == 200
    assert head(s3, bucket)[field(algorithm)] == SUMS[algorithm](body)


def test_wrong_md5_leaves_nothing(replicated, s3, bucket):
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5=md5) == (400, "BadDigest")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5="short") == (400, "InvalidDigest")
    assert nothing_is_there(replicated, bucket)


def test_what_is_no_checksum_is_refused(replicated, s3, bucket):
    for wrong in ({"ChecksumCRC32": "AAA"}, {"ChecksumSHA256": "no base64"}):
        status, code = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **wrong)
        assert (status, code) == (400, "InvalidRequest")
    two = {"ChecksumCRC32": SUMS["CRC32"](b"x"), "ChecksumSHA1": SUMS["SHA1"](b"x")}
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **two)[0] == 400
    assert nothing_is_there(replicated, bucket)


def upload(s3, bucket, algorithm, kind, bodies, **completion):
    """Uploads in parts with checksums, and gives the answer to the completion."""
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == (algorithm, kind)
    named = {"Bucket": bucket, "Key": "k", "UploadId": begun["UploadId"]}
    parts = []
    for number, body in enumerate(bodies, 1):
        done = s3.upload_part(**named, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        assert done[field(algorithm)] == SUMS[algorithm](body)
        parts.append({"PartNumber": number, "ETag": done["ETag"], field(algorithm): done[field(algorithm)]})
    listed = s3.list_parts(**named)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, kind)
    return s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts}, **completion)


BODIES = [media.random_bytes(5 * MIB), media.random_bytes(1000)]


def composite(algorithm):
    each = b"".join(base64.b64decode(SUMS[algorithm](body)) for body in BODIES)
    return f"{SUMS[algorithm](each)}-{len(BODIES)}"


@pytest.mark.parametrize("algorithm", [one for one in COMPOSITE if one != "CRC32C"])  # Moto computes that one wrongly.
def test_composite_checksum_is_kept_by_every_store(replicated, s3, bucket, algorithm):
    upload(s3, bucket, algorithm, "COMPOSITE", BODIES)
    wanted = composite(algorithm).removesuffix("-2")  # Moto leaves the number of the parts away.
    found = head(s3, bucket)
    assert (found[field(algorithm)].removesuffix("-2"), found["ChecksumType"]) == (wanted, "COMPOSITE")
    assert replicated.on_both(lambda store: head(store, bucket)[field(algorithm)].removesuffix("-2")) == [wanted] * 2
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectParts"])
    assert attributes["Checksum"][field(algorithm)].removesuffix("-2") == wanted
    assert attributes["ObjectParts"]["TotalPartsCount"] == 2


@only_folders  # Moto's answer to the completion has none.
@pytest.mark.parametrize("algorithm", COMPOSITE)
def test_completion_tells_and_compares_the_composite_checksum(replicated, s3, bucket, algorithm):
    wrong = SUMS[algorithm](b"x") + "-2"
    with pytest.raises(ClientError) as caught:
        upload(s3, bucket, algorithm, "COMPOSITE", BODIES, **{field(algorithm): wrong})
    assert caught.value.response["Error"]["Code"] == "BadDigest"
    assert nothing_is_there(replicated, bucket)
    answer = upload(s3, bucket, algorithm, "COMPOSITE", BODIES, **{field(algorithm): composite(algorithm)})
    assert (answer[field(algorithm)], answer["ChecksumType"]) == (composite(algorithm), "COMPOSITE")
    assert head(s3, bucket)[field(algorithm)] == composite(algorithm)


@only_folders  # Moto cannot compute them.
@pytest.mark.parametrize("algorithm", FULL_OBJECT)
def test_full_object_checksum_of_an_upload_in_parts(replicated, s3, bucket, algorithm):
    wanted = SUMS[algorithm](b"".join(BODIES))
    with pytest.raises(ClientError) as wrong:
        upload(s3, bucket, algorithm, "FULL_OBJECT", BODIES, **{field(algorithm): SUMS[algorithm](b"x")})
    assert wrong.value.response["Error"]["Code"] == "BadDigest"
    assert nothing_is_there(replicated, bucket)
    answer = upload(s3, bucket, algorithm, "FULL_OBJECT", BODIES, **{field(algorithm): wanted})
    assert (answer[field(algorithm)], answer["ChecksumType"]) == (wanted, "FULL_OBJECT")
    assert_kept(replicated, s3, bucket, algorithm, b"".join(BODIES), wanted)
    assert head(s3, bucket)["ChecksumType"] == "FULL_OBJECT"


def test_copy_has_the_checksum_of_its_source_or_the_one_asked_for(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"x", ChecksumAlgorithm="SHA1")
    source = {"Bucket": bucket, "Key": "from"}
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    assert head(s3, bucket, "kept")["ChecksumSHA1"] == SUMS["SHA1"](b"x")
    copied = s3.copy_object(Bucket=bucket, Key="other", CopySource=source, ChecksumAlgorithm="SHA256")
    assert copied["CopyObjectResult"]["ChecksumSHA256"] == SUMS["SHA256"](b"x")
    assert head(s3, bucket, "other")["ChecksumSHA256"] == SUMS["SHA256"](b"x")
