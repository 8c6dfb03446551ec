"""Bad input gets a clear S3 error and leaves nothing behind on any store."""

import base64
import hashlib

import pytest
import requests

from harness import configuration, media, raw
from harness.clients import boto3_client, ensure_bucket, refused
from harness.process import eventually
from harness.relais import run
from harness.stores import everything_in

BODY = media.random_bytes(media.MIB)


@pytest.fixture
def nothing_left(relais, s3, bucket):
    """After the test both replicas hold the files that they held before, and the bucket lists nothing."""
    before = everything_in(relais.folders)
    yield
    eventually(lambda: everything_in(relais.folders) == before, seconds=5, what="nothing is left on the stores")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert relais.is_ready()


def test_well_framed_upload_is_taken(relais, s3, bucket):
    """The control: what the tests below send differs from this in one thing each."""
    body, headers = raw.chunked(BODY, len(BODY))
    answer = raw.put(relais, f"/{bucket}/chunked", body, headers, raw.UNSIGNED_TRAILER)
    assert answer.status == 200, answer.text
    assert raw.put(relais, f"/{bucket}/plain", BODY, {"Content-Length": str(len(BODY))}).status == 200
    for key in ("chunked", "plain"):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == BODY


@pytest.mark.usefixtures("nothing_left")
def test_truncated_body(relais, bucket):
    answer = raw.put(relais, f"/{bucket}/k", BODY[:700_000], {"Content-Length": str(len(BODY))}, cut=True)
    assert answer.status is None or (answer.status, answer.code) == (400, "IncompleteBody"), answer.text


@pytest.mark.usefixtures("nothing_left")
def test_truncated_chunked_body(relais, bucket):
    body, headers = raw.chunked(BODY, len(BODY))
    answer = raw.put(relais, f"/{bucket}/k", body[:700_000], headers, raw.UNSIGNED_TRAILER, cut=True)
    assert answer.status is None or (answer.status, answer.code) == (400, "IncompleteBody"), answer.text


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("declared", [len(BODY) - 1, len(BODY) + 1, 10], ids=["one less", "one more", "far less"])
def test_body_of_another_size_than_declared(relais, bucket, declared):
    body, headers = raw.chunked(BODY, declared)
    answer = raw.put(relais, f"/{bucket}/k", body, headers, raw.UNSIGNED_TRAILER)
    assert (answer.status, answer.code) == (400, "IncompleteBody"), answer.text


@pytest.mark.usefixtures("nothing_left")
def test_wrong_checksum_in_a_header(s3, bucket):
    for name in ("ChecksumCRC32", "ChecksumSHA256", "ChecksumSHA1", "ChecksumCRC32C"):
        size = {"ChecksumSHA256": 32, "ChecksumSHA1": 20}.get(name, 4)
        wrong = {name: base64.b64encode(bytes(size)).decode()}
        assert refused(s3.put_object, Bucket=bucket, Key="k", Body=BODY, **wrong) == (400, "BadDigest"), name


@pytest.mark.usefixtures("nothing_left")
def test_wrong_checksum_in_the_trailer(relais, bucket):
    body, headers = raw.chunked(BODY, len(BODY), raw.WRONG_CRC32)
    answer = raw.put(relais, f"/{bucket}/k", body, headers, raw.UNSIGNED_TRAILER)
    assert (answer.status, answer.code) == (400, "BadDigest"), answer.text


@pytest.mark.usefixtures("nothing_left")
def test_wrong_content_md5(s3, bucket):
    other = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=BODY, ContentMD5=other) == (400, "BadDigest")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=BODY, ContentMD5="short") == (400, "InvalidDigest")


@pytest.mark.usefixtures("nothing_left")
def test_body_that_was_not_signed(relais, bucket):
    other = hashlib.sha256(b"other").hexdigest()
    answer = raw.put(relais, f"/{bucket}/k", BODY, {"Content-Length": str(len(BODY))}, other)
    assert (answer.status, answer.code) in [(400, "XAmzContentSHA256Mismatch"), (400, "BadDigest")], answer.text


