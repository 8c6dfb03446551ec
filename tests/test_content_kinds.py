"""A bucket that takes only some media types looks at what the bytes are, whichever way they come, and stores nothing else."""

import pytest
import requests
from botocore.exceptions import ClientError

from harness import configuration, media, raw
from harness.clients import ensure_bucket, refused
from harness.process import eventually
from harness.stores import everything_in

PAGE = b"<!DOCTYPE html><script>alert(document.cookie)</script>".ljust(9000, b" ")
NAMES = ["en-eight-four-eight.ogg", "en-two-five-six.mp3", "fr-cinq-zero-un.m4a", "en-zero-nine-six.wav"]
PCM = "en-four-six-seven-three.pcm16"
VOICE = ["audio/ogg", "audio/mpeg", "audio/mp4", "audio/x-m4a", "audio/wav", "audio/pcm", "text/x-notes"]
INVALID = (400, "InvalidArgument")
PART = 5 * media.MIB


@pytest.fixture(scope="module")
def voice(start_shared_relais, tmp_path_factory):
    named = [
        configuration.bucket("voice", ["first", "second"], write_mode="all", content_types=VOICE),
        configuration.bucket("unchecked", ["first", "second"], content_types=VOICE, check_bytes=False),
    ]
    config, folders = configuration.two_folders(
        tmp_path_factory.mktemp("kinds"), named=named, **configuration.no_sidecars()
    )
    relais = start_shared_relais("kinds", config=config)
    relais.folders = folders
    for bucket in ("voice", "unchecked", "open"):
        ensure_bucket(relais.client(), bucket)
    return relais


@pytest.fixture
def s3(voice):
    return voice.client()


@pytest.fixture
def nothing_left(voice, s3):
    """After the test both replicas hold what they held before."""
    before = everything_in(voice.folders)
    yield
    eventually(lambda: everything_in(voice.folders) == before, seconds=5, what="nothing is left on the stores")


def sample(name):
    return (media.SAMPLES / name).read_bytes()


def put(s3, body, content_type, key="k", bucket="voice", **more):
    return s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, **more)


@pytest.mark.parametrize("name", [*NAMES, PCM])
def test_recordings_are_taken_as_what_they_are(s3, name):
    put(s3, sample(name), media.content_type(name), name)
    assert s3.get_object(Bucket="voice", Key=name)["Body"].read() == sample(name)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("declared", NAMES)
def test_bytes_of_another_kind_are_refused_and_the_refusal_says_what_they_are(s3, declared):
    content_type = media.content_type(declared)
    others = [sample(name) for name in NAMES if name != declared]
    for body in [PAGE, b"", b"\x7fELF".ljust(100_000), sample(PCM), *others]:
        assert refused(put, s3, body, content_type) == INVALID
    with pytest.raises(ClientError, match=f"declared as {content_type}, but its bytes are HTML or XML"):
        put(s3, PAGE, content_type)


@pytest.mark.usefixtures("nothing_left")
def test_samples_are_an_even_number_of_bytes_that_are_nothing_else(s3):
    for body in [sample(PCM) + b"x", PAGE, *(sample(name)[:-1] for name in NAMES), *map(sample, NAMES)]:
        assert refused(put, s3, body, "audio/pcm;rate=24000") == INVALID


@pytest.mark.usefixtures("nothing_left")
def test_bytes_that_come_one_by_one_are_looked_at_too(voice):
    head = raw.head(voice, "PUT", "/voice/slow", {"Content-Length": str(len(PAGE)), "Content-Type": "audio/ogg"})
    with raw.connection(voice) as stream:
        stream.sendall(head)
        for at in range(40):
            stream.sendall(PAGE[at : at + 1])
        stream.sendall(PAGE[40:])
        answer = stream.recv(65536)
    assert b" 400 " in answer and b"InvalidArgument" in answer, answer


@pytest.mark.usefixtures("nothing_left")
def test_chunked_uploads_are_looked_at_too(voice):
    body, headers = raw.chunked(PAGE, len(PAGE))
    answer = raw.put(voice, "/voice/k", body, headers | {"Content-Type": "audio/ogg"}, raw.UNSIGNED_TRAILER)
    assert (answer.status, answer.code) == INVALID, answer.text


@pytest.mark.usefixtures("nothing_left")
def test_forms_are_looked_at_too(s3):
    fields = {"Content-Type": "audio/ogg"}
    form = s3.generate_presigned_post("voice", "form.ogg", fields, [fields])
    answer = requests.post(form["url"], data=form["fields"], files={"file": PAGE}, timeout=20)
    assert answer.status_code == 400 and "<Code>InvalidArgument</Code>" in answer.text, answer.text


