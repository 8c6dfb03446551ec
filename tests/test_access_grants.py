"""Grants between accounts, and what takes ACLs back: the public access block and the ownership of objects."""

import pytest

from harness.accounts import ALICE, BOB
from harness.clients import refused

DENIED = (403, "AccessDenied")
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"


def grants(answer):
    """Who may do what: an id or the address of a group, and a permission."""
    return {(one["Grantee"].get("ID") or one["Grantee"]["URI"], one["Permission"]) for one in answer["Grants"]}


def test_grant_on_an_object_allows_what_it_names(alice, alices, bob, nobody):
    named = {"Bucket": alices, "Key": "k"}
    alice.put_object_acl(**named, GrantRead=BOB.grantee)
    assert bob.get_object(**named)["Body"].read() == b"private"
    assert refused(nobody.get_object, **named) == DENIED
    assert refused(bob.get_object_acl, **named) == DENIED
    alice.put_object_acl(**named, GrantReadACP=BOB.grantee)
    assert bob.get_object_acl(**named)["Owner"]["ID"] == ALICE.owner
    assert refused(bob.get_object, **named) == DENIED
    assert refused(bob.put_object_acl, **named, ACL="public-read") == DENIED
    alice.put_object_acl(**named, GrantWriteACP=f'emailAddress="{BOB.email}"')
    bob.put_object_acl(**named, GrantFullControl=BOB.grantee)
    assert grants(bob.get_object_acl(**named)) == {(BOB.owner, "FULL_CONTROL")}
    assert bob.get_object(**named)
    assert alice.get_object_acl(**named)["Owner"]["ID"] == ALICE.owner, "the owner may always look at the list"
    alice.put_object_acl(**named, ACL="authenticated-read")
    assert bob.get_object(**named)
    assert refused(nobody.get_object, **named) == DENIED


