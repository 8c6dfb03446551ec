"""With the role of the voice example, user 42 reaches `audio/whatsapp/42/` and nothing else, by every way into relais.

Next door live the users 420 and 7; 7 has a folder of the name 42.
"""

import json
import time
from urllib.parse import urlsplit

import pytest
import requests
from harness import configuration, tokens
from harness.clients import refused
from harness.configuration import allow, role

BUCKET = "voice-messages"
OWN = "audio/whatsapp/42/2026/11/own.ogg"
FOREIGN = [
    "audio/whatsapp/420/2026/11/theirs.ogg",
    "audio/whatsapp/7/42/theirs.ogg",
    "audio/whatsapp/42",
    "audio/whatsapp/",
    "audio/voice_realtime/42/x.pcm16",
    "42/x",
    "x/audio/whatsapp/42/x",
    "audio/whatsapp//42/x",
    "audio/whatsapp/./42/x",
]
DENIED = (403, "AccessDenied")

VOICE = role(
    "user",
    [
        allow(
            ["s3:GetObject*", "s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            [f"{BUCKET}/audio/whatsapp/${{jwt:sub}}/*"],
        ),
        allow(
            ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"],
            [BUCKET],
            Condition={"StringLike": {"s3:prefix": "audio/whatsapp/${jwt:sub}/*"}},
        ),
    ],
    claims={"role": "user"},
)


@pytest.fixture(scope="module")
def relais(start_shared_relais, tmp_path_factory):
    config, folders = configuration.two_folders(
        tmp_path_factory.mktemp("isolation"),
        named=[configuration.bucket(BUCKET, ["first", "second"], write_mode="all")],
        lists={"access.roles": [VOICE]},
        **configuration.no_sidecars(),
    )
    one = start_shared_relais("isolation", config=config)
    one.folders = folders
    return one


@pytest.fixture(scope="module")
def root(relais):
    """The root's client, after it has put an object at every place."""
    client = relais.client()
    for key in (OWN, *FOREIGN):
        client.put_object(Bucket=BUCKET, Key=key, Body=f"body of {key}".encode())
    return client


def jwt(subject="42", **claims):
    return tokens.token(**{"sub": subject, "role": "user"} | claims)


WAYS = {"sts": tokens.by_sts, "session token": tokens.by_session_token, "bearer": tokens.by_bearer}


@pytest.fixture(scope="module", params=WAYS)
def user(request, relais, root):
    return WAYS[request.param](relais, jwt())


def test_own_objects_are_written_read_and_deleted(user):
    key = "audio/whatsapp/42/new.ogg"
    user.put_object(Bucket=BUCKET, Key=key, Body=b"own words")
    assert user.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"own words"
    assert user.get_object(Bucket=BUCKET, Key=key, Range="bytes=4-")["Body"].read() == b"words"
    assert user.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == 9
    user.delete_object(Bucket=BUCKET, Key=key)
    listed = user.list_objects_v2(Bucket=BUCKET, Prefix="audio/whatsapp/42/")
    assert [entry["Key"] for entry in listed["Contents"]] == [OWN]


@pytest.mark.parametrize("key", FOREIGN)
def test_nothing_else_is_read_written_or_deleted(user, root, key):
    before = root.get_object(Bucket=BUCKET, Key=key)
    at = {"Bucket": BUCKET, "Key": key}
    assert refused(user.get_object, **at) == DENIED
    assert refused(user.get_object, Range="bytes=0-1", **at) == DENIED
    assert refused(user.head_object, **at)[0] == 403
    assert refused(user.put_object, Body=b"mine now", **at) == DENIED
    assert refused(user.delete_object, **at) == DENIED
    assert refused(user.get_object_tagging, **at) == DENIED
    assert refused(user.put_object_tagging, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}, **at) == DENIED
    assert refused(user.get_object_acl, **at) == DENIED
    assert refused(user.put_object_acl, ACL="public-read", **at) == DENIED
    assert refused(user.create_multipart_upload, **at) == DENIED
    assert refused(user.get_object_attributes, ObjectAttributes=["ETag"], **at) == DENIED
    after = root.get_object(Bucket=BUCKET, Key=key)
    assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])


@pytest.mark.parametrize("prefix", ["", "audio/", "audio/whatsapp/", "audio/whatsapp/42", "audio/whatsapp/420/", "audio/whatsapp/7/42/"])
def test_only_the_own_folder_is_listed(user, prefix):
    assert refused(user.list_objects_v2, Bucket=BUCKET, Prefix=prefix) == DENIED
    assert refused(user.list_objects, Bucket=BUCKET, Prefix=prefix) == DENIED
    assert refused(user.list_object_versions, Bucket=BUCKET, Prefix=prefix) == DENIED
    assert refused(user.list_multipart_uploads, Bucket=BUCKET, Prefix=prefix) == DENIED


def test_what_may_not_be_read_is_not_copied(user):
    own = "audio/whatsapp/42/copy.ogg"
    for key in FOREIGN:
        assert refused(user.copy_object, Bucket=BUCKET, Key=own, CopySource={"Bucket": BUCKET, "Key": key}) == DENIED
    assert refused(user.copy_object, Bucket=BUCKET, Key=FOREIGN[0], CopySource={"Bucket": BUCKET, "Key": OWN}) == DENIED
    upload = user.create_multipart_upload(Bucket=BUCKET, Key=own)["UploadId"]
    part = {"Bucket": BUCKET, "Key": own, "UploadId": upload, "PartNumber": 1}
    assert refused(user.upload_part_copy, CopySource={"Bucket": BUCKET, "Key": FOREIGN[0]}, **part) == DENIED
    user.abort_multipart_upload(Bucket=BUCKET, Key=own, UploadId=upload)


def test_upload_id_of_another_opens_nothing(user, root):
    foreign, own = FOREIGN[0], "audio/whatsapp/42/part.ogg"
    upload = root.create_multipart_upload(Bucket=BUCKET, Key=foreign)["UploadId"]
    at = {"Bucket": BUCKET, "Key": foreign, "UploadId": upload}
    assert refused(user.upload_part, PartNumber=1, Body=b"mine", **at) == DENIED
    assert refused(user.list_parts, **at) == DENIED
    assert refused(user.abort_multipart_upload, **at) == DENIED
    assert refused(user.complete_multipart_upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]}, **at) == DENIED
    # Under a key of one's own the id is one of another upload.
    disguised = at | {"Key": own}
    assert refused(user.upload_part, PartNumber=1, Body=b"mine", **disguised) == (404, "NoSuchUpload")
    assert refused(user.list_parts, **disguised) == (404, "NoSuchUpload")
    root.abort_multipart_upload(**at)


def test_bulk_deletion_is_asked_key_by_key(user, root):
    own = "audio/whatsapp/42/bulk.ogg"
    root.put_object(Bucket=BUCKET, Key=own, Body=b"x")
    keys = [{"Key": key} for key in (own, *FOREIGN)]
    answer = user.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
    assert [one["Key"] for one in answer["Deleted"]] == [own]
    assert {(one["Key"], one["Code"]) for one in answer["Errors"]} == {(key, "AccessDenied") for key in FOREIGN}
    for key in FOREIGN:
        root.head_object(Bucket=BUCKET, Key=key)


def test_buckets_are_not_listed_made_or_set(user):
    assert refused(user.list_buckets) == DENIED
    assert refused(user.create_bucket, Bucket="audio-of-42") == DENIED
    assert refused(user.get_bucket_policy, Bucket=BUCKET) == DENIED
    assert refused(user.put_bucket_cors, Bucket=BUCKET, CORSConfiguration={"CORSRules": []})[0] in (400, 403)
    assert refused(user.delete_bucket, Bucket=BUCKET) == DENIED


def test_missing_objects_are_told_only_where_one_may_list(user):
    assert refused(user.get_object, Bucket=BUCKET, Key="audio/whatsapp/42/none.ogg") == (404, "NoSuchKey")
    assert refused(user.get_object, Bucket=BUCKET, Key="audio/whatsapp/420/none.ogg") == DENIED


def test_versions_are_kept_apart(relais, root, user):
    name = "versioned"
    if name not in [bucket["Name"] for bucket in root.list_buckets()["Buckets"]]:
        root.create_bucket(Bucket=name)
    root.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    version = root.put_object(Bucket=name, Key=OWN, Body=b"in a bucket of which the role says nothing")["VersionId"]
    assert refused(user.get_object, Bucket=name, Key=OWN, VersionId=version) == DENIED
    assert refused(user.delete_object, Bucket=name, Key=OWN, VersionId=version) == DENIED


def test_presigned_urls_reach_no_further(relais, root):
    user = tokens.by_sts(relais, jwt())
    own = user.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": OWN})
    assert requests.get(own, timeout=10).content == f"body of {OWN}".encode()
    for key in FOREIGN:
        url = user.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key})
        assert requests.get(url, timeout=10).status_code == 403
    # Another key in the path of a URL that was signed for one's own.
    assert requests.get(own.replace("/42/", "/420/"), timeout=10).status_code == 403


def test_presigned_urls_live_no_longer_than_the_token(relais, root):
    """The URL asks for an hour; the token behind its credentials ends before."""
    short = jwt(exp=int(time.time()) + 4)
    answer = tokens.sts_client(relais).assume_role_with_web_identity(
        RoleArn=tokens.ROLE_ARN, RoleSessionName="test", WebIdentityToken=short
    )["Credentials"]
    assert answer["Expiration"].timestamp() <= time.time() + 5
    user = tokens.with_credentials(relais, answer)
    url = user.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": OWN}, ExpiresIn=3600)
    assert requests.get(url, timeout=10).status_code == 200
    time.sleep(max(0, answer["Expiration"].timestamp() - time.time()) + 1)
    late = requests.get(url, timeout=10)
    assert late.status_code == 400
    assert "<Code>ExpiredToken</Code>" in late.text


def test_token_itself_is_not_taken_in_a_url(relais, root):
    """A URL is handed on; whoever gets one must not get the token."""
    user = tokens.by_session_token(relais, jwt())
    url = user.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": OWN})
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 400
    assert "<Code>InvalidToken</Code>" in answer.text


def test_forms_reach_no_further(relais, root):
    user = tokens.by_sts(relais, jwt())
    own = "audio/whatsapp/42/form.ogg"
    post = user.generate_presigned_post(BUCKET, own)
    assert requests.post(post["url"], data=post["fields"], files={"file": b"by form"}, timeout=10).status_code == 204
    assert root.get_object(Bucket=BUCKET, Key=own)["Body"].read() == b"by form"
    for key in FOREIGN[:3]:
        post = user.generate_presigned_post(BUCKET, key)
        answer = requests.post(post["url"], data=post["fields"], files={"file": b"by form"}, timeout=10)
        assert answer.status_code == 403, key
    # Without its token, and with that of other credentials, the key alone opens nothing.
    post = user.generate_presigned_post(BUCKET, own)
    fields = {name: value for name, value in post["fields"].items() if name != "x-amz-security-token"}
    answer = requests.post(post["url"], data=fields, files={"file": b"by form"}, timeout=10)
    assert answer.status_code in (400, 403)
    other = tokens.by_sts(relais, jwt()).generate_presigned_post(BUCKET, own)["fields"]["x-amz-security-token"]
    answer = requests.post(
        post["url"], data=post["fields"] | {"x-amz-security-token": other}, files={"file": b"by form"}, timeout=10
    )
    assert answer.status_code in (400, 403)


def test_inline_policy_narrows_and_never_widens(relais, root):
    reading = {"Version": "2012-10-17", "Statement": [allow(["s3:GetObject"], [f"{BUCKET}/*"])]}
    user = tokens.by_sts(relais, jwt(), Policy=json.dumps(reading))
    assert user.get_object(Bucket=BUCKET, Key=OWN)["Body"].read()
    assert refused(user.put_object, Bucket=BUCKET, Key=OWN, Body=b"x") == DENIED
    assert refused(user.get_object, Bucket=BUCKET, Key=FOREIGN[0]) == DENIED
    everything = {"Version": "2012-10-17", "Statement": [allow("s3:*", ["*"])]}
    everything["Statement"][0]["Resource"] = "*"
    user = tokens.by_sts(relais, jwt(), Policy=json.dumps(everything))
    assert refused(user.get_object, Bucket=BUCKET, Key=FOREIGN[0]) == DENIED


@pytest.mark.parametrize("subject", ["7/42", "*", "4?", "42/../420", "${jwt:sub}", "4*", "42/", "/"])
def test_subject_is_a_name_and_no_pattern(relais, root, subject):
    """What a token says is text: it can neither be a pattern nor lead into another's folder."""
    for key in (OWN, *FOREIGN):
        headers = tokens.bearer(jwt(subject))
        answer = requests.get(f"{relais.url}/{BUCKET}/{key}", headers=headers, timeout=10)
        assert answer.status_code in (400, 403), (subject, key)


def test_token_without_a_role_opens_nothing(relais, root):
    for claims in ({"role": "admin"}, {"role": ["users"]}, {"role": None}, {"role": {"user": True}}):
        headers = tokens.bearer(jwt(**claims))
        answer = requests.get(f"{relais.url}/{BUCKET}/{OWN}", headers=headers, timeout=10)
        assert answer.status_code == 403, claims


def test_what_a_user_writes_is_theirs_by_name(relais, root):
    key = "audio/whatsapp/42/owned.ogg"
    tokens.by_sts(relais, jwt()).put_object(Bucket=BUCKET, Key=key, Body=b"x")
    assert root.get_object_acl(Bucket=BUCKET, Key=key)["Owner"]["ID"] == "42"


def test_refusal_is_explained_in_the_log_under_its_id(relais, root):
    headers = tokens.bearer(jwt())
    answer = requests.get(f"{relais.url}/{BUCKET}/{FOREIGN[0]}", headers=headers, timeout=10)
    assert answer.status_code == 403
    assert "whatsapp" not in answer.text.replace(urlsplit(answer.url).path, ""), "the client hears nothing of policies"
    line = next(
        line for line in relais.text().splitlines() if answer.headers["x-amz-request-id"] in line and "refused" in line
    )
    assert "nothing gives it" in line
