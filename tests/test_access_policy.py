"""Policies of buckets: what they allow, that a Deny wins, and what their conditions look at."""

import json

import pytest

from harness import configuration
from harness.accounts import ALICE, BOB, anonymous
from harness.clients import refused
from harness.stores import assert_replicas_hold

DENIED = (403, "AccessDenied")


def statement(effect, action, resource, principal="*", **condition):
    resources = [resource] if isinstance(resource, str) else resource
    arns = [f"arn:aws:s3:::{one}" for one in resources]
    one = {"Effect": effect, "Principal": principal, "Action": action, "Resource": arns}
    return one | ({"Condition": condition} if condition else {})


def put_policy(client, bucket, *statements):
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    client.put_bucket_policy(Bucket=bucket, Policy=text)
    return text


def test_policy_opens_a_prefix_to_everyone(alice, alices, bob, nobody):
    for key in ("public/k", "public/deep/k", "publicity"):
        alice.put_object(Bucket=alices, Key=key, Body=key.encode())
    text = put_policy(alice, alices, statement("Allow", "s3:GetObject", f"{alices}/public/*"))
    assert json.loads(alice.get_bucket_policy(Bucket=alices)["Policy"]) == json.loads(text)
    assert alice.get_bucket_policy_status(Bucket=alices)["PolicyStatus"]["IsPublic"] is True
    for client in (bob, nobody):
        for key in ("public/k", "public/deep/k"):
            assert client.get_object(Bucket=alices, Key=key)["Body"].read() == key.encode()
            assert client.head_object(Bucket=alices, Key=key)
        for key in ("k", "publicity"):
            assert refused(client.get_object, Bucket=alices, Key=key) == DENIED
        assert refused(client.put_object, Bucket=alices, Key="public/k", Body=b"x") == DENIED
        assert refused(client.list_objects_v2, Bucket=alices) == DENIED
        assert refused(client.get_object, Bucket=alices, Key="public/none") == DENIED, "404 is for who may list"
    alice.delete_bucket_policy(Bucket=alices)
    assert refused(alice.get_bucket_policy, Bucket=alices) == (404, "NoSuchBucketPolicy")
    assert refused(nobody.get_object, Bucket=alices, Key="public/k") == DENIED


def test_deny_wins(shared, alice, alices, bob, nobody):
    alice.put_object(Bucket=alices, Key="open/secret", Body=b"x", ACL="public-read")
    alice.put_object(Bucket=alices, Key="open/k", Body=b"x", GrantRead=BOB.grantee)
    deny = statement("Deny", "s3:GetObject", f"{alices}/open/secret")
    put_policy(alice, alices, statement("Allow", "s3:*", [alices, f"{alices}/*"]), deny)
    for client in (alice, bob, nobody):
        assert client.get_object(Bucket=alices, Key="open/k")
        assert refused(client.get_object, Bucket=alices, Key="open/secret") == DENIED
        copy = {"Bucket": alices, "Key": "copy", "CopySource": f"{alices}/open/secret"}
        assert refused(client.copy_object, **copy) == DENIED
    assert shared.client().get_object(Bucket=alices, Key="open/secret"), "the root key is never locked out"
    nobody.put_object(Bucket=alices, Key="written", Body=b"by nobody")
    assert_replicas_hold(shared.folders, alices, "written", b"by nobody")


def test_owner_can_always_undo_a_policy(alice, alices):
    put_policy(alice, alices, statement("Deny", "s3:*", [alices, f"{alices}/*"]))
    assert refused(alice.get_object, Bucket=alices, Key="k") == DENIED
    assert refused(alice.list_objects_v2, Bucket=alices) == DENIED
    assert alice.get_bucket_policy(Bucket=alices)
    alice.delete_bucket_policy(Bucket=alices)
    assert alice.get_object(Bucket=alices, Key="k")


