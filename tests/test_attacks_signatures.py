"""Requests whose signature is good for something else: what was not signed is refused, and nothing is done."""

import http.client
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import requests

from harness import canary, configuration, media, raw, tokens
from harness.accounts import BOB
from harness.clients import refused
from harness.configuration import allow, role
from harness.stores import everything_in

BUCKET, OTHER_BUCKET = "attacked", "neighbour"
KEY, FOREIGN = "users/42/k", "users/420/secret"
BODY, SECRET = b"as it was", b"THE SECRET"
NOT_SIGNED = (403, "AccessDenied")
WRONG = (403, "SignatureDoesNotMatch")
USER = role(
    "user",
    [allow(["s3:GetObject*", "s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload"], [f"{BUCKET}/users/${{jwt:sub}}/*"])],
    claims={"role": "user"},
)  # fmt: skip


@pytest.fixture(scope="module")
def relais(start_shared_relais, tmp_path_factory):
    both = ["first", "second"]
    config, folders = configuration.two_folders(
        tmp_path_factory.mktemp("signatures"),
        named=[configuration.bucket(name, both, write_mode="all") for name in (BUCKET, OTHER_BUCKET)],
        lists={"access.roles": [USER]},
        **configuration.no_sidecars(),
        proxy={"domains": [configuration.DOMAIN]},
    )
    one = start_shared_relais("signatures", config=config)
    one.folders = folders
    for key, body in ((KEY, BODY), (FOREIGN, SECRET)):
        one.client().put_object(Bucket=BUCKET, Key=key, Body=body)
    one.client().put_object(Bucket=OTHER_BUCKET, Key=KEY, Body=SECRET)
    return one


@pytest.fixture
def root(relais):
    return relais.client()


@pytest.fixture
def nothing_changes(relais, root):
    """After the test every object is as it was: body, metadata, tags, ACL, lock and time."""
    state = lambda: (
        everything_in(relais.folders),
        {
            (bucket, key): [
                root.get_object(Bucket=bucket, Key=key)["Body"].read(),
                root.head_object(Bucket=bucket, Key=key)["ResponseMetadata"]["HTTPHeaders"]["last-modified"],
                root.head_object(Bucket=bucket, Key=key)["Metadata"],
                root.get_object_tagging(Bucket=bucket, Key=key)["TagSet"],
                root.get_object_acl(Bucket=bucket, Key=key)["Grants"],
            ]
            for bucket, key in ((BUCKET, KEY), (BUCKET, FOREIGN), (OTHER_BUCKET, KEY))
        },
        len(root.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])),
    )
    before = state()
    yield
    assert state() == before
    assert relais.is_ready()


def send(relais, method, target, headers=None, body=b"", host=None):
    """A request with exactly this target and these headers; gives status, S3 code and body."""
    connection = http.client.HTTPConnection("127.0.0.1", relais.s3_port, timeout=20)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    sent = {"Host": f"127.0.0.1:{relais.s3_port}" if host is None else host} | (headers or {})
    if body or method in ("PUT", "POST"):
        sent["Content-Length"] = str(len(body))
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert SECRET not in text
    code = text.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()
    return answer.status, code or None, text


def verdict(relais, *args, **kwargs):
    return send(relais, *args, **kwargs)[:2]


def presigned(client, operation="get_object", seconds=300, **parameters):
    """The target of a URL as a client presigns it, without scheme and host."""
    url = client.generate_presigned_url(operation, {"Bucket": BUCKET, "Key": KEY} | parameters, ExpiresIn=seconds)
    parts = urlsplit(canary.remember(url))
    return f"{parts.path}?{parts.query}"


def signed(relais, method, path, headers=None, payload=raw.UNSIGNED):
    return raw.signed_headers(relais, method, relais.url + path, headers, payload)