def test_grants_come_with_the_object_by_headers(alice, alices, bob, nobody):
    alice.put_object(Bucket=alices, Key="sent", Body=b"x", GrantRead=f"{BOB.grantee}, uri={ALL_USERS}")
    assert bob.get_object(Bucket=alices, Key="sent") and nobody.get_object(Bucket=alices, Key="sent")
    found = grants(alice.get_object_acl(Bucket=alices, Key="sent"))
    assert found == {(BOB.owner, "READ"), (ALL_USERS, "READ")}
    upload = alice.create_multipart_upload(Bucket=alices, Key="parts", GrantRead=BOB.grantee)["UploadId"]
    etag = alice.upload_part(Bucket=alices, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    done = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    alice.complete_multipart_upload(Bucket=alices, Key="parts", UploadId=upload, MultipartUpload=done)
    assert bob.get_object(Bucket=alices, Key="parts")
    assert refused(nobody.get_object, Bucket=alices, Key="parts") == DENIED


def test_grant_on_a_bucket_allows_what_it_names(alice, alices, bob):
    alice.put_bucket_acl(Bucket=alices, GrantWrite=BOB.grantee, GrantFullControl=ALICE.grantee)
    bob.put_object(Bucket=alices, Key="by-bob", Body=b"bob's")
    assert refused(bob.list_objects_v2, Bucket=alices) == DENIED
    assert refused(bob.get_object, Bucket=alices, Key="k") == DENIED
    assert bob.get_object(Bucket=alices, Key="by-bob")["Body"].read() == b"bob's"
    assert refused(alice.get_object, Bucket=alices, Key="by-bob") == DENIED, "it is Bob's, in Alice's bucket"
    bob.put_object(Bucket=alices, Key="by-bob", Body=b"given", ACL="bucket-owner-full-control")
    assert alice.get_object(Bucket=alices, Key="by-bob")["Body"].read() == b"given"
    assert bob.get_object_acl(Bucket=alices, Key="by-bob")["Owner"]["ID"] == BOB.owner
    alice.put_bucket_acl(Bucket=alices, GrantRead=BOB.grantee)
    owners = {one["Key"]: one["Owner"]["ID"] for one in bob.list_objects(Bucket=alices)["Contents"]}
    assert owners == {"by-bob": BOB.owner, "k": ALICE.owner}
    assert refused(bob.put_object, Bucket=alices, Key="by-bob", Body=b"x") == DENIED


def test_acl_of_a_bucket_is_given_back_as_it_was_put(alice, alices):
    private = alice.get_bucket_acl(Bucket=alices)
    assert (private["Owner"]["ID"], private["Owner"]["DisplayName"]) == (ALICE.owner, ALICE.display_name)
    assert grants(private) == {(ALICE.owner, "FULL_CONTROL")}
    alice.put_bucket_acl(Bucket=alices, ACL="public-read-write")
    wanted = {(ALICE.owner, "FULL_CONTROL"), (ALL_USERS, "READ"), (ALL_USERS, "WRITE")}
    assert grants(alice.get_bucket_acl(Bucket=alices)) == wanted
    document = {
        "Owner": {"ID": ALICE.owner},
        "Grants": [
            {"Grantee": {"Type": "CanonicalUser", "ID": BOB.owner}, "Permission": "READ_ACP"},
            {"Grantee": {"Type": "AmazonCustomerByEmail", "EmailAddress": BOB.email}, "Permission": "WRITE"},
            {"Grantee": {"Type": "Group", "URI": AUTHENTICATED}, "Permission": "READ"},
        ],
    }
    alice.put_bucket_acl(Bucket=alices, AccessControlPolicy=document)
    wanted = {(BOB.owner, "READ_ACP"), (BOB.owner, "WRITE"), (AUTHENTICATED, "READ")}
    assert grants(alice.get_bucket_acl(Bucket=alices)) == wanted
    stolen = document | {"Owner": {"ID": BOB.owner}}
    assert refused(alice.put_bucket_acl, Bucket=alices, AccessControlPolicy=stolen) == DENIED
    assert grants(alice.get_bucket_acl(Bucket=alices)) == wanted


def test_bucket_may_be_made_with_its_acl(alice, nobody, bob):
    alice.create_bucket(Bucket="made-open", ACL="public-read")
    assert nobody.list_objects_v2(Bucket="made-open")["KeyCount"] == 0
    alice.create_bucket(Bucket="made-for-bob", GrantRead=BOB.grantee)
    assert bob.list_objects_v2(Bucket="made-for-bob")["KeyCount"] == 0
    assert refused(nobody.list_objects_v2, Bucket="made-for-bob") == DENIED


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"GrantRead": "id=no-such-account"}, (400, "InvalidArgument")),
        ({"GrantRead": "emailAddress=none@test.example"}, (400, "UnresolvableGrantByEmailAddress")),
        ({"GrantRead": "uri=http://acs.amazonaws.com/groups/global/None"}, (400, "InvalidArgument")),
        ({"ACL": "public-read", "GrantRead": BOB.grantee}, (400, "InvalidRequest")),
        ({"ACL": "made-up"}, (400, "InvalidArgument")),
    ],
)
def test_grant_to_nobody_is_refused_and_changes_nothing(asked, refusal, alice, alices):
    assert refused(alice.put_object_acl, Bucket=alices, Key="k", **asked) == refusal
    assert refused(alice.put_bucket_acl, Bucket=alices, **asked) == refusal
    assert refused(alice.put_object, Bucket=alices, Key="k", Body=b"new", **asked) == refusal
    assert alice.get_object(Bucket=alices, Key="k")["Body"].read() == b"private"
    assert grants(alice.get_object_acl(Bucket=alices, Key="k")) == {(ALICE.owner, "FULL_CONTROL")}


def block(client, bucket, **switches):
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    setting = {name: switches.get(name, False) for name in names}
    client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=setting)
    return setting


