"""From a token to credentials: STS on the S3 port, the endpoint for containers, and `relais credentials`."""

import json
import time
from datetime import datetime, timedelta, timezone
from xml.etree import ElementTree

import boto3
import pytest
import requests
from botocore.exceptions import ClientError, CredentialRetrievalError
from harness import canary, configuration, tokens
from harness.clients import REGION, refused
from harness.configuration import allow, role
from harness.relais import BINARY, run

BUCKET = "media"
OWN, FOREIGN = "audio/whatsapp/42/note.txt", "audio/whatsapp/420/note.txt"
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
DENIED = (403, "AccessDenied")
ADDRESS = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15"}

USER = role(
    "user",
    [allow(["s3:GetObject", "s3:PutObject"], [f"{BUCKET}/audio/whatsapp/${{jwt:sub}}/*"])],
    claims={"role": "user"},
)


@pytest.fixture(scope="module")
def relais(start_shared_relais, tmp_path_factory):
    config, _ = configuration.two_folders(
        tmp_path_factory.mktemp("sts"),
        named=[configuration.bucket(BUCKET, ["first", "second"])],
        lists={"access.roles": [USER]},
        **configuration.no_sidecars(),
    )
    one = start_shared_relais("sts", config=config)
    one.client().put_object(Bucket=BUCKET, Key=FOREIGN, Body=b"theirs")
    return one


def user_token(**claims):
    return tokens.token(**{"sub": "42", "role": "user"} | claims)


def asked(**changes):
    """The parameters of a request that is right but for the changes; None leaves one out."""
    parameters = ADDRESS | {"RoleArn": tokens.ROLE_ARN, "RoleSessionName": "test", "WebIdentityToken": user_token()}
    return {name: value for name, value in (parameters | changes).items() if value is not None}


def post(relais, **changes):
    return requests.post(f"{relais.url}/", data=asked(**changes), timeout=10)


def assume(relais, jwt=None, **more):
    return tokens.sts_client(relais).assume_role_with_web_identity(
        RoleArn=tokens.ROLE_ARN, RoleSessionName="test", WebIdentityToken=jwt or user_token(), **more
    )


def error_of(response):
    """Status and code of a refusal, which has AWS's form."""
    root = ElementTree.fromstring(response.content)
    assert root.tag == f"{NAMESPACE}ErrorResponse", response.text
    assert root.findtext(f"{NAMESPACE}Error/{NAMESPACE}Type") == "Sender"
    assert root.findtext(f"{NAMESPACE}RequestId") == response.headers["x-amz-request-id"]
    return response.status_code, root.findtext(f"{NAMESPACE}Error/{NAMESPACE}Code")


def assert_opens_own_prefix(s3):
    s3.put_object(Bucket=BUCKET, Key=OWN, Body=b"mine")
    assert s3.get_object(Bucket=BUCKET, Key=OWN)["Body"].read() == b"mine"
    assert refused(s3.get_object, Bucket=BUCKET, Key=FOREIGN) == DENIED
    assert refused(s3.put_object, Bucket=BUCKET, Key=FOREIGN, Body=b"x") == DENIED


def life(credentials):
    """How long credentials live from now on."""
    ends = credentials["Expiration"]
    ends = ends if isinstance(ends, datetime) else datetime.fromisoformat(ends)
    return (ends - datetime.now(timezone.utc)).total_seconds()


def test_boto3_gets_credentials_that_open_the_users_prefix_alone(relais):
    answer = assume(relais, user_token(aud="relais", iss="relais"))
    assert answer["SubjectFromWebIdentityToken"] == "42"
    assert (answer["Audience"], answer["Provider"]) == ("relais", "relais")
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::000000000000:assumed-role/any/test"
    assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":test")
    assert answer["ResponseMetadata"]["RequestId"] == answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    assert answer["ResponseMetadata"]["HTTPHeaders"]["cache-control"] == "no-store"
    assert 3590 < life(answer["Credentials"]) <= 3600
    assert_opens_own_prefix(tokens.with_credentials(relais, answer["Credentials"]))


