"""What strangers can do to relais, and what those who are known could do to each other by ways that are easily forgotten."""

import http.client
import re
import time

import pytest
import requests

from harness import configuration, raw, tokens
from harness.accounts import ALICE, BOB
from harness.clients import boto3_client, refused

DENIED = (403, "AccessDenied")
LONG = 30_000  # Bytes: well within what headers may have.
STRANGERS = 1500
REMEMBERED_BYTES_MAX = 20_000_000  # Half of what so many ids would take.


def test_made_up_methods_leave_no_metrics_behind(relais):
    with raw.connection(relais) as connection:
        for number in range(50):
            connection.sendall(f"MADEUP{number} /media/k HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert connection.recv(65536)
    metrics = requests.get(f"{relais.api_url}/metrics", timeout=5).text
    assert "MADEUP" not in metrics
    assert 'method="other"' in metrics


def test_a_form_of_unknown_length_is_refused_before_it_is_held(relais, bucket):
    """The answer comes though the body never ends."""
    with raw.connection(relais) as connection:
        head = [f"POST /{bucket} HTTP/1.1", "Host: x", "Content-Type: multipart/form-data; boundary=b"]
        head += ["Transfer-Encoding: chunked", "", ""]
        connection.sendall("\r\n".join(head).encode())
        part = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        answer = connection.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 411 ") and "<Code>MissingContentLength</Code>" in answer


def test_ids_of_keys_that_nobody_has_are_not_kept(relais, bucket):
    """By each request a stranger could leave a long id in memory."""

    def ask(identifier):
        scope = f"{identifier}/{time.strftime('%Y%m%d', time.gmtime())}/us-east-1/s3/aws4_request"
        signed = "SignedHeaders=host;x-amz-content-sha256;x-amz-date"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, {signed}, Signature={'0' * 64}",
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            "x-amz-content-sha256": raw.UNSIGNED,
        }
        connection.request("GET", f"/{bucket}", headers=headers)
        answer = connection.getresponse()
        assert (answer.status, b"<Code>InvalidAccessKeyId</Code>" in answer.read()) == (403, True)

    connection = http.client.HTTPConnection("127.0.0.1", relais.s3_port)
    ask("A" * LONG)
    before = relais.memory_peak_bytes()
    for number in range(STRANGERS):
        ask(f"{number}{'A' * LONG}")
    connection.close()
    assert relais.memory_peak_bytes() - before < REMEMBERED_BYTES_MAX


def test_nobody_finds_out_by_guesses_whose_a_bucket_is(shared, alices):
    def answer(owner):
        sent = requests.get(f"{shared.url}/{alices}", headers={"x-amz-expected-bucket-owner": owner}, timeout=5)
        return sent.status_code, re.sub("<RequestId>.*</RequestId>", "", sent.text)

    assert answer(ALICE.owner) == answer(BOB.owner) == answer("nobody at all")


def test_an_empty_session_policy_is_not_taken_for_none(relais):
    asked = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": tokens.ROLE_ARN,
        "RoleSessionName": "test",
        "WebIdentityToken": tokens.token(sub="42"),
    }
    assert requests.post(relais.url, data=asked, timeout=5).status_code == 200  # The control.
    answer = requests.post(relais.url, data=asked | {"Policy": ""}, timeout=5)
    assert answer.status_code == 400  # Else the text has credentials.
    assert "<Code>MalformedPolicyDocument</Code>" in answer.text


@pytest.mark.parametrize("grant", [{"GrantWrite": f"id={BOB.owner}"}, {"ACL": "public-read-write"}])
def test_who_may_write_cannot_delete_versions_for_good(alice, alices, bob, grant):
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Enabled"})
    version = alice.put_object(Bucket=alices, Key="v", Body=b"kept")["VersionId"]
    alice.put_bucket_acl(Bucket=alices, **grant)
    bob.put_object(Bucket=alices, Key="v", Body=b"newer")
    bob.delete_object(Bucket=alices, Key="v")
    assert refused(bob.delete_object, Bucket=alices, Key="v", VersionId=version) == DENIED
    errors = bob.delete_objects(Bucket=alices, Delete={"Objects": [{"Key": "v", "VersionId": version}]})["Errors"]
    assert [error["Code"] for error in errors] == ["AccessDenied"]
    assert alice.get_object(Bucket=alices, Key="v", VersionId=version)["Body"].read() == b"kept"
    alice.delete_object(Bucket=alices, Key="v", VersionId=version)