def test_public_access_block_takes_back_what_acls_opened(alice, alices, nobody, bob):
    missing = (404, "NoSuchPublicAccessBlockConfiguration")
    assert refused(alice.get_public_access_block, Bucket=alices) == missing
    alice.put_object(Bucket=alices, Key="open", Body=b"x", ACL="public-read")
    alice.put_object(Bucket=alices, Key="for-bob", Body=b"x", GrantRead=BOB.grantee)
    setting = block(alice, alices, IgnorePublicAcls=True)
    assert alice.get_public_access_block(Bucket=alices)["PublicAccessBlockConfiguration"] == setting
    for client in (nobody, bob):
        assert refused(client.get_object, Bucket=alices, Key="open") == DENIED
    assert bob.get_object(Bucket=alices, Key="for-bob"), "this one was not public"

    block(alice, alices, BlockPublicAcls=True)
    assert nobody.get_object(Bucket=alices, Key="open"), "what is there is only ignored by the other switch"
    for acl in ("public-read", "public-read-write", "authenticated-read"):
        assert refused(alice.put_object, Bucket=alices, Key="new", Body=b"x", ACL=acl) == DENIED
        assert refused(alice.put_object_acl, Bucket=alices, Key="k", ACL=acl) == DENIED
        assert refused(alice.put_bucket_acl, Bucket=alices, ACL=acl) == DENIED
        assert refused(alice.create_multipart_upload, Bucket=alices, Key="new", ACL=acl) == DENIED
        copy = {"Bucket": alices, "Key": "new", "CopySource": f"{alices}/k"}
        assert refused(alice.copy_object, **copy, ACL=acl) == DENIED
    assert refused(alice.put_object, Bucket=alices, Key="new", Body=b"x", GrantRead=f"uri={ALL_USERS}") == DENIED
    assert refused(alice.head_object, Bucket=alices, Key="new")[0] == 404
    alice.delete_public_access_block(Bucket=alices)
    assert refused(alice.get_public_access_block, Bucket=alices) == missing
    assert nobody.get_object(Bucket=alices, Key="open")


def enforce(client, bucket, ownership="BucketOwnerEnforced"):
    client.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]}
    )


def test_enforced_ownership_switches_acls_off(alice, alices, bob, nobody):
    assert refused(alice.get_bucket_ownership_controls, Bucket=alices) == (404, "OwnershipControlsNotFoundError")
    alice.put_object(Bucket=alices, Key="open", Body=b"x", ACL="public-read")
    alice.put_bucket_acl(Bucket=alices, GrantWrite=BOB.grantee, GrantFullControl=ALICE.grantee)
    bob.put_object(Bucket=alices, Key="by-bob", Body=b"bob's")
    code = (400, "InvalidBucketAclWithObjectOwnership")
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert refused(alice.put_bucket_ownership_controls, Bucket=alices, OwnershipControls=controls) == code
    alice.put_bucket_acl(Bucket=alices, ACL="private")
    enforce(alice, alices)
    assert alice.get_bucket_ownership_controls(Bucket=alices)["OwnershipControls"] == controls

    for client in (nobody, bob):
        assert refused(client.get_object, Bucket=alices, Key="open") == DENIED
    assert refused(bob.get_object, Bucket=alices, Key="by-bob") == DENIED
    assert alice.get_object(Bucket=alices, Key="by-bob")["Body"].read() == b"bob's"
    off = (400, "AccessControlListNotSupported")
    assert refused(alice.put_object, Bucket=alices, Key="new", Body=b"x", ACL="public-read") == off
    assert refused(alice.put_object_acl, Bucket=alices, Key="k", ACL="public-read") == off
    assert refused(alice.put_bucket_acl, Bucket=alices, ACL="public-read") == off
    alice.put_object(Bucket=alices, Key="new", Body=b"x", ACL="bucket-owner-full-control")
    assert grants(alice.get_object_acl(Bucket=alices, Key="by-bob")) == {(ALICE.owner, "FULL_CONTROL")}
    alice.delete_bucket_ownership_controls(Bucket=alices)
    assert nobody.get_object(Bucket=alices, Key="open")["Body"].read() == b"x"


def test_preferred_ownership_hands_over_what_is_given(alice, alices, bob):
    enforce(alice, alices, "BucketOwnerPreferred")
    alice.put_bucket_acl(Bucket=alices, GrantWrite=BOB.grantee, GrantFullControl=ALICE.grantee)
    bob.put_object(Bucket=alices, Key="kept", Body=b"x")
    bob.put_object(Bucket=alices, Key="given", Body=b"x", ACL="bucket-owner-full-control")
    assert bob.get_object_acl(Bucket=alices, Key="kept")["Owner"]["ID"] == BOB.owner
    assert alice.get_object_acl(Bucket=alices, Key="given")["Owner"]["ID"] == ALICE.owner
    assert refused(bob.get_object, Bucket=alices, Key="given") == DENIED
