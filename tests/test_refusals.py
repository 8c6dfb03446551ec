"""A refusal leaves the connection in order, whatever the client had still to send."""

import socket

import pytest

from harness import raw
from harness.accounts import BOB

BODY = b"x" * 100


def receive(connection, seconds):
    """What comes within that time; nothing may come, too."""
    connection.settimeout(seconds)
    try:
        return connection.recv(65536)
    except (TimeoutError, ConnectionError):
        return b""


def send(connection, data):
    try:
        connection.sendall(data)
    except OSError as error:
        pytest.fail(f"closed without a word: {error}")


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("target", ["?versioning", "?policy", "/k", "?delete"])
def test_connection_can_be_used_again_or_is_said_to_end(target, signed, shared, alices):
    """Clients send head and body in two pieces; the answer may come between them, and then the next request."""
    method, path = ("POST" if target == "?delete" else "PUT"), f"/{alices}{target}"
    headers = raw.signed_headers(BOB, method, f"{shared.url}{path}") if signed else {}
    headers |= {"Host": f"127.0.0.1:{shared.s3_port}", "Content-Length": str(len(BODY))}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", shared.s3_port)) as connection:
        connection.sendall(f"{head}\r\n".encode())
        early = receive(connection, 0.5)
        if b"connection: close" in early.lower():
            return
        send(connection, BODY)
        answer = early or receive(connection, 10)
        assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")), answer
        if b"connection: close" in answer.lower():
            return
        send(connection, f"GET /{alices}/k HTTP/1.1\r\nHost: 127.0.0.1:{shared.s3_port}\r\n\r\n".encode())
        assert receive(connection, 10).startswith(b"HTTP/1.1 403"), "closed without a word"