UNSIGNED_HEADERS = {
    "x-amz-copy-source": f"{BUCKET}/{FOREIGN}",
    "x-amz-copy-source-range": "bytes=0-3",
    "x-amz-copy-source-if-match": "*",
    "x-amz-metadata-directive": "REPLACE",
    "x-amz-tagging": "stolen=yes",
    "x-amz-tagging-directive": "REPLACE",
    "x-amz-acl": "public-read",
    "x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"',
    "x-amz-grant-write-acp": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"',
    "x-amz-grant-full-control": "id=alice-1",
    "x-amz-meta-stolen": "yes",
    "x-amz-storage-class": "GLACIER",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "theirs",
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z",
    "x-amz-object-lock-legal-hold": "ON",
    "x-amz-bypass-governance-retention": "true",
    "x-amz-website-redirect-location": "https://evil.example/",
    "x-amz-security-token": "theirs",
    "x-amz-checksum-crc32": raw.crc32(b"other"),
    "x-amz-sdk-checksum-algorithm": "CRC32",
    "x-amz-decoded-content-length": "3",
    "x-amz-trailer": "x-amz-checksum-crc32",
    "x-amz-expected-bucket-owner": "000000000000",
    "x-amz-request-payer": "requester",
    "x-amz-write-offset-bytes": "0",
    "x-amz-mfa": "1 2",
    "x-amz-what-nobody-knows": "x",
}


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("name", UNSIGNED_HEADERS)
def test_header_that_was_not_signed_is_refused(relais, root, name):
    """On PUT, GET and DELETE, signed in the head and in the URL; whoever holds the URL adds what he likes."""
    extra = {name: UNSIGNED_HEADERS[name]}
    path = f"/{BUCKET}/{KEY}"
    by_url = {"PUT": "put_object", "GET": "get_object", "DELETE": "delete_object"}
    for method, operation in by_url.items():
        body = b"other" if method == "PUT" else b""
        assert verdict(relais, method, path, signed(relais, method, path) | extra, body) == NOT_SIGNED, method
        shouted = {name.upper(): UNSIGNED_HEADERS[name]}
        assert verdict(relais, method, presigned(root, operation), shouted, body) == NOT_SIGNED, method


@pytest.mark.usefixtures("nothing_changes")
def test_header_that_was_not_signed_makes_no_upload_and_no_part(relais, root):
    uploading = f"/{BUCKET}/{KEY}?uploads="
    copying = {"x-amz-copy-source": f"{BUCKET}/{FOREIGN}"}
    assert verdict(relais, "POST", uploading, signed(relais, "POST", uploading) | {"x-amz-acl": "public-read"}) == NOT_SIGNED
    upload = root.create_multipart_upload(Bucket=BUCKET, Key="users/42/parts")["UploadId"]
    at = {"Key": "users/42/parts", "UploadId": upload, "PartNumber": 1}
    assert verdict(relais, "PUT", presigned(root, "upload_part", **at), copying) == NOT_SIGNED
    assert not root.list_parts(Bucket=BUCKET, Key="users/42/parts", UploadId=upload).get("Parts")
    root.abort_multipart_upload(Bucket=BUCKET, Key="users/42/parts", UploadId=upload)


@pytest.mark.usefixtures("nothing_changes")
def test_signed_header_cannot_be_changed_left_out_or_doubled(relais):
    path = f"/{BUCKET}/{KEY}"
    headers = signed(relais, "PUT", path, {"x-amz-acl": "private", "x-amz-meta-who": "42"})
    for changes in ({"x-amz-acl": "public-read"}, {"x-amz-meta-who": "420"}, {"x-amz-meta-who": ""}):
        assert verdict(relais, "PUT", path, headers | changes, b"x") == WRONG
    for name in ("x-amz-acl", "x-amz-meta-who"):
        left = {one: value for one, value in headers.items() if one != name}
        assert verdict(relais, "PUT", path, left, b"x") == WRONG
    # A second one of another spelling goes over the wire as a second one.
    assert verdict(relais, "PUT", path, headers | {"X-AMZ-ACL": "public-read"}, b"x")[0] in (400, 403)


@pytest.mark.usefixtures("nothing_changes")
def test_signature_that_leaves_the_host_out_is_refused(relais):
    """It would be good at any address, as AWS says: the host must be signed."""
    path = f"/{BUCKET}/{KEY}"
    headers = _signed_without_host(relais, "GET", path)
    assert verdict(relais, "GET", path, headers) == NOT_SIGNED


