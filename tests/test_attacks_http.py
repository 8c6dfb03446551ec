"""Requests that two readers would read differently, and paths that lead elsewhere: nothing outside is done by them."""

import http.client
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
import requests

from harness import configuration, media, raw, tokens
from harness.clients import refused
from harness.configuration import allow, role
from harness.stores import everything_in

BUCKET, NEIGHBOUR = "media", "neighbour"
OWN = "users/42/own"
FOREIGN = ["users/420/secret", "users/7/42/secret", "secret", "users/42"]
SECRET = b"THE SECRET"
USER = role(
    "user",
    [allow(["s3:GetObject*", "s3:PutObject*", "s3:DeleteObject*"], [f"{BUCKET}/users/${{jwt:sub}}/*"])],
    claims={"role": "user"},
)


@pytest.fixture(scope="module")
def relais(start_shared_relais, tmp_path_factory):
    config, folders = configuration.two_folders(
        tmp_path_factory.mktemp("http"),
        named=[configuration.bucket(name, ["first", "second"], write_mode="all") for name in (BUCKET, NEIGHBOUR)],
        lists={"access.roles": [USER]},
        **configuration.no_sidecars(),
        proxy={"head_timeout_seconds": 2, "body_idle_timeout_seconds": 2},  # What waits for more is over soon.
    )
    one = start_shared_relais("http", config=config)
    one.folders = folders
    root = one.client()
    for key in FOREIGN:
        root.put_object(Bucket=BUCKET, Key=key, Body=SECRET)
    root.put_object(Bucket=NEIGHBOUR, Key="users/42/secret", Body=SECRET)
    root.put_object(Bucket=BUCKET, Key=OWN, Body=b"own")
    return one


@pytest.fixture(scope="module")
def jwt():
    return tokens.token(sub="42", role="user")


@pytest.fixture
def root(relais):
    return relais.client()


@pytest.fixture
def nothing_changes(relais, root):
    """After the test the stores hold what they held, file by file, and nothing was written beside them."""
    state = lambda: (everything_in(relais.folders), sorted(path.name for path in relais.folders[0].parent.iterdir()))
    before = state()
    yield
    assert state() == before
    for key in FOREIGN:
        assert root.get_object(Bucket=BUCKET, Key=key)["Body"].read() == SECRET
    assert relais.is_ready()
    assert relais.memory_peak_bytes() < 300 * media.MIB


def keys(client, bucket):
    return {entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]}


def send(relais, method, target, headers=None, body=b""):
    """A request with exactly this target."""
    connection = http.client.HTTPConnection("127.0.0.1", relais.s3_port, timeout=20)
    connection._validate_path = lambda _: None
    connection._encode_request = lambda request: request.encode("latin-1")
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
        connection.putheader(name, value)
    try:
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


