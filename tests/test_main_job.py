"""S3 in; two stores, events, thumbnails and transcripts out: in one process, with Redis, and as three processes."""

import json
from types import SimpleNamespace
from urllib.parse import unquote_plus

import pytest
from PIL import Image

from harness import configuration, media
from harness.clients import aws
from harness.process import eventually
from harness.relais import starter
from harness.stores import assert_replicas_hold, object_file

BUCKET = "media"
STREAM = "relais:events"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def embedded(start, folder, request):
    config, folders = configuration.two_folders(folder)
    return SimpleNamespace(front=start(config=config), folders=folders, stream=None)


def with_redis(start, folder, request):
    redis = request.getfixturevalue("shared_redis")
    redis.client.flushall()
    config, folders = configuration.two_folders(folder)
    return SimpleNamespace(
        front=start(config=config, environment={"REDIS_URL": redis.url}), folders=folders, stream=redis
    )


def three_processes(start, folder, request):
    redis, postgres = request.getfixturevalue("shared_redis"), request.getfixturevalue("postgres")
    redis.client.flushall()
    config, folders = configuration.two_folders(folder)
    shared = {"REDIS_URL": redis.url, "DATABASE_URL": postgres.new_database("three_processes")}
    front = start("proxy", config=config, targets=["proxy"], environment=shared)
    for sidecar in ("thumbnail", "transcription"):
        environment = shared | configuration.proxy_url(front.url)
        start(sidecar, config=config, targets=[sidecar], environment=environment)
    return SimpleNamespace(front=front, folders=folders, stream=redis)


def name_of(arrangement):
    return arrangement.__name__


# Without Redis the journal is the bus; there the sidecars show that events arrive.
with_stream = pytest.mark.parametrize(
    "system", [with_redis, three_processes], ids=name_of, indirect=True, scope="module"
)


@pytest.fixture(scope="module", params=[embedded, with_redis, three_processes], ids=name_of)
def system(request, tmp_path_factory):
    """One arrangement at a time: two on one Redis stream would take each other's events."""
    folder = tmp_path_factory.mktemp(request.param.__name__)
    with starter(folder) as start:
        system = request.param(start, folder, request)
        system.s3 = system.front.client()
        system.s3.create_bucket(Bucket=BUCKET)
        yield system


def send_both_ways(system, tmp_path, name, body):
    """Puts the file by boto3 and by aws-cli; gives the two keys, with a space and an accent in one of them."""
    by_boto3, by_aws = f"boto3/à la une/{name}", f"aws-cli/{name}"
    system.s3.put_object(Bucket=BUCKET, Key=by_boto3, Body=body, ContentType=media.content_type(name))
    (tmp_path / name).write_bytes(body)
    aws(system.front, "s3", "cp", tmp_path / name, f"s3://{BUCKET}/{by_aws}")
    return by_boto3, by_aws


def keys(system, prefix=""):
    return {entry["Key"] for entry in system.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])}


def derived(system, key, suffix):
    """Waits until the object is listed, and gives its bytes after checking that both replicas have them."""
    made = key.rsplit(".", 1)[0] + suffix
    eventually(lambda: made in keys(system), seconds=30, what=f"{made} is listed")
    body = system.s3.get_object(Bucket=BUCKET, Key=made)["Body"].read()
    eventually(lambda: assert_replicas_hold(system.folders, BUCKET, made, body) is None)
    return body


def events(system, key):
    """The stream's entries about one key."""
    return [fields for _, fields in system.stream.client.xrange(STREAM) if fields["key"] == key]


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.webp"])
def test_photo_is_on_both_replicas_and_gets_a_thumbnail(system, tmp_path, name):
    form = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[name.rsplit(".", 1)[1]]
    body = media.photo(form=form)
    for key in send_both_ways(system, tmp_path, name, body):
        assert_replicas_hold(system.folders, BUCKET, key, body)
        assert system.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body
        (tmp_path / "thumbnail").write_bytes(derived(system, key, "_thumb.jpg"))
        with Image.open(tmp_path / "thumbnail") as thumbnail:
            assert thumbnail.format == "JPEG"
            assert thumbnail.size == (200, 150)


