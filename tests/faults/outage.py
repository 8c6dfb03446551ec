"""A store that is away for a day, by volume: 20,000 writes without it, and how fast it is made equal afterwards.

The speed is compared, in the same run and between the same two servers, with a plain copy of as many objects by rclone. Both stores
are relais over folders, so that neither server is what is measured.
"""

import multiprocessing
import random
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from harness import configuration
from harness.clients import boto3_client
from harness.process import eventually, plain_environment

from .catalog import Catalog
from .servers import Node
from .site import Site

OBJECT_BYTES = 4096
WRITERS = 32  # Uploads at once while the store is away.
COPIES = 16  # At once, of the settler and of the plain copy alike.
RATIO_MIN = 0.7
SETTLED_SECONDS = 1800
BUCKET, PLAIN = "outage", "plain-copy"


@dataclass(frozen=True)
class Speed:
    """Objects, and the seconds that the writes, the settling and the plain copy took."""

    objects: int
    written: float
    settled: float
    copied: float

    @property
    def holds(self):
        return self.ratio >= RATIO_MIN

    @property
    def ratio(self):
        return self.copied / self.settled

    def text(self):
        def rate(seconds):
            return f"{self.objects / seconds:,.0f} objects a second"

        return (
            f"## A store that was away\n\n{self.objects:,} objects of {OBJECT_BYTES:,} bytes were written while the second store "
            f"was away ({rate(self.written)}). Back again, it was made equal at {rate(self.settled)}; rclone copies as many from "
            f"store to store, {COPIES} at once, at {rate(self.copied)}. That is {self.ratio:.2f} × a plain copy; at least "
            f"{RATIO_MIN} is asked for.\n"
        )


def measure(site, objects):
    """Takes a store away, writes, brings it back; gives how fast that went."""
    near, far = site.account("cloud", 0), site.account("cloud", 1)
    source = _make_files(site.folder / "objects", objects)
    stores = {name: configuration.s3_store(server, profile="aws") for name, server in (("near", near), ("far", far))}
    buckets = [configuration.bucket("*", list(stores), write_mode="primary")]
    sections = configuration.no_sidecars() | {"settle": {"concurrency": COPIES}}
    config = configuration.write_toml(site.folder / "outage.toml", stores, buckets, **sections)
    relais = Node(site.folder / "outage", config=config).start()
    try:
        client = boto3_client(relais.url, relais.access_key, relais.secret_key)
        client.create_bucket(Bucket=BUCKET)
        far.kill()
        written = _timed(lambda: _rclone({"relais": relais}, "copy", source, f"relais:{BUCKET}", WRITERS))
        far.start()
        settled = _timed(lambda: _wait_until_settled(Catalog(relais, None), objects))
        _assert_equal(site, objects)
        site.look("cloud", 1).create_bucket(Bucket=PLAIN)
        both = {"near": near, "far": far}
        copied = _timed(lambda: _rclone(both, "copy", f"near:{BUCKET}", f"far:{PLAIN}", COPIES))
        relais.stop()
    finally:
        relais.kill()
    return Speed(objects, written, settled, copied)


def _wait_until_settled(catalog, objects):
    def is_settled():
        return catalog.rows("SELECT count(*) FROM objects WHERE settle_after IS NOT NULL")[0][0] == 0

    assert catalog.rows("SELECT count(*) FROM objects")[0][0] == objects
    eventually(is_settled, SETTLED_SECONDS, every=0.25, what=f"{objects} objects are settled")


def _assert_equal(site, objects):
    """Both stores list the same keys, sizes and entity tags."""
    listed = []
    for number in (0, 1):
        pages = site.look("cloud", number).get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        listed.append({(one["Key"], one["Size"], one["ETag"]) for page in pages for one in page.get("Contents", [])})
    assert listed[0] == listed[1] and len(listed[0]) == objects, [len(one) for one in listed]


def _make_files(folder, objects):
    folder.mkdir(parents=True)
    noise = random.Random(objects)
    for number in range(objects):
        (folder / f"{number:06}").write_bytes(noise.randbytes(OBJECT_BYTES))
    return folder


def _rclone(servers, verb, source, target, at_once):
    environment = {"RCLONE_CONFIG": "/dev/null", "RCLONE_S3_NO_HEAD": "true", "RCLONE_S3_NO_CHECK_BUCKET": "true"}
    for name, server in servers.items():
        settings = {
            "TYPE": "s3",
            "PROVIDER": "Other",
            "ENDPOINT": server.url,
            "ACCESS_KEY_ID": server.access_key,
            "SECRET_ACCESS_KEY": server.secret_key,
        }
        environment |= {f"RCLONE_CONFIG_{name.upper()}_{key}": value for key, value in settings.items()}
    flags = ["--transfers", at_once, "--checkers", at_once, "--no-traverse", "--no-check-dest", "--retries", 1]
    command = [str(part) for part in ("rclone", verb, source, target, *flags)]
    done = subprocess.run(command, env=plain_environment(**environment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def _timed(call):
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def outage_in_a_process(objects):
    """Measures in a process of its own: which binary is run is decided when the harness is imported."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, objects).result()


def _measure(objects):
    with Site() as site:
        return measure(site, objects)