# Each begins in the folder of user 42, or looks as if it did, to somebody who tidies paths up, decodes twice, or cuts at NUL.
PATHS = [
    "users/42/../420/secret",
    "users/42/../../secret",
    "users/42/%2e%2e/420/secret",
    "users/42/%2E%2e/%2e%2E/secret",
    "users/42/.%2e/420/secret",
    "users/42/..%2f420%2fsecret",
    "users/42/%2e%2e%2f420/secret",
    "users/42/..%5c420%5csecret",
    "users/42/..\\420\\secret",
    "users/42/%252e%252e/420/secret",
    "users/42/%c0%ae%c0%ae/420/secret",
    "users/42/%c0%ae%c0%ae%c0%af420/secret",
    "users/42/%e0%80%ae%e0%80%ae/420/secret",
    "users/42/%ff%fe",
    "users/42/%uff0e%uff0e/420/secret",
    "users/42/%EF%BC%8E%EF%BC%8E/420/secret",
    "users/42/..;/420/secret",
    "users/42/../../../../../../../../../etc/passwd",
    f"users/42/../../../{NEIGHBOUR}/users/42/secret",
    "users/42/../../../../second/media/secret",
    "users/42/./../420/secret",
    "users/42//../420/secret",
    "users/42/x/%00/../../420/secret",
    "users/42%00/../420/secret",
    "users/420/secret%00users/42/",
    "users/420/secret%00",
    "users/420%2fsecret",
    "users/4%32%30/secret",
    "users//42/../420/secret",
    "./users/420/secret",
    "/users/42/own",
    "users/42/%0d%0ax-amz-acl:%20public-read",
    "users/42/%20%20",
    "users/42/con",
    "users/42/.relais",
    "users/42/" + "../" * 300 + "etc/passwd",
]


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_path_does_not_lead_out_of_the_own_folder(relais, root, jwt, path):
    """A key is a text: with such dots in it, it is one of the own folder or it is none; never another's."""
    for prefix in (f"/{BUCKET}/", f"//{BUCKET}/", f"/x/../{BUCKET}/", f"http://127.0.0.1:{relais.s3_port}/{BUCKET}/"):
        target = prefix + path
        bearer = tokens.bearer(jwt)
        status, body = send(relais, "GET", target, bearer)
        assert SECRET not in body and b"root:" not in body
        assert status in (400, 403, 404), (status, body)
        status, body = send(relais, "PUT", target, bearer, b"written")
        assert status in (200, 400, 403, 404), (status, body)
        written = keys(root, BUCKET) - {OWN, *FOREIGN}
        assert all(key.startswith("users/42/") for key in written) and len(written) <= 1, written
        assert keys(root, NEIGHBOUR) == {"users/42/secret"}
        status, _ = send(relais, "DELETE", target, bearer)
        assert status in (204, 400, 403, 404)


@pytest.mark.usefixtures("nothing_changes")
def test_path_that_is_no_utf8_or_no_text_is_refused(relais, jwt):
    for path in ("%c0%ae%c0%ae/420/secret", "%ff%fe", "%ed%a0%80", "a%00b", "%00"):
        for method in ("GET", "PUT", "DELETE"):
            status, body = send(relais, method, f"/{BUCKET}/users/42/{path}", tokens.bearer(jwt), b"x" if method == "PUT" else b"")
            assert status == 400, (method, path, status, body)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("key", ["users/42/../420/secret", "users/42/..", "users/42/a/../../420/secret", "users/42/\x01"])
def test_other_places_where_a_key_is_named_do_not_lead_out_either(relais, jwt, key):
    """The source of a copy, a bulk deletion, the key of an upload in parts: each is judged by the text that it is."""
    user = tokens.by_sts(relais, jwt)
    encoded = {"Bucket": BUCKET, "Key": OWN, "CopySource": f"{BUCKET}/{quote(key)}"}
    assert refused(user.copy_object, **encoded)[0] in (400, 403, 404)
    assert refused(user.copy_object, **encoded | {"CopySource": f"{BUCKET}/{quote(key, safe='')}"})[0] in (400, 403, 404)
    assert refused(user.copy_object, **encoded | {"CopySource": f"{BUCKET}/users/42/%2e%2e/420/secret"})[0] in (400, 403, 404)
    if key.isprintable():
        answer = user.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key}, {"Key": FOREIGN[0]}]})
        assert [error["Key"] for error in answer["Errors"]][-1:] == [FOREIGN[0]]


