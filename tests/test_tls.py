"""TLS on the S3 port: HTTP/1.1 and HTTP/2, and nothing else."""

import ssl

import httpx
import pytest
import requests

from harness import configuration


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
