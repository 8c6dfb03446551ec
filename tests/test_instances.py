"""Instances that die, stand still or lose their database: what they were at is found out, and announced."""

import json
import signal
import threading
import time

import pytest
import requests

from harness import configuration, media
from harness.database import Table
from harness.holding import Holding
from harness.process import eventually
from harness.servers import Postgres
from harness.stores import cloud_client, object_file

STREAM = "relais:events"
BUCKET = "media"
KEYS = [f"{number}.bin" for number in range(5)]
TAKEN_OVER_SECONDS = 30  # What is promised: the lease of an instance is 15 s, and others look every second.
ENOUGH_SECONDS = 90


class Cluster:
    """Instances over one database, one folder (the primary) and one cloud, each on its own way to the cloud."""

    def __init__(self, start_relais, folder, cloud, environment):
        self.start_relais, self.folder, self.cloud, self.environment = start_relais, folder, cloud, environment
        self.primary = folder / "primary"

    def start(self, name, cloud=None, replicas=("disk", "cloud")):
        stores = {
            "disk": configuration.folder_store(self.primary),
            "cloud": configuration.full_s3_store(cloud or self.cloud),
        }
        config = configuration.write_toml(
            self.folder / f"{name}.toml",
            stores,
            [configuration.bucket("*", list(replicas), write_mode="all")],
            **configuration.no_sidecars(),
        )
        return self.start_relais(name, config=config, environment=self.environment)

    def in_cloud(self, key):
        found = cloud_client(self.cloud).list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents", [])
        return key in [one["Key"] for one in found] and body_in_cloud(self.cloud, key)


def body_in_cloud(cloud, key):
    return cloud_client(cloud).get_object(Bucket=BUCKET, Key=key)["Body"].read()


@pytest.fixture
def slow(moto_http):
    moto_http.reset()
    with Holding(moto_http) as holding:
        yield holding


@pytest.fixture
def shared_database(request, start_relais, redis_server, postgres, slow, tmp_path):
    environment = {"REDIS_URL": redis_server.url, "DATABASE_URL": postgres.new_database(request.node.name[:60])}
    return Cluster(start_relais, tmp_path, slow.server, environment)


def announced(redis, key):
    """The events of a key, the first one first, without repeats."""
    events = [fields for _, fields in redis.client.xrange(STREAM) if fields["key"] == key]
    return list({event["id"]: event for event in events}.values())


def undecided(relais):
    return Table(relais).value("SELECT COUNT(*) FROM journal WHERE sequencer IS NULL")


class Put(threading.Thread):
    """One PUT whose answer is awaited elsewhere."""

    def __init__(self, relais, key, body):
        super().__init__(daemon=True)
        self.url = relais.client().generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": key})
        self.body, self.answer = body, None
        self.start()

    def run(self):
        try:
            self.answer = requests.put(self.url, data=self.body, timeout=ENOUGH_SECONDS)
        except requests.RequestException as error:
            self.answer = error


def put_without_answer(relais, cluster, slow, bodies):
    """Puts that both stores have while relais waits to hear of it."""
    slow.hold_answers()
    puts = [Put(relais, key, body) for key, body in bodies.items()]
    for key, body in bodies.items():
        eventually(lambda key=key, body=body: cluster.in_cloud(key) == body, what=f"{key} is in the cloud")
    assert undecided(relais) == len(bodies)
    return puts


def assert_all_decided(relais, cluster, redis, bodies, seconds):
    end = time.monotonic() + seconds
    for key in bodies:
        left = max(1, end - time.monotonic())
        eventually(lambda key=key: announced(redis, key), left, what=f"{key} is announced")
    eventually(lambda: undecided(relais) == 0, max(1, end - time.monotonic()), what="every intent is decided")
    for key, body in bodies.items():
        assert relais.client().get_object(Bucket=BUCKET, Key=key)["Body"].read() == body
        assert object_file(cluster.primary, BUCKET, key).read_bytes() == body
        eventually(lambda key=key, body=body: cluster.in_cloud(key) == body, what=f"{key} is settled")


def test_what_a_killed_instance_left_is_decided_by_another_within_30_seconds(shared_database, slow, redis_server):
    doomed, heir = shared_database.start("doomed", slow), shared_database.start("heir")
    doomed.client().create_bucket(Bucket=BUCKET)
    bodies = {key: media.random_bytes(10_000) for key in KEYS}
    put_without_answer(doomed, shared_database, slow, bodies)
    assert announced(redis_server, KEYS[0]) == []
    doomed.kill()
    assert_all_decided(heir, shared_database, redis_server, bodies, TAKEN_OVER_SECONDS)


def test_what_all_killed_instances_left_is_decided_after_their_restart(shared_database, slow, redis_server):
    both = [shared_database.start("one", slow), shared_database.start("other", slow)]
    both[0].client().create_bucket(Bucket=BUCKET)
    bodies = {key: media.random_bytes(10_000) for key in KEYS}
    put_without_answer(both[0], shared_database, slow, bodies)
    for one in both:
        one.kill()
    slow.release()
    for one in both:
        one.start()
    assert_all_decided(both[1], shared_database, redis_server, bodies, ENOUGH_SECONDS)