def _signed_without_host(relais, method, path):
    class WithoutHost(raw._Auth):
        def headers_to_sign(self, request):
            headers = super().headers_to_sign(request)
            del headers["host"]
            return headers

    request = raw.AWSRequest(method, relais.url + path)
    keys = raw.Credentials(relais.access_key, relais.secret_key)
    WithoutHost(keys, "s3", raw.REGION, raw.UNSIGNED).add_auth(request)
    assert "host" not in request.headers["Authorization"]
    return dict(request.headers.items())


@pytest.mark.usefixtures("nothing_changes")
def test_signature_with_a_character_changed_is_refused(relais, root):
    """Each of its 64 characters, in the head and in the URL; and spelled otherwise."""
    path = f"/{BUCKET}/{KEY}"
    headers = signed(relais, "GET", path)
    before, _, signature = headers["Authorization"].rpartition("Signature=")
    target = presigned(root)
    url_before, _, url_signature = target.rpartition("X-Amz-Signature=")

    def tried(change):
        changed = {"Authorization": f"{before}Signature={change(signature)}"}
        yield verdict(relais, "GET", path, headers | changed)
        yield verdict(relais, "GET", f"{url_before}X-Amz-Signature={change(url_signature)}")

    for place in range(64):
        flip = lambda text: text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]
        assert list(tried(flip)) == [WRONG, WRONG], place
    for name, other in {
        "shorter": lambda text: text[:-1],
        "longer": lambda text: text + "0",
        "empty": lambda text: "",
        "one byte": lambda text: text[:2],
        "zeros": lambda text: "0" * 64,
        "no hex": lambda text: "g" * 64,
    }.items():
        assert all(status in (400, 403) for status, _ in tried(other)), name


@pytest.mark.usefixtures("nothing_changes")
def test_presigned_url_is_good_for_its_method_alone(relais, root):
    get, put = presigned(root), presigned(root, "put_object")
    assert send(relais, "GET", get)[2] == BODY
    for method in ("PUT", "DELETE", "POST"):
        assert verdict(relais, method, get, body=b"x" if method == "PUT" else b"")[0] in (403, 405), method
    assert verdict(relais, "HEAD", get)[0] == 403
    for method in ("GET", "DELETE", "POST"):
        assert verdict(relais, method, put)[0] in (403, 405), method
    for override in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert send(relais, "GET", get, {override: "DELETE"})[2] == BODY


@pytest.mark.usefixtures("nothing_changes")
def test_presigned_url_is_good_for_its_key_alone(relais, root):
    target = presigned(root)
    path, _, query = target.partition("?")
    for other in (
        f"/{BUCKET}/{FOREIGN}",
        f"/{OTHER_BUCKET}/{KEY}",
        f"/{BUCKET}/users/42/../420/secret",
        f"/{BUCKET}/users/42/%2e%2e/420/secret",
        f"/{BUCKET}//{KEY}",
        f"//{BUCKET}/{KEY}",
        f"/{BUCKET}/{KEY}/",
        f"/{BUCKET}/{KEY}%00",
        f"/{BUCKET}",
        f"/{BUCKET}/",
        "/",
    ):
        assert verdict(relais, "GET", f"{other}?{query}")[0] in (400, 403), other


@pytest.mark.usefixtures("nothing_changes")
def test_presigned_url_is_good_at_its_host_alone(relais, root):
    target = presigned(root)
    for host in ("evil.example", f"127.0.0.1:{relais.s3_port + 1}", "127.0.0.1", f"localhost:{relais.s3_port}", ""):
        assert verdict(relais, "GET", target, host=host)[0] in (400, 403), host
    # In the host a bucket may be named: the key of the path would then be of another bucket.
    for host in (f"{OTHER_BUCKET}.{configuration.DOMAIN}", f"{BUCKET}.{configuration.DOMAIN}"):
        assert verdict(relais, "GET", target, host=host)[0] == 403, host
    for name in ("X-Forwarded-Host", "Forwarded", "X-Original-Host", "X-Host"):
        value = f"{OTHER_BUCKET}.{configuration.DOMAIN}"
        assert send(relais, "GET", target, {name: value})[2] == BODY, name


