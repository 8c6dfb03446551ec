"""Versions of an object are open or closed each for itself, whichever of them is the latest."""

import pytest

from harness.accounts import ALICE, BOB
from harness.clients import refused

DENIED = (403, "AccessDenied")


def test_versions_are_opened_one_by_one(alice, alices, nobody):
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Enabled"})
    first = alice.put_object(Bucket=alices, Key="v", Body=b"open", ACL="public-read")["VersionId"]
    second = alice.put_object(Bucket=alices, Key="v", Body=b"closed")["VersionId"]
    assert nobody.get_object(Bucket=alices, Key="v", VersionId=first)["Body"].read() == b"open"
    assert refused(nobody.get_object, Bucket=alices, Key="v") == DENIED
    assert refused(nobody.get_object, Bucket=alices, Key="v", VersionId=second) == DENIED
    alice.put_object_acl(Bucket=alices, Key="v", ACL="public-read")
    assert nobody.get_object(Bucket=alices, Key="v", VersionId=second)["Body"].read() == b"closed"
    alice.put_object_acl(Bucket=alices, Key="v", ACL="private")
    assert refused(nobody.get_object, Bucket=alices, Key="v", VersionId=second) == DENIED
    alice.put_object_acl(Bucket=alices, Key="v", VersionId=first, ACL="private")
    assert refused(nobody.get_object, Bucket=alices, Key="v", VersionId=first) == DENIED
    alice.put_object_acl(Bucket=alices, Key="v", VersionId=first, ACL="public-read")
    assert nobody.get_object(Bucket=alices, Key="v", VersionId=first)["Body"].read() == b"open"


@pytest.mark.parametrize("acls", [("private", "public-read"), ("public-read", "private")], ids=" then ".join)
@pytest.mark.parametrize("hidden_by", ["newer version", "delete marker"])
def test_version_that_comes_to_light_is_as_open_as_it_was(acls, hidden_by, alice, alices, nobody):
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Enabled"})
    ids = [alice.put_object(Bucket=alices, Key="v", Body=b"x", ACL=acl)["VersionId"] for acl in acls]
    ids.append(alice.delete_object(Bucket=alices, Key="v")["VersionId"])
    for id in ids[2:] if hidden_by == "delete marker" else ids[:0:-1]:
        alice.delete_object(Bucket=alices, Key="v", VersionId=id)
    if acls[1 if hidden_by == "delete marker" else 0] == "private":
        assert refused(nobody.get_object, Bucket=alices, Key="v") == DENIED
    else:
        assert nobody.get_object(Bucket=alices, Key="v")["Body"].read() == b"x"


def test_older_version_is_not_opened_by_the_newer(alice, alices, nobody):
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Enabled"})
    alice.put_object(Bucket=alices, Key="v", Body=b"secret")
    newer = alice.put_object(Bucket=alices, Key="v", Body=b"open", ACL="public-read")["VersionId"]
    alice.delete_object(Bucket=alices, Key="v", VersionId=newer)
    assert alice.get_object(Bucket=alices, Key="v")["Body"].read() == b"secret"
    assert refused(nobody.get_object, Bucket=alices, Key="v") == DENIED


def test_object_from_before_versioning_is_not_opened_by_a_newer(alice, alices, nobody):
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Enabled"})
    newer = alice.put_object(Bucket=alices, Key="k", Body=b"open", ACL="public-read")["VersionId"]
    assert refused(nobody.get_object, Bucket=alices, Key="k", VersionId="null") == DENIED
    alice.delete_object(Bucket=alices, Key="k", VersionId=newer)
    assert alice.get_object(Bucket=alices, Key="k")["Body"].read() == b"private"
    assert refused(nobody.get_object, Bucket=alices, Key="k") == DENIED


def test_object_overwritten_while_versioning_is_suspended_is_closed(alice, alices, nobody):
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Enabled"})
    alice.put_object(Bucket=alices, Key="v", Body=b"1")
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Suspended"})
    alice.put_object(Bucket=alices, Key="v", Body=b"open", ACL="public-read")
    assert nobody.get_object(Bucket=alices, Key="v")["Body"].read() == b"open"
    alice.put_object(Bucket=alices, Key="v", Body=b"closed")
    assert refused(nobody.get_object, Bucket=alices, Key="v") == DENIED
    assert refused(nobody.get_object, Bucket=alices, Key="v", VersionId="null") == DENIED
    alice.delete_object(Bucket=alices, Key="v", VersionId="null")
    assert alice.get_object(Bucket=alices, Key="v")["Body"].read() == b"1"
    assert refused(nobody.get_object, Bucket=alices, Key="v") == DENIED


def test_who_wrote_the_newer_version_does_not_own_the_older(alice, alices, bob):
    alice.put_bucket_versioning(Bucket=alices, VersioningConfiguration={"Status": "Enabled"})
    secret = alice.put_object(Bucket=alices, Key="v", Body=b"alice's")["VersionId"]
    alice.put_bucket_acl(Bucket=alices, GrantWrite=BOB.grantee, GrantFullControl=ALICE.grantee)
    newer = bob.put_object(Bucket=alices, Key="v", Body=b"bob's")["VersionId"]
    assert bob.get_object(Bucket=alices, Key="v", VersionId=newer)["Body"].read() == b"bob's"
    assert refused(bob.get_object, Bucket=alices, Key="v", VersionId=secret) == DENIED
    assert refused(bob.get_object_acl, Bucket=alices, Key="v", VersionId=secret) == DENIED
    assert refused(bob.put_object_acl, Bucket=alices, Key="v", VersionId=secret, ACL="public-read") == DENIED
    assert alice.get_object(Bucket=alices, Key="v", VersionId=secret)["Body"].read() == b"alice's"
    bob.delete_object(Bucket=alices, Key="v", VersionId=newer)
    assert refused(bob.get_object, Bucket=alices, Key="v") == DENIED
    assert alice.get_object(Bucket=alices, Key="v")["Body"].read() == b"alice's"
