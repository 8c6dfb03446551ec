"""Bodies that are made to hurt: bombs, floods and sizes that overflow are refused quickly, and cost little memory."""

import base64
import hashlib
import json
import select
import time
from contextlib import contextmanager
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
import requests
from botocore.exceptions import ClientError

from harness import configuration, media, raw, tokens
from harness.clients import refused
from harness.configuration import allow, role
from harness.stores import everything_in

BUCKET = "media"
KEY = "k"
BODY = b"as it was"
MEMORY_MAX = 400 * media.MIB  # Of the whole life of relais, with everything below.
USER = role("user", [allow(["s3:GetObject", "s3:PutObject"], [f"{BUCKET}/users/${{jwt:sub}}/*"])], claims={"role": "user"})


@pytest.fixture(scope="module")
def relais(start_shared_relais, tmp_path_factory):
    config, folders = configuration.two_folders(
        tmp_path_factory.mktemp("bodies"),
        named=[configuration.bucket(BUCKET, ["first", "second"], write_mode="all")],
        lists={"access.roles": [USER]},
        **configuration.no_sidecars(),
        proxy={"body_idle_timeout_seconds": 3},
    )
    one = start_shared_relais("bodies", config=config, environment=configuration.many_logins())
    one.folders = folders
    one.client().put_object(Bucket=BUCKET, Key=KEY, Body=BODY)
    return one


@pytest.fixture
def root(relais):
    return relais.client()


@pytest.fixture
def nothing_changes(relais, root):
    """After the test the stores hold what they held, the bucket is set as it was, and relais is small."""

    def settings():
        for ask in (root.get_bucket_cors, root.get_bucket_tagging, root.get_bucket_policy, root.get_bucket_lifecycle_configuration):
            try:
                yield {name: value for name, value in ask(Bucket=BUCKET).items() if name != "ResponseMetadata"}
            except ClientError as error:
                yield error.response["Error"]["Code"]
        yield root.get_bucket_acl(Bucket=BUCKET)["Grants"]
        yield root.get_bucket_versioning(Bucket=BUCKET).get("Status")
        yield [one["Name"] for one in root.list_buckets()["Buckets"]]

    before = everything_in(relais.folders), list(settings())
    yield
    assert (everything_in(relais.folders), list(settings())) == before
    assert root.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == BODY
    assert relais.is_ready()
    assert relais.memory_peak_bytes() < MEMORY_MAX


@contextmanager
def quickly(seconds=5):
    begun = time.monotonic()
    yield
    took = time.monotonic() - begun
    assert took < seconds, took


def send(relais, method, path, body, headers=None):
    """A signed request with this body and its MD5, which some operations want; gives status, S3 code and text."""
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    url = relais.url + path
    hashed = hashlib.sha256(body).hexdigest()
    headers = raw.signed_headers(relais, method, url, {"Content-MD5": md5} | (headers or {}), hashed)
    answer = requests.request(method, url, data=body, headers=headers, timeout=30)
    code = answer.text.partition("<Code>")[2].partition("</Code>")[0]
    return answer.status_code, code or None, answer.text


@pytest.fixture(scope="module")
def upload(relais):
    """An upload in parts for the requests that want one, under a key of its own."""
    root = relais.client()
    made = root.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    yield made
    root.abort_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=made)