def test_form_and_query_give_the_same(relais):
    by_query = requests.get(f"{relais.url}/", params=asked(), timeout=10)
    by_query_of_post = requests.post(f"{relais.url}/", params=asked(), timeout=10)
    divided = requests.post(
        f"{relais.url}/", params=ADDRESS, data=asked(Action=None, Version=None), timeout=10
    )
    for response in (post(relais), by_query, by_query_of_post, divided):
        assert response.status_code == 200, response.text
        root = ElementTree.fromstring(response.content)
        result = root.find(f"{NAMESPACE}AssumeRoleWithWebIdentityResult/{NAMESPACE}Credentials")
        credentials = {part.tag.removeprefix(NAMESPACE): part.text for part in result}
        assert_opens_own_prefix(tokens.with_credentials(relais, credentials))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Action": None}, "MissingAction"),
        ({"Action": "AssumeRole"}, "InvalidAction"),
        ({"Action": "<b>&"}, "InvalidAction"),
        ({"Version": "2010-05-08"}, "InvalidAction"),
        ({"RoleArn": None}, "MissingParameter"),
        ({"RoleSessionName": None}, "MissingParameter"),
        ({"RoleSessionName": "two words"}, "ValidationError"),
        ({"WebIdentityToken": None}, "MissingParameter"),
        ({"WebIdentityToken": "no.token.here"}, "InvalidIdentityToken"),
        ({"WebIdentityToken": "x" * 20_001}, "ValidationError"),
        ({"DurationSeconds": "899"}, "ValidationError"),
        ({"DurationSeconds": "43201"}, "ValidationError"),
        ({"DurationSeconds": "soon"}, "ValidationError"),
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": '{"Version":"2012-10-17","Statement":[{"Effect":"Maybe"}]}'}, "MalformedPolicyDocument"),
        ({"Policy": " " * 2_049}, "PackedPolicyTooLarge"),
        ({"PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/AdministratorAccess"}, "ValidationError"),
    ],
)
def test_what_is_wrong_has_awss_code(relais, changes, code):
    assert error_of(post(relais, **changes)) == (400, code)


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda: user_token(exp=int(time.time()) - 3600), "ExpiredTokenException"),
        (lambda: user_token(nbf=int(time.time()) + 3600), "InvalidIdentityToken"),
        (lambda: user_token(exp=None), "InvalidIdentityToken"),
        (lambda: user_token(secret="another secret, of 32 bytes or more"), "InvalidIdentityToken"),
        (lambda: user_token(iss="https://idp.example"), "InvalidIdentityToken"),
        (lambda: user_token(aud="elsewhere"), "InvalidIdentityToken"),
        (lambda: user_token(sub=None), "InvalidIdentityToken"),
    ],
    ids=["expired", "not yet", "endless", "other secret", "other issuer", "other audience", "nobody"],
)
def test_token_that_is_not_taken_has_awss_code(relais, token, code):
    response = post(relais, WebIdentityToken=token())
    assert error_of(response) == (400, code)
    assert "eyJ" not in response.text


def test_sdk_knows_the_refusal_of_an_expired_token(relais):
    client = tokens.sts_client(relais)
    with pytest.raises(client.exceptions.ExpiredTokenException):
        assume(relais, user_token(exp=int(time.time()) - 3600))


def test_credentials_live_as_asked_but_never_longer_than_the_token(relais):
    assert 890 < life(assume(relais, DurationSeconds=900)["Credentials"]) <= 900
    day = user_token(exp=int(time.time()) + 86_400)
    assert 43_190 < life(assume(relais, day, DurationSeconds=43_200)["Credentials"]) <= 43_200
    minute = user_token(exp=int(time.time()) + 60)
    assert 50 < life(assume(relais, minute)["Credentials"]) <= 60


def test_credentials_end(relais):
    s3 = tokens.with_credentials(relais, assume(relais, user_token(exp=int(time.time()) + 4))["Credentials"])
    s3.put_object(Bucket=BUCKET, Key=OWN, Body=b"in time")
    time.sleep(5)
    assert refused(s3.get_object, Bucket=BUCKET, Key=OWN) == (400, "ExpiredToken")


def test_policy_only_narrows(relais):
    def policy(action, key):
        return json.dumps({"Version": "2012-10-17", "Statement": [allow([action], [f"{BUCKET}/{key}"])]})

    assume_client = tokens.by_sts(relais, user_token())
    assume_client.put_object(Bucket=BUCKET, Key=OWN, Body=b"mine")
    reader = tokens.by_sts(relais, user_token(), Policy=policy("s3:GetObject", "*"))
    assert reader.get_object(Bucket=BUCKET, Key=OWN)["Body"].read() == b"mine"
    assert refused(reader.put_object, Bucket=BUCKET, Key=OWN, Body=b"x") == DENIED
    everything = tokens.by_sts(relais, user_token(), Policy=policy("s3:*", "*"))
    assert refused(everything.get_object, Bucket=BUCKET, Key=FOREIGN) == DENIED
    assert assume(relais, Policy=policy("s3:GetObject", "*"))["PackedPolicySize"] in range(1, 20)