def test_condition_on_the_prefix_of_a_listing(alice, alices, nobody):
    alice.put_object(Bucket=alices, Key="public/k", Body=b"x")
    listing = statement("Allow", "s3:ListBucket", alices, StringLike={"s3:prefix": "public/*"})
    put_policy(alice, alices, listing)
    assert [one["Key"] for one in nobody.list_objects_v2(Bucket=alices, Prefix="public/")["Contents"]] == ["public/k"]
    assert nobody.list_objects(Bucket=alices, Prefix="public/none")
    for asked in ({}, {"Prefix": ""}, {"Prefix": "publi"}, {"Prefix": "other/"}):
        assert refused(nobody.list_objects_v2, Bucket=alices, **asked) == DENIED, asked
    assert refused(nobody.list_object_versions, Bucket=alices, Prefix="public/") == DENIED


def test_condition_on_tags_headers_and_the_address(alice, alices, bob, nobody):
    alice.put_object(Bucket=alices, Key="tagged", Body=b"x", Tagging="show=yes")
    put_policy(
        alice,
        alices,
        statement("Allow", "s3:GetObject", f"{alices}/*", StringEquals={"s3:ExistingObjectTag/show": "yes"}),
        statement(
            "Allow", ["s3:PutObject", "s3:PutObjectAcl"], f"{alices}/*", StringEquals={"s3:x-amz-acl": "public-read"}
        ),
        statement("Allow", "s3:ListBucket", alices, IpAddress={"aws:SourceIp": "127.0.0.0/8"}),
        statement("Allow", "s3:GetBucketTagging", alices, IpAddress={"aws:SourceIp": "192.0.2.0/24"}),
    )
    assert nobody.get_object(Bucket=alices, Key="tagged")
    assert refused(nobody.get_object, Bucket=alices, Key="k") == DENIED
    alice.delete_object_tagging(Bucket=alices, Key="tagged")
    assert refused(nobody.get_object, Bucket=alices, Key="tagged") == DENIED
    bob.put_object(Bucket=alices, Key="by-bob", Body=b"x", ACL="public-read")
    assert refused(bob.put_object, Bucket=alices, Key="by-bob", Body=b"x") == DENIED
    assert nobody.list_objects_v2(Bucket=alices)["KeyCount"] == 3
    assert refused(nobody.get_bucket_tagging, Bucket=alices) == DENIED


