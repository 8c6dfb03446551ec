"""Requests that no SDK would send: signed well, then wrong on the wire."""

import base64
import re
import socket
import ssl
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .clients import REGION

UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
WRONG_CRC32 = base64.b64encode(bytes(4)).decode()


@dataclass
class Answer:
    """Status and S3 error code; both empty where the server just closed the connection."""

    status: int | None
    code: str | None
    text: str


def put(server, path, body, headers, payload=UNSIGNED, cut=False):
    """Sends PUT with a valid signature and exactly these headers and bytes; `cut` hangs up after them."""
    signed = signed_headers(server, "PUT", server.url + path, headers, payload)
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.s3_port}\r\nConnection: close\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in signed.items()) + "\r\n"
    return _exchange(server, head.encode() + body, cut)


def signed_headers(server, method, url, headers=None, payload=UNSIGNED):
    """The headers of a request with the root keys, signed for the host of the URL."""
    request = AWSRequest(method, url, headers=headers)
    _Auth(Credentials(server.access_key, server.secret_key), "s3", REGION, payload).add_auth(request)
    return dict(request.headers.items())


def chunked(body, declared, checksum=None, algorithm="CRC32"):
    """Body and headers as SDKs send them over HTTPS: one chunk, then a trailing checksum; declares `declared` bytes."""
    trailer = f"x-amz-checksum-{algorithm.lower()}"
    framed = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    framed += f"{trailer}:{checksum or crc32(body)}\r\n\r\n".encode()
    headers = {
        "Content-Encoding": "aws-chunked",
        "Content-Length": str(len(framed)),
        "X-Amz-Decoded-Content-Length": str(declared),
        "X-Amz-Trailer": trailer,
    }
    return framed, headers


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()


class _Auth(S3SigV4Auth):
    """Signs whatever payload hash it is told."""

    def __init__(self, credentials, service, region, payload):
        super().__init__(credentials, service, region)
        self.payload_hash = payload

    def payload(self, request):
        return self.payload_hash


def _exchange(server, request, cut):
    with socket.create_connection(("127.0.0.1", server.s3_port), timeout=20) as plain:
        connection = plain
        if server.certificate:
            context = ssl.create_default_context(cafile=server.certificate.authority)
            connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
        received = b""
        try:
            connection.sendall(request)
            if cut:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except (ConnectionError, ssl.SSLError):
            pass  # The server may close as soon as it knows; what it said before counts.
    text = received.decode(errors="replace")
    status = re.match(r"HTTP/1\.1 (\d+)", text.removeprefix("HTTP/1.1 100 Continue\r\n\r\n"))
    code = re.search(r"<Code>(\w+)</Code>", text)
    return Answer(status and int(status[1]), code and code[1], text)


@contextmanager
def connection(server, tls=True):
    """A connection to the S3 port on which a test says what it likes."""
    with socket.create_connection(("127.0.0.1", server.s3_port), timeout=30) as plain:
        if server.certificate and tls:
            context = ssl.create_default_context(cafile=server.certificate.authority)
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped:
                yield wrapped
        else:
            yield plain


def head(server, method, path, headers=None, payload=UNSIGNED):
    """The head of a signed request as bytes."""
    signed = signed_headers(server, method, server.url + path, headers, payload)
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.s3_port}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in signed.items()), "", ""]).encode()


def read_to_end(stream):
    """Everything until the server closes, and how long that took."""
    begun = time.monotonic()
    received = b""
    try:
        while part := stream.recv(65536):
            received += part
    except (ConnectionError, ssl.SSLError):
        pass
    return received, time.monotonic() - begun
