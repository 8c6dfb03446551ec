"""Conditions of writes hold, also where the store knows none: among many writers and among instances of relais."""

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness import configuration, replicas
from harness.clients import refused

WRITERS = 50
RACERS = 20
_numbers = itertools.count()

only_folders = pytest.mark.parametrize("system", ["folders"], indirect=True, scope="module")


def generic(start, folder, clouds, **options):
    """Stores that keep to no conditions."""
    return replicas.over_clouds(start, folder, clouds, store=configuration.s3_store, **options)


@pytest.fixture(scope="module", params=["folders", "generic", "aws"])
def system(request, start_shared_relais, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "folders":
        return replicas.over_folders(start_shared_relais, folder)
    clouds = [request.getfixturevalue(name) for name in ("moto_http", "moto_https")]
    over = generic if request.param == "generic" else replicas.over_clouds
    return over(start_shared_relais, folder, clouds)


@pytest.fixture
def s3(system):
    return system.client()


@pytest.fixture
def bucket(s3):
    name = f"conditions-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


def increment(s3, bucket, key="counter"):
    """Adds one to the counter, however often others are faster; gives the number that it wrote."""
    while True:
        got = s3.get_object(Bucket=bucket, Key=key)
        counter = json.loads(got["Body"].read())
        counter["count"] += 1
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(counter), IfMatch=got["ETag"])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            assert code in ("PreconditionFailed", "ConditionalRequestConflict"), error
            continue
        return counter["count"]


def count(clients, bucket):
    """Lets every writer increment the counter once, and gives what they wrote."""
    clients[0].put_object(Bucket=bucket, Key="counter", Body=json.dumps({"count": 0}))
    with ThreadPoolExecutor(WRITERS) as threads:
        return sorted(threads.map(lambda number: increment(clients[number % len(clients)], bucket), range(WRITERS)))


def counter(client, bucket):
    return json.loads(client.get_object(Bucket=bucket, Key="counter")["Body"].read())["count"]


def test_fifty_writers_increment_one_counter_and_none_is_lost(system, bucket):
    s3 = system.client(max_pool_connections=WRITERS)
    assert count([s3], bucket) == list(range(1, WRITERS + 1))
    assert system.on_both(lambda store: counter(store, bucket)) == [WRITERS] * 2


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_two_instances_over_one_database_lose_no_increment(
    database, request, start_relais, moto_http, moto_https, tmp_path
):
    url = f"sqlite://{tmp_path}/shared.db?mode=rwc"
    if database == "postgres":
        url = request.getfixturevalue("postgres").new_database("conditions")
    system = generic(start_relais, tmp_path, (moto_http, moto_https), environment={"DATABASE_URL": url})
    other = start_relais("other", config=system.relais.config, environment={"DATABASE_URL": url})
    clients = [one.client(max_pool_connections=WRITERS) for one in (system.relais, other)]
    bucket = f"shared-{database}"
    clients[0].create_bucket(Bucket=bucket)
    assert count(clients, bucket) == list(range(1, WRITERS + 1))
    assert system.on_both(lambda store: counter(store, bucket)) == [WRITERS] * 2


def race(attempts):
    """Runs all at the same moment, and gives what went well and the refusals."""
    start = threading.Barrier(len(attempts))

    def run(attempt):
        start.wait()
        try:
            return attempt(), None
        except ClientError as error:
            return None, error.response["Error"]["Code"]

    with ThreadPoolExecutor(len(attempts)) as threads:
        outcomes = list(threads.map(run, attempts))
    return [done for done, _ in outcomes if done], {code for _, code in outcomes if code}


def put_new(s3, bucket, body):
    def attempt():
        s3.put_object(Bucket=bucket, Key="once", Body=body, IfNoneMatch="*")
        return body

    return attempt


def test_of_many_who_make_an_object_one_makes_it(system, bucket):
    s3 = system.client(max_pool_connections=RACERS)
    won, codes = race([put_new(s3, bucket, f"racer {number}".encode()) for number in range(RACERS)])
    assert len(won) == 1
    assert codes <= {"PreconditionFailed", "ConditionalRequestConflict"}
    assert s3.get_object(Bucket=bucket, Key="once")["Body"].read() == won[0]
    assert system.on_both(lambda store: store.get_object(Bucket=bucket, Key="once")["Body"].read()) == won * 2


def test_put_looks_at_its_conditions(s3, bucket):
    put = {"Bucket": bucket, "Key": "k", "Body": b"2"}
    assert refused(s3.put_object, **put, IfMatch='"0"') == (404, "NoSuchKey")
    etag = s3.put_object(**put, IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, **put, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(s3.put_object, **put, IfMatch='"0"') == (412, "PreconditionFailed")
    s3.put_object(**put, IfMatch=etag)
    s3.put_object(**put, IfMatch="*")


def upload_of_one_part(s3, bucket, key, body):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=body)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    return {"Bucket": bucket, "Key": key, "UploadId": upload, "MultipartUpload": parts}


