"""The search for secrets that runs over the whole suite finds them: it would be worth nothing otherwise."""

import time

import pytest
import requests

from harness import canary, configuration, tokens

EXAMPLES = {
    "root secret": configuration.ROOT_SECRET_KEY,
    "signing secret": configuration.SECRET_KEY,
    "signed URL": "GET /media/k?X-Amz-Date=20261120T000000Z&X-Amz-Signature=abcdef",
    "authorization": "AWS4-HMAC-SHA256 Credential=K/…, SignedHeaders=host, Signature=" + "0a" * 32,
    "token": "Bearer " + tokens.token(sub="42"),
    "hash of a password": "$2b$12$" + "x" * 53,
}


@pytest.mark.parametrize("what", EXAMPLES)
def test_secret_is_found(what):
    assert canary.secrets_in(f"2026-11-20 INFO {EXAMPLES[what]} answered".encode())


def test_plain_line_is_not_taken_for_a_secret():
    line = b'request{request.id=0198 http.method=GET http.path=/media/audio/42/k.ogg}: answered http.status=200'
    assert canary.secrets_in(line) == []


def test_errors_and_metrics_hold_none(shared):
    """Wrong credentials of every kind are refused without being repeated."""
    wrong = tokens.token(secret="another-secret-of-the-tests-0123456789", sub="42")
    late = tokens.token(sub="42", exp=int(time.time()) - 3600)
    for header in (f"Bearer {wrong}", f"Bearer {late}", f"Bearer {configuration.SECRET_KEY}", "Basic cm9vdDpyb290"):
        answer = requests.get(f"{shared.url}/half-open/k", headers={"Authorization": header}, timeout=10)
        assert answer.status_code in (400, 401, 403)
        assert header.split()[1] not in answer.text
    metrics = requests.get(f"{shared.api_url}/metrics", timeout=10)
    assert metrics.status_code == 200
    assert canary.secrets_in(metrics.content) == []
