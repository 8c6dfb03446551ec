"""`relais policy simulate`: which statement decides, and why."""

import json

import pytest

from harness import configuration, media
from harness.relais import run

OWN = """{"Version": "2012-10-17", "Statement": [{"Sid": "OwnFolder", "Effect": "Allow", "Action": "s3:*",
    "Resource": "arn:aws:s3:::media/audio/whatsapp/${jwt:sub}/*"}]}"""

USER_42 = '{"sub": "42", "role": "user"}'


@pytest.fixture
def simulate(tmp_path):
    config, _ = configuration.two_folders(tmp_path / "replicas")
    config.write_text(
        config.read_text() + f"\n[[access.roles]]\nname = \"user\"\nclaims = {{ role = \"user\" }}\npolicy = '''{OWN}'''\n"
    )
    variables = configuration.environment(tmp_path / "data", 1, 2, media.MODEL)

    def ask(*arguments, key="audio/whatsapp/42/x.ogg"):
        question = ["policy", "simulate", "--action", "s3:GetObject", "--bucket", "media", "--key", key]
        return run(*question, *arguments, "--config", config, **variables)

    return ask


def test_the_statement_that_allows_is_named(simulate):
    answer = simulate("--claims", USER_42)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("allowed") and "OwnFolder" in answer.stdout


def test_a_refusal_says_why_no_statement_applies(simulate):
    answer = simulate("--claims", USER_42, "--json", key="audio/whatsapp/420/x.ogg")
    assert answer.returncode == 1, answer.stderr
    told = json.loads(answer.stdout)
    assert told["allowed"] is False
    (policy,) = told["policies"]
    assert policy["policy"] == "role user"
    assert policy["statements"][0]["why"] == "the resource does not fit"


def test_a_file_is_judged_alone(simulate, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(OWN.replace("Allow", "Deny").replace("${jwt:sub}", "42"))
    assert simulate("--claims", USER_42, "--policy", policy).returncode == 1
    assert simulate("--anonymous").returncode == 1
    assert simulate().returncode == 2, "somebody must ask"