def test_key_of_1024_bytes_is_taken_and_one_of_1025_is_refused(relais, root, jwt):
    user = tokens.by_bearer(relais, jwt)
    for letter in ("x", "é"):
        long = "users/42/" + letter * ((1024 - 9) // len(letter.encode()))
        long += "y" * (1024 - len(long.encode()))
        before = everything_in(relais.folders)
        user.put_object(Bucket=BUCKET, Key=long, Body=b"long")
        assert user.get_object(Bucket=BUCKET, Key=long)["Body"].read() == b"long"
        for call in (user.get_object, user.delete_object, user.head_object):
            assert refused(call, Bucket=BUCKET, Key=long + "z")[0] == 400
        assert refused(user.put_object, Bucket=BUCKET, Key=long + "z", Body=b"x") == (400, "KeyTooLongError")
        source = {"CopySource": {"Bucket": BUCKET, "Key": OWN}}
        assert refused(user.copy_object, Bucket=BUCKET, Key=long + "z", **source) == (400, "KeyTooLongError")
        assert refused(root.create_multipart_upload, Bucket=BUCKET, Key=long + "z") == (400, "KeyTooLongError")
        user.delete_object(Bucket=BUCKET, Key=long)
        assert everything_in(relais.folders) == before


# What comes after the head of a request that is not clear about its end: were it taken for a request, it would leave an object.
SMUGGLED = "smuggled"


def smuggled(relais, url):
    """A whole request that would be done, if anybody took these bytes for one."""
    return raw.head(relais, "PUT", f"/{BUCKET}/{url}", {"Content-Length": "0"})


def exchange(port, data, seconds=8):
    """Everything that a port answers to these bytes, until it closes; fails if it keeps the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as stream:
        received = b""
        try:
            stream.sendall(data)
            while part := stream.recv(65536):
                received += part
        except ConnectionError:
            pass
        except TimeoutError:
            pytest.fail(f"the connection stays open after {received[:400]!r}")
    return received


def statuses(received):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


# Lines of a head, and the body below it. The object `carrier` is what an honest reader might take the request for.
UNCLEAR = {
    "two lengths": (["Content-Length: 4", "Content-Length: 0"], b"body"),
    "two lengths, the other way": (["Content-Length: 0", "Content-Length: 4"], b""),
    "two lengths in one line": (["Content-Length: 0, 4"], b""),
    "length with a sign": (["Content-Length: +0"], b""),
    "negative length": (["Content-Length: -1"], b""),
    "length in hex": (["Content-Length: 0x4"], b"body"),
    "length with a blank": (["Content-Length: 0 4"], b""),
    "length over 64 bits": (["Content-Length: 18446744073709551620"], b"body"),
    "empty length": (["Content-Length: "], b""),
    "blank before the colon": (["Content-Length : 4"], b"body"),
    "blank before chunked's colon": (["Transfer-Encoding : chunked", "Content-Length: 0"], b"0\r\n\r\n"),
    "chunked by another name": (["Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
    "chunked and then identity": (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
    "identity, and length": (["Transfer-Encoding: identity", "Content-Length: 0"], b"0\r\n\r\n"),
    "gzip alone": (["Transfer-Encoding: gzip"], b"0\r\n\r\n"),
    "chunked after a vertical tab": (["Transfer-Encoding: \x0bchunked", "Content-Length: 0"], b"0\r\n\r\n"),
    "chunked with NUL": (["Transfer-Encoding: chunked\0", "Content-Length: 0"], b"0\r\n\r\n"),
    "folded line": (["X-Fold: a", " b", "Content-Length: 0"], b""),
    "folded length": (["Content-Length:", " 0"], b""),
    "folded chunked": (["Transfer-Encoding:", " chunked", "Content-Length: 0"], b"0\r\n\r\n"),
    "first line folded": ([" X: y", "Content-Length: 0"], b""),
    "bare CR": (["X-A: a\rContent-Length: 4", "Content-Length: 0"], b""),
    "line without a colon": (["Content-Length", "Content-Length: 0"], b""),
    "NUL in a value": (["X-A: a\0b", "Content-Length: 0"], b""),
    "NUL in a name": (["X\0A: a", "Content-Length: 0"], b""),
}
# Their bodies are chunked, and the chunks are not right.
BAD_CHUNKS = {
    "size with a sign": b"+0\r\n\r\n",
    "negative size": b"-1\r\n\r\n",
    "size in hex with 0x": b"0x0\r\n\r\n",
    "size of 2^64": b"10000000000000000\r\nx\r\n0\r\n\r\n",
    "size of 2^64 - 1": b"ffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "no size": b"\r\n\r\n",
    "no line end behind a chunk": b"1\r\nxx0\r\n\r\n",
    "bare LF behind the size": b"1\nx\r\n0\r\n\r\n",
    "bare CR in an extension": b"1;a\rb\r\nx\r\n0\r\n\r\n",
    "bare LF in an extension": b"1;a\n5\r\nx\r\n0\r\n\r\n",
}


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("what", UNCLEAR)
def test_request_without_a_clear_end_is_refused_and_its_connection_closed(relais, what, signed):
    lines, body = UNCLEAR[what]
    path = f"/{BUCKET}/{OWN}"
    auth = raw.signed_headers(relais, "GET", relais.url + path) if signed else {}
    auth = [f"{name}: {value}" for name, value in auth.items()]
    head = [f"GET {path} HTTP/1.1", *lines, f"Host: 127.0.0.1:{relais.s3_port}", *auth, "", ""]
    received = exchange(relais.s3_port, "\r\n".join(head).encode() + body + smuggled(relais, SMUGGLED))
    codes = statuses(received)
    assert len(codes) <= 1 and set(codes) <= {400, 403, 501}, received
    head = ["GET /health HTTP/1.1", *lines, f"Host: 127.0.0.1:{relais.api_port}", "", ""]
    received = exchange(relais.api_port, "\r\n".join(head).encode() + body + b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
    codes = statuses(received)
    assert len(codes) <= 1 and set(codes) <= {400, 501} and b'"openapi"' not in received, received


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("lines", [["Content-Length: 4", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 5"]])
def test_length_beside_chunked_counts_for_nothing_and_ends_the_connection(relais, lines):
    """RFC 9112, section 6.1: by the chunks alone, and then the connection is closed, whatever comes behind; or refused.

    hyper takes the length out before relais sees the request, so that it cannot refuse it."""
    for port, request in ((relais.s3_port, f"GET /{BUCKET}/{OWN}"), (relais.api_port, "GET /health")):
        auth = raw.signed_headers(relais, "GET", f"{relais.url}/{BUCKET}/{OWN}")
        head = [f"{request} HTTP/1.1", *lines, f"Host: 127.0.0.1:{relais.s3_port}"]
        head += [*(f"{name}: {value}" for name, value in auth.items()), "", ""]
        received = exchange(port, "\r\n".join(head).encode() + b"0\r\n\r\n" + smuggled(relais, SMUGGLED))
        assert statuses(received) in ([200], [400]), received
        assert b"connection: close\r\n" in received.lower()
    put = raw.signed_headers(relais, "PUT", f"{relais.url}/{BUCKET}/{OWN}")
    head = [f"PUT /{BUCKET}/{OWN} HTTP/1.1", *lines, f"Host: 127.0.0.1:{relais.s3_port}"]
    head += [*(f"{name}: {value}" for name, value in put.items()), "", ""]
    received = exchange(relais.s3_port, "\r\n".join(head).encode() + b"0\r\n\r\n" + smuggled(relais, SMUGGLED))
    assert statuses(received) in ([411], [400]), received


@pytest.mark.usefixtures("nothing_changes")
def test_two_hosts_are_refused(relais):
    head = raw.head(relais, "GET", f"/{BUCKET}/{OWN}", {"Connection": "close"})
    for other in (b"Host: evil.example\r\n", f"host: 127.0.0.1:{relais.s3_port}\r\n".encode()):
        received = exchange(relais.s3_port, head.removesuffix(b"\r\n") + other + b"\r\n")
        assert statuses(received) in ([400], [403]), received


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("what", BAD_CHUNKS)
def test_chunks_that_are_not_right_end_the_connection(relais, what):
    head = f"GET /{BUCKET}/{OWN} HTTP/1.1\r\nHost: 127.0.0.1:{relais.s3_port}\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = exchange(relais.s3_port, head.encode() + BAD_CHUNKS[what] + smuggled(relais, SMUGGLED))
    codes = statuses(received)
    assert len(codes) <= 1 and set(codes) <= {400, 403}, received
    head = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = exchange(relais.api_port, head.encode() + BAD_CHUNKS[what] + b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
    codes = statuses(received)
    assert len(codes) <= 1 and set(codes) <= {400, 408} and b'"openapi"' not in received, received


@pytest.mark.usefixtures("nothing_changes")
def test_body_of_a_refused_request_is_never_taken_for_the_next_one(relais):
    """The length is right, but the request is refused before its body was read."""
    inner = smuggled(relais, SMUGGLED)
    for path, headers in (
        (f"/{BUCKET}/{OWN}", {}),
        (f"/{BUCKET}/{OWN}?uploads=", {}),
        ("/no-such-bucket/k", {}),
        (f"/{BUCKET}/{OWN}", {"X-Big": "x" * 100_000}),
    ):
        lines = [f"PUT {path} HTTP/1.1", f"Host: 127.0.0.1:{relais.s3_port}", f"Content-Length: {len(inner)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        received = exchange(relais.s3_port, ("\r\n".join(lines) + "\r\n\r\n").encode() + inner)
        assert len(statuses(received)) == 1 and statuses(received)[0] in (400, 403, 404, 431), received


SLOW = {
    "login": ("api_port", "POST /api/auth/login", ["Content-Type: application/json"]),
    "registration": ("api_port", "POST /api/auth/register", ["Content-Type: application/json"]),
    "recording": ("api_port", "POST /transcribe", ["Content-Type: multipart/form-data; boundary=x"]),
    "STS": ("s3_port", "POST /", ["Content-Type: application/x-www-form-urlencoded"]),
    "form": ("s3_port", f"POST /{BUCKET}", ["Content-Type: multipart/form-data; boundary=x"]),
}


@pytest.mark.usefixtures("nothing_changes")
def test_bodies_that_never_come_hold_nothing(relais, jwt):
    """Beside the bodies of S3, which tests/test_limits.py has: those that are read whole before anything is done."""

    def wait(asked):
        what, framing = asked
        port, request, lines = SLOW[what]
        bearer = [f"Authorization: {tokens.bearer(jwt)['Authorization']}"] if what == "recording" else []
        lines = [f"{request} HTTP/1.1", "Host: x", framing, *lines, *bearer, "", ""]
        begun = time.monotonic()
        received = exchange(getattr(relais, port), "\r\n".join(lines).encode() + b"1\r\n")
        return what, statuses(received), time.monotonic() - begun

    asked = [(what, framing) for what in SLOW for framing in ("Content-Length: 1000", "Transfer-Encoding: chunked")]
    with ThreadPoolExecutor(len(asked)) as pool:
        for what, codes, seconds in pool.map(wait, asked):
            assert set(codes) <= {400, 403, 408, 411} and len(codes) <= 1, (what, codes)
            assert seconds < 8, what


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("version", ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "http/1.1", "", "HTTP/1.1 x"])
def test_other_versions_of_http_are_refused(relais, version):
    for port in (relais.s3_port, relais.api_port):
        received = exchange(port, f"GET / {version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert set(statuses(received)) <= {400, 403, 404, 505} and len(statuses(received)) <= 1, received


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PATCH", "OPTIONS", "get", "PURGE", "X" * 5_000])
def test_other_methods_do_nothing(relais, method):
    path = f"/{BUCKET}/{OWN}"
    request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{relais.s3_port}\r\nX-Secret: echo\r\nConnection: close\r\n\r\n"
    received = exchange(relais.s3_port, request.encode())
    assert set(statuses(received)) <= {400, 403, 405, 414, 431, 501}, received
    assert b"echo" not in received and not received.endswith(b"own")


@pytest.mark.usefixtures("nothing_changes")
def test_answer_cannot_be_divided_by_what_was_sent(relais, root):
    """Line ends in what relais gives back in a header stay where they are."""
    url = root.generate_presigned_url(
        "get_object", {"Bucket": BUCKET, "Key": OWN, "ResponseContentType": "text/plain\r\nX-Injected: yes\r\n\r\n<b>"}
    )
    answer = requests.get(url, timeout=20)
    assert answer.status_code == 400, answer.headers
    assert "X-Injected" not in answer.headers


def test_smuggled_object_would_have_been_seen(relais, root):
    """The control: the same bytes, where they may stand, do what they say."""
    key = f"users/42/{SMUGGLED}"
    get = f"GET /{BUCKET}/{OWN} HTTP/1.1\r\nHost: 127.0.0.1:{relais.s3_port}\r\n\r\n".encode()
    inner = raw.head(relais, "PUT", f"/{BUCKET}/{key}", {"Content-Length": "0", "Connection": "close"})
    assert statuses(exchange(relais.s3_port, get + inner)) == [403, 200]
    root.delete_object(Bucket=BUCKET, Key=key)
    begun = time.monotonic()
    assert requests.get(f"{relais.api_url}/health", timeout=20).status_code == 200
    assert time.monotonic() - begun < 5