@pytest.mark.usefixtures("nothing_left")
def test_wrong_part_of_a_multipart_upload(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = {"Bucket": bucket, "Key": "k", "UploadId": upload, "PartNumber": 1}
    assert refused(s3.upload_part, Body=BODY, ChecksumCRC32=raw.WRONG_CRC32, **part) == (400, "BadDigest")
    assert not s3.list_parts(Bucket=bucket, Key="k", UploadId=upload).get("Parts")
    unknown = {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]}
    refusal = refused(s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=unknown)
    assert refusal == (400, "InvalidPart")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    forged = {"Bucket": bucket, "Key": "k", "UploadId": "not-an-upload", "PartNumber": 1}
    assert refused(s3.upload_part, Body=b"x", **forged) == (404, "NoSuchUpload")


@pytest.mark.usefixtures("nothing_left")
def test_wrong_signature_and_unknown_key(relais, bucket):
    liar = boto3_client(relais.url, relais.access_key, "not the secret")
    stranger = boto3_client(relais.url, "AKIANOBODYKNOWSME000", relais.secret_key)
    assert refused(liar.put_object, Bucket=bucket, Key="k", Body=BODY) == (403, "SignatureDoesNotMatch")
    assert refused(stranger.put_object, Bucket=bucket, Key="k", Body=BODY) == (403, "InvalidAccessKeyId")


