"""Replicas on two remote S3 accounts, one over HTTP, one over HTTPS with its own authority; clients over TLS."""

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.exceptions import ClientError

from harness import configuration, media, raw
from harness.clients import aws, boto3_client, ensure_bucket, refused
from harness.media import MIB
from harness.process import eventually
from harness.servers import Moto

NAMES = ("media", "copy-of-media")


@pytest.fixture(params=["all", "primary"])
def remote(request, clouds, start_relais, tmp_path):
    """A relais that speaks TLS, with the bucket `media` on both clouds; in the second it has another name."""
    certificate = clouds[1].certificate
    config = configuration.write_toml(
        tmp_path / "relais.toml",
        {"plain": configuration.s3_store(clouds[0]), "secure": configuration.s3_store(clouds[1])},
        [configuration.bucket("media", ["plain", f"secure:{NAMES[1]}"], write_mode=request.param)],
        proxy=configuration.tls(certificate),
    )
    relais = start_relais(config=config, certificate=certificate)
    relais.write_mode = request.param
    ensure_bucket(relais.client(), "media")
    return relais


def accounts(clouds):
    """A client of each cloud itself, past relais, with the bucket's name there."""
    for cloud, name in zip(clouds, NAMES, strict=True):
        authority = cloud.certificate and cloud.certificate.authority
        yield boto3_client(cloud.url, cloud.access_key, cloud.secret_key, authority), name


def found(account, name, key):
    """The object as the cloud has it, or nothing."""
    try:
        got = account.get_object(Bucket=name, Key=key)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchKey", error
        return None
    return got | {"Body": got["Body"].read()}


def on_every_cloud(remote, clouds, check):
    """Checks each cloud: at once where the write mode promises it, within the time of settling otherwise."""
    for place, (account, name) in enumerate(accounts(clouds)):
        promised = place == 0 or remote.write_mode == "all"
        eventually(lambda: check(account, name), seconds=0 if promised else 20, what=f"cloud {place} is as it should")  # noqa: B023


def test_objects_are_on_both_clouds_with_their_metadata(remote, clouds):
    body = media.random_bytes(700_000)
    remote.client().put_object(
        Bucket="media", Key="a b/é.bin", Body=body, ContentType="application/x-test", Metadata={"one": "1"}
    )

    def has_it(account, name):
        got = found(account, name, "a b/é.bin")
        return got and (got["Body"], got["ContentType"], got["Metadata"]) == (body, "application/x-test", {"one": "1"})

    on_every_cloud(remote, clouds, has_it)
    assert remote.client().get_object(Bucket="media", Key="a b/é.bin")["Body"].read() == body


def test_overwrites_and_deletions_reach_both_clouds(remote, clouds):
    s3 = remote.client()
    for body in (b"first", b"second"):
        s3.put_object(Bucket="media", Key="k", Body=body)
    on_every_cloud(remote, clouds, lambda account, name: (found(account, name, "k") or {}).get("Body") == b"second")
    s3.delete_object(Bucket="media", Key="k")
    on_every_cloud(remote, clouds, lambda account, name: found(account, name, "k") is None)


def test_large_files_go_up_in_parts_and_have_one_etag(remote, clouds, tmp_path):
    (tmp_path / "large").write_bytes(media.random_bytes(18 * MIB))
    aws(remote, "s3", "cp", tmp_path / "large", "s3://media/large")
    etag = remote.client().head_object(Bucket="media", Key="large")["ETag"]
    assert etag.endswith('-3"')

    def has_it(account, name):
        got = found(account, name, "large")
        return got and got["Body"] == (tmp_path / "large").read_bytes() and got["ETag"] == etag

    on_every_cloud(remote, clouds, has_it)
    aws(remote, "s3", "cp", "s3://media/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()


def test_copies_are_on_both_clouds(remote, clouds):
    s3 = remote.client()
    s3.put_object(Bucket="media", Key="from", Body=b"body", Metadata={"a": "1"})
    s3.copy_object(Bucket="media", Key="to", CopySource={"Bucket": "media", "Key": "from"})
    on_every_cloud(remote, clouds, lambda account, name: (found(account, name, "to") or {}).get("Body") == b"body")


def test_clients_over_tls_send_their_checksum_behind_the_body(remote, clouds):
    sent = {}
    s3 = remote.client()
    s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.update(request.headers))
    s3.put_object(Bucket="media", Key="k", Body=media.random_bytes(3 * MIB))
    assert {name.lower() for name in sent} >= {"x-amz-trailer", "x-amz-decoded-content-length"}, (
        "no trailer: nothing is tested"
    )
    assert s3.get_object(Bucket="media", Key="k")["Body"].read() == media.random_bytes(3 * MIB)

    body, headers = raw.chunked(media.random_bytes(3 * MIB), 3 * MIB, raw.WRONG_CRC32)
    answer = raw.put(remote, "/media/wrong", body, headers, raw.UNSIGNED_TRAILER)
    assert (answer.status, answer.code) == (400, "BadDigest"), answer.text
    assert refused(s3.head_object, Bucket="media", Key="wrong")[0] == 404
    assert all(found(account, name, "wrong") is None for account, name in accounts(clouds))


