"""Who may do what: accounts are kept apart, anyone may do what an ACL or a rule opens to all, and nothing else."""

import pytest
import requests

from harness import raw
from harness.accounts import ALICE, BOB
from harness.clients import refused
from harness.stores import assert_replicas_hold, everything_in

DENIED = (403, "AccessDenied")


def status_of_head(client, bucket, key):
    return refused(client.head_object, Bucket=bucket, Key=key)[0]


def test_everything_is_private_until_somebody_opens_it(shared, alices, bob, nobody):
    before = everything_in(shared.folders)
    for client in (bob, nobody):
        for call, named in (
            (client.get_object, {"Key": "k"}),
            (client.get_object, {"Key": "none"}),
            (client.put_object, {"Key": "new", "Body": b"x"}),
            (client.delete_object, {"Key": "k"}),
            (client.get_object_tagging, {"Key": "k"}),
            (client.get_object_acl, {"Key": "k"}),
            (client.put_object_acl, {"Key": "k", "ACL": "public-read"}),
            (client.get_object_attributes, {"Key": "k", "ObjectAttributes": ["ETag"]}),
            (client.create_multipart_upload, {"Key": "k"}),
            (client.list_objects_v2, {}),
            (client.list_objects, {}),
            (client.list_object_versions, {}),
            (client.list_multipart_uploads, {}),
            (client.get_bucket_acl, {}),
            (client.put_bucket_acl, {"ACL": "public-read"}),
            (client.get_bucket_policy, {}),
            (client.put_bucket_policy, {"Policy": "{}"}),
            (client.get_bucket_versioning, {}),
            (client.put_bucket_versioning, {"VersioningConfiguration": {"Status": "Enabled"}}),
            (client.get_bucket_location, {}),
            (client.delete_bucket, {}),
        ):
            assert refused(call, Bucket=alices, **named) == DENIED, call.__name__
        assert status_of_head(client, alices, "k") == 403
        assert refused(client.head_bucket, Bucket=alices)[0] == 403
    assert everything_in(shared.folders) == before


def test_what_is_missing_is_named_only_to_who_may_list(shared, alice, alices, bob, nobody):
    assert refused(alice.get_object, Bucket=alices, Key="none") == (404, "NoSuchKey")
    for client in (bob, nobody):
        assert refused(client.get_object, Bucket=alices, Key="none") == DENIED
        assert status_of_head(client, alices, "none") == 403
        assert refused(client.list_objects_v2, Bucket="no-such-bucket") == (404, "NoSuchBucket")
    alice.put_bucket_acl(Bucket=alices, ACL="public-read")
    for client in (bob, nobody):
        assert refused(client.get_object, Bucket=alices, Key="none") == (404, "NoSuchKey")
        assert status_of_head(client, alices, "none") == 404
        assert refused(client.get_object, Bucket=alices, Key="k") == DENIED


def test_account_sees_its_own_buckets_and_cannot_take_anothers_name(shared, alice, alices, bob, nobody):
    bob.create_bucket(Bucket=f"bobs-{alices}")
    names = [{one["Name"] for one in client.list_buckets()["Buckets"]} for client in (alice, bob)]
    assert alices in names[0] and f"bobs-{alices}" in names[1]
    assert not names[0] & names[1]
    assert alice.list_buckets()["Owner"]["ID"] == ALICE.owner
    assert {alices, f"bobs-{alices}"} <= {one["Name"] for one in shared.client().list_buckets()["Buckets"]}
    assert refused(bob.create_bucket, Bucket=alices) == (409, "BucketAlreadyExists")
    assert refused(nobody.list_buckets) == DENIED
    assert refused(nobody.create_bucket, Bucket="nobodys") == DENIED


def test_public_object_is_read_by_anyone_and_its_neighbours_are_not(shared, alice, alices, bob, nobody):
    alice.put_object(Bucket=alices, Key="public", Body=b"for all", ACL="public-read")
    for client in (bob, nobody):
        assert client.get_object(Bucket=alices, Key="public")["Body"].read() == b"for all"
        assert client.head_object(Bucket=alices, Key="public")["ContentLength"] == 7
        assert refused(client.get_object, Bucket=alices, Key="k") == DENIED
        assert refused(client.put_object, Bucket=alices, Key="public", Body=b"x") == DENIED
        assert refused(client.delete_object, Bucket=alices, Key="public") == DENIED
        assert refused(client.get_object_tagging, Bucket=alices, Key="public") == DENIED
        assert refused(client.get_object_acl, Bucket=alices, Key="public") == DENIED
        assert refused(client.list_objects_v2, Bucket=alices) == DENIED
    assert requests.get(f"{shared.url}/{alices}/public", timeout=20).content == b"for all"