ADDED = [
    "versionId=null", "response-content-type=text/html", "response-content-disposition=inline", "acl", "acl=", "uploads",
    "tagging", "tagging=", "attributes", "torrent", "partNumber=1", "legal-hold", "retention", "restore", "select&select-type=2",
    "x-id=PutObject", "x-amz-acl=public-read", "x-amz-tagging=a%3Db", "x-amz-copy-source=x%2Fy", "X-Amz-Expires=604800",
    "X-Amz-Expires=600&X-Amz-Expires=604800", "X-Amz-SignedHeaders=host%3Bx-amz-acl", "X-Amz-Security-Token=x", "delete",
    "X-Amz-Signature=0", "a", "=", "%00=x",
]  # fmt: skip


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("query", ADDED)
def test_query_that_was_added_to_a_presigned_url_is_refused(relais, root, query):
    for method, operation in (("GET", "get_object"), ("PUT", "put_object"), ("DELETE", "delete_object")):
        path, _, signed_query = presigned(root, operation).partition("?")
        for target in (f"{path}?{signed_query}&{query}", f"{path}?{query}&{signed_query}"):
            status, code = verdict(relais, method, target, body=b"x" if method == "PUT" else b"")
            assert status in (400, 403), (method, query, status, code)


@pytest.mark.usefixtures("nothing_changes")
def test_query_cannot_be_taken_from_a_presigned_url(relais, root):
    target = presigned(root, ResponseContentType="text/plain")
    path, _, query = target.partition("?")
    pairs = query.split("&")
    for pair in pairs:
        left = "&".join(one for one in pairs if one != pair)
        assert verdict(relais, "GET", f"{path}?{left}")[0] in (400, 403), pair.split("=")[0]
    assert verdict(relais, "GET", path) == (403, "AccessDenied")


@pytest.mark.usefixtures("nothing_changes")
def test_presigned_url_ends(relais, root):
    urls = [presigned(root, operation, seconds=1) for operation in ("get_object", "put_object", "delete_object")]
    assert send(relais, "GET", urls[0])[2] == BODY
    time.sleep(2.5)
    for method, target in zip(("GET", "PUT", "DELETE"), urls, strict=True):
        assert verdict(relais, method, target, body=b"x" if method == "PUT" else b"") == (403, "AccessDenied")
    # And cannot be made to live longer by who holds it.
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    assert verdict(relais, "GET", urls[0], {"x-amz-date": now}) == (403, "AccessDenied")
    pairs = dict(parse_qsl(urlsplit(urls[0]).query))
    for changes in ({"X-Amz-Expires": "604800"}, {"X-Amz-Date": now}, {"X-Amz-Expires": "-1"}, {"X-Amz-Expires": "1e9"}):
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in (pairs | changes).items())
        assert verdict(relais, "GET", f"{urlsplit(urls[0]).path}?{query}")[0] in (400, 403), changes


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("seconds", [604_801, 10**12])
def test_presigned_url_cannot_ask_for_more_than_a_week(relais, root, seconds):
    assert verdict(relais, "GET", presigned(root, seconds=604_800))[0] == 200
    assert verdict(relais, "GET", presigned(root, seconds=seconds)) == (400, "AuthorizationQueryParametersError")


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("minutes", [-20, 20, -60 * 24 * 365, 60 * 24 * 365])
def test_signature_of_another_time_is_refused(relais, monkeypatch, minutes):
    then = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: then.replace(tzinfo=None))
    path = f"/{BUCKET}/{KEY}"
    headers = signed(relais, "GET", path)
    assert headers["X-Amz-Date"].startswith(then.strftime("%Y%m%dT%H%M"))
    assert verdict(relais, "GET", path, headers) == (403, "RequestTimeTooSkewed")


@pytest.mark.usefixtures("nothing_changes")
def test_signature_in_the_head_is_good_for_one_request_alone(relais):
    path = f"/{BUCKET}/{KEY}"
    headers = signed(relais, "GET", path)
    assert send(relais, "GET", path, headers)[2] == BODY
    for method, target, host in (
        ("PUT", path, None),
        ("DELETE", path, None),
        ("GET", f"/{BUCKET}/{FOREIGN}", None),
        ("GET", f"{path}?acl", None),
        ("GET", f"{path}?versionId=null", None),
        ("GET", path, "evil.example"),
    ):
        assert verdict(relais, method, target, headers, host=host) == WRONG, (method, target, host)