@pytest.mark.usefixtures("nothing_left")
def test_errors_are_s3_xml_that_names_the_request(relais, bucket):
    answer = requests.put(f"{relais.url}/{bucket}/k", data=b"x", timeout=20)
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/xml"
    assert answer.headers["x-amz-request-id"]
    assert "<Error>" in answer.text and "<Code>AccessDenied</Code>" in answer.text and "<Message>" in answer.text


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    "key", ["a/../../../escaped", "../escaped", "./a", "a//b"], ids=["climbs inside", "climbs", "here", "empty part"]
)
def test_key_that_is_no_path_stays_in_its_bucket(relais, s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"
    assert not any((folder.parent / "escaped").exists() or (folder / "escaped").exists() for folder in relais.folders)
    s3.delete_object(Bucket=bucket, Key=key)


@pytest.mark.usefixtures("nothing_left")
def test_key_that_is_too_long(s3, bucket):
    assert refused(s3.put_object, Bucket=bucket, Key="x" * 1025, Body=b"x") == (400, "KeyTooLongError")


def test_limits_of_a_bucket_are_kept_before_anything_is_stored(start_relais, tmp_path):
    folders = [tmp_path / "first", tmp_path / "second"]
    limits = {"object_bytes_max": "100kB", "content_types": ["audio/ogg", "audio/wav"]}
    config = configuration.write_toml(
        tmp_path / "relais.toml",
        {folder.name: configuration.folder_store(folder) for folder in folders},
        [configuration.bucket("voice", ["first", "second"], write_mode="all", **limits)],
    )
    relais = start_relais(config=config)
    s3 = relais.client()
    ensure_bucket(s3, "voice")
    before = everything_in(folders)
    too_large = {"Bucket": "voice", "Key": "k", "Body": bytes(100_001), "ContentType": "audio/ogg"}
    assert refused(s3.put_object, **too_large) == (400, "EntityTooLarge")
    body, headers = raw.chunked(bytes(100_001), 100_001)
    answer = raw.put(relais, "/voice/k", body, headers | {"Content-Type": "audio/ogg"}, raw.UNSIGNED_TRAILER)
    assert (answer.status, answer.code) == (400, "EntityTooLarge")
    assert refused(s3.put_object, Bucket="voice", Key="k", Body=b"x", ContentType="text/html")[0] == 400
    assert refused(s3.put_object, Bucket="elsewhere", Key="k", Body=b"x") == (404, "NoSuchBucket")
    assert everything_in(folders) == before
    note = (media.SAMPLES / "en-three-eight-nine.ogg").read_bytes()
    s3.put_object(Bucket="voice", Key="k", Body=note.ljust(100_000, b"\0"), ContentType="audio/ogg")


def test_limit_of_a_bucket_holds_for_all_parts_together(start_relais, tmp_path):
    folders = [tmp_path / "first", tmp_path / "second"]
    config = configuration.write_toml(
        tmp_path / "relais.toml",
        {folder.name: configuration.folder_store(folder) for folder in folders},
        [configuration.bucket("voice", ["first", "second"], write_mode="all", object_bytes_max="6MB")],
    )
    s3 = start_relais(config=config).client()
    ensure_bucket(s3, "voice")
    before = everything_in(folders)
    upload = s3.create_multipart_upload(Bucket="voice", Key="k")["UploadId"]
    parts = []
    for number in (1, 2):
        part = s3.upload_part(Bucket="voice", Key="k", UploadId=upload, PartNumber=number, Body=bytes(5 << 20))
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    whole = {"Bucket": "voice", "Key": "k", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    assert refused(s3.complete_multipart_upload, **whole) == (400, "EntityTooLarge")
    assert everything_in(folders) == before


BAD_FILES = {
    "text.jpg": b"this is not a picture\n" * 100,
    "random.png": media.random_bytes(50_000),
    "cut.jpg": media.photo()[:2000],
    "bomb.png": media.png_header(50_000, 50_000),
    "empty.jpg": b"",
    "random.ogg": media.random_bytes(50_000),
    "text.wav": b"RIFF this is not a recording",
    "cut.m4a": (media.SAMPLES / "fr-cinq-zero-un.m4a").read_bytes()[:1500],
    "empty.wav": b"",
}


def test_files_that_are_not_what_they_say_are_kept_but_nothing_is_made_of_them(start_relais, tmp_path):
    config, _ = configuration.two_folders(tmp_path)
    relais = start_relais(config=config)
    s3 = relais.client()
    s3.create_bucket(Bucket="media")
    for name, body in BAD_FILES.items():
        s3.put_object(Bucket="media", Key=name, Body=body, ContentType=media.content_type(name))
    s3.put_object(Bucket="media", Key="noise.wav", Body=media.noise_wav(), ContentType="audio/wav")
    # Both sidecars work in the order of events: when these are done, the bad ones were seen.
    s3.put_object(Bucket="media", Key="good.jpg", Body=media.photo(), ContentType="image/jpeg")
    note = (media.SAMPLES / "en-three-eight-nine.ogg").read_bytes()
    s3.put_object(Bucket="media", Key="good.ogg", Body=note, ContentType="audio/ogg")

    def listed():
        return {entry["Key"] for entry in s3.list_objects_v2(Bucket="media")["Contents"]}

    made = {"good_thumb.jpg", "good.transcript.json", "good.vtt", "noise.transcript.json", "noise.vtt"}
    eventually(lambda: made <= listed(), seconds=60, what="the good files and the noise are worked on")
    assert listed() == made | set(BAD_FILES) | {"noise.wav", "good.jpg", "good.ogg"}
    for name, body in BAD_FILES.items():
        assert s3.get_object(Bucket="media", Key=name)["Body"].read() == body
    assert relais.is_ready()


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_commands_say_what_is_wrong_with_a_file(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(BAD_FILES[name])
    command = "thumbnail" if name.endswith(("jpg", "png")) else "transcribe"
    done = run(command, file, **configuration.environment(tmp_path / "data", 1, 2, media.MODEL))
    assert done.returncode not in (0, 101, -6, -11), done
    assert name in done.stderr or len(done.stderr.strip()) > 10, "the message says nothing"
    assert "panicked" not in done.stderr
    assert sorted(tmp_path.glob("*.jpg")) == ([file] if name.endswith("jpg") else [])
