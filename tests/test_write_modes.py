"""Write modes over three stores, one of which is a black hole or stopped: what a write needs, what its answer says."""

import time

import pytest
import requests

from harness import configuration, tokens
from harness.accounts import ALICE, anonymous
from harness.clients import boto3_client, ensure_bucket, refused
from harness.media import random_bytes
from harness.process import eventually
from harness.servers import Moto
from harness.silence import BlackHole

MODE = "x-relais-write-mode"
STATUS = "x-amz-replication-status"
REPLICAS = "x-relais-replicas"
EVERYTHING = [configuration.allow(["s3:*"], ["*"])]
ROLES = [
    configuration.role("writer", EVERYTHING, claims={"role": "writer"}),
    configuration.role("operator", EVERYTHING, claims={"role": "operator"}, see_replicas=True),
    configuration.role("hasty", EVERYTHING, claims={"role": "hasty"}, write_modes_below=True),
]
SILENCE = 12  # Seconds until a store is taken for silent.
AT_ONCE = 6  # Seconds: whoever waits for a silent store is slower.


@pytest.fixture
def black_hole(moto_http):
    moto_http.reset()
    with BlackHole(moto_http) as hole:
        yield hole


@pytest.fixture
def cloud():
    with Moto() as server:
        yield server


@pytest.fixture
def three(black_hole, cloud, start_relais, tmp_path):
    """The primary is a folder; beside it a black hole, and then a cloud. One bucket has one replica."""
    stores = {
        "disk": configuration.folder_store(tmp_path / "disk"),
        "cloud": configuration.full_s3_store(cloud),
        "hole": configuration.full_s3_store(black_hole, read_timeout_seconds=SILENCE, attempts_max=1),
    }
    buckets = [
        configuration.bucket(mode, ["disk", "hole", "cloud"], write_mode=mode, public_read=["open/"])
        for mode in ("primary", "quorum", "all")
    ]
    config = configuration.write_toml(
        tmp_path / "relais.toml",
        stores,
        [*buckets, configuration.bucket("single", ["disk"])],
        accounts=[ALICE],
        lists={"access.roles": ROLES},
        proxy={"replica_stall_seconds": 2},
        **configuration.no_sidecars(),
    )
    relais = start_relais(config=config)
    for bucket in ("primary", "quorum", "all", "single"):
        ensure_bucket(relais.client(), bucket)
    black_hole.swallow()
    yield relais
    black_hole.end()  # Or relais would wait for it before it ends.


def asking(client, mode):
    """The client with a header on each request, which it signs as it does all others."""
    client.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header(MODE, mode))
    return client


def headers(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]


def test_a_black_hole_holds_back_no_write_whose_mode_is_met(three):
    s3, begun = three.client(), time.monotonic()
    for bucket in ("primary", "quorum"):
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        assert headers(put)[STATUS] == "PENDING"
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
        s3.delete_object(Bucket=bucket, Key="k")
        deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy"}, {"Key": "none"}]})
        assert len(deleted["Deleted"]) == 2
    assert time.monotonic() - begun < AT_ONCE * 2


def test_a_large_body_goes_on_without_who_takes_nothing(three):
    body, begun = random_bytes(24 << 20), time.monotonic()
    three.client().put_object(Bucket="quorum", Key="large", Body=body)
    assert time.monotonic() - begun < AT_ONCE + 2
    assert three.client().get_object(Bucket="quorum", Key="large")["Body"].read() == body


def test_uploads_in_parts_leave_a_black_hole_out(three, cloud):
    s3, body = three.client(), random_bytes(5 << 20)
    upload = s3.create_multipart_upload(Bucket="quorum", Key="parts")["UploadId"]
    named = {"Bucket": "quorum", "Key": "parts", "UploadId": upload}
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(PartNumber=number, Body=body, **named)["ETag"]}
        for number in (1, 2)
    ]
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **named)
    assert headers(done)[STATUS] == "PENDING"
    account = boto3_client(cloud.url, cloud.access_key, cloud.secret_key)
    assert account.head_object(Bucket="quorum", Key="parts")["ETag"] == done["ETag"]


def test_an_acknowledged_quorum_is_on_the_primary_and_one_more(three, cloud):
    three.client().put_object(Bucket="quorum", Key="k", Body=b"x")
    account = boto3_client(cloud.url, cloud.access_key, cloud.secret_key)
    assert account.get_object(Bucket="quorum", Key="k")["Body"].read() == b"x"
    cloud.stop()
    assert refused(three.client().put_object, Bucket="quorum", Key="k", Body=b"y") == (503, "ServiceUnavailable")
    three.client().put_object(Bucket="primary", Key="k", Body=b"y")