@pytest.mark.usefixtures("nothing_changes")
def test_two_ways_of_signing_in_one_request_are_refused(relais, root):
    """Whoever believes one and acts by the other would be led astray."""
    path = f"/{BUCKET}/{KEY}"
    target = presigned(root)
    jwt = tokens.token(sub="42", role="user")
    other = raw.signed_headers(relais, "GET", relais.url + target)
    assert verdict(relais, "GET", target, other) == (400, "InvalidArgument")
    foreign = raw.signed_headers(BOB, "GET", relais.url + target)
    assert verdict(relais, "GET", target, foreign)[0] in (400, 403)
    headers, lower = signed(relais, "GET", path), {"authorization": tokens.bearer(jwt)["Authorization"]}
    assert verdict(relais, "GET", f"/{BUCKET}/{FOREIGN}", lower | signed(relais, "GET", f"/{BUCKET}/{FOREIGN}"))[0] in (400, 403)
    assert verdict(relais, "GET", path, headers | lower)[0] in (400, 403)
    assert verdict(relais, "GET", target, tokens.bearer(jwt))[0] in (400, 403)
    assert verdict(relais, "GET", path, {"Authorization": "Basic cm9vdDpyb290"})[0] in (400, 403)
    assert verdict(relais, "GET", path, {"Authorization": "AWS4-HMAC-SHA256"})[0] in (400, 403)
    assert verdict(relais, "GET", path, {"Authorization": "AWS4-HMAC-SHA256 " + "x" * 10_000})[0] in (400, 403)


@pytest.mark.usefixtures("nothing_changes")
def test_other_algorithms_of_signatures_are_refused(relais, root):
    path = f"/{BUCKET}/{KEY}"
    headers = signed(relais, "GET", path)
    for algorithm in ("AWS4-HMAC-SHA1", "AWS4-HMAC-MD5", "AWS4-ECDSA-P256-SHA256", "none", ""):
        said = headers["Authorization"].replace("AWS4-HMAC-SHA256", algorithm)
        assert verdict(relais, "GET", path, headers | {"Authorization": said})[0] in (400, 403, 501), algorithm
        target = presigned(root).replace("AWS4-HMAC-SHA256", algorithm)
        assert verdict(relais, "GET", target)[0] in (400, 403, 501), algorithm
    with_v2 = f"{path}?AWSAccessKeyId={relais.access_key}&Expires=4000000000&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"
    assert verdict(relais, "GET", with_v2) == (403, "AccessDenied")
    head_v2 = {"Authorization": f"AWS {relais.access_key}:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "Date": "Tue, 01 Jan 2030 00:00:00 GMT"}
    assert verdict(relais, "GET", path, head_v2) == (403, "AccessDenied")


@pytest.mark.usefixtures("nothing_changes")
def test_temporary_credentials_cannot_be_put_together_from_pieces(relais):
    """Key, secret and session token of two users, in every mixture, in the head and in the URL."""
    def credentials(subject):
        answer = tokens.sts_client(relais).assume_role_with_web_identity(
            RoleArn=tokens.ROLE_ARN, RoleSessionName="test", WebIdentityToken=tokens.token(sub=subject, role="user")
        )
        return {name: str(value) for name, value in answer["Credentials"].items()}

    mine, other = credentials("42"), credentials("420")
    for names in (["AccessKeyId"], ["SecretAccessKey"], ["SessionToken"], ["AccessKeyId", "SecretAccessKey"]):
        mixed = mine | {name: other[name] for name in names}
        s3 = tokens.with_credentials(relais, mixed)
        for key in (KEY, FOREIGN):
            assert refused(s3.get_object, Bucket=BUCKET, Key=key)[0] in (400, 403), (names, key)
            assert verdict(relais, "GET", presigned(s3, Key=key))[0] in (400, 403), (names, key)
    for change in (lambda text: text[:-1], lambda text: text + "A", lambda text: "A" + text[1:], lambda text: text[::-1]):
        forged = mine | {"SessionToken": change(mine["SessionToken"])}
        assert refused(tokens.with_credentials(relais, forged).get_object, Bucket=BUCKET, Key=KEY)[0] in (400, 403)


def test_relais_stays_small(relais):
    assert relais.memory_peak_bytes() < 300 * media.MIB
    assert requests.get(f"{relais.api_url}/health", timeout=20).status_code == 200