def test_a_form_with_a_recording_is_taken(s3):
    fields = {"Content-Type": "audio/ogg"}
    form = s3.generate_presigned_post("voice", "form.ogg", fields, [fields])
    answer = requests.post(form["url"], data=form["fields"], files={"file": sample(NAMES[0])}, timeout=20)
    assert answer.status_code in (200, 204), answer.text
    s3.delete_object(Bucket="voice", Key="form.ogg")


def begin(s3, content_type, key="parts"):
    upload = s3.create_multipart_upload(Bucket="voice", Key=key, ContentType=content_type)["UploadId"]
    return {"Bucket": "voice", "Key": key, "UploadId": upload}


def complete(s3, upload, parts):
    named = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in sorted(parts.items())]
    return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": named})


def test_the_first_part_is_looked_at_and_the_others_are_not(s3):
    upload = begin(s3, "audio/ogg")
    assert refused(s3.upload_part, **upload, PartNumber=1, Body=PAGE) == INVALID
    begins = sample(NAMES[0]).ljust(PART, b"\0")
    parts = {n: s3.upload_part(**upload, PartNumber=n, Body=body) for n, body in ((2, PAGE), (1, begins))}
    assert refused(s3.upload_part, **upload, PartNumber=1, Body=PAGE) == INVALID  # Nor is it replaced.
    complete(s3, upload, parts)
    assert s3.get_object(Bucket="voice", Key="parts")["Body"].read() == begins + PAGE
    s3.delete_object(Bucket="voice", Key="parts")


def test_an_upload_without_a_first_part_is_refused(s3):
    upload = begin(s3, "audio/ogg")
    parts = {2: s3.upload_part(**upload, PartNumber=2, Body=PAGE)}
    assert refused(complete, s3, upload, parts) == (400, "InvalidPart")
    s3.abort_multipart_upload(**upload)


def test_samples_in_parts_are_an_even_number_of_bytes_together(s3):
    for last, taken in ((1, False), (2, True)):
        upload = begin(s3, "audio/pcm")
        bodies = {1: bytes([7]) * PART, 2: bytes(last)}
        parts = {n: s3.upload_part(**upload, PartNumber=n, Body=body) for n, body in bodies.items()}
        if taken:
            complete(s3, upload, parts)
        else:
            assert refused(complete, s3, upload, parts) == INVALID
            s3.abort_multipart_upload(**upload)


def test_copies_are_looked_at(s3):
    put(s3, PAGE, "text/html", "page", bucket="open")
    put(s3, PAGE, "audio/ogg", "lie", bucket="open")
    put(s3, sample(NAMES[0]), "audio/ogg", "note")
    to = {"Bucket": "voice", "Key": "copy"}
    ogg = {"MetadataDirective": "REPLACE", "ContentType": "audio/ogg"}
    assert refused(s3.copy_object, **to, CopySource="open/page") == INVALID
    assert refused(s3.copy_object, **to, CopySource="open/page", **ogg) == INVALID
    assert refused(s3.copy_object, **to, CopySource="open/lie") == INVALID
    wav = ogg | {"ContentType": "audio/wav"}
    assert refused(s3.copy_object, **to, CopySource="voice/note", **wav) == INVALID
    s3.copy_object(**to, CopySource="voice/note", **ogg)
    s3.copy_object(**to, CopySource="voice/note")
    assert s3.get_object(**to)["Body"].read() == sample(NAMES[0])
    assert s3.head_object(**to)["ContentType"] == "audio/ogg"


def test_a_first_part_that_is_copied_is_looked_at(s3):
    put(s3, PAGE, "text/html", "page", bucket="open")
    put(s3, sample(NAMES[0]) + PAGE, "audio/ogg", "mixed")
    length = len(sample(NAMES[0]))
    upload = begin(s3, "audio/ogg", "copied")
    first = {**upload, "PartNumber": 1}
    assert refused(s3.upload_part_copy, **first, CopySource="open/page") == INVALID
    behind = {"CopySource": "voice/mixed", "CopySourceRange": f"bytes={length}-{length + len(PAGE) - 1}"}
    assert refused(s3.upload_part_copy, **first, **behind) == INVALID
    part = s3.upload_part_copy(**first, CopySource="voice/mixed")["CopyPartResult"]
    complete(s3, upload, {1: part})
    assert s3.get_object(Bucket="voice", Key="copied")["Body"].read() == sample(NAMES[0]) + PAGE


def test_what_is_not_known_or_not_asked_for_is_taken_as_declared(s3):
    put(s3, PAGE, "text/x-notes", "notes")
    put(s3, PAGE, "audio/ogg", "page", bucket="unchecked")
    put(s3, PAGE, "audio/ogg", "page", bucket="open")
    assert refused(put, s3, PAGE, "text/html") == INVALID
    assert refused(put, s3, PAGE, "text/html", bucket="unchecked") == INVALID