# Every request with an XML body: method, query, and a document of its kind with a place for a text.
DOCUMENTS = {
    "completion": ("POST", "/parts?uploadId={upload}", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>"),
    "bulk deletion": ("POST", "?delete=", "<Delete><Object><Key>{}</Key></Object></Delete>"),
    "bucket": ("PUT", "-new", "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>"),
    "tags": ("PUT", "/k?tagging=", "<Tagging><TagSet><Tag><Key>a</Key><Value>{}</Value></Tag></TagSet></Tagging>"),
    "tags of the bucket": ("PUT", "?tagging=", "<Tagging><TagSet><Tag><Key>a</Key><Value>{}</Value></Tag></TagSet></Tagging>"),
    "CORS": ("PUT", "?cors=", "<CORSConfiguration><CORSRule><AllowedOrigin>{}</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>"),
    "ACL": ("PUT", "/k?acl=", "<AccessControlPolicy><Owner><ID>{}</ID></Owner><AccessControlList></AccessControlList></AccessControlPolicy>"),
    "ACL of the bucket": ("PUT", "?acl=", "<AccessControlPolicy><Owner><ID>{}</ID></Owner><AccessControlList></AccessControlList></AccessControlPolicy>"),
    "versioning": ("PUT", "?versioning=", "<VersioningConfiguration><Status>{}</Status></VersioningConfiguration>"),
    "legal hold": ("PUT", "/k?legal-hold=", "<LegalHold><Status>{}</Status></LegalHold>"),
    "retention": ("PUT", "/k?retention=", "<Retention><Mode>{}</Mode></Retention>"),
    "lock": ("PUT", "?object-lock=", "<ObjectLockConfiguration><ObjectLockEnabled>{}</ObjectLockEnabled></ObjectLockConfiguration>"),
    "ownership": ("PUT", "?ownershipControls=", "<OwnershipControls><Rule><ObjectOwnership>{}</ObjectOwnership></Rule></OwnershipControls>"),
    "encryption": ("PUT", "?encryption=", "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"),
    "public access": ("PUT", "?publicAccessBlock=", "<PublicAccessBlockConfiguration><BlockPublicAcls>{}</BlockPublicAcls></PublicAccessBlockConfiguration>"),
    "lifecycle": ("PUT", "?lifecycle=", "<LifecycleConfiguration><Rule><ID>{}</ID><Status>Enabled</Status><Prefix></Prefix></Rule></LifecycleConfiguration>"),
    "restore": ("POST", "/k?restore=", "<RestoreRequest><Days>{}</Days></RestoreRequest>"),
}  # fmt: skip

BILLION_LAUGHS = '<!DOCTYPE lolz [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
) + "]>"
QUADRATIC = '<!DOCTYPE x [<!ENTITY k "' + "x" * 50_000 + '">]>'
PROLOGUES = {
    "a file": ('<!DOCTYPE x [<!ENTITY k SYSTEM "file:///etc/passwd">]>', "&k;"),
    "an address": ('<!DOCTYPE x [<!ENTITY k SYSTEM "http://127.0.0.1:9/">]>', "&k;"),
    "a parameter entity": ('<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>', "&p;"),
    "an external DTD": ('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', "&k;"),
    "a billion laughs": (BILLION_LAUGHS, "&k;"),
    "a quadratic bomb": (QUADRATIC, "&k;" * 10_000),
    "an unknown entity": ("", "&k;"),
    "XInclude": ("", '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'),
}