def test_opening_ends_with_the_object_that_was_opened(alice, alices, nobody):
    def open_and(*, then):
        alice.put_object(Bucket=alices, Key="was", Body=b"1", ACL="public-read")
        assert nobody.get_object(Bucket=alices, Key="was")
        then()
        assert refused(nobody.get_object, Bucket=alices, Key="was") == DENIED

    source = {"Bucket": alices, "Key": "k"}
    open_and(then=lambda: alice.put_object(Bucket=alices, Key="was", Body=b"2"))
    open_and(then=lambda: alice.copy_object(Bucket=alices, Key="was", CopySource=source))
    open_and(then=lambda: alice.put_object_acl(Bucket=alices, Key="was", ACL="private"))
    open_and(then=lambda: (alice.delete_object(Bucket=alices, Key="was"), alice.put_object(Bucket=alices, Key="was")))
    alice.put_object(Bucket=alices, Key="was", Body=b"1", ACL="public-read")
    alice.copy_object(Bucket=alices, Key="copy", CopySource={"Bucket": alices, "Key": "was"})
    assert refused(nobody.get_object, Bucket=alices, Key="copy") == DENIED
    alice.copy_object(Bucket=alices, Key="copy", CopySource=source, ACL="public-read")
    assert nobody.get_object(Bucket=alices, Key="copy")["Body"].read() == b"private"


def test_new_bucket_of_an_old_name_has_no_old_rules(alice, bob, nobody):
    alice.create_bucket(Bucket="handed-on", ACL="public-read-write")
    nobody.list_objects_v2(Bucket="handed-on")
    alice.delete_bucket(Bucket="handed-on")
    bob.create_bucket(Bucket="handed-on")
    for client in (alice, nobody):
        assert refused(client.list_objects_v2, Bucket="handed-on") == DENIED
    bob.delete_bucket(Bucket="handed-on")


def test_public_bucket_is_listed_and_written_by_anyone(shared, alice, alices, nobody):
    alice.put_bucket_acl(Bucket=alices, ACL="public-read")
    assert [one["Key"] for one in nobody.list_objects_v2(Bucket=alices)["Contents"]] == ["k"]
    assert refused(nobody.put_object, Bucket=alices, Key="new", Body=b"x") == DENIED
    alice.put_bucket_acl(Bucket=alices, ACL="public-read-write")
    nobody.put_object(Bucket=alices, Key="new", Body=b"by nobody")
    assert_replicas_hold(shared.folders, alices, "new", b"by nobody")
    form = {"key": "forms/${filename}", "Content-Type": "text/plain"}
    file = {"file": ("note.txt", b"by form")}
    sent = requests.post(f"{shared.url}/{alices}", data=form, files=file, timeout=20)
    assert sent.status_code == 204, sent.text
    assert_replicas_hold(shared.folders, alices, "forms/note.txt", b"by form")
    nobody.delete_object(Bucket=alices, Key="new")
    assert not any((folder / alices / "new").exists() for folder in shared.folders)
    alice.put_bucket_acl(Bucket=alices, ACL="private")
    assert requests.post(f"{shared.url}/{alices}", data=form, files=file, timeout=20).status_code == 403
    assert refused(nobody.list_objects_v2, Bucket=alices) == DENIED


def test_configured_prefix_is_read_by_anyone(shared, nobody):
    root = shared.client()
    for key in ("open/k", "open", "opener/k", "closed/k"):
        root.put_object(Bucket="half-open", Key=key, Body=key.encode())
    assert nobody.get_object(Bucket="half-open", Key="open/k")["Body"].read() == b"open/k"
    for key in ("open", "opener/k", "closed/k", "open/../closed/k", "open%2Fk"):
        assert refused(nobody.get_object, Bucket="half-open", Key=key) == DENIED, key
    for escaping in ("open/../closed/k", "open/%2E%2E/closed/k", "open%2F..%2Fclosed/k", "open//../closed/k"):
        request = requests.Request("GET", shared.url).prepare()
        request.url = f"{shared.url}/half-open/{escaping}"  # As it is: a session would resolve the dots.
        assert requests.Session().send(request, timeout=20).status_code in (400, 403, 404), escaping
    assert refused(nobody.list_objects_v2, Bucket="half-open", Prefix="open/") == DENIED
    assert refused(nobody.put_object, Bucket="half-open", Key="open/k", Body=b"x") == DENIED
    assert refused(nobody.get_object_tagging, Bucket="half-open", Key="open/k") == DENIED


