"""How much may wait in the journal, and what happens above it."""

import botocore.exceptions
import pytest
import requests

from harness import configuration
from harness.process import eventually
from harness.servers import Redis

BUCKET = "media"
ENTRIES_MAX = 5


def start(start_relais, tmp_path, redis, when_full):
    journal = {"entries_max": ENTRIES_MAX, "when_full": when_full}
    config, _ = configuration.two_folders(tmp_path / "replicas", journal=journal, **configuration.no_sidecars())
    relais = start_relais(config=config, environment={"REDIS_URL": redis.url})
    s3 = relais.client()
    s3.create_bucket(Bucket=BUCKET)
    return relais, s3


def put(s3, count):
    for number in range(count):
        s3.put_object(Bucket=BUCKET, Key=f"{number}.txt", Body=b"x")


def metric(relais, line):
    return line in requests.get(f"{relais.api_url}/metrics", timeout=5).text.splitlines()


def refused(s3):
    try:
        s3.put_object(Bucket=BUCKET, Key="more.txt", Body=b"x")
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"] == "SlowDown" and error.response["ResponseMetadata"]["HTTPStatusCode"]
    return None


def test_writes_are_refused_above_the_bound_until_the_bus_is_back(start_relais, tmp_path):
    with Redis() as redis:
        relais, s3 = start(start_relais, tmp_path, redis, "shed")
        redis.stop()
        put(s3, ENTRIES_MAX + 1)
        eventually(lambda: metric(relais, f'relais_journal_events{{bus="redis"}} {ENTRIES_MAX + 1}'), what="it is told")
        assert eventually(lambda: refused(s3), what="writes are refused") == 503
        with pytest.raises(botocore.exceptions.ClientError):
            s3.delete_object(Bucket=BUCKET, Key="0.txt")
        assert s3.get_object(Bucket=BUCKET, Key="0.txt")["Body"].read() == b"x", "reads go on"

        redis.start()
        eventually(lambda: metric(relais, 'relais_journal_events{bus="redis"} 0'), what="the bus has caught up")
        eventually(lambda: refused(s3) is None, what="writes are taken again")


def test_a_journal_that_keeps_takes_everything(start_relais, tmp_path):
    with Redis() as redis:
        relais, s3 = start(start_relais, tmp_path, redis, "keep")
        redis.stop()
        put(s3, ENTRIES_MAX * 2)
        told = f'relais_journal_events{{bus="redis"}} {ENTRIES_MAX * 2}'
        eventually(lambda: metric(relais, told), what="it is told")
        put(s3, ENTRIES_MAX)
