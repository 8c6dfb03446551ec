"""Events go to every bus, each on its own; readers of MinIO's formats and listeners of a channel get what they know."""

import json
import threading

import requests

from harness import configuration
from harness.process import eventually
from harness.servers import Redis

BUCKET = "media"
STREAM = "relais:events"


def bus(name, kind, key, **settings):
    return {"name": name, "kind": kind, "key": key, **settings}


def start(start_relais, tmp_path, buses, redis=None):
    """A relais over two folders with these buses, and a client with a bucket."""
    config, _ = configuration.two_folders(
        tmp_path / "replicas", lists={"events.buses": buses}, **configuration.no_sidecars()
    )
    relais = start_relais(config=config, environment={"REDIS_URL": redis and redis.url})
    s3 = relais.client()
    s3.create_bucket(Bucket=BUCKET)
    return relais, s3


def put(s3, keys):
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")


def keys_on(redis, stream):
    """The keys on a stream, in order, each event once."""
    entries = {fields["id"]: fields["key"] for _, fields in redis.client.xrange(stream)}
    return list(entries.values())


def test_a_dead_bus_holds_back_no_other_and_gets_everything_in_order_later(start_relais, tmp_path, redis_server):
    with Redis() as second:
        second.stop()  # It is not even there when relais starts.
        buses = [bus("second", "stream", "second:events", redis_url=second.url)]
        relais, s3 = start(start_relais, tmp_path, buses, redis_server)
        ready = requests.get(f"{relais.api_url}/ready", timeout=5)
        assert ready.status_code == 200 and "bus second: " in ready.json()["away"][0]
        assert str(second.port) in ready.json()["away"][0]

        keys = [f"{number:03}.txt" for number in range(60)]
        put(s3, keys[:30])
        eventually(lambda: keys_on(redis_server, STREAM) == keys[:30], what="the living bus has everything")
        second.start()
        eventually(lambda: keys_on(second, "second:events") == keys[:30], what="the other one catches up, in order")

        redis_server.client.config_set("min-replicas-to-write", 1)  # Now the first one refuses.
        try:
            put(s3, keys[30:])
            eventually(lambda: keys_on(second, "second:events") == keys, what="it does not hold back the second")
            assert keys_on(redis_server, STREAM) == keys[:30]
        finally:
            redis_server.client.config_set("min-replicas-to-write", 0)
        eventually(lambda: keys_on(redis_server, STREAM) == keys, what="the first one catches up, in order")
        assert requests.get(f"{relais.api_url}/ready", timeout=5).json() == {"status": "ready"}


def test_a_bus_that_died_meanwhile_gets_what_it_missed(start_relais, tmp_path):
    with Redis() as first, Redis() as second:
        buses = [bus("second", "access", "log", redis_url=second.url)]
        relais, s3 = start(start_relais, tmp_path, buses, first)
        put(s3, ["before"])
        eventually(lambda: second.client.llen("log") == 1, what="both are there")
        second.stop()
        missed = [f"{number}" for number in range(20)]
        put(s3, missed)
        eventually(lambda: len(keys_on(first, STREAM)) == 21, what="the first goes on")
        relais.stop()
        relais.start()
        second.start()  # Empty: what it had is gone, what it missed comes.

        def logged():
            records = [json.loads(entry)[0]["Event"][0] for entry in second.client.lrange("log", 0, -1)]
            return list(dict.fromkeys(record["s3"]["object"]["key"] for record in records))

        eventually(lambda: logged()[-20:] == missed, seconds=45, what="it gets what it missed, in order")


