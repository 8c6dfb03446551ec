"""What is revoked is out within 5 seconds, by every way in and on every instance."""

import time

import pytest
import requests
from botocore.exceptions import ClientError

from harness import configuration, tokens
from harness.clients import refused
from harness.configuration import allow, role
from harness.process import eventually

BUCKET = "media"
OUT_SECONDS = 5
ROLE = role("any", [allow(["s3:GetObject", "s3:PutObject"], [f"{BUCKET}/${{jwt:sub}}/*"])])
numbers = iter(range(100, 1000))


@pytest.fixture(scope="module")
def instances(start_shared_relais, tmp_path_factory, postgres):
    """Two instances with one database and one pair of folders."""
    config, _ = configuration.two_folders(
        tmp_path_factory.mktemp("revocation"),
        named=[configuration.bucket(BUCKET, ["first", "second"], write_mode="all")],
        lists={"access.roles": [ROLE]},
        **configuration.no_sidecars(),
    )
    database = {"DATABASE_URL": postgres.new_database("revocation")}
    return [start_shared_relais(name, config=config, environment=database) for name in ("one", "two")]


@pytest.fixture
def subject():
    return str(next(numbers))


def ways_in(relais, jwt):
    """A client by each way that a token opens."""
    return [tokens.by_bearer(relais, jwt), tokens.by_sts(relais, jwt), tokens.by_session_token(relais, jwt)]


def assert_open(clients, subject):
    for client in clients:
        client.put_object(Bucket=BUCKET, Key=f"{subject}/k", Body=b"x")


def is_out(client, subject):
    try:
        client.get_object(Bucket=BUCKET, Key=f"{subject}/k")
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    return False


def assert_out(clients, subject):
    eventually(lambda: all(is_out(one, subject) for one in clients), seconds=OUT_SECONDS)


def revoke(relais, *arguments):
    done = relais.command(*arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def everywhere(instances, subject):
    """Clients by every way on both instances."""
    jwt = tokens.token(sub=subject, iat=int(time.time()) - 5, jti=f"token-of-{subject}")
    clients = [client for one in instances for client in ways_in(one, jwt)]
    assert_open(clients, subject)
    return clients


def test_all_that_was_issued_to_an_owner_is_out(instances, everywhere, subject):
    revoke(instances[0], "token", "revoke", "--owner", subject)
    assert_out(everywhere, subject)
    time.sleep(1.1)  # A token says when it was issued in whole seconds.
    assert_open(ways_in(instances[1], tokens.token(sub=subject, iat=int(time.time()))), subject)


def test_one_token_is_out_and_another_of_the_same_owner_is_not(instances, everywhere, subject):
    other = tokens.token(sub=subject, iat=int(time.time()), jti="another")
    revoke(instances[1], "token", "revoke", "--id", f"relais:token-of-{subject}")
    assert_out(everywhere, subject)
    assert_open(ways_in(instances[0], other), subject)


def test_temporary_credentials_are_out_by_their_key(instances, subject):
    jwt = tokens.token(sub=subject)
    lent, other = tokens.by_sts(instances[0], jwt), tokens.by_sts(instances[0], jwt)
    assert_open([lent, other], subject)
    revoke(instances[1], "key", "revoke", lent._request_signer._credentials.access_key)
    assert_out([lent], subject)
    assert_open([other], subject)


def test_presigned_url_is_out_with_its_credentials(instances, subject):
    lent = tokens.by_sts(instances[0], tokens.token(sub=subject, iat=int(time.time()) - 5))
    assert_open([lent], subject)
    url = lent.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": f"{subject}/k"})
    assert requests.get(url, timeout=10).status_code == 200
    revoke(instances[0], "token", "revoke", "--owner", subject)
    eventually(lambda: requests.get(url, timeout=10).status_code in (400, 403), seconds=OUT_SECONDS)


def test_disabled_user_is_out_and_an_enabled_one_is_back(instances):
    api = instances[0].api_url
    sent = {"email": "gone@test.example", "password": "a password of the tests"}
    answer = requests.post(f"{api}/api/auth/register", json=sent, timeout=20)
    assert answer.status_code == 201
    jwt, subject = answer.json()["access_token"], str(answer.json()["user"]["id"])
    clients = [client for one in instances for client in ways_in(one, jwt)]
    assert_open(clients, subject)
    revoke(instances[0], "user", "disable", sent["email"])
    assert requests.get(f"{api}/api/auth/me", headers=tokens.bearer(jwt), timeout=10).status_code == 401
    assert_out(clients, subject)
    refused_sts = refused(tokens.by_sts, instances[0], jwt)
    assert refused_sts[0] == 400
    revoke(instances[0], "user", "enable", sent["email"])
    time.sleep(OUT_SECONDS)
    assert_open(clients, subject)