def test_photo_on_remote_stores_gets_its_thumbnail(remote, clouds):
    s3 = remote.client()
    s3.put_object(Bucket="media", Key="cat.jpg", Body=media.photo(), ContentType="image/jpeg")
    eventually(lambda: s3.list_objects_v2(Bucket="media", Prefix="cat_thumb.jpg")["KeyCount"] == 1)
    on_every_cloud(remote, clouds, lambda account, name: found(account, name, "cat_thumb.jpg"))
    kinds = {found(account, name, "cat_thumb.jpg")["ContentType"] for account, name in accounts(clouds)}
    assert kinds == {"image/jpeg"}


def test_write_mode_decides_what_a_lost_cloud_means(clouds, start_relais, tmp_path):
    with Moto() as second:
        config = configuration.write_toml(
            tmp_path / "relais.toml",
            {"first": configuration.s3_store(clouds[0]), "second": configuration.s3_store(second)},
            [
                configuration.bucket("patient", ["first", "second"], write_mode="primary"),
                configuration.bucket("strict", ["first", "second"], write_mode="all"),
            ],
        )
        s3 = start_relais(config=config).client()
        for name in ("patient", "strict"):
            ensure_bucket(s3, name)
        second.stop()

        s3.put_object(Bucket="patient", Key="k", Body=b"x")
        assert s3.get_object(Bucket="patient", Key="k")["Body"].read() == b"x"
        assert refused(s3.put_object, Bucket="strict", Key="k", Body=b"x") == (503, "ServiceUnavailable")

        second.start()
        account = boto3_client(second.url, second.access_key, second.secret_key)
        for name in ("patient", "strict"):
            account.create_bucket(Bucket=name)  # Moto forgets all when it ends.
        eventually(lambda: found(account, "patient", "k"), seconds=60, what="the lost cloud is brought up to date")


def test_requests_wait_for_the_budget_of_their_store(clouds, start_relais, tmp_path):
    settings = {"requests_in_flight_max": 2, "requests_per_second_max": 100, "queue_timeout_seconds": 30}
    config = configuration.write_toml(
        tmp_path / "relais.toml",
        {"narrow": configuration.s3_store(clouds[0], **settings)},
        [configuration.bucket("media", ["narrow"])],
    )
    s3 = start_relais(config=config).client(max_pool_connections=20)
    ensure_bucket(s3, "media")
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda number: s3.put_object(Bucket="media", Key=f"{number}", Body=b"x" * number), range(60)))
        bodies = threads.map(lambda number: s3.get_object(Bucket="media", Key=f"{number}")["Body"].read(), range(60))
        assert list(bodies) == [b"x" * number for number in range(60)]


class Witness(BaseHTTPRequestHandler):
    """Refuses everything, and remembers by whom it was signed."""

    def do_GET(self):
        self.server.signatures.append(self.headers.get("Authorization", ""))
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_PUT = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def witness():
    with ThreadingHTTPServer(("127.0.0.1", 0), Witness) as server:
        server.signatures = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


SHARED_CREDENTIALS = """
[default]
aws_access_key_id = KEYOFTHEDEFAULT
aws_secret_access_key = secret
[second]
aws_access_key_id = KEYOFTHESECOND
aws_secret_access_key = secret
"""


@pytest.mark.parametrize(
    ("settings", "variables", "signer"),
    [
        ({"aws_profile": "second"}, {"AWS_ACCESS_KEY_ID": "KEYOFTHEVARIABLE"}, "KEYOFTHESECOND"),
        ({"credentials": "chain"}, {"AWS_ACCESS_KEY_ID": "KEYOFTHEVARIABLE"}, "KEYOFTHEVARIABLE"),
        ({"credentials": "chain"}, {"AWS_PROFILE": "second"}, "KEYOFTHESECOND"),
        ({}, {}, "KEYOFTHEDEFAULT"),
        ({"access_key_id": "OWNKEY", "secret_access_key": "secret"}, {"AWS_PROFILE": "second"}, "OWNKEY"),
    ],
)
def test_credentials_are_those_that_the_store_names(witness, start_relais, tmp_path, settings, variables, signer):
    (tmp_path / "credentials").write_text(SHARED_CREDENTIALS)
    url = f"http://127.0.0.1:{witness.server_port}"
    store = {"kind": "s3", "endpoint": url, "region": "local", **settings}
    config = configuration.write_toml(
        tmp_path / "relais.toml", {"witness": store}, [configuration.bucket("media", ["witness"])]
    )
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_SECRET_ACCESS_KEY": "secret"}
    s3 = start_relais(config=config, environment=environment | variables).client()
    assert refused(s3.get_object, Bucket="media", Key="k")[0] == 403
    assert witness.signatures and all(f"Credential={signer}/" in signature for signature in witness.signatures)
