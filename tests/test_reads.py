"""Reads and listings while the primary is stopped, black-holed, slow, or dies in the middle of a body."""

import hashlib
import time
from contextlib import ExitStack

import pytest
import requests
from botocore.exceptions import ClientError

from harness import configuration, media
from harness.clients import boto3_client, ensure_bucket, refused
from harness.media import MIB
from harness.process import eventually
from harness.servers import Moto
from harness.wire import Wire

SILENCE_SECONDS = 2
SIZES = (0, 1, 1000, 70_000, 3 * MIB)


@pytest.fixture(scope="module")
def two_motos():
    with Moto() as first, Moto() as second:
        yield first, second


@pytest.fixture
def wires(two_motos):
    with ExitStack() as stack:
        for moto in two_motos:
            moto.reset()
        yield [stack.enter_context(Wire(moto)) for moto in two_motos]


@pytest.fixture
def relais(wires, start_relais, tmp_path):
    """A relais over two accounts behind wires, with a bucket for each way to read."""
    impatient = {"read_timeout_seconds": SILENCE_SECONDS, "attempts_max": 1}
    stores = {
        name: configuration.s3_store(wire, **impatient)
        for name, wire in zip(("first", "second"), wires, strict=True)
    }
    both = ["first", "second"]
    buckets = [
        configuration.bucket("all", both, write_mode="all"),
        configuration.bucket("one", both, write_mode="primary"),
        configuration.bucket("stale", both, write_mode="primary", stale_reads=True),
        configuration.bucket("hedged", both, write_mode="all", hedged_reads=True),
    ]
    config = configuration.write_toml(
        tmp_path / "relais.toml", stores, buckets, **configuration.no_sidecars()
    )
    one = start_relais(config=config)
    for bucket in buckets:
        ensure_bucket(one.client(), bucket["name"])
    return one


def fill(s3, bucket):
    """Objects of several sizes, and the hashes of what is in them."""
    sums = {}
    for number, size in enumerate(SIZES):
        body = media.random_bytes(size)
        s3.put_object(Bucket=bucket, Key=f"object {number}", Body=body)
        sums[f"object {number}"] = hashlib.sha256(body).hexdigest()
    return sums


def read(s3, bucket, key):
    return hashlib.sha256(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).hexdigest()


def keys(s3, bucket, **more):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **more)
    return [one["Key"] for page in pages for one in page.get("Contents", [])]


def test_everything_is_read_while_the_primary_is_stopped(relais, wires):
    s3 = relais.client()
    sums = fill(s3, "all")
    wires[0].refuse()
    for _ in range(3):
        assert {key: read(s3, "all", key) for key in sums} == sums
        assert keys(s3, "all", PaginationConfig={"PageSize": 2}) == sorted(sums)
    assert s3.get_object(Bucket="all", Key="object 3", Range="bytes=5-9")["ContentRange"] == "bytes 5-9/70000"
    wires[0].heal()

    def writes():
        try:
            return s3.put_object(Bucket="all", Key="after", Body=b"x")
        except ClientError:
            return None

    eventually(writes, seconds=10, what="the primary is found again")


def test_a_primary_that_swallows_everything_is_waited_for_a_few_times_only(relais, wires):
    s3 = relais.client()
    sums = fill(s3, "all")
    wires[0].swallow()
    for _ in range(5):
        assert read(s3, "all", "object 2") == sums["object 2"]
    begun = time.monotonic()
    for _ in range(20):
        assert {key: read(s3, "all", key) for key in sums} == sums
    assert time.monotonic() - begun < 20 * SILENCE_SECONDS, "a hundred reads that do not wait for the primary"
    metrics = requests.get(f"{relais.api_url}/metrics", timeout=5).text
    assert 'relais_breaker_open{store="first"} 1' in metrics
    assert 'relais_breaker_open{store="second"} 0' in metrics


def test_a_body_goes_on_elsewhere_when_the_primary_dies_in_the_middle(relais, wires):
    s3 = relais.client()
    body = media.random_bytes(8 * MIB)
    s3.put_object(Bucket="all", Key="large", Body=body)
    wires[0].bytes_max = 2 * MIB
    got = s3.get_object(Bucket="all", Key="large")
    assert hashlib.sha256(got["Body"].read()).digest() == hashlib.sha256(body).digest()
    got = s3.get_object(Bucket="all", Key="large", Range=f"bytes={MIB}-{7 * MIB}")
    assert got["Body"].read() == body[MIB : 7 * MIB + 1]


def test_what_may_be_stale_is_said_or_not_answered(relais, wires):
    s3 = relais.client()
    for bucket in ("one", "stale"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"old")

        def is_there(bucket=bucket):
            there = boto3_client(wires[1].url, wires[1].access_key, wires[1].secret_key)
            return there.list_objects_v2(Bucket=bucket)["KeyCount"] == 1

        eventually(is_there, seconds=20, what="the second store has it")
    wires[1].refuse()
    for bucket in ("one", "stale"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"new")
    wires[0].refuse()
    wires[1].heal()
    assert refused(s3.get_object, Bucket="one", Key="key")[0] == 503
    assert refused(s3.list_objects_v2, Bucket="one")[0] == 503

    def stale():
        try:
            return s3.get_object(Bucket="stale", Key="key")
        except ClientError:
            return None

    got = eventually(stale, seconds=10, what="the second store is found again")
    assert got["Body"].read() == b"old"
    headers = got["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-relais-stale"], headers["warning"]) == ("true", '110 - "Response is Stale"')
    listed = s3.list_objects_v2(Bucket="stale")
    assert listed["ResponseMetadata"]["HTTPHeaders"]["x-relais-stale"] == "true"


def test_a_long_listing_goes_on_while_the_primary_stops(relais, wires):
    s3 = relais.client()
    written = [f"{number % 7}/key {number:04}" for number in range(60)]
    for key in written:
        s3.put_object(Bucket="all", Key=key, Body=b"x")
    for more in ({}, {"Delimiter": "/"}):
        seen, token = [], {}
        for number in range(100):
            wires[0].refuse() if number % 2 else wires[0].heal()
            page = s3.list_objects_v2(Bucket="all", MaxKeys=4, **more, **token)
            seen += [one["Key"] for one in page.get("Contents", [])]
            seen += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
            if not page["IsTruncated"]:
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        expected = sorted({key[:2] for key in written}) if more else sorted(written)
        assert seen == expected
        wires[0].heal()


def test_a_slow_primary_is_overtaken_where_the_bucket_asks_for_it(relais, wires):
    s3 = relais.client()
    s3.put_object(Bucket="hedged", Key="key", Body=b"x" * 1000)
    for _ in range(40):
        s3.get_object(Bucket="hedged", Key="key")["Body"].read()
    wires[0].delay_seconds = 1.9  # Below the silence that is an outage.
    begun = time.monotonic()
    assert s3.get_object(Bucket="hedged", Key="key")["Body"].read() == b"x" * 1000
    assert time.monotonic() - begun < 1.9
