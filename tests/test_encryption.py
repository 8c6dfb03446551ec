"""What clients or the configuration want of an object at rest, encryption and ACL: told to every store, never dropped."""

import pytest
import requests

from harness import configuration, replicas
from harness.clients import refused
from harness.media import MIB


@pytest.fixture(scope="module")
def system(start_shared_relais, moto_http, moto_https, tmp_path_factory):
    """The bucket `encrypted` asks for AES256 where clients ask for nothing; the others do not."""
    named = [configuration.bucket("encrypted", ["first", "second"], write_mode="all", encryption="AES256")]
    folder = tmp_path_factory.mktemp("encryption")
    return replicas.over_clouds(start_shared_relais, folder, (moto_http, moto_https), named=named)


@pytest.fixture
def s3(system):
    return system.client()


def at_stores(system, key, bucket="encrypted"):
    return system.on_both(lambda store: store.head_object(Bucket=bucket, Key=key).get("ServerSideEncryption"))


def test_bucket_asks_for_encryption_where_the_client_does_not(system, s3):
    s3.put_object(Bucket="encrypted", Key="put", Body=b"x")
    assert s3.head_object(Bucket="encrypted", Key="put")["ServerSideEncryption"] == "AES256"
    s3.copy_object(Bucket="encrypted", Key="copy", CopySource="encrypted/put")
    form = s3.generate_presigned_post("encrypted", "form")
    assert requests.post(form["url"], data=form["fields"], files={"file": b"x"}, timeout=20).status_code == 204
    upload = {"Bucket": "encrypted", "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x" * MIB)["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    for key in ("put", "copy", "form", "parts"):
        assert at_stores(system, key) == ["AES256"] * 2, key


@pytest.mark.parametrize("bucket", ["encrypted", "plain-text"])
def test_what_the_client_asks_for_reaches_every_store(system, s3, bucket):
    if bucket == "plain-text":
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="kms", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="a-key")
    assert at_stores(system, "kms", bucket) == ["aws:kms"] * 2
    assert s3.head_object(Bucket=bucket, Key="kms")["SSEKMSKeyId"].endswith("a-key")
    s3.put_object(Bucket=bucket, Key="own", Body=b"x", ServerSideEncryption="AES256")
    assert at_stores(system, "own", bucket) == ["AES256"] * 2


def test_acl_of_an_object_is_told_to_every_store(system, s3):
    everyone = "http://acs.amazonaws.com/groups/global/AllUsers"

    def is_public(store):
        grants = store.get_object_acl(Bucket="encrypted", Key="seen")["Grants"]
        return any(one["Grantee"].get("URI") == everyone and one["Permission"] == "READ" for one in grants)

    s3.put_object(Bucket="encrypted", Key="seen", Body=b"x", ACL="public-read")
    assert system.on_both(is_public) == [True, True]
    s3.put_object_acl(Bucket="encrypted", Key="seen", ACL="private")
    assert system.on_both(is_public) == [False, False]
    s3.put_object_acl(Bucket="encrypted", Key="seen", ACL="public-read")
    assert system.on_both(is_public) == [True, True]
    s3.put_object(Bucket="encrypted", Key="seen", Body=b"new")
    assert system.on_both(is_public) == [False, False]


def test_folders_refuse_keys_of_clients_rather_than_drop_them(start_relais, tmp_path):
    system = replicas.over_folders(start_relais, tmp_path)
    # A key of the client's own is only sent over TLS by SDKs, so it is put in by hand here.
    s3 = system.client()
    s3.create_bucket(Bucket="folder-bucket")
    headers = {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "x-amz-server-side-encryption-customer-key-MD5": "hRasmdxgYDKV3nvbahU1MA==",
    }
    s3.meta.events.register("before-sign.s3.PutObject", lambda request, **_: _add(request, headers))
    assert refused(s3.put_object, Bucket="folder-bucket", Key="k", Body=b"x") == (501, "NotImplemented")
    assert system.on_both(lambda store: replicas.found(store, "folder-bucket", "k")) == [None, None]


def _add(request, headers):
    for name, value in headers.items():
        request.headers[name] = value
