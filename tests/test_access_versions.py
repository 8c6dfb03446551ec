"""Versions of an object are open or closed each for itself, whichever of them is the latest."""

import pytest

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
