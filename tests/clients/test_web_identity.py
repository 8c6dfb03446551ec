"""Stock SDKs with a JWT in a file and nothing else, through two relais behind one address, over TLS.

The variables that name role, token and endpoint are all that a program is given, beside the region that every SDK wants and the
authority of the tests' certificate. Both instances share a database, their clouds and SECRET_KEY.
"""

import sys
from pathlib import Path

import pytest

from harness import configuration, tokens
from harness.balancer import Balancer
from harness.clients import REGION, program, run_client
from harness.configuration import allow, role
from harness.process import plain_environment

BUCKET = "media"
OWN, FOREIGN = "audio/whatsapp/42/", "audio/whatsapp/420/"
HERE = Path(__file__).parent

USER = role(
    "user",
    [allow(["s3:GetObject", "s3:PutObject"], [f"{BUCKET}/audio/whatsapp/${{jwt:sub}}/*"])],
    claims={"role": "user"},
)


@pytest.fixture(scope="module")
def instances(start_shared_relais, tmp_path_factory, postgres, moto_http, moto_https, certificate):
    """Two instances with one database over the same two clouds."""
    for cloud in (moto_http, moto_https):
        cloud.reset()
    stores = {"first": configuration.s3_store(moto_http), "second": configuration.s3_store(moto_https)}
    config = configuration.write_toml(
        tmp_path_factory.mktemp("web-identity") / "relais.toml",
        stores,
        [configuration.bucket(BUCKET, list(stores), write_mode="all")],
        lists={"access.roles": [USER]},
        proxy=configuration.tls(certificate),
        **configuration.no_sidecars(),
    )
    database = {"DATABASE_URL": postgres.new_database("web_identity")}
    names = ("one", "two")
    return [start_shared_relais(n, config=config, certificate=certificate, environment=database) for n in names]


@pytest.fixture(scope="module")
def address(instances):
    with Balancer([one.s3_port for one in instances]) as balancer:
        instances[0].client().put_object(Bucket=BUCKET, Key=f"{FOREIGN}theirs.txt", Body=b"theirs")
        yield balancer


@pytest.fixture
def environment(address, certificate, tmp_path):
    """All that a program is told."""
    token_file = tmp_path / "token"
    token_file.write_text(tokens.token(sub="42", role="user") + "\n")  # As `relais token mint > token` writes it.
    return plain_environment(
        AWS_ROLE_ARN=tokens.ROLE_ARN,
        AWS_WEB_IDENTITY_TOKEN_FILE=token_file,
        AWS_ENDPOINT_URL=f"https://127.0.0.1:{address.port}",
        AWS_REGION=REGION,
        AWS_DEFAULT_REGION=REGION,  # The name that boto3 and aws-cli 1 know it by.
        AWS_CA_BUNDLE=certificate.authority,
        NODE_EXTRA_CA_CERTS=certificate.authority,  # The name that Node knows it by.
        AWS_EC2_METADATA_DISABLED="true",
        AWS_PAGER="",
        HOME=tmp_path,  # No files with credentials of whoever runs the tests.
    )


def by_boto3(environment):
    run_client([sys.executable, HERE / "web_identity.py", BUCKET, OWN, FOREIGN], environment)


def by_javascript(environment):
    run_client([program("node"), "web_identity.mjs", BUCKET, OWN, FOREIGN], environment, cwd=HERE / "javascript")


def by_aws_cli(environment):
    note = Path(environment["HOME"]) / "note.txt"
    note.write_text("by aws-cli")
    aws = program("aws")
    run_client([aws, "s3", "cp", note, f"s3://{BUCKET}/{OWN}note.txt"], environment)
    back = run_client([aws, "s3", "cp", f"s3://{BUCKET}/{OWN}note.txt", "-"], environment)
    assert back.stdout == "by aws-cli"
    for refused in ([note, f"s3://{BUCKET}/{FOREIGN}note.txt"], [f"s3://{BUCKET}/{FOREIGN}theirs.txt", "-"]):
        with pytest.raises(AssertionError, match=r"AccessDenied|403"):
            run_client([aws, "s3", "cp", *refused], environment)


WAYS = {"boto3": by_boto3, "JavaScript": by_javascript, "aws-cli": by_aws_cli}


@pytest.mark.parametrize("way", WAYS)
def test_token_in_a_file_is_enough(way, environment, address):
    before = dict(address.served)
    for _ in range(2):
        WAYS[way](environment)
    assert all(address.served[port] > before[port] for port in address.ports), "only one instance was asked"


@pytest.mark.parametrize("way", WAYS)
def test_token_is_enough_while_one_instance_restarts(way, environment, instances):
    instances[0].stop()
    try:
        WAYS[way](environment)
    finally:
        instances[0].start()
    WAYS[way](environment)


def test_credentials_of_one_instance_work_on_the_other_before_and_after_a_restart(instances):
    one, two = instances
    answer = tokens.sts_client(one).assume_role_with_web_identity(
        RoleArn=tokens.ROLE_ARN, RoleSessionName="test", WebIdentityToken=tokens.token(sub="42", role="user")
    )["Credentials"]
    tokens.with_credentials(one, answer).put_object(Bucket=BUCKET, Key=f"{OWN}shared.txt", Body=b"x")
    assert tokens.with_credentials(two, answer).get_object(Bucket=BUCKET, Key=f"{OWN}shared.txt")["Body"].read() == b"x"
    one.stop()
    one.start()
    assert tokens.with_credentials(one, answer).get_object(Bucket=BUCKET, Key=f"{OWN}shared.txt")["Body"].read() == b"x"
