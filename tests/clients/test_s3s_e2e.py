"""s3s-e2e: the end-to-end cases of the S3 server library that relais is built on, asked by the AWS SDK for Rust."""

import json

import pytest

from harness.clients import REGION, run_client
from harness.process import REPOSITORY, plain_environment

CLIENT = "s3s-e2e (AWS SDK for Rust)"
PROGRAM = REPOSITORY / "target" / "tools" / "bin" / "s3s-e2e"  # Installed by the Makefile.

# AssumeRole is of another service, STS, and gives roles to access keys; relais has none for them.
NOT_OURS = {"Advanced/STS/test_assume_role"}


def version():
    return run_client([PROGRAM, "--version"], plain_environment()).stdout.split()[1]


@pytest.fixture(scope="module")
def e2e(relais):
    """Runs the program against relais."""
    environment = plain_environment(
        AWS_ACCESS_KEY_ID=relais.access_key,
        AWS_SECRET_ACCESS_KEY=relais.secret_key,
        AWS_REGION=REGION,
        AWS_ENDPOINT_URL=relais.url,
        AWS_EC2_METADATA_DISABLED="true",
        SSL_CERT_FILE=relais.certificate.authority,
    )
    return lambda *arguments: run_client([PROGRAM, *arguments], environment)


def test_every_case_passes(e2e, tmp_path):
    listed = [line for line in e2e("--list").stdout.split() if line.count("/") == 2]
    wanted = set(listed) - NOT_OURS
    filters = [part for case in sorted(wanted) for part in ("--filter", f"^{case}$")]
    e2e("--json", tmp_path / "report.json", *filters)
    report = json.loads((tmp_path / "report.json").read_text())
    passed = {
        f"{suite['name']}/{fixture['name']}/{case['name']}"
        for suite in report["suites"]
        for fixture in suite["fixtures"]
        for case in fixture["cases"]
        if case["passed"] and not case["ignored"]
    }
    assert len(wanted) > 10 and passed == wanted
