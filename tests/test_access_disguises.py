"""Requests that name one thing to whoever decides and another to whoever does: refused, or done as decided."""

import http.client
import json

import pytest
import requests

from harness import raw
from harness.accounts import BOB
from harness.stores import assert_replicas_hold


def get(shared, path, **headers):
    """A request with exactly this path and query: an SDK or a session would tidy them up."""
    connection = http.client.HTTPConnection("127.0.0.1", shared.s3_port, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, body


@pytest.fixture
def two_versions(alice, alices):
    """The ids of an older version that nobody else may read and of the latest, which is public."""
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Enabled"})
    secret = alice.put_object(Bucket=alices, Key="v", Body=b"THE SECRET")["VersionId"]
    public = alice.put_object(Bucket=alices, Key="v", Body=b"public", ACL="public-read")["VersionId"]
    return secret, public


DISGUISES = [
    "versionId={secret}",
    "version%49d={secret}",
    "%76ersionId={secret}",
    "versionId={public}&versionId={secret}",
    "versionId={secret}&versionId={public}",
    "versionId={public}&version%49d={secret}",
    "versionId=&versionId={secret}",
    "versionId&versionId={secret}",
    "versionid={public}&versionId={secret}",
    "x=1;versionId={secret}",
    "&versionId={secret}",
    "+versionId={secret}",
    "versionId=%20{secret}",
]


@pytest.mark.parametrize("disguise", DISGUISES)
def test_version_cannot_be_disguised(disguise, shared, alices, two_versions):
    secret, public = two_versions
    status, body = get(shared, f"/{alices}/v?{disguise.format(secret=secret, public=public)}")
    assert "THE SECRET" not in body
    assert status in (200, 400, 403, 404)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_version_of_a_copy_source_cannot_be_disguised(disguise, shared, alices, bob, two_versions):
    secret, public = two_versions
    bob.create_bucket(Bucket=f"copies-{alices}")
    url = f"{shared.url}/copies-{alices}/copy"
    source = f"{alices}/v?{disguise.format(secret=secret, public=public)}"
    answer = requests.put(url, headers=raw.signed_headers(BOB, "PUT", url, {"x-amz-copy-source": source}), timeout=20)
    if answer.status_code == 200 and "<Error>" not in answer.text:
        assert bob.get_object(Bucket=f"copies-{alices}", Key="copy")["Body"].read() == b"public"


@pytest.mark.parametrize(
    "query",
    [
        "prefix=",
        "prefix=secret/",
        "prefix=public/&prefix=",
        "prefix=public/&prefix=secret/",
        "prefix=secret/&prefix=public/",
        "prefix=public/&pre%66ix=secret/",
        "pre%66ix=secret/",
        "Prefix=public/",
        "list-type=2&prefix=public/&prefix=secret/",
        "versions&prefix=public/",
        "uploads&prefix=public/",
    ],
)
def test_prefix_of_a_listing_cannot_be_disguised(query, shared, alice, alices):
    for key in ("public/shown", "secret/HIDDEN"):
        alice.put_object(Bucket=alices, Key=key, Body=b"x")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:ListBucket",
                "Resource": f"arn:aws:s3:::{alices}",
                "Condition": {"StringLike": {"s3:prefix": "public/*"}},
            }
        ],
    }
    alice.put_bucket_policy(Bucket=alices, Policy=json.dumps(policy))
    assert "public/shown" in get(shared, f"/{alices}?prefix=public/")[1]
    assert "HIDDEN" not in get(shared, f"/{alices}?{query}")[1]


@pytest.mark.parametrize("query", ["prefix=secret/", "pre%66ix=secret/", "%70refix=secret/", "prefix=%73ecret/"])
def test_denied_prefix_cannot_be_disguised(query, shared, alice, alices):
    alice.put_object(Bucket=alices, Key="secret/HIDDEN", Body=b"x")
    listing = {"Principal": "*", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{alices}"}
    statements = [
        {"Effect": "Allow", **listing},
        {"Effect": "Deny", **listing, "Condition": {"StringLike": {"s3:prefix": "secret/*"}}},
    ]
    alice.put_bucket_policy(Bucket=alices, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    assert "HIDDEN" not in get(shared, f"/{alices}?{query}")[1]


def deny_below(alice, bucket, prefix):
    """Anyone may write and read anything but what is below the prefix."""
    every = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statements = [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": every},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/{prefix}*"},
    ]
    alice.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))


@pytest.mark.parametrize(
    ("key", "filename"),
    [("kept/k", "x"), ("${filename}", "kept/k"), ("kept/${filename}", "k"), ("kep${filename}", "t/k")],
)
def test_key_of_a_form_cannot_be_disguised(key, filename, shared, alice, alices):
    alice.put_object(Bucket=alices, Key="kept/k", Body=b"kept")
    deny_below(alice, alices, "kept/")
    body, kind = requests.models.RequestEncodingMixin._encode_files({"file": (filename, b"overwritten")}, {"key": key})
    answer = requests.post(f"{shared.url}/{alices}", data=body, headers={"Content-Type": kind}, timeout=20)
    assert answer.status_code in (204, 400, 403), answer.text
    assert_replicas_hold(shared.folders, alices, "kept/k", b"kept")


@pytest.mark.parametrize("path", ["kept%2Fk", "%6Bept/k", "./kept/k", "x/../kept/k", "/kept/k", "kept//k"])
def test_key_cannot_be_disguised(path, shared, alice, alices):
    alice.put_object(Bucket=alices, Key="kept/k", Body=b"THE SECRET")
    deny_below(alice, alices, "kept/")
    assert "THE SECRET" not in get(shared, f"/{alices}/{path}")[1]


def test_only_one_copy_source_counts(shared, alices, bob):
    bob.create_bucket(Bucket=f"two-{alices}", ACL="public-read-write")
    bob.put_object(Bucket=f"two-{alices}", Key="own", Body=b"own")
    connection = http.client.HTTPConnection("127.0.0.1", shared.s3_port, timeout=20)
    connection.putrequest("PUT", f"/two-{alices}/copy")
    for source in (f"two-{alices}/own", f"{alices}/k"):
        connection.putheader("x-amz-copy-source", source)
    connection.putheader("Content-Length", "0")
    connection.endheaders()
    assert connection.getresponse().status in (200, 400, 403)
    connection.close()
    listed = {one["Key"]: one["Size"] for one in bob.list_objects_v2(Bucket=f"two-{alices}")["Contents"]}
    assert listed.get("copy", 3) == 3, "what was copied is Alice's"