def test_a_request_may_ask_for_more(three, cloud):
    s3 = asking(three.client(), "quorum")
    s3.put_object(Bucket="primary", Key="k", Body=b"x")
    account = boto3_client(cloud.url, cloud.access_key, cloud.secret_key)
    assert account.get_object(Bucket="primary", Key="k")["Body"].read() == b"x"
    cloud.stop()
    assert refused(s3.put_object, Bucket="primary", Key="k", Body=b"y") == (503, "ServiceUnavailable")
    assert refused(s3.delete_object, Bucket="primary", Key="k") == (503, "ServiceUnavailable")


def test_less_is_for_those_who_may(three):
    writer = tokens.by_sts(three, tokens.token(sub="1", role="writer"))
    hasty = tokens.by_sts(three, tokens.token(sub="2", role="hasty"))
    for client in (writer, ALICE.client(three)):
        assert refused(asking(client, "primary").put_object, Bucket="quorum", Key="k", Body=b"x")[0] == 403
    for client in (hasty, three.client()):
        asking(client, "primary").put_object(Bucket="all", Key="k", Body=b"x")
    with_token = tokens.bearer(tokens.token(sub="2", role="hasty")) | {MODE: "primary"}
    assert requests.put(f"{three.url}/all/bearer", b"x", headers=with_token, timeout=60).status_code == 200


def test_an_unsigned_header_lowers_nothing(three):
    url = three.client().generate_presigned_url("put_object", {"Bucket": "quorum", "Key": "k"})
    form = three.client().generate_presigned_post("quorum", "k")

    def put(headers):
        return requests.put(url, b"x", headers=headers, timeout=60).status_code

    def post(headers):
        sent = {"data": form["fields"], "files": {"file": b"x"}, "headers": headers, "timeout": 60}
        return requests.post(form["url"], **sent).status_code

    for ask in (put, post):
        assert ask({MODE: "primary"}) == 403
        assert ask({MODE: "quorum"}) in (200, 204)


@pytest.mark.parametrize("word", ["two", "ALL", ""])
def test_an_unknown_mode_is_refused(three, word):
    s3 = asking(three.client(), word)
    assert refused(s3.put_object, Bucket="primary", Key="k", Body=b"x") == (400, "InvalidArgument")


def test_reads_tell_of_the_replicas_and_only_operators_of_each(three):
    s3 = three.client()
    put = s3.put_object(Bucket="quorum", Key="open/k", Body=b"x")
    each = {"disk=current", "cloud=current", "hole=pending"}
    assert set(headers(put)[REPLICAS].split(", ")) == each
    operator = tokens.by_sts(three, tokens.token(sub="1", role="operator"))
    writer = tokens.by_sts(three, tokens.token(sub="2", role="writer"))
    for client in (s3, operator):
        for read in (client.get_object, client.head_object):
            answer = headers(read(Bucket="quorum", Key="open/k"))
            assert answer[STATUS] == "PENDING" and set(answer[REPLICAS].split(", ")) == each
    for client in (writer, anonymous(three)):
        for read in (client.get_object, client.head_object):
            answer = headers(read(Bucket="quorum", Key="open/k"))
            assert answer[STATUS] == "PENDING" and REPLICAS not in answer
    assert REPLICAS not in headers(writer.put_object(Bucket="quorum", Key="k", Body=b"x"))


def test_one_replica_has_nothing_to_say(three):
    s3 = three.client()
    ensure_bucket(s3, "single")
    for answer in (
        s3.put_object(Bucket="single", Key="k", Body=b"x"),
        s3.head_object(Bucket="single", Key="k"),
        s3.get_object(Bucket="single", Key="k"),
        s3.copy_object(Bucket="single", Key="copy", CopySource="single/k"),
    ):
        assert STATUS not in headers(answer) and REPLICAS not in headers(answer)


def test_what_was_behind_is_completed(clouds, start_relais, tmp_path):
    stores = {name: configuration.full_s3_store(cloud) for name, cloud in zip(("one", "other"), clouds, strict=True)}
    stores = {"disk": configuration.folder_store(tmp_path / "disk")} | stores
    config = configuration.write_toml(
        tmp_path / "relais.toml", stores, [configuration.bucket("media", list(stores))], **configuration.no_sidecars()
    )
    s3 = start_relais(config=config).client()
    ensure_bucket(s3, "media")
    s3.put_object(Bucket="media", Key="k", Body=b"x")
    completed = lambda: headers(s3.head_object(Bucket="media", Key="k"))[STATUS] == "COMPLETED"  # noqa: E731
    eventually(completed, what="all replicas are current")
    asked = headers(s3.head_object(Bucket="media", Key="k"))
    assert asked[REPLICAS] == "disk=current, one=current, other=current"
    version = asking(s3, "all").put_object(Bucket="media", Key="k", Body=b"y")
    assert headers(version)[STATUS] == "COMPLETED"