def test_token_without_a_role_gets_credentials_that_open_nothing(relais):
    s3 = tokens.by_sts(relais, tokens.token(sub="42"))
    assert refused(s3.get_object, Bucket=BUCKET, Key=OWN) == DENIED


def test_token_of_six_kibibytes_is_taken(relais):
    jwt = user_token(groups=[f"group-{number:04}" for number in range(350)])
    assert len(jwt) > 6 * 1024
    assert_opens_own_prefix(tokens.by_sts(relais, jwt))


def test_session_token_goes_with_its_own_key_alone(relais):
    one, other = assume(relais)["Credentials"], assume(relais)["Credentials"]
    mixed = tokens.with_credentials(relais, one | {"SessionToken": other["SessionToken"]})
    assert refused(mixed.get_object, Bucket=BUCKET, Key=OWN) == (400, "InvalidToken")
    none = tokens.with_credentials(relais, one | {"SessionToken": None})
    assert refused(none.get_object, Bucket=BUCKET, Key=OWN) == (400, "InvalidToken")


def test_large_body_is_refused(relais):
    assert error_of(post(relais, WebIdentityToken="x" * 70_000)) == (413, "RequestEntityTooLarge")


def test_what_is_not_sts_stays_with_s3(relais):
    multipart = requests.post(f"{relais.url}/", files={"key": (None, "x")}, data=ADDRESS, timeout=10)
    at_bucket = requests.post(f"{relais.url}/{BUCKET}", data=asked(), timeout=10)
    listing = requests.get(f"{relais.url}/", timeout=10)
    bucket_host = {"Host": f"{BUCKET}.{configuration.DOMAIN}"}
    deletion = requests.post(f"{relais.url}/?delete", data=asked(), headers=bucket_host, timeout=10)
    for response in (multipart, at_bucket, listing, deletion):
        assert response.status_code in (400, 403, 405, 501), response.text
        assert "ErrorResponse" not in response.text


def test_neither_token_nor_secret_is_logged(relais):
    jwt = user_token(jti="told-to-nobody")
    credentials = assume(relais, jwt)["Credentials"]
    requests.get(f"{relais.url}/", params=asked(WebIdentityToken=jwt), timeout=10)
    log = relais.text()
    assert credentials["AccessKeyId"] in log, "what was issued is in the log, by its id"
    for secret in (jwt, credentials["SecretAccessKey"], credentials["SessionToken"], "WebIdentityToken"):
        assert secret not in log


def test_credentials_outlive_a_rotation_until_the_old_secret_is_dropped(start_relais, tmp_path):
    config, _ = configuration.two_folders(
        tmp_path / "rotation",
        named=[configuration.bucket(BUCKET, ["first", "second"])],
        lists={"access.roles": [USER]},
        **configuration.no_sidecars(),
    )
    before = start_relais("before", config=config)
    credentials = assume(before)["Credentials"]
    new = canary.remember("the-secret-after-the-rotation-0123456789")
    kept = {"SECRET_KEY": new, "SECRET_KEY_BEFORE": configuration.SECRET_KEY}
    rotated = start_relais("rotated", config=config, environment=kept)
    tokens.with_credentials(rotated, credentials).put_object(Bucket=BUCKET, Key=OWN, Body=b"x")
    dropped = start_relais("dropped", config=config, environment={"SECRET_KEY": new})
    again = tokens.with_credentials(dropped, credentials)
    assert refused(again.get_object, Bucket=BUCKET, Key=OWN) == (403, "InvalidAccessKeyId")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The environment of a program on a machine that has no AWS configuration of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def session_client(relais, session):
    return session.client("s3", endpoint_url=relais.url, region_name=REGION)


def test_boto3_takes_credentials_from_the_container_endpoint(relais, program):
    program.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{relais.api_url}/api/credentials")
    program.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", user_token())
    session = boto3.Session()
    assert session.get_credentials().method == "container-role"
    assert_opens_own_prefix(session_client(relais, session))


def test_container_endpoint_refuses_as_sdks_expect_it(relais, program):
    url = f"{relais.api_url}/api/credentials"
    expired = user_token(exp=int(time.time()) - 3600)
    for token, code in ((None, "MissingToken"), (expired, "ExpiredToken"), ("no.token.here", "InvalidToken")):
        response = requests.get(url, headers={"Authorization": token} if token else {}, timeout=10)
        problem = response.json()
        assert (response.status_code, problem["Code"]) == (401, code)
        assert problem["Message"] == problem["detail"]
    answer = requests.get(url, headers=tokens.bearer(user_token()), timeout=10)
    assert set(answer.json()) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert 3590 < life(answer.json()) <= 3600
    assert answer.headers["Cache-Control"] == "no-store"
    program.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
    program.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", expired)
    with pytest.raises(CredentialRetrievalError):
        boto3.Session().get_credentials()


