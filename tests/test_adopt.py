"""`relais adopt`: a bucket that was filled before relais came is known to it and copied, however often that is interrupted."""

import json
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import configuration
from harness.database import Table
from harness.process import eventually, plain_environment
from harness.relais import BINARY, starter

BUCKET = "archive"
MANY = 2_500
OWNER = "root"


@pytest.fixture
def start(tmp_path):
    with starter(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """A folder store with objects that no other relais has ever seen."""
    folder = tmp_path_factory.mktemp("filled")
    only = configuration.write_toml(
        folder / "only.toml",
        {"first": configuration.folder_store(folder / "first")},
        [configuration.bucket("*", ["first"])],
        **configuration.no_sidecars(),
    )
    with starter(folder) as start:
        s3 = start("before", config=only).client(max_pool_connections=16)
        s3.create_bucket(Bucket=BUCKET)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: put(s3, number), range(MANY)))
    return folder / "first"


@pytest.fixture
def filled(objects, tmp_path):
    """Configuration of a relais over two folders, of which the first has these objects and the second nothing."""
    config, folders = configuration.two_folders(
        tmp_path / "config", write_mode="primary", **configuration.no_sidecars()
    )
    shutil.copytree(objects, folders[0])  # With the times of its files.
    return config


def key_of(number):
    return f"{number % 7}/{number:05}.txt"


def put(s3, number):
    s3.put_object(
        Bucket=BUCKET,
        Key=key_of(number),
        Body=f"object {number}".encode(),
        ContentType="text/plain",
        Metadata={"number": str(number)},
    )


def known(relais):
    return Table(relais).value("SELECT count(*) FROM objects WHERE bucket = ?", BUCKET)


def unsettled(relais):
    return Table(relais).value("SELECT count(*) FROM objects WHERE settle_after IS NOT NULL")


def begin_adopting(relais, *options):
    """Starts the command and leaves it running."""
    command = [BINARY, "adopt", BUCKET, "--yes", *options, "--config", relais.config]
    return subprocess.Popen(
        [str(part) for part in command],
        env=plain_environment(**relais.settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def assert_equal(relais):
    done = relais.command("replication", "diff", BUCKET, "--deep", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["summary"]["keys"] == MANY


def events_of(relais):
    lines = relais.command("events", "tail", "--no-wait").stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_a_dry_run_changes_nothing(start, filled):
    relais = start(config=filled)
    done = relais.command("adopt", BUCKET)
    assert done.returncode == 0, done.stderr
    assert f"{MANY} objects: 0 known to relais, {MANY} new" in done.stdout and "--yes" in done.stdout
    assert known(relais) == 0
    assert relais.command("adopt", "nobody's").returncode != 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_an_interrupted_adoption_is_taken_up_and_copies_everything(start, filled, how):
    relais = start(config=filled)
    adopting = begin_adopting(relais, "--events")
    eventually(lambda: known(relais) > 0, 60, every=0.02)
    adopting.send_signal(how)
    adopting.communicate(timeout=30)
    assert adopting.returncode != 0
    assert 0 < known(relais) <= MANY

    # Clients write meanwhile, and theirs stays.
    s3 = relais.client()
    s3.put_object(Bucket=BUCKET, Key=key_of(MANY - 1), Body=b"newer", Metadata={"number": "newer"})
    s3.delete_object(Bucket=BUCKET, Key=key_of(MANY - 2))

    done = relais.command("adopt", BUCKET, "--yes", "--events")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every replica has its copy" in done.stdout
    assert known(relais) == MANY and unsettled(relais) == 0
    again = relais.command("adopt", BUCKET)
    assert " 0 new" in again.stdout

    diff = relais.command("replication", "diff", BUCKET, "--deep", "--json")
    assert diff.returncode == 0, diff.stdout
    assert json.loads(diff.stdout.splitlines()[-1])["summary"]["keys"] == MANY - 1
    assert s3.get_object(Bucket=BUCKET, Key=key_of(MANY - 1))["Body"].read() == b"newer"
    by_relais = [event for event in events_of(relais) if event["userIdentity"]["principalId"] == "relais"]
    told = [event["s3"]["object"]["key"] for event in by_relais]
    assert {event["relais"]["owner"] for event in by_relais} == {OWNER}
    assert len(told) == len(set(told)) >= MANY - 2, "one event for each object, whatever was interrupted"
    one = next(event for event in by_relais if event["s3"]["object"]["key"].endswith("00001.txt"))
    assert one["eventName"] == "ObjectCreated:Put" and one["relais"]["contentType"] == "text/plain"
    assert one["s3"]["object"]["size"] == len(b"object 1")


def test_without_a_server_the_command_copies_itself(start, filled):
    relais = start(config=filled)
    relais.stop()
    done = relais.command("adopt", BUCKET, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every replica has its copy" in done.stdout
    assert_equal(relais)
    assert events_of(relais) == [], "nobody hears of it unless asked"


def test_only_what_is_below_the_prefix_is_adopted(start, filled):
    relais = start(config=filled)
    done = relais.command("adopt", BUCKET, "--prefix", "3/", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    count = sum(key_of(number).startswith("3/") for number in range(MANY))
    assert known(relais) == count
    diff = relais.command("replication", "diff", BUCKET, "--prefix", "3/", "--json")
    assert diff.returncode == 0, diff.stdout
    time.sleep(1)
    assert known(relais) == count