@pytest.mark.parametrize("principal", [BOB.owner, f"arn:aws:iam::{BOB.owner}:root", f"arn:aws:iam:::user/{BOB.owner}"])
def test_policy_may_name_an_account(principal, alice, alices, bob, nobody):
    put_policy(
        alice,
        alices,
        statement("Allow", ["s3:GetObject", "s3:PutObject"], f"{alices}/*", {"AWS": principal}),
        statement("Allow", "s3:ListBucket", alices, {"AWS": [principal]}),
    )
    assert alice.get_bucket_policy_status(Bucket=alices)["PolicyStatus"]["IsPublic"] is False
    assert bob.get_object(Bucket=alices, Key="k")["Body"].read() == b"private"
    assert bob.list_objects_v2(Bucket=alices)["KeyCount"] == 1
    assert refused(bob.get_object, Bucket=alices, Key="none") == (404, "NoSuchKey")
    assert refused(bob.delete_object, Bucket=alices, Key="k") == DENIED
    assert refused(nobody.get_object, Bucket=alices, Key="k") == DENIED
    upload = bob.create_multipart_upload(Bucket=alices, Key="parts")["UploadId"]
    bob.upload_part(Bucket=alices, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")


def test_old_versions_need_an_action_of_their_own(alice, alices, nobody):
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Enabled"})
    id = alice.put_object(Bucket=alices, Key="v", Body=b"1")["VersionId"]
    put_policy(alice, alices, statement("Allow", ["s3:GetObject", "s3:DeleteObject"], f"{alices}/*"))
    assert nobody.get_object(Bucket=alices, Key="v")
    assert refused(nobody.get_object, Bucket=alices, Key="v", VersionId=id) == DENIED
    assert refused(nobody.delete_object, Bucket=alices, Key="v", VersionId=id) == DENIED
    asked = {"Objects": [{"Key": "v", "VersionId": id}]}
    assert nobody.delete_objects(Bucket=alices, Delete=asked)["Errors"][0]["Code"] == "AccessDenied"
    put_policy(alice, alices, statement("Allow", "s3:GetObjectVersion", f"{alices}/*"))
    assert nobody.get_object(Bucket=alices, Key="v", VersionId=id)
    assert refused(nobody.get_object, Bucket=alices, Key="v") == DENIED


@pytest.mark.parametrize(
    "wrong",
    [
        "no JSON",
        json.dumps({"Version": "2012-10-17"}),
        json.dumps({"Version": "2012-10-17", "Statement": [statement("Maybe", "s3:GetObject", "BUCKET/*")]}),
        json.dumps({"Version": "2012-10-17", "Statement": [statement("Allow", "s3:GetObject", "another-bucket/*")]}),
        json.dumps(
            {"Version": "2012-10-17", "Statement": [statement("Allow", "s3:GetObject", "BUCKET/*", Wrong={"a": "b"})]}
        ),
    ],
)
def test_wrong_policy_is_refused_and_the_old_one_stays(wrong, alice, alices, nobody):
    put_policy(alice, alices, statement("Allow", "s3:GetObject", f"{alices}/*"))
    refusal = refused(alice.put_bucket_policy, Bucket=alices, Policy=wrong.replace("BUCKET", alices))
    assert refusal == (400, "MalformedPolicy")
    assert nobody.get_object(Bucket=alices, Key="k")


def test_public_access_block_holds_policies_too(alice, alices, bob, nobody):
    switches = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")

    def block(only):
        setting = {name: name == only for name in switches}
        alice.put_public_access_block(Bucket=alices, PublicAccessBlockConfiguration=setting)

    public = statement("Allow", "s3:GetObject", f"{alices}/*")
    block("BlockPublicPolicy")
    assert refused(put_policy, alice, alices, public) == DENIED
    put_policy(alice, alices, statement("Allow", "s3:GetObject", f"{alices}/*", {"AWS": BOB.owner}))
    assert bob.get_object(Bucket=alices, Key="k")
    alice.delete_public_access_block(Bucket=alices)
    put_policy(alice, alices, public)
    assert nobody.get_object(Bucket=alices, Key="k")
    block("RestrictPublicBuckets")
    for client in (nobody, bob):
        assert refused(client.get_object, Bucket=alices, Key="k") == DENIED
    assert alice.get_object(Bucket=alices, Key="k")


def test_connection_has_to_be_encrypted_where_the_policy_says_so(start_relais, certificate, tmp_path):
    config, _ = configuration.two_folders(tmp_path, accounts=[ALICE, BOB], **configuration.no_sidecars())
    environment = {"DATABASE_URL": f"sqlite://{tmp_path}/shared.db?mode=rwc"}
    plain = start_relais("plain", config=config, environment=environment)
    tls = {f"RELAIS_PROXY__{key.upper()}": value for key, value in configuration.tls(certificate).items()}
    secure = start_relais("secure", config=config, certificate=certificate, environment=environment | tls)
    alice = ALICE.client(secure)
    alice.create_bucket(Bucket="encrypted")
    alice.put_object(Bucket="encrypted", Key="k", Body=b"x")
    deny = statement("Deny", "s3:*", ["encrypted", "encrypted/*"], Bool={"aws:SecureTransport": "false"})
    put_policy(alice, "encrypted", statement("Allow", "s3:GetObject", "encrypted/*"), deny)
    assert ALICE.client(secure).get_object(Bucket="encrypted", Key="k")
    assert anonymous(secure).get_object(Bucket="encrypted", Key="k")
    for client in (ALICE.client(plain), BOB.client(plain), anonymous(plain)):
        assert refused(client.get_object, Bucket="encrypted", Key="k") == DENIED