def document_at(relais, name, upload):
    method, where, document = DOCUMENTS[name]
    return method, f"/{BUCKET}" + where.format(upload=upload), document


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_entities_are_neither_fetched_nor_multiplied(relais, upload, name):
    """A document that names an entity is refused, or the entity is a text that means nothing; it is never put in."""
    method, path, document = document_at(relais, name, upload)
    for what, (prologue, text) in PROLOGUES.items():
        body = f'<?xml version="1.0"?>{prologue}{document.replace("{}", text)}'.encode()
        with quickly():
            status, code, answer = send(relais, method, path, body)
        assert "root:" not in answer and "hahaha" not in answer and "xxxxxx" not in answer, what
        assert 400 <= status < 500 or status == 501, (what, status, code)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_of_no_form_are_refused(relais, upload, name):
    method, path, document = document_at(relais, name, upload)
    root_name = document[1:].partition(">")[0]
    attributes = " ".join(f'a{number}="x"' for number in range(10_000))
    hostile = {
        "deep and open": b"<a>" * 100_000,
        "many attributes": f"<{root_name} {attributes}></other>".encode(),
        "no XML": b"{}" * 1_000,
        "cut": document[: len(document) // 2].encode(),
        "another root": f"<Other>{document}</Other>".encode(),
        "large comment": f"<!-- {'x' * 3_000_000} --><a/>".encode(),
        "open CDATA": document.replace("{}", "<![CDATA[" + "x" * 100_000).encode(),
        "UTF-16": f'<?xml version="1.0" encoding="UTF-16"?>{document}'.encode("utf-16"),
        "no UTF-8": b"\xff\xfe\xfd",
        "overlong UTF-8": document.encode().replace(b"{}", b"\xc0\xae"),
    }
    for what, body in hostile.items():
        with quickly():
            status, code, _ = send(relais, method, path, body)
        assert 400 <= status < 500 or status == 501, (what, status, code)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_of_great_depth_and_with_control_characters_do_no_harm(relais, root, upload, name):
    """Elements that are not known are passed over, and so the request may be done; in a bucket of its own."""
    scratch = "scratch"
    root.create_bucket(Bucket=scratch, ACL="private") if scratch not in names(root) else None
    root.put_object(Bucket=scratch, Key="k", Body=b"x")
    method, path, document = document_at(relais, name, upload)
    root_name = document[1:].partition(">")[0]
    deep = "<a>" * 10_000 + "</a>" * 10_000
    for text in (document.replace("{}", deep), f"<{root_name}>{deep}</{root_name}>", *(document.replace("{}", one) for one in "\0\1\x0b\ufffe")):
        with quickly():
            status, code, _ = send(relais, method, path.replace(f"/{BUCKET}", f"/{scratch}", 1), text.encode())
        assert 200 <= status < 500 or status == 501, (status, code, text[:200])
    assert relais.is_ready() and relais.memory_peak_bytes() < MEMORY_MAX
    with_new = [one for one in names(root) if one.startswith(scratch)]
    for one in with_new:
        root.delete_object(Bucket=one, Key="k")
        root.delete_bucket(Bucket=one)


def names(root):
    return [one["Name"] for one in root.list_buckets()["Buckets"]]


@pytest.mark.parametrize("character", ["\1", "\x0b", "\x1f", "\ufffe", "\uffff"])
def test_key_that_xml_cannot_show_does_not_break_the_listings_of_others(relais, root, character):
    key = f"odd/a{character}b/c"
    url = f"{relais.url}/{BUCKET}/{quote(key)}"
    assert requests.put(url, data=b"x", headers=raw.signed_headers(relais, "PUT", url), timeout=20).status_code == 200
    upload = root.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    place = quote(f"odd/a{character}", safe="")
    for query in (
        "", "?list-type=2", "?versions=", "?uploads=", "?prefix=odd%2F&delimiter=%2F", "?list-type=2&prefix=odd%2F&delimiter=%2F",
        f"?prefix={place}", f"?marker={place}", f"?list-type=2&start-after={place}", f"?versions=&key-marker={place}",
        f"?uploads=&prefix={place}", f"?delimiter={quote(character)}", "?max-keys=1&prefix=odd%2F", f"?list-type=2&continuation-token={place}",
    ):  # fmt: skip
        asked = f"{relais.url}/{BUCKET}{query}"
        answer = requests.get(asked, headers=raw.signed_headers(relais, "GET", asked), timeout=20)
        assert answer.status_code in (200, 400), (query, answer.text)
        ElementTree.fromstring(answer.content)
    assert key in {entry["Key"] for entry in root.list_objects_v2(Bucket=BUCKET, Prefix="odd/")["Contents"]}
    root.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)
    body = f"<Delete><Object><Key>{key}</Key></Object><Object><Key>a\0b</Key></Object></Delete>".encode()
    status, _, text = send(relais, "POST", f"/{BUCKET}?delete=", body)
    assert status == 400 or (status == 200 and "<Deleted>" in text and "<Error>" in text), text
    root.delete_object(Bucket=BUCKET, Key=key)
    assert root.list_objects_v2(Bucket=BUCKET, Prefix="odd/")["KeyCount"] == 0


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("where", ["?delete=", "/k?tagging=", "?cors=", "/k?acl=", "?policy="])
def test_document_without_an_end_is_refused_after_some_mebibytes(relais, where):
    """It says that it is of a tebibyte, and goes on and on; what relais takes of it is bounded."""
    method = "POST" if "delete" in where else "PUT"
    head = raw.head(relais, method, f"/{BUCKET}{where}", {"Content-Length": str(1 << 40), "Content-MD5": "x" * 22 + "=="})
    piece, sent, received = b"<!-- " + b"x" * media.MIB, 0, b""
    with raw.connection(relais) as stream, quickly(20):
        stream.settimeout(10)
        stream.sendall(head)
        try:
            while sent < 64 and not select.select([stream], [], [], 0)[0]:
                stream.sendall(piece)
                sent += 1
            received = stream.recv(12)
        except ConnectionError:
            pass  # Closed while we were still sending, which is as good.
    assert sent < 64
    assert received in (b"", b"HTTP/1.1 400", b"HTTP/1.1 413")


