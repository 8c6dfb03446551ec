"""`relais user`, `relais key` and `relais secrets`, against SQLite and PostgreSQL; and keys that were made, in use."""

import json
import re
import sqlite3
import stat
import subprocess
import uuid
from contextlib import closing

import psycopg
import pytest
from botocore.exceptions import ClientError

from harness import configuration
from harness.clients import boto3_client
from harness.process import eventually, plain_environment
from harness.relais import BINARY

PASSWORD = "correct horse battery"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::media/*"}],
}


class Commands:
    """Commands of relais on one database."""

    def __init__(self, folder, database=None):
        self.folder = folder
        self.settings = configuration.environment(folder / "data", 1, 2, "/nowhere")
        if database:
            self.settings["DATABASE_URL"] = database
        self.database = database

    def __call__(self, *arguments, stdin="", **changes):
        settings = {name: value for name, value in (self.settings | changes).items() if value is not None}
        command = [str(part) for part in (BINARY, *arguments)]
        return subprocess.run(
            command, env=plain_environment(**settings), input=stdin, capture_output=True, text=True, timeout=60
        )

    def good(self, *arguments, **settings):
        done = self(*arguments, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments, **settings):
        return json.loads(self.good(*arguments, "--json", **settings))

    def rows(self, sql):
        """What any other program finds in the database."""
        if self.database:
            with psycopg.connect(self.database) as connection:
                return connection.execute(sql).fetchall()
        with closing(sqlite3.connect(self.folder / "data" / "relais.db")) as connection:
            return connection.execute(sql).fetchall()

    def user(self, email="ann@example.com", **settings):
        return self.good("user", "create", "--email", email, stdin=PASSWORD + "\n", **settings)


@pytest.fixture(params=["sqlite", "postgres"])
def relais(request, tmp_path):
    if request.param == "sqlite":
        return Commands(tmp_path)
    server = request.getfixturevalue("postgres")
    return Commands(tmp_path, server.new_database(f"keys-{uuid.uuid4().hex}"))


def test_a_user_is_made_and_listed_without_the_password(relais):
    relais.good(
        "user", "create", "--email", " Ann@Example.com", "--name", "Ann", "--credits", "5", stdin=PASSWORD + "\n"
    )
    (user,) = relais.json("user", "list")
    assert (user["id"], user["email"], user["name"], user["credits"]) == (1, "ann@example.com", "Ann", 5)
    assert (user["is_active"], user["is_verified"], user["last_login"]) == (True, False, None)
    assert "ann@example.com" in relais.good("user", "list")
    listed = relais.good("user", "list") + relais.good("user", "list", "--json")
    assert "$2" not in listed and "password" not in listed and PASSWORD not in listed


def test_a_password_is_kept_as_bcrypt_of_cost_12(relais, tmp_path):
    relais.user()
    ((hashed,),) = relais.rows("SELECT hashed_password FROM users")
    assert re.fullmatch(r"\$2[aby]\$12\$[./A-Za-z0-9]{53}", hashed)
    (tmp_path / "password").write_text("another password\r\nsecond line\n")
    relais.good("user", "password", "ann@example.com", "--password-file", tmp_path / "password")
    ((changed,),) = relais.rows("SELECT hashed_password FROM users")
    assert changed != hashed


@pytest.mark.parametrize("password, word", [("1234567", "8"), ("", "8"), ("x" * 73, "72"), ("ä" * 37, "72")])
def test_passwords_that_are_too_short_or_too_long_are_refused(relais, password, word):
    done = relais("user", "create", "--email", "ann@example.com", stdin=password + "\n")
    assert done.returncode == 1 and word in done.stderr, done.stderr
    assert not password or password not in done.stdout + done.stderr
    assert relais.json("user", "list") == []


def test_what_is_wrong_with_a_user_is_said(relais):
    relais.user()
    again = relais("user", "create", "--email", "ANN@example.com", stdin=PASSWORD)
    assert again.returncode == 1 and "another user has this email" in again.stderr
    for email in ("ann", "@example.com", "ann@", "a nn@example.com", "a@b@c"):
        done = relais("user", "create", "--email", email, stdin=PASSWORD)
        assert done.returncode == 1 and "address" in done.stderr, email
    for command in ("disable", "enable", "verify"):
        for nobody in ("2", "bob@example.com"):
            done = relais("user", command, nobody)
            assert done.returncode == 1 and f"no user {nobody}" in done.stderr
    assert relais("user", "credits", "1", "2147483648").returncode == 2
    assert relais("user", "credits", "1", "-1").returncode == 2
    missing = relais("user", "password", "1", "--password-file", "/nowhere/password")
    assert missing.returncode == 1 and "/nowhere/password" in missing.stderr


def test_a_user_is_kept_out_let_in_verified_and_given_credits(relais):
    relais.user()
    relais.user("bob@example.com")

    def ann():
        (ann, bob) = relais.json("user", "list")
        assert (bob["is_active"], bob["is_verified"], bob["credits"]) == (True, False, None), "only ann is meant"
        return ann

    relais.good("user", "disable", "1")
    assert not ann()["is_active"]
    relais.good("user", "enable", "Ann@example.com")
    relais.good("user", "verify", "ann@example.com")
    relais.good("user", "credits", "1", "7")
    assert (ann()["is_active"], ann()["is_verified"], ann()["credits"]) == (True, True, 7)
    relais.good("user", "credits", "ann@example.com", "unlimited")
    assert ann()["credits"] is None


def test_the_table_of_users_is_as_other_programs_expect_it(relais):
    relais.user()
    columns = "name, is_active, is_verified, last_login, favorite_voices, history, credits, preferences"
    ((name, active, verified, last_login, *_, credits, _),) = relais.rows(f"SELECT {columns} FROM users")
    assert (name, bool(active), bool(verified), last_login, credits) == (None, True, False, None, None)
    ((seconds,),) = relais.rows(
        "SELECT EXTRACT(EPOCH FROM now() - created_at) FROM users"
        if relais.database
        else "SELECT unixepoch('now') - unixepoch(created_at) FROM users"
    )
    assert abs(seconds) < 60


def test_a_key_is_made_once_listed_and_revoked(relais):
    made = relais.json("key", "create", "--name", "the phone's", "--owner", "ann")
    assert re.fullmatch("RELAIS[A-Z2-7]{14}", made["access_key_id"])
    assert re.fullmatch("[A-Za-z0-9_-]{40}", made["secret_access_key"])
    assert (made["name"], made["owner"]) == ("the phone's", "ann")
    words = relais.good("key", "create", "--name", "bob")
    assert re.search(r"RELAIS[A-Z2-7]{14}\b", words) and "not shown again" in words

    first, second = relais.json("key", "list")
    assert (first["access_key_id"], first["revoked_at"]) == (made["access_key_id"], None)
    assert (second["name"], second["owner"]) == ("bob", "bob")
    listed = relais.good("key", "list") + relais.good("key", "list", "--json")
    assert made["secret_access_key"] not in listed and "sealed" not in listed

    relais.good("key", "revoke", made["access_key_id"])
    first, second = relais.json("key", "list")
    assert first["revoked_at"] and not second["revoked_at"]
    again = relais("key", "revoke", made["access_key_id"])
    assert again.returncode == 1 and "already" in again.stderr
    unknown = relais("key", "revoke", "RELAISAAAAAAAAAAAAAA")
    assert unknown.returncode == 1 and "no access key" in unknown.stderr


def test_secrets_are_sealed_in_the_database(relais):
    made = relais.json("key", "create", "--name", "ann")
    ((sealed,),) = relais.rows("SELECT sealed_secret FROM access_keys")
    everything = str(relais.rows("SELECT * FROM access_keys"))
    assert made["access_key_id"] in everything and made["secret_access_key"] not in everything
    assert len(sealed) > 40


def test_temporary_credentials_are_revoked_by_their_id(relais):
    temporary = "RSTS" + "A" * 28
    relais.good("key", "revoke", temporary)
    assert relais.rows("SELECT kind, value, expires_at FROM revocations") == [("credentials", temporary, None)]


@pytest.mark.parametrize("owner", ["root", "anonymous", "relais", "api", "thumbnail", "transcription", "", " ann"])
def test_no_key_acts_for_a_name_that_relais_uses(relais, owner):
    for arguments in (("--name", owner), ("--name", "x", "--owner", owner)):
        done = relais("key", "create", *arguments, "--json")
        assert done.returncode == 1 and "--owner" in done.stderr and done.stdout == ""
    assert relais.json("key", "list") == []


def test_a_policy_is_checked_before_a_key_has_it(relais, tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(POLICY))
    relais.json("key", "create", "--name", "reader", "--policy", good)
    (key,) = relais.json("key", "list")
    assert key["policy"] == POLICY
    statement = POLICY["Statement"][0]
    for wrong in ("{", "[]", json.dumps(POLICY | {"Statement": [statement | {"Effect": "Perhaps"}]})):
        bad.write_text(wrong)
        done = relais("key", "create", "--name", "reader", "--policy", bad)
        assert done.returncode == 1 and str(bad) in done.stderr, done.stderr
    missing = relais("key", "create", "--name", "reader", "--policy", tmp_path / "none.json")
    assert missing.returncode == 1 and "none.json" in missing.stderr
    assert len(relais.json("key", "list")) == 1


def test_secrets_are_sealed_anew_after_secret_key_was_changed(relais):
    old, new = configuration.SECRET_KEY, "another-secret-of-the-tests-0123456789abcdef"
    for name in ("ann", "bob"):
        relais.good("key", "create", "--name", name)

    def sealed():
        return relais.rows("SELECT id, sealed_secret FROM access_keys ORDER BY id")

    before = sealed()
    assert "0 secrets were sealed anew, 2 " in relais.good("secrets", "rotate")
    assert sealed() == before
    lost = relais("secrets", "rotate", SECRET_KEY=new)
    assert lost.returncode == 1 and all(id in lost.stderr for id, _ in before) and sealed() == before
    assert "2 secrets were sealed anew, 0 " in relais.good("secrets", "rotate", SECRET_KEY=new, SECRET_KEY_BEFORE=old)
    after = sealed()
    assert not {text for _, text in before} & {text for _, text in after}
    assert "0 secrets were sealed anew, 2 " in relais.good("secrets", "rotate", SECRET_KEY=new)
    assert relais("secrets", "rotate").returncode == 1, "the old secret opens nothing any more"


def test_a_command_makes_a_secret_key_only_beside_a_database_of_its_own(tmp_path, postgres):
    alone = Commands(tmp_path / "alone")
    alone.good("key", "create", "--name", "ann", SECRET_KEY=None)
    kept = tmp_path / "alone" / "data" / "secret.key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert not (kept.parent / "root.key").exists(), "the root key is shown when a server makes it"

    shared = Commands(tmp_path / "shared", postgres.new_database(f"keys-{uuid.uuid4().hex}"))
    done = shared("key", "create", "--name", "ann", SECRET_KEY=None)
    assert done.returncode == 64 and "SECRET_KEY" in done.stderr
    assert shared.json("key", "list") == []


def test_a_made_key_works_and_a_revoked_one_does_not(start_relais, tmp_path):
    config, _ = configuration.two_folders(tmp_path / "replicas", **configuration.no_sidecars())
    server = start_relais(config=config)
    key = json.loads(server.command("key", "create", "--name", "ann", "--json").stdout)
    client = boto3_client(server.url, key["access_key_id"], key["secret_access_key"])
    client.create_bucket(Bucket="anns")
    client.put_object(Bucket="anns", Key="a", Body=b"meow")
    assert client.get_object(Bucket="anns", Key="a")["Body"].read() == b"meow"
    assert server.command("key", "revoke", key["access_key_id"]).returncode == 0
    eventually(lambda: code_of(lambda: client.get_object(Bucket="anns", Key="a")) == "InvalidAccessKeyId", seconds=5)


def code_of(call):
    """The code of a refusal; nothing where it is none."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None