def test_logs_go_to_buckets_of_the_same_account_only(alices, bob):
    bob.create_bucket(Bucket=f"bobs-beside-{alices}")
    logging = {"LoggingEnabled": {"TargetBucket": alices, "TargetPrefix": "k"}}
    asked = {"Bucket": f"bobs-beside-{alices}", "BucketLoggingStatus": logging}
    assert refused(bob.put_bucket_logging, **asked) == (400, "InvalidTargetBucketForLogging")


@pytest.fixture
def cloud(start_relais, tmp_path, moto_http):
    """relais with Alice and Bob over one store that would do what it is told."""
    stores = {"cloud": configuration.full_s3_store(moto_http)}
    settings = {"accounts": [ALICE, BOB], **configuration.no_sidecars()}
    buckets = [configuration.bucket("*", ["cloud"])]
    return start_relais(config=configuration.write_toml(tmp_path / "cloud.toml", stores, buckets, **settings))


def test_no_account_has_the_store_write_into_the_bucket_of_another(cloud):
    alice, bob = [boto3_client(cloud.url, who.access_key, who.secret_key) for who in (ALICE, BOB)]
    for client, bucket in ((alice, "alices-own"), (bob, "bobs-own")):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    there = {"Bucket": "arn:aws:s3:::alices-own"}
    rule = {"ID": "r", "Status": "Enabled", "Prefix": "", "Destination": there}
    replication = {"Role": "arn:aws:iam::000000000000:role/any", "Rules": [rule]}
    to_bucket = {"S3BucketDestination": there | {"Format": "CSV"}}
    inventory = {"Id": "i", "IsEnabled": True, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"}}
    analysis = {"DataExport": {"OutputSchemaVersion": "V_1", "Destination": to_bucket}}
    analytics = {"Id": "i", "StorageClassAnalysis": analysis}
    for call, asked in (
        ("put_bucket_replication", {"ReplicationConfiguration": replication}),
        ("put_bucket_inventory_configuration", {"Id": "i", "InventoryConfiguration": inventory | {"Destination": to_bucket}}),
        ("put_bucket_analytics_configuration", {"Id": "i", "AnalyticsConfiguration": analytics}),
    ):
        assert refused(getattr(bob, call), Bucket="bobs-own", **asked) == DENIED, call


def test_what_is_restored_goes_nowhere_else(alice, alices):
    """It is refused before any store is asked: a folder would say that it cannot restore at all."""
    restore = {"Type": "SELECT", "Tier": "Standard"}
    elsewhere = {"OutputLocation": {"S3": {"BucketName": "anybodys", "Prefix": "k"}}}
    assert refused(alice.restore_object, Bucket=alices, Key="k", RestoreRequest=restore)[1] == "NotImplemented"
    assert refused(alice.restore_object, Bucket=alices, Key="k", RestoreRequest=restore | elsewhere) == DENIED


def test_who_may_make_buckets_may_not_make_public_ones(start_relais, tmp_path):
    """What a request asks for beside its operation is asked for apart, also where there is no bucket yet."""
    making = [configuration.allow("s3:CreateBucket", ["*"])]
    opening = [configuration.allow(["s3:CreateBucket", "s3:PutBucketAcl"], ["*"])]
    roles = [configuration.role(name, policy, claims={"may": name}) for name, policy in (("make", making), ("open", opening))]
    config, _ = configuration.two_folders(tmp_path, lists={"access.roles": roles}, **configuration.no_sidecars())
    relais = start_relais(config=config)
    maker, opener = [tokens.by_bearer(relais, tokens.token(sub="42", may=may)) for may in ("make", "open")]
    assert refused(maker.create_bucket, Bucket="made-open", ACL="public-read") == DENIED
    assert refused(maker.create_bucket, Bucket="made-open", GrantRead="id=alice") == DENIED
    maker.create_bucket(Bucket="made-closed")
    opener.create_bucket(Bucket="made-open", ACL="public-read")
    assert refused(maker.list_buckets) == DENIED


@pytest.mark.parametrize("head", ["Expect: 100-continue", f"Content-Length: {1 << 20}"], ids=["waiting", "large"])
def test_a_refusal_that_costs_the_connection_says_so(relais, bucket, head):
    """A client that did not know would send its next request into a connection that is being closed."""
    length = [] if head.startswith("Content-Length") else ["Content-Length: 5"]
    with raw.connection(relais) as connection:
        lines = [f"PUT /{bucket}/k HTTP/1.1", "Host: x", *length, head, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        answer = connection.recv(65536).decode().lower()
    assert answer.startswith("http/1.1 403 ")
    assert "connection: close" in answer