def test_boto3_runs_relais_credentials_as_credential_process(relais, program, tmp_path):
    (tmp_path / "token").write_text(user_token() + "\n")
    profile = tmp_path / "config"
    command = f"{BINARY} credentials --token-file {tmp_path / 'token'} --endpoint {relais.url} --duration 900"
    profile.write_text(f"[default]\ncredential_process = {command}\n")
    program.setenv("AWS_CONFIG_FILE", str(profile))
    session = boto3.Session()
    credentials = session.get_credentials()
    assert credentials.method == "custom-process"
    assert_opens_own_prefix(session_client(relais, session))


def test_relais_credentials_needs_what_sdks_need_and_says_what_is_wrong(relais, tmp_path):
    (tmp_path / "token").write_text(user_token())
    environment = {"AWS_WEB_IDENTITY_TOKEN_FILE": tmp_path / "token", "AWS_ENDPOINT_URL": relais.url}
    printed = json.loads(run("credentials", **environment).stdout)
    assert set(printed) == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert printed["Version"] == 1
    assert_opens_own_prefix(tokens.with_credentials(relais, printed))
    (tmp_path / "token").write_text(user_token(exp=int(time.time()) - 3600))
    for changes, said in (
        ({}, "ExpiredTokenException"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "does not answer"),
        ({"AWS_ENDPOINT_URL": relais.api_url}, "refuses: 404"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": tmp_path / "none"}, "--token-file"),
    ):
        done = run("credentials", **environment | changes)
        assert done.returncode == 1 and said in done.stderr and not done.stdout, done.stderr
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in run("credentials", AWS_ENDPOINT_URL=relais.url).stderr
    assert "AWS_ENDPOINT_URL" in run("credentials", "--token-file", tmp_path / "token").stderr


def test_relais_credentials_trusts_the_authority_that_it_is_given(start_relais, certificate, tmp_path):
    config, _ = configuration.two_folders(tmp_path / "tls", proxy=configuration.tls(certificate))
    relais = start_relais(config=config, certificate=certificate)
    (tmp_path / "token").write_text(user_token())
    asked = ["credentials", "--token-file", tmp_path / "token", "--endpoint", relais.url]
    assert "does not answer" in run(*asked).stderr
    assert json.loads(run(*asked, "--ca-file", certificate.authority).stdout)["Version"] == 1


def test_relais_mints_tokens(relais):
    claims = ["--claim", "role=user", "--claim", 'groups=["a"]', "--claim", "n=7"]
    done = relais.command("token", "mint", "--sub", "42", "--ttl", "10m", *claims)
    jwt = canary.remember(done.stdout.strip())
    credentials = assume(relais, jwt)["Credentials"]
    assert 590 < life(credentials) <= 600
    assert_opens_own_prefix(tokens.with_credentials(relais, credentials))
    for wrong in (["--claim", "exp=1"], ["--claim", "role"], ["--ttl", "soon"]):
        done = relais.command("token", "mint", "--sub", "42", *wrong)
        assert done.returncode == 1 and wrong[0] in done.stderr and not done.stdout


def test_pair_is_made_whatever_the_sdks_are_told(relais):
    """The variables of SDKs are those of the other use of the command, and must not get in its way."""
    told = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}
    pairs = [json.loads(run("credentials", "--pair", **relais.settings, **told).stdout) for _ in range(2)]
    assert pairs[0]["access_key_id"] != pairs[1]["access_key_id"]
    assert pairs[0]["secret_access_key"] != pairs[1]["secret_access_key"]


def test_pair_needs_a_token_beside_its_signature(relais):
    assert_opens_own_prefix(tokens.by_session_token(relais, user_token()))
    s3 = tokens.by_session_token(relais, None)
    assert refused(s3.get_object, Bucket=BUCKET, Key=OWN) == (400, "InvalidToken")


def test_get_caller_identity_says_what_is_supported(relais):
    client = boto3.client(
        "sts",
        endpoint_url=relais.url,
        region_name=REGION,
        aws_access_key_id="x",
        aws_secret_access_key="y",
    )
    with pytest.raises(ClientError, match=r"InvalidAction.*relais knows AssumeRoleWithWebIdentity"):
        client.get_caller_identity()