def test_completion_looks_at_its_conditions(system, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    complete = upload_of_one_part(s3, bucket, "k", b"in parts")
    assert refused(s3.complete_multipart_upload, **complete, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(s3.complete_multipart_upload, **complete, IfMatch='"0"') == (412, "PreconditionFailed")
    assert system.on_both(lambda store: store.get_object(Bucket=bucket, Key="k")["Body"].read()) == [b"1"] * 2
    s3.complete_multipart_upload(**complete, IfMatch=etag)
    assert system.on_both(lambda store: store.get_object(Bucket=bucket, Key="k")["Body"].read()) == [b"in parts"] * 2
    s3.complete_multipart_upload(**upload_of_one_part(s3, bucket, "new", b"x"), IfNoneMatch="*")


def test_of_many_completions_of_a_new_object_one_succeeds(s3, bucket):
    uploads = [upload_of_one_part(s3, bucket, "once", f"upload {number}".encode()) for number in range(5)]
    won, codes = race([lambda one=one: s3.complete_multipart_upload(**one, IfNoneMatch="*") for one in uploads])
    assert len(won) == 1
    assert codes <= {"PreconditionFailed", "ConditionalRequestConflict"}
    assert s3.head_object(Bucket=bucket, Key="once")["ETag"] == won[0]["ETag"]


def test_copy_looks_at_the_conditions_of_its_target(system, s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"copied")
    etag = s3.put_object(Bucket=bucket, Key="to", Body=b"old")["ETag"]
    copy = {"Bucket": bucket, "Key": "to", "CopySource": {"Bucket": bucket, "Key": "from"}}
    assert refused(s3.copy_object, **copy, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(s3.copy_object, **copy, IfMatch='"0"') == (412, "PreconditionFailed")
    assert system.on_both(lambda store: store.get_object(Bucket=bucket, Key="to")["Body"].read()) == [b"old"] * 2
    s3.copy_object(**copy, IfMatch=etag)
    assert system.on_both(lambda store: store.get_object(Bucket=bucket, Key="to")["Body"].read()) == [b"copied"] * 2
    s3.copy_object(**(copy | {"Key": "new"}), IfNoneMatch="*")


@only_folders  # Moto looks at one of them.
def test_copy_looks_at_the_conditions_of_its_source(system, s3, bucket):
    source = s3.put_object(Bucket=bucket, Key="from", Body=b"copied")["ETag"]
    written = s3.head_object(Bucket=bucket, Key="from")["LastModified"]
    copy = {"Bucket": bucket, "Key": "to", "CopySource": {"Bucket": bucket, "Key": "from"}}
    failed = (412, "PreconditionFailed")
    assert refused(s3.copy_object, **copy, CopySourceIfMatch='"0"') == failed
    assert refused(s3.copy_object, **copy, CopySourceIfNoneMatch=source) == failed
    assert refused(s3.copy_object, **copy, CopySourceIfModifiedSince=written) == failed
    assert refused(s3.head_object, Bucket=bucket, Key="to")[0] == 404
    s3.copy_object(**copy, CopySourceIfMatch=source, CopySourceIfUnmodifiedSince=written)


def test_deletion_looks_at_its_condition(system, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    assert refused(s3.delete_object, Bucket=bucket, Key="k", IfMatch='"0"') == (412, "PreconditionFailed")
    assert system.on_both(lambda store: store.get_object(Bucket=bucket, Key="k")["Body"].read()) == [b"1"] * 2
    asked = {"Objects": [{"Key": "k", "ETag": '"0"'}]}
    (error,) = s3.delete_objects(Bucket=bucket, Delete=asked)["Errors"]
    assert (error["Key"], error["Code"]) == ("k", "PreconditionFailed")
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    assert refused(s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag) == (404, "NoSuchKey")
    assert system.on_both(lambda store: refused(store.head_object, Bucket=bucket, Key="k")[0]) == [404] * 2


def test_of_a_deletion_and_overwrites_one_finds_what_it_knew(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"known")["ETag"]
    named = {"Bucket": bucket, "Key": "k", "IfMatch": etag}
    puts = [lambda body=body: s3.put_object(**named, Body=body) for body in (b"a", b"b", b"c")]
    won, codes = race([*puts, lambda: s3.delete_object(**named)])
    assert len(won) == 1
    assert codes <= {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}


def test_copy_asks_whether_its_source_has_changed(s3, bucket):
    source = s3.put_object(Bucket=bucket, Key="from", Body=b"copied")["ETag"]
    copy = {"Bucket": bucket, "Key": "to", "CopySource": {"Bucket": bucket, "Key": "from"}}
    assert refused(s3.copy_object, **copy, CopySourceIfNoneMatch=source) == (412, "PreconditionFailed")
    assert refused(s3.head_object, Bucket=bucket, Key="to")[0] == 404


def test_reads_look_at_their_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    written = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    for read in (s3.get_object, s3.head_object):
        asked = {"Bucket": bucket, "Key": "k"}
        assert refused(read, **asked, IfNoneMatch=etag)[0] == 304
        assert refused(read, **asked, IfModifiedSince=written)[0] == 304
        assert refused(read, **asked, IfMatch='"0"')[0] == 412
        assert refused(read, **asked, IfUnmodifiedSince=written.replace(year=2001))[0] == 412


@only_folders  # Moto lets both decide.
def test_entity_tags_go_before_dates(system, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    written = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    for read in (s3.get_object, s3.head_object):
        asked = {"Bucket": bucket, "Key": "k"}
        assert read(**asked, IfMatch=etag, IfUnmodifiedSince=written.replace(year=2001))["ETag"] == etag
        assert read(**asked, IfNoneMatch='"0"', IfModifiedSince=written)["ETag"] == etag