def test_what_reads_minios_formats_reads_ours(start_relais, tmp_path, redis_server):
    """Without a default stream: sidecars would read the journal."""
    url = redis_server.url
    buses = [
        bus("mirror", "namespace", "bucketevents", redis_url=url),
        bus("log", "access", "bucketlog", redis_url=url),
    ]
    _, s3 = start(start_relais, tmp_path, buses)
    key = "images/a photo+1 <é>&.jpg"
    etag = s3.put_object(Bucket=BUCKET, Key=key, Body=b"12345", ContentType="image/jpeg")["ETag"].strip('"')
    s3.put_object(Bucket=BUCKET, Key="gone", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    redis = redis_server.client
    eventually(lambda: redis.llen("bucketlog") == 3, what="the log is there")
    eventually(lambda: redis.hkeys("bucketevents") == [f"{BUCKET}/{key}"], what="the mirror is there")

    text = redis.hget("bucketevents", f"{BUCKET}/{key}")
    (record,) = json.loads(text)["Records"]
    escaped = "images%2Fa+photo%2B1+%3C%C3%A9%3E%26.jpg"
    assert record["eventName"] == "s3:ObjectCreated:Put" and record["eventSource"] == "minio:s3"
    assert record["s3"]["object"]["key"] == escaped
    assert (record["s3"]["object"]["size"], record["s3"]["object"]["eTag"]) == (5, etag)
    assert record["userIdentity"]["principalId"] == record["requestParameters"]["principalId"]
    # The bytes are Go's: the same structure, written without spaces, gives them again.
    assert json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False) == text

    entries = [json.loads(entry) for entry in redis.lrange("bucketlog", 0, -1)]
    records, time = text.removeprefix('{"Records":').removesuffix("}"), record["eventTime"]
    assert redis.lindex("bucketlog", 0) == f'[{{"Event":{records},"EventTime":"{time}"}}]'
    names = [entry[0]["Event"][0]["eventName"] for entry in entries]
    assert names == ["s3:ObjectCreated:Put", "s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"]
    assert all(entry[0]["EventTime"] == entry[0]["Event"][0]["eventTime"] for entry in entries)


def test_who_listens_to_a_channel_hears_messages_as_s3_sends_them(start_relais, tmp_path, redis_server):
    _, s3 = start(start_relais, tmp_path, [bus("live", "channel", "live")], redis_server)
    listener = redis_server.client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("live")
    heard = []

    def listen():
        for message in listener.listen():
            heard.extend(json.loads(message["data"])["Records"])
            if len(heard) == 10:
                return

    eventually(lambda: dict(redis_server.client.pubsub_numsub("live")).get("live") == 1)
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    keys = [f"{number}.txt" for number in range(10)]
    put(s3, keys)
    thread.join(30)
    assert [record["s3"]["object"]["key"] for record in heard] == keys
    assert {record["eventName"] for record in heard} == {"ObjectCreated:Put"}
    # What was heard is what is on the stream.
    records = [json.loads(fields["record"]) for _, fields in redis_server.client.xrange(STREAM)]
    assert heard == records


def test_check_names_each_bus(start_relais, tmp_path, redis_server):
    redis_server.client.set("taken", "by somebody")
    buses = [
        bus("dead", "stream", "k", redis_url="redis://:swordfish@127.0.0.1:9"),
        bus("wrong", "namespace", "taken"),
        bus("good", "access", "log"),
    ]
    relais, _ = start(start_relais, tmp_path, buses, redis_server)
    done = relais.command("check")
    lines = [line for line in done.stdout.splitlines() if " bus " in line]
    told = {line.split(":")[0].split()[-1]: line.split()[0] for line in lines}
    assert told == {"redis": "ok", "good": "ok", "wrong": "FAILED", "dead": "FAILED"}, done.stdout
    assert "holds something else" in done.stdout and "swordfish" not in done.stdout + done.stderr


def test_partitions_hold_every_event_once(start_relais, tmp_path, redis_server):
    config, _ = configuration.two_folders(tmp_path / "replicas", events={"partitions": 3})
    relais = start_relais(config=config, environment={"REDIS_URL": redis_server.url})
    s3 = relais.client()
    s3.create_bucket(Bucket=BUCKET)
    keys = [f"{number}.txt" for number in range(30)]
    put(s3, keys)
    streams = [f"{STREAM}:{{{number}}}" for number in range(3)]
    eventually(lambda: sorted(sum((keys_on(redis_server, one) for one in streams), [])) == sorted(keys))
    assert all(keys_on(redis_server, one) for one in streams)
