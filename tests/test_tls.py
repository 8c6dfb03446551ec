"""TLS on the S3 port: HTTP/1.1 and HTTP/2, and nothing else; certificates that change, and certificates of clients."""

import contextlib
import socket
import ssl
import time

import httpx
import pytest
import requests

from harness import configuration, media, raw
from harness.certificates import Authority
from harness.process import eventually
from harness.relais import run

LARGE = 48 << 20  # More than httpx's window of 16 MiB and the buffers of the system.


@pytest.fixture(scope="module")
def secure(start_shared_relais, certificate, tmp_path_factory):
    config, _ = configuration.two_folders(tmp_path_factory.mktemp("tls"), proxy=configuration.tls(certificate))
    return start_shared_relais("tls", config=config, certificate=certificate)


@pytest.mark.parametrize(("http2", "version"), [(True, "HTTP/2"), (False, "HTTP/1.1")])
def test_both_versions_of_http_are_spoken(secure, certificate, http2, version):
    s3 = secure.client()
    s3.create_bucket(Bucket=f"bucket-{int(http2)}")
    target = {"Bucket": f"bucket-{int(http2)}", "Key": "k"}
    trust = ssl.create_default_context(cafile=str(certificate.authority))
    with httpx.Client(http2=http2, verify=trust) as client:
        put = client.put(s3.generate_presigned_url("put_object", target), content=bytes(3_000_000))
        got = client.get(s3.generate_presigned_url("get_object", target))
    assert (put.status_code, put.http_version) == (200, version)
    assert (got.content, got.http_version) == (bytes(3_000_000), version)


def test_plain_http_is_not_answered_on_the_tls_port(secure):
    with pytest.raises(requests.RequestException):
        requests.get(secure.url.replace("https", "http"), timeout=10)


def serial(relais):
    """The number of the certificate that a new connection gets, and which clients of its authority trust."""
    context = ssl.create_default_context(cafile=relais.certificate.authority)
    with (
        socket.create_connection(("127.0.0.1", relais.s3_port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as stream,
    ):
        return stream.getpeercert()["serialNumber"]


def test_a_renewed_certificate_is_used_without_a_restart(start_relais, tmp_path):
    authority = Authority(tmp_path / "authority")
    certificate = authority.issue("server")
    config, _ = configuration.two_folders(tmp_path, proxy=configuration.tls(certificate))
    relais = start_relais(config=config, certificate=certificate)
    s3 = relais.client()
    s3.create_bucket(Bucket="box")
    first = serial(relais)
    context = ssl.create_default_context(cafile=certificate.authority)
    with httpx.Client(verify=context, timeout=20) as kept:
        assert kept.get(relais.url).status_code == 403
        authority.issue("server")
        second = eventually(lambda: (now := serial(relais)) != first and now, what="the new certificate is used")
        assert kept.get(relais.url).status_code == 403  # The old connection goes on.
    s3.put_object(Bucket="box", Key="k", Body=b"x")
    certificate.key.write_text("no key")
    eventually(lambda: "the old one stays" in relais.text(), what="the broken pair is told of")
    assert serial(relais) == second
    certificate.chain.unlink()
    eventually(lambda: relais.text().count("the old one stays") == 2, what="the missing file is told of")
    assert serial(relais) == second
    third = authority.issue("server")
    assert third == certificate
    eventually(lambda: serial(relais) != second, what="a good pair is used again")
    assert "no key" not in relais.text()


@pytest.mark.parametrize("wanted", ["optional", "required"])
def test_clients_show_a_certificate(start_relais, tmp_path, certificate, wanted):
    clients, strangers = Authority(tmp_path / "clients"), Authority(tmp_path / "strangers")
    asked = {"tls_client_ca_file": str(clients.folder / "authority.pem"), "tls_client_auth": wanted}
    config, _ = configuration.two_folders(tmp_path / "config", proxy=configuration.tls(certificate) | asked)
    relais = start_relais(config=config, certificate=certificate)

    def answered(shown):
        pair = shown and (str(shown.chain), str(shown.key))
        try:
            return requests.get(relais.url, verify=str(certificate.authority), cert=pair, timeout=20).status_code
        except requests.RequestException:
            return None

    assert answered(clients.issue("client", "client.test")) == 403  # It may connect; what it may do is another matter.
    assert answered(strangers.issue("stranger", "stranger.test")) is None
    assert answered(None) == (None if wanted == "required" else 403)


def test_hsts_is_said_only_if_asked_for(start_relais, secure, certificate, tmp_path):
    asked = {"hsts_max_age_seconds": 31536000}
    config, _ = configuration.two_folders(tmp_path / "tls", proxy=configuration.tls(certificate) | asked)
    strict = start_relais("strict", config=config, certificate=certificate)
    config, _ = configuration.two_folders(tmp_path / "plain", proxy=asked)
    plain = start_relais("plain", config=config)

    def said(relais):
        answer = requests.get(relais.url, verify=str(certificate.authority), timeout=20)
        return answer.headers.get("Strict-Transport-Security")

    assert (said(strict), said(secure), said(plain)) == ("max-age=31536000", None, None)


def test_a_handshake_that_does_not_end_loses_its_connection(start_relais, certificate, tmp_path):
    settings = configuration.tls(certificate) | {"head_timeout_seconds": 2}
    config, _ = configuration.two_folders(tmp_path, proxy=settings)
    relais = start_relais(config=config, certificate=certificate)
    for begins in (b"", b"\x16\x03\x01\x02\x00\x01"):
        with raw.connection(relais, tls=False) as stream:
            stream.sendall(begins)
            received, seconds = raw.read_to_end(stream)
        assert received == b"" and 1 < seconds < 8


def test_an_http2_client_that_takes_nothing_loses_its_connection(start_relais, certificate, tmp_path):
    settings = configuration.tls(certificate) | {"head_timeout_seconds": 2, "write_idle_timeout_seconds": 2}
    config, _ = configuration.two_folders(tmp_path, proxy=settings)
    relais = start_relais(config=config, certificate=certificate)
    s3 = relais.client()
    s3.create_bucket(Bucket="box")
    s3.put_object(Bucket="box", Key="large", Body=bytes(LARGE))
    url = s3.generate_presigned_url("get_object", {"Bucket": "box", "Key": "large"})
    trust = ssl.create_default_context(cafile=str(certificate.authority))
    taken = 0
    # How httpx says that its connection is gone depends on what it was about to do.
    with contextlib.suppress(httpx.HTTPError), httpx.Client(http2=True, verify=trust, timeout=20) as client:
        with client.stream("GET", url) as answer:
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
            for chunk in answer.iter_raw():
                time.sleep(0 if taken else 7)
                taken += len(chunk)
    assert 0 < taken < LARGE
    with httpx.Client(http2=True, verify=trust, timeout=20) as client:
        assert client.get(url).content == bytes(LARGE)


def test_what_contradicts_itself_is_refused_at_the_start(certificate, tmp_path):
    for wrong in (
        configuration.tls(certificate) | {"tls_client_auth": "required"},
        configuration.tls(certificate) | {"tls_client_ca_file": str(certificate.authority)},
        {"tls_client_ca_file": str(certificate.authority), "tls_client_auth": "required"},
    ):
        config, _ = configuration.two_folders(tmp_path, proxy=wrong)
        done = run("serve", "--config", config, **configuration.environment(tmp_path / "data", 0, 0, media.MODEL))
        assert done.returncode not in (0, 101) and "tls_client" in done.stderr, done
