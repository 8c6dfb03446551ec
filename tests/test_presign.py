"""`relais presign` prints URLs that work as they stand, with the root key or for the holder of a token."""

import re
import time

import pytest
import requests
from harness import canary, configuration, tokens
from harness.configuration import allow, role

KEY = "own/42/a b+c é.txt"
USER = role("user", [allow(["s3:GetObject", "s3:PutObject"], ["presigned/own/${jwt:sub}/*"])], claims={"role": "user"})


@pytest.fixture(scope="module")
def relais(start_shared_relais, tmp_path_factory):
    config, _ = configuration.two_folders(
        tmp_path_factory.mktemp("presign"), lists={"access.roles": [USER]}, **configuration.no_sidecars()
    )
    one = start_shared_relais("presign", config=config)
    one.client().create_bucket(Bucket="presigned")
    one.client().put_object(Bucket="presigned", Key=KEY, Body=b"kept")
    return one


def presign(relais, *arguments):
    done = relais.command("presign", *arguments)
    assert done.returncode == 0, done.stderr
    url = done.stdout.strip()
    canary.remember(re.search("X-Amz-Signature=([0-9a-f]{64})", url).group(1))
    return url


def test_who_has_the_url_reads_and_writes_the_object(relais):
    url = presign(relais, f"s3://presigned/{KEY}")
    assert url.startswith(f"{relais.url}/presigned/own/42/a%20b%2Bc%20%C3%A9.txt?")
    assert requests.get(url, timeout=10).content == b"kept"
    assert requests.put(url, data=b"x", timeout=10).status_code == 403
    url = presign(relais, "--method", "put", "s3://presigned/new.txt")
    assert requests.put(url, data=b"new", timeout=10).status_code == 200
    assert requests.get(url, timeout=10).status_code == 403
    assert relais.client().get_object(Bucket="presigned", Key="new.txt")["Body"].read() == b"new"


def test_the_url_ends_when_it_says(relais):
    url = presign(relais, "--expires", "1", f"s3://presigned/{KEY}")
    time.sleep(2.5)
    assert requests.get(url, timeout=10).status_code == 403
    for wrong in ("0", "604801", "-1", "soon"):
        assert relais.command("presign", "--expires", wrong, f"s3://presigned/{KEY}").returncode == 2


def test_for_a_token_the_url_opens_what_the_token_does(relais, tmp_path):
    file = tmp_path / "token"
    file.write_text(tokens.token(sub="42", role="user") + "\n")
    url = presign(relais, "--as-token-file", file, f"s3://presigned/{KEY}")
    assert requests.get(url, timeout=10).content == b"kept"
    foreign = presign(relais, "--as-token-file", file, "s3://presigned/own/43/x")
    assert requests.get(foreign, timeout=10).status_code == 403
    file.write_text("no.token.atall")
    refused = relais.command("presign", "--as-token-file", file, f"s3://presigned/{KEY}")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "InvalidIdentityToken" in refused.stderr


def test_the_address_can_be_said(relais):
    url = presign(relais, "--endpoint", "https://s3.example/", f"s3://presigned/{KEY}")
    assert url.startswith("https://s3.example/presigned/own/42/")
    assert relais.command("presign", "--endpoint", "s3.example", f"s3://presigned/{KEY}").returncode == 64
    for wrong in ("presigned/a", "s3://presigned", "s3://presigned/", "s3:///a", "s3://No/a"):
        refused = relais.command("presign", wrong)
        assert (refused.returncode, refused.stdout) == (1, ""), wrong