@pytest.mark.parametrize("name", sorted(media.EXPECTED))
def test_voice_note_is_on_both_replicas_and_gets_a_transcript(system, tmp_path, name):
    expected = media.EXPECTED[name]
    body = (media.SAMPLES / name).read_bytes()
    for key in send_both_ways(system, tmp_path, name, body):
        assert_replicas_hold(system.folders, BUCKET, key, body)
        transcript = json.loads(derived(system, key, ".transcript.json"))
        assert transcript["text"].strip() == expected["text"]
        assert transcript["language"] == expected["language"]
        assert transcript["model"] and transcript["duration"] > 0
        assert all(0 <= part["start"] <= part["end"] for part in transcript["segments"])
        assert " ".join(part["text"].strip() for part in transcript["segments"]) == expected["text"]
        subtitles = derived(system, key, ".vtt").decode()
        assert subtitles.startswith("WEBVTT")
        assert expected["text"].split()[0] in subtitles


def test_derived_objects_name_their_source_and_trigger_nothing(system):
    before = keys(system)
    system.s3.put_object(Bucket=BUCKET, Key="alone/cat.jpg", Body=media.photo(), ContentType="image/jpeg")
    derived(system, "alone/cat.jpg", "_thumb.jpg")
    # The thumbnail's own event came before the next photo's: once that one is done, the first was passed over.
    system.s3.put_object(Bucket=BUCKET, Key="alone/dog.jpg", Body=media.photo(), ContentType="image/jpeg")
    derived(system, "alone/dog.jpg", "_thumb.jpg")

    assert keys(system) - before == {
        f"alone/{name}" for name in ("cat.jpg", "cat_thumb.jpg", "dog.jpg", "dog_thumb.jpg")
    }
    source = system.s3.head_object(Bucket=BUCKET, Key="alone/cat.jpg")
    metadata = system.s3.head_object(Bucket=BUCKET, Key="alone/cat_thumb.jpg")["Metadata"]
    assert metadata["relais-derived-from"] == "alone/cat.jpg"
    assert metadata["relais-source-etag"] == source["ETag"].strip('"')
    assert metadata["relais-recipe"]


def test_nothing_is_enlarged_and_proportions_stay(system, tmp_path):
    for name, size, expected in [("small", (50, 40), (50, 40)), ("tall", (300, 900), (67, 200))]:
        key = f"sizes/{name}.jpg"
        system.s3.put_object(Bucket=BUCKET, Key=key, Body=media.photo(*size), ContentType="image/jpeg")
        (tmp_path / name).write_bytes(derived(system, key, "_thumb.jpg"))
        with Image.open(tmp_path / name) as thumbnail:
            assert thumbnail.size == expected


@with_stream
def test_each_change_is_an_event_on_the_stream(system):
    key = "events/a b+é.txt"

    def trace(request, **_):
        request.headers["traceparent"] = f"00-{TRACE}-00f067aa0ba902b7-01"

    s3 = system.front.client()
    s3.meta.events.register("before-sign.s3.PutObject", trace)
    etag = s3.put_object(Bucket=BUCKET, Key=key, Body=b"12345", ContentType="text/plain")["ETag"].strip('"')
    s3.delete_object(Bucket=BUCKET, Key=key)

    put, deleted = eventually(lambda: len(found := events(system, key)) == 2 and found)
    assert set(put) == {"id", "type", "bucket", "key", "record", "traceparent"}
    assert (put["bucket"], put["key"]) == (BUCKET, key)
    assert put["type"].endswith("ObjectCreated:Put") and deleted["type"].endswith("ObjectRemoved:Delete")
    assert TRACE in put["traceparent"]
    assert put["id"] != deleted["id"]

    record = json.loads(put["record"])
    assert record["eventSource"] and record["eventTime"] and record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["bucket"]["name"] == BUCKET
    assert record["s3"]["object"]["size"] == 5
    assert record["s3"]["object"]["eTag"] == etag
    assert unquote_plus(record["s3"]["object"]["key"]) == key
    assert " " not in record["s3"]["object"]["key"]
    assert record["s3"]["object"]["sequencer"] < json.loads(deleted["record"])["s3"]["object"]["sequencer"]


@with_stream
def test_derived_objects_are_announced_once_they_are_there(system):
    key = "announced/cat.jpg"
    system.s3.put_object(Bucket=BUCKET, Key=key, Body=media.photo(), ContentType="image/jpeg")
    (thumbnail,) = eventually(lambda: events(system, "announced/cat_thumb.jpg"))
    assert json.loads(thumbnail["record"])["relais"]["derivedFrom"]["key"] == key
    assert object_file(system.folders[0], BUCKET, "announced/cat_thumb.jpg").is_file()
    assert len(events(system, key)) == 1


def test_deletions_reach_both_replicas(system):
    system.s3.put_object(Bucket=BUCKET, Key="gone.txt", Body=b"soon")
    aws(system.front, "s3", "rm", f"s3://{BUCKET}/gone.txt")
    assert not any(object_file(folder, BUCKET, "gone.txt").exists() for folder in system.folders)