@pytest.mark.usefixtures("nothing_changes")
def test_completion_of_ten_thousand_parts_is_judged_and_of_one_more_is_refused(relais, root):
    upload = root.create_multipart_upload(Bucket=BUCKET, Key="many")["UploadId"]
    etag = root.upload_part(Bucket=BUCKET, Key="many", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    at = {"Bucket": BUCKET, "Key": "many", "UploadId": upload}
    for last, expected in ((10_000, (400, "InvalidPart")), (10_001, None)):
        parts = [{"PartNumber": number, "ETag": etag} for number in range(1, last + 1)]
        with quickly(10):
            refusal = refused(root.complete_multipart_upload, MultipartUpload={"Parts": parts}, **at)
        assert refusal == expected if expected else refusal[0] == 400, refusal
    for number in (0, -1, 10_001, 2**31, 2**63):
        path = f"/{BUCKET}/many?partNumber={number}&uploadId={upload}"
        assert send(relais, "PUT", path, b"x")[0] == 400, number
    twice = [{"PartNumber": 1, "ETag": etag}] * 10_000
    assert refused(root.complete_multipart_upload, MultipartUpload={"Parts": twice}, **at)[0] == 400
    assert [part["PartNumber"] for part in root.list_parts(**at)["Parts"]] == [1]
    root.abort_multipart_upload(**at)


@pytest.mark.usefixtures("nothing_changes")
def test_bulk_deletion_takes_a_thousand_keys_and_not_one_more(relais, root):
    keys = [{"Key": f"none-{number}"} for number in range(1_000)]
    with quickly(20):
        assert len(root.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})["Deleted"]) == 1_000
    for more in (1, 4_000):
        too_many = [{"Key": KEY}] * more + keys
        with quickly():
            assert refused(root.delete_objects, Bucket=BUCKET, Delete={"Objects": too_many}) == (400, "MalformedXML")
    assert refused(root.delete_objects, Bucket=BUCKET, Delete={"Objects": []}) == (400, "MalformedXML")


