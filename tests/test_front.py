"""A proxy in front that puts another host in the place of the one that the client signed."""

import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import configuration

PUBLIC = "s3.example"


@pytest.fixture(scope="module")
def behind_proxy(start_shared_relais, tmp_path_factory):
    settings = {"public_urls": [f"https://{PUBLIC}"]}
    config, _ = configuration.two_folders(tmp_path_factory.mktemp("front"), proxy=settings)
    return start_shared_relais(name="behind-proxy", config=config)


def ask(relais, **headers):
    """ListBuckets, signed for the public host and sent as a proxy would send it on."""
    request = AWSRequest(method="GET", url=f"https://{PUBLIC}/", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    S3SigV4Auth(Credentials(relais.access_key, relais.secret_key), "s3", "us-east-1").add_auth(request)
    signed = {name: value for name, value in request.headers.items() if name.lower() != "host"}
    return requests.get(relais.url, headers={**signed, **headers}, timeout=20)


def test_host_that_the_client_signed_is_put_back(behind_proxy):
    answer = ask(behind_proxy, **{"X-Forwarded-Host": PUBLIC})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("forwarded", [None, "evil.example"])
def test_no_other_host_is_believed_and_the_refusal_names_the_one_that_was_used(behind_proxy, forwarded):
    answer = ask(behind_proxy, **({"X-Forwarded-Host": forwarded} if forwarded else {}))
    assert answer.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in answer.text
    assert f"for the host 127.0.0.1:{behind_proxy.s3_port}" in answer.text
    assert "proxy.public_urls" in answer.text
