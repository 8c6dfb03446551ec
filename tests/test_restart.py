"""A crash loses nothing that was acknowledged, neither bytes nor events."""

import threading

import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError

from harness import configuration, media
from harness.process import Process, eventually
from harness.servers import Redis
from harness.stores import assert_replicas_hold

STREAM = "relais:events"
BUCKET = "media"


class Writer(threading.Thread):
    """Puts objects one after the other until the server is gone; remembers which were acknowledged."""

    def __init__(self, relais, number):
        super().__init__(daemon=True)
        self.s3 = relais.client(read_timeout=20)
        self.number = number
        self.acknowledged, self.unanswered = {}, {}
        self.enough = threading.Event()

    def run(self):
        for count in range(10_000):
            key, body = f"writer-{self.number}/{count}.bin", media.random_bytes(20_000 + 1_000 * self.number + count)
            try:
                self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            except (BotoCoreError, ClientError):
                self.unanswered[key] = body
                return
            self.acknowledged[key] = body
            if count == 25:
                self.enough.set()


def write_until_the_crash(relais):
    writers = [Writer(relais, number) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        assert writer.enough.wait(60), "writing is far too slow, or fails"
    relais.kill()
    for writer in writers:
        writer.join(30)
        assert not writer.is_alive()
    acknowledged = {key: body for writer in writers for key, body in writer.acknowledged.items()}
    unanswered = {key: body for writer in writers for key, body in writer.unanswered.items()}
    return acknowledged, unanswered


def seen_on_stream(redis):
    return {fields["key"] for _, fields in redis.client.xrange(STREAM)}


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_acknowledged_objects_and_events_survive_a_crash(database, request, redis_server, start_relais, tmp_path):
    environment = {"REDIS_URL": redis_server.url}
    if database == "postgres":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres").new_database("restart")
    config, folders = configuration.two_folders(tmp_path / "replicas")
    relais = start_relais(config=config, environment=environment)
    relais.client().create_bucket(Bucket=BUCKET)

    acknowledged, unanswered = write_until_the_crash(relais)
    relais.start()

    s3 = relais.client()
    for key, body in acknowledged.items():
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body, key
        assert_replicas_hold(folders, BUCKET, key, body)
    eventually(
        lambda: acknowledged.keys() <= seen_on_stream(redis_server),
        seconds=45,
        what="every acknowledged write is announced",
    )
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    listed = {entry["Key"] for page in pages for entry in page["Contents"]}
    for key in listed - acknowledged.keys():
        body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert body == unanswered[key], f"{key} was not acknowledged and is there in part"
    eventually(lambda: listed <= seen_on_stream(redis_server), seconds=45, what="what is there is announced")
    ids = [fields["id"] for _, fields in redis_server.client.xrange(STREAM)]
    assert len(set(ids)) >= len(listed)


def test_thumbnails_are_made_after_a_crash(start_relais, tmp_path):
    config, folders = configuration.two_folders(tmp_path / "replicas")
    relais = start_relais(config=config)
    s3 = relais.client()
    s3.create_bucket(Bucket=BUCKET)
    for number in range(12):
        s3.put_object(Bucket=BUCKET, Key=f"{number}.jpg", Body=media.photo(), ContentType="image/jpeg")
    relais.kill()
    relais.start()
    thumbnails = {f"{number}_thumb.jpg" for number in range(12)}
    eventually(
        lambda: thumbnails <= {entry["Key"] for entry in relais.client().list_objects_v2(Bucket=BUCKET)["Contents"]},
        seconds=120,  # A job that was at work belongs to the dead instance until its lease ends.
        what="each photo has its thumbnail",
    )
    eventually(lambda: all((folder / BUCKET / name).is_file() for folder in folders for name in thumbnails))


def test_multipart_upload_goes_on_after_a_crash(start_relais, tmp_path):
    config, folders = configuration.two_folders(tmp_path / "replicas")
    relais = start_relais(config=config)
    relais.client().create_bucket(Bucket=BUCKET)
    parts = [media.random_bytes(5 * 1024 * 1024), b"tail"]
    upload = relais.client().create_multipart_upload(Bucket=BUCKET, Key="big")["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        sent = relais.client().upload_part(Bucket=BUCKET, Key="big", UploadId=upload, PartNumber=number, Body=part)
        done.append({"PartNumber": number, "ETag": sent["ETag"]})
        relais.kill()
        relais.start()
    relais.client().complete_multipart_upload(
        Bucket=BUCKET, Key="big", UploadId=upload, MultipartUpload={"Parts": done}
    )
    assert_replicas_hold(folders, BUCKET, "big", b"".join(parts))


def test_events_wait_while_redis_is_away(start_relais, tmp_path):
    with Redis() as redis:
        config, _ = configuration.two_folders(tmp_path / "replicas")
        relais = start_relais(config=config, environment={"REDIS_URL": redis.url})
        s3 = relais.client()
        s3.create_bucket(Bucket=BUCKET)
        redis.stop()
        for number in range(5):
            s3.put_object(Bucket=BUCKET, Key=f"{number}.txt", Body=b"x")
        redis.start()
        expected = {f"{number}.txt" for number in range(5)}
        eventually(lambda: expected <= seen_on_stream(redis), seconds=45, what="the events that waited arrive")
        numbers = [fields["key"] for _, fields in redis.client.xrange(STREAM)]
        assert sorted(set(numbers)) == sorted(expected)


def test_second_start_keeps_keys_and_objects(start_relais, tmp_path):
    config, _ = configuration.two_folders(tmp_path / "replicas")
    relais = start_relais(config=config)
    relais.client().create_bucket(Bucket=BUCKET)
    relais.client().put_object(Bucket=BUCKET, Key="k", Body=b"kept", Metadata={"a": "1"})
    relais.stop()
    relais.start()
    got = relais.client().get_object(Bucket=BUCKET, Key="k")
    assert (got["Body"].read(), got["Metadata"]) == (b"kept", {"a": "1"})


def test_requests_in_flight_are_finished_before_the_end(start_relais, tmp_path):
    config, folders = configuration.two_folders(tmp_path / "replicas")
    relais = start_relais(config=config)
    relais.client().create_bucket(Bucket=BUCKET)
    body = media.random_bytes(2_000_000)
    half, stopping = threading.Event(), threading.Event()

    class Slow:
        """A body of known length whose second half comes when the server has been told to stop."""

        def __init__(self):
            self.position = 0

        def __len__(self):
            return len(body)

        def read(self, _count=-1):
            if self.position >= len(body) // 2:
                half.set()
                assert stopping.wait(20)
            part = body[self.position : self.position + 100_000]
            self.position += len(part)
            return part

    url = relais.client().generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "slow"})
    answers, codes = [], []
    sender = threading.Thread(target=lambda: answers.append(requests.put(url, data=Slow(), timeout=30)), daemon=True)
    sender.start()
    assert half.wait(20)
    stopper = threading.Thread(target=lambda: codes.append(Process.stop(relais, 30)))
    stopper.start()
    eventually(lambda: not relais.is_ready(), what="the server is stopping")
    stopping.set()
    sender.join(30)
    stopper.join(40)
    assert ([answer.status_code for answer in answers], codes) == ([200], [0])
    assert_replicas_hold(folders, BUCKET, "slow", body)