DEEP = {
    "lists": "[" * 10_000 + "]" * 10_000,
    "objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "open lists": "[" * 10_000,
}
DEEP_POLICY = {
    "statement": '{{"Version":"2012-10-17","Statement":{}}}',
    "condition": '{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*","Condition":{}}}]}}',
    "resource": '{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":{}}}]}}',
}  # fmt: skip


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("deep", DEEP)
def test_json_of_depth_ten_thousand_is_refused_by_every_route(relais, deep):
    """Login and preferences are in tests/test_accounts.py, too; here are all routes that openapi.json knows."""
    jwt = tokens.token(sub="42", role="user")
    paths = requests.get(f"{relais.api_url}/openapi.json", timeout=20).json()["paths"]
    tried = 0
    for path, methods in paths.items():
        for method in set(methods) & {"post", "put", "patch", "delete"}:
            url = relais.api_url + path.replace("{", "").replace("}", "")
            headers = {"Content-Type": "application/json"} | tokens.bearer(jwt)
            with quickly():
                answer = requests.request(method, url, data=DEEP[deep], headers=headers, timeout=20)
            assert 400 <= answer.status_code < 500, (method, path, answer.text)
            assert answer.headers["Content-Type"] == "application/problem+json"
            tried += 1
    assert tried >= 5


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("place", DEEP_POLICY)
@pytest.mark.parametrize("deep", DEEP)
def test_policy_of_depth_ten_thousand_is_refused_wherever_one_is_taken(relais, root, tmp_path, deep, place):
    policy = DEEP_POLICY[place].format(DEEP[deep])
    with quickly():
        # Larger than a policy may be, or not readable: both are said as AWS says them.
        assert refused(root.put_bucket_policy, Bucket=BUCKET, Policy=policy)[0] == 400
    form = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": tokens.ROLE_ARN}
    form |= {"RoleSessionName": "test", "WebIdentityToken": tokens.token(sub="42", role="user"), "Policy": policy}
    with quickly():
        answer = requests.post(relais.url, data=form, timeout=20)
    assert answer.status_code in (400, 413), answer.text
    within = DEEP_POLICY[place].format("[" * 900 + "]" * 900)  # Small enough to be read.
    answer = requests.post(relais.url, data=form | {"Policy": within}, timeout=20)
    assert (answer.status_code, "MalformedPolicyDocument" in answer.text) == (400, True), answer.text
    file = tmp_path / "policy.json"
    file.write_text(policy)
    done = relais.command("key", "create", "--name", "deep", "--policy", file)
    assert done.returncode == 1 and "panicked" not in done.stderr, done


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("deep", DEEP)
def test_policy_of_a_form_of_depth_ten_thousand_is_refused(relais, root, deep):
    """Signed well: the depth alone is wrong."""
    form = root.generate_presigned_post(BUCKET, "form")
    for document in (DEEP[deep], f'{{"expiration":"2099-01-01T00:00:00Z","conditions":{DEEP[deep]}}}'):
        policy = base64.b64encode(document.encode()).decode()
        fields = form["fields"] | {"policy": policy, "x-amz-signature": _signed(relais, form["fields"], policy)}
        with quickly():
            answer = requests.post(form["url"], data=fields, files={"file": b"x"}, timeout=20)
        assert 400 <= answer.status_code < 500, answer.text
        assert "SignatureDoesNotMatch" not in answer.text


def _signed(relais, fields, policy):
    from botocore.auth import S3SigV4PostAuth

    auth = S3SigV4PostAuth(raw.Credentials(relais.access_key, relais.secret_key), "s3", raw.REGION)
    request = raw.AWSRequest("POST", relais.url)
    request.context["timestamp"] = fields["x-amz-date"]
    return auth.signature(policy, request)


@pytest.mark.usefixtures("nothing_changes")
def test_forms_of_too_many_and_too_large_fields_are_refused(relais, root):
    form = root.generate_presigned_post(BUCKET, "form")
    for more in (
        {f"x-amz-meta-{number}": "x" for number in range(5_000)},
        {"x-amz-meta-a": "x" * (21 << 20)},
        {"x" * (1 << 20): "y"},
        {"key": "../" * 400},
    ):
        with quickly(10):
            answer = requests.post(form["url"], data=form["fields"] | more, files={"file": b"x"}, timeout=30)
        assert 400 <= answer.status_code < 500, answer.text


def keys_of(root):
    return {entry["Key"] for entry in root.list_objects_v2(Bucket=BUCKET)["Contents"]}


def put_chunks(relais, framed, declared, payload=raw.UNSIGNED_TRAILER, key="chunked", **headers):
    """A PUT whose aws-chunked body is these bytes."""
    sent = {
        "Content-Encoding": "aws-chunked",
        "Content-Length": str(len(framed)),
        "X-Amz-Decoded-Content-Length": str(declared),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    return raw.put(relais, f"/{BUCKET}/{key}", framed, sent | headers, payload)


TRAILER = f"x-amz-checksum-crc32:{raw.crc32(b'x')}\r\n\r\n".encode()
BAD_CHUNKS = {
    "size of 2^32": (b"100000000\r\nx\r\n0\r\n" + TRAILER, 1),
    "size of 2^32, as declared": (b"100000000\r\nx\r\n0\r\n" + TRAILER, 1 << 32),
    "size of 2^63": (b"8000000000000000\r\nx\r\n0\r\n" + TRAILER, 1),
    "size of 2^64 - 1": (b"ffffffffffffffff\r\nx\r\n0\r\n" + TRAILER, 1),
    "size of 2^64": (b"10000000000000000\r\nx\r\n0\r\n" + TRAILER, 1),
    "size of 2^64 + 1": (b"10000000000000001\r\nx\r\n0\r\n" + TRAILER, 1),
    "size of a thousand digits": (b"1" * 1_000 + b"\r\nx\r\n0\r\n" + TRAILER, 1),
    "size of a million digits": (b"0" * 1_000_000 + b"1\r\nx\r\n0\r\n" + TRAILER, 1),
    "negative size": (b"-1\r\nx\r\n0\r\n" + TRAILER, 1),
    "size with a sign": (b"+1\r\nx\r\n0\r\n" + TRAILER, 1),
    "size with 0x": (b"0x1\r\nx\r\n0\r\n" + TRAILER, 1),
    "no size": (b"\r\nx\r\n0\r\n" + TRAILER, 1),
    "no chunk at all": (b"", 1),
    "no last chunk": (b"1\r\nx\r\n", 1),
    "no line end behind a chunk": (b"1\r\nx0\r\n" + TRAILER, 1),
    "no trailer": (b"1\r\nx\r\n0\r\n\r\n", 1),
    "another trailer": (b"1\r\nx\r\n0\r\nx-amz-checksum-sha1:AAAA\r\n\r\n", 1),
    "a trailer of a mebibyte": (b"1\r\nx\r\n0\r\nx-amz-checksum-crc32:" + b"A" * (1 << 20) + b"\r\n\r\n", 1),
    "ten thousand trailers": (b"1\r\nx\r\n0\r\n" + b"x-amz-meta-a:b\r\n" * 10_000 + TRAILER, 1),
    "bytes behind the end": (b"1\r\nx\r\n0\r\n" + TRAILER + b"more", 1),
    "only the last chunk": (b"0\r\n" + TRAILER, 1),
    "declared 2^64": (b"1\r\nx\r\n0\r\n" + TRAILER, 1 << 64),
    "declared -1": (b"1\r\nx\r\n0\r\n" + TRAILER, -1),
    "declared nothing": (b"1\r\nx\r\n0\r\n" + TRAILER, ""),
    "declared six tebibytes": (b"1\r\nx\r\n0\r\n" + TRAILER, 6 << 40),
}


def test_good_chunks_are_taken(relais, root):
    """The control of what follows."""
    assert put_chunks(relais, b"1\r\nx\r\n0\r\n" + TRAILER, 1).status == 200
    assert root.get_object(Bucket=BUCKET, Key="chunked")["Body"].read() == b"x"
    root.delete_object(Bucket=BUCKET, Key="chunked")


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("what", BAD_CHUNKS)
def test_chunks_that_are_not_right_are_refused(relais, root, what):
    framed, declared = BAD_CHUNKS[what]
    key = what.replace(" ", "-")
    with quickly(10):
        answer = put_chunks(relais, framed, declared, key=key)
    left = keys_of(root)
    root.delete_object(Bucket=BUCKET, Key=key)  # So that the next test begins with what this one did.
    assert answer.status in (400, 403, 411), answer.text
    assert key not in left


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("size", ["100000000", "ffffffffffffffff", "10000000000000000", "-1", "1"])
def test_signed_chunks_with_a_wrong_size_or_signature_are_refused(relais, root, size):
    wrong = "0" * 64
    framed = f"{size};chunk-signature={wrong}\r\nx\r\n0;chunk-signature={wrong}\r\n\r\n".encode()
    before = keys_of(root)
    with quickly(10):
        answer = put_chunks(relais, framed, 1, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", **{"X-Amz-Trailer": "x"})
    assert answer.status in (400, 403), answer.text
    assert keys_of(root) == before


@pytest.mark.usefixtures("nothing_changes")
def test_sizes_that_overflow_are_refused(relais):
    for length in (str(6 << 40), str(1 << 63), str((1 << 64) - 1), str(1 << 64)):
        with raw.connection(relais) as stream, quickly(8):
            stream.settimeout(8)
            stream.sendall(raw.head(relais, "PUT", f"/{BUCKET}/large", {"Content-Length": length}) + b"x")
            assert stream.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 431"), length


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-18446744073709551615",
        "bytes=18446744073709551616-",
        "bytes=9223372036854775808-",
        "bytes=-18446744073709551616",
        "bytes=-9223372036854775809",
        "bytes=5-2",
        "bytes=" + ",".join(["0-"] * 5_000),
        "bytes=--1",
        "x" * 10_000,
    ],
    ids=lambda asked: asked[:30],
)
def test_ranges_that_overflow_give_no_more_than_the_object(relais, asked):
    url = f"{relais.url}/{BUCKET}/{KEY}"
    headers = raw.signed_headers(relais, "GET", url, {"Range": asked})
    answer = requests.get(url, headers=headers, timeout=20)
    assert answer.status_code in (200, 206, 400, 416), answer.text
    assert answer.status_code >= 400 or answer.content in BODY


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("value", ["-1", "2147483648", "9223372036854775808", "1e9", "0x10", "99999999999999999999999", "%00"])
def test_numbers_of_listings_that_overflow_are_refused_or_bounded(relais, value):
    for path in ("?list-type=2&max-keys=", "?max-keys=", "?uploads=&max-uploads=", "?versions=&max-keys="):
        url = f"{relais.url}/{BUCKET}{path}{value}"
        answer = requests.get(url, headers=raw.signed_headers(relais, "GET", url), timeout=20)
        assert answer.status_code in (200, 400), answer.text
        assert answer.text.count("<Key>") <= 1_000