def test_what_a_killed_instance_left_in_sqlite_is_decided_after_its_restart(
    start_relais, slow, redis_server, tmp_path
):
    alone = Cluster(start_relais, tmp_path, slow.server, {"REDIS_URL": redis_server.url})
    relais = alone.start("alone", slow)
    relais.client().create_bucket(Bucket=BUCKET)
    bodies = {key: media.random_bytes(10_000) for key in KEYS}
    put_without_answer(relais, alone, slow, bodies)
    relais.kill()
    slow.release()
    relais.start()
    assert_all_decided(relais, alone, redis_server, bodies, ENOUGH_SECONDS)


class Asleep:
    """A process that stands still while the block lasts."""

    def __init__(self, relais):
        self.child = relais.child

    def __enter__(self):
        self.child.send_signal(signal.SIGSTOP)

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGCONT)


def test_a_late_write_of_an_instance_that_stood_still_does_not_win(shared_database, slow, redis_server):
    sleeper, other = shared_database.start("sleeper", slow), shared_database.start("other")
    sleeper.client().create_bucket(Bucket=BUCKET)
    sleeper.client().put_object(Bucket=BUCKET, Key="warm", Body=b"a connection to hold back")
    slow.hold_requests()
    put = Put(sleeper, "k", b"older")
    eventually(lambda: object_file(shared_database.primary, BUCKET, "k").is_file(), what="the primary has it")
    assert slow.held.wait(20)
    with Asleep(sleeper):
        eventually(lambda: undecided(other) == 0, ENOUGH_SECONDS, what="the other decides")
        eventually(lambda: shared_database.in_cloud("k") == b"older", what="the other settles")
        other.client().put_object(Bucket=BUCKET, Key="k", Body=b"newer!")
        assert shared_database.in_cloud("k") == b"newer!"
        slow.release()
        eventually(lambda: shared_database.in_cloud("k") == b"older", what="the late write is in the cloud")
    put.join(ENOUGH_SECONDS)
    assert put.answer.status_code in (200, 503)
    eventually(lambda: shared_database.in_cloud("k") == b"newer!", ENOUGH_SECONDS, what="the newer write wins")
    eventually(lambda: undecided(other) == 0, ENOUGH_SECONDS, what="every intent is decided")
    for relais in (sleeper, other):
        assert relais.client().get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"newer!"
    etag = other.client().head_object(Bucket=BUCKET, Key="k")["ETag"].strip('"')
    assert Table(other).value("SELECT etag FROM objects WHERE key = ?", "k") == etag
    last = json.loads(announced(redis_server, "k")[-1]["record"])
    assert last["s3"]["object"]["eTag"].strip('"') == etag


def test_an_upload_outlives_that_its_instance_stood_still(shared_database, redis_server):
    sleeper, other = shared_database.start("sleeper"), shared_database.start("other")
    sleeper.client().create_bucket(Bucket=BUCKET)
    half, rest = threading.Event(), threading.Event()

    def body():
        yield b"x" * 100_000
        half.set()
        assert rest.wait(ENOUGH_SECONDS)
        yield b"y" * 100_000

    class Sized:
        def __init__(self):
            self.parts = body()

        def __len__(self):
            return 200_000

        def __iter__(self):
            return self.parts

    put = Put(sleeper, "k", Sized())
    assert half.wait(20)
    eventually(lambda: undecided(other) == 1, what="the write is under way")
    with Asleep(sleeper):
        eventually(lambda: undecided(other) == 0, ENOUGH_SECONDS, what="the other finds nothing")
    rest.set()
    put.join(ENOUGH_SECONDS)
    assert put.answer.status_code == 200
    eventually(lambda: announced(redis_server, "k"), what="the write is announced")
    whole = b"x" * 100_000 + b"y" * 100_000
    assert other.client().get_object(Bucket=BUCKET, Key="k")["Body"].read() == whole
    assert Table(other).value("SELECT owner FROM objects WHERE key = ?", "k") == "root"
    eventually(lambda: shared_database.in_cloud("k") == whole, what="the cloud has it")
    assert undecided(other) == 0


def assert_refused_for_now(answer):
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1


def test_nothing_is_lost_while_the_database_is_away(start_relais, slow, redis_server, tmp_path):
    with Postgres() as postgres:
        environment = {"REDIS_URL": redis_server.url, "DATABASE_URL": postgres.new_database("away")}
        cluster = Cluster(start_relais, tmp_path, slow.server, environment)
        relais = cluster.start("relais", slow)
        s3 = relais.client()
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="before", Body=b"before")
        [between] = put_without_answer(relais, cluster, slow, {"between": b"between"})
        postgres.stop()
        slow.release()
        between.join(ENOUGH_SECONDS)
        assert_refused_for_now(between.answer)
        during = Put(relais, "during", b"during")
        during.join(ENOUGH_SECONDS)
        assert_refused_for_now(during.answer)
        assert requests.get(f"{relais.api_url}/ready", timeout=30).status_code == 503
        assert requests.get(f"{relais.api_url}/health", timeout=5).status_code == 200
        postgres.start()
        assert_all_decided(relais, cluster, redis_server, {"between": b"between"}, ENOUGH_SECONDS)
        s3.put_object(Bucket=BUCKET, Key="after", Body=b"after")
        eventually(lambda: announced(redis_server, "after"), what="the later write is announced")
        assert [len(announced(redis_server, key)) for key in ("before", "between", "during")] == [1, 1, 0]
        assert s3.get_object(Bucket=BUCKET, Key="before")["Body"].read() == b"before"
        relais.stop()