def sources(bucket, key):
    """Ways to write a source that is `k`."""
    plain = (f"{bucket}/{key}", f"/{bucket}/{key}", f"{bucket}/{key}?versionId=null")
    return (*plain, f"{bucket}%2F{key}", f"%2F{bucket}/%6B")


def test_what_may_not_be_read_may_not_be_copied(shared, alices, bob, nobody):
    bob.create_bucket(Bucket=f"of-bob-{alices}", ACL="public-read-write")
    upload = bob.create_multipart_upload(Bucket=f"of-bob-{alices}", Key="stolen")["UploadId"]
    whole = f"{shared.url}/of-bob-{alices}/stolen"
    for source in sources(alices, "k"):
        for url in (whole, f"{whole}?partNumber=1&uploadId={upload}"):
            unsigned = {"x-amz-copy-source": source}
            for headers in (raw.signed_headers(BOB, "PUT", url, unsigned), unsigned):
                answer = requests.put(url, headers=headers, timeout=20)
                assert (answer.status_code, "AccessDenied" in answer.text) == (403, True), (source, answer.text)
    assert refused(nobody.copy_object, Bucket=f"of-bob-{alices}", Key="stolen", CopySource=f"{alices}/k") == DENIED
    assert status_of_head(bob, f"of-bob-{alices}", "stolen") == 404


def test_bulk_deletion_deletes_only_what_one_may(shared, alice, alices, bob, nobody):
    asked = {"Objects": [{"Key": "k"}, {"Key": "none"}]}
    answer = bob.delete_objects(Bucket=alices, Delete=asked)
    assert {(one["Key"], one["Code"]) for one in answer["Errors"]} == {("k", "AccessDenied"), ("none", "AccessDenied")}
    assert not answer.get("Deleted")
    assert refused(nobody.delete_objects, Bucket=alices, Delete=asked) == DENIED
    assert_replicas_hold(shared.folders, alices, "k", b"private")
    alice.put_bucket_acl(Bucket=alices, ACL="public-read-write")
    for client in (bob, nobody):
        alice.put_object(Bucket=alices, Key="k", Body=b"again")
        assert len(client.delete_objects(Bucket=alices, Delete=asked)["Deleted"]) == 2
        assert refused(alice.head_object, Bucket=alices, Key="k")[0] == 404


def test_upload_in_parts_is_not_anothers(shared, alice, alices, bob, nobody):
    upload = alice.create_multipart_upload(Bucket=alices, Key="big")["UploadId"]
    etag = alice.upload_part(Bucket=alices, Key="big", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    named = {"Bucket": alices, "Key": "big", "UploadId": upload}
    done = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    for client in (bob, nobody):
        assert refused(client.upload_part, **named, PartNumber=1, Body=b"y") == DENIED
        assert refused(client.list_parts, **named) == DENIED
        assert refused(client.complete_multipart_upload, **named, MultipartUpload=done) == DENIED
        assert refused(client.abort_multipart_upload, **named) == DENIED
    alice.complete_multipart_upload(**named, MultipartUpload=done)
    assert_replicas_hold(shared.folders, alices, "big", b"x")


def test_signed_url_may_what_its_signer_may(shared, alice, alices, bob):
    named = {"Bucket": alices, "Key": "k"}
    urls = [client.generate_presigned_url("get_object", named) for client in (alice, bob)]
    assert [requests.get(url, timeout=20).status_code for url in urls] == [200, 403]


def test_signed_form_may_what_its_signer_may(shared, alice, alices, bob):
    for client, status in ((alice, 204), (bob, 403)):
        form = client.generate_presigned_post(alices, "form.txt")
        file = {"file": ("form.txt", b"by form")}
        assert requests.post(form["url"], data=form["fields"], files=file, timeout=20).status_code == status
    assert alice.get_object_acl(Bucket=alices, Key="form.txt")["Owner"]["ID"] == ALICE.owner


def test_request_may_say_whose_bucket_it_expects(alice, alices):
    assert alice.head_object(Bucket=alices, Key="k", ExpectedBucketOwner=ALICE.owner)
    assert refused(alice.get_object, Bucket=alices, Key="k", ExpectedBucketOwner=BOB.owner) == DENIED
    assert refused(alice.put_object, Bucket=alices, Key="k", Body=b"x", ExpectedBucketOwner=BOB.owner) == DENIED
    copy = {"Bucket": alices, "Key": "copy", "CopySource": f"{alices}/k"}
    assert refused(alice.copy_object, **copy, ExpectedSourceBucketOwner=BOB.owner) == DENIED
    alice.copy_object(**copy, ExpectedSourceBucketOwner=ALICE.owner)
