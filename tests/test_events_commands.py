"""`relais events`: watching the log, and publishing again what it still has."""

import json
from datetime import UTC, datetime

import pytest

from harness import configuration
from harness.process import eventually
from harness.relais import starter

STREAM = "relais:events"
BUCKETS = ["one", "two"]


@pytest.fixture
def relais(tmp_path, redis_server):
    config, _ = configuration.two_folders(tmp_path / "config", **configuration.no_sidecars())
    with starter(tmp_path) as start:
        relais = start(config=config, environment={"REDIS_URL": redis_server.url})
        for bucket in BUCKETS:
            relais.client().create_bucket(Bucket=bucket)
        yield relais


def write(relais, bucket, keys):
    for key in keys:
        relais.client().put_object(Bucket=bucket, Key=key, Body=key.encode())


def on_stream(redis_server):
    """Every entry of the stream: id of the event, bucket, key."""
    entries = redis_server.client.xrange(STREAM)
    return [(fields["id"], fields["bucket"], fields["key"]) for _, fields in entries]


def tail(relais, *options):
    done = relais.command("events", "tail", "--no-wait", "--json", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def keys_of(events):
    return [event["record"]["s3"]["object"]["key"] for event in events]


def test_a_replay_gives_the_same_ids_in_the_same_order(relais, redis_server):
    write(relais, "one", ["a/1", "a/2", "b/1"])
    write(relais, "two", ["a/1"])
    first = eventually(lambda: len(on_stream(redis_server)) == 4 and on_stream(redis_server))
    redis_server.client.delete(STREAM)  # What a subscriber lost.

    dry = relais.command("events", "replay", "--from", "0")
    assert dry.returncode == 0 and "4 events" in dry.stdout and "--yes" in dry.stdout, dry.stdout + dry.stderr
    assert on_stream(redis_server) == []

    done = relais.command("events", "replay", "--from", "0", "--yes")
    assert done.returncode == 0, done.stderr
    assert on_stream(redis_server) == first
    assert "redis" in done.stdout and redis_server.url not in done.stdout + done.stderr

    write(relais, "two", ["a/2"])
    eventually(lambda: len(on_stream(redis_server)) == 5)
    assert len({id for id, *_ in on_stream(redis_server)}) == 5, "the relay goes on where it was"


def test_a_replay_is_narrowed_by_bucket_prefix_and_place(relais, redis_server):
    write(relais, "one", ["a/1", "b/1"])
    middle = datetime.now(UTC).isoformat()
    write(relais, "one", ["a/2"])
    write(relais, "two", ["a/1"])
    first = eventually(lambda: len(on_stream(redis_server)) == 4 and on_stream(redis_server))
    positions = [event["position"] for event in tail(relais)]

    def replayed(*options):
        redis_server.client.delete(STREAM)
        done = relais.command("events", "replay", "--yes", *options)
        assert done.returncode == 0, done.stderr
        return on_stream(redis_server)

    assert replayed("--from", "0", "--bucket", "one", "--prefix", "a/") == [first[0], first[2]]
    assert replayed("--from", positions[1], "--to", positions[2]) == first[1:3]
    assert replayed("--from", middle) == first[2:]
    assert replayed("--from", "2000-01-01", "--to", middle) == first[:2]
    assert replayed("--from", "2100-01-01") == []
    assert replayed("--from", "0", "--bus", "redis") == first
    unknown = relais.command("events", "replay", "--from", "0", "--bus", "kafka", "--yes")
    assert unknown.returncode == 1 and "redis" in unknown.stderr


def test_tail_begins_where_it_is_told(relais, redis_server):
    write(relais, "one", ["1", "2", "3"])
    eventually(lambda: len(on_stream(redis_server)) == 3)
    events = tail(relais)
    assert keys_of(events) == ["1", "2", "3"]
    assert keys_of(tail(relais, "--from", events[1]["position"])) == ["2", "3"]
    assert keys_of(tail(relais, "--from", "2000-01-01T00:00:00Z")) == ["1", "2", "3"]
    assert tail(relais, "--from", "2100-01-01") == []
    eventually(lambda: tail(relais, "--bus", "redis") == [], what="the bus has everything")
    plain = relais.command("events", "tail", "--no-wait").stdout.splitlines()
    assert [json.loads(line) for line in plain] == [event["record"] for event in events]
    for wrong in [("--from", "yesterday"), ("--bus", "kafka"), ("--group", "nobody"), ("--bus", "redis", "--from", "1")]:
        assert relais.command("events", "tail", "--no-wait", *wrong).returncode != 0, wrong


def test_what_a_dead_bus_is_owed_is_told(relais, redis_server):
    write(relais, "one", ["1"])
    eventually(lambda: len(on_stream(redis_server)) == 1)
    eventually(lambda: tail(relais, "--bus", "redis") == [])
    redis_server.client.config_set("maxmemory", "1")  # It refuses writes from now on.
    try:
        write(relais, "one", ["2", "3"])
        status = json.loads(relais.command("replication", "status", "--json").stdout)
        (bus,) = [reader for reader in status["readers"] if reader["is_bus"]]
        assert (bus["name"], bus["owed"]) == ("redis", 2) and bus["since"]
        assert keys_of(tail(relais, "--bus", "redis")) == ["2", "3"]
    finally:
        redis_server.client.config_set("maxmemory", "0")
    eventually(lambda: tail(relais, "--bus", "redis") == [], 30)
    assert [key for *_, key in on_stream(redis_server)] == ["1", "2", "3"]
