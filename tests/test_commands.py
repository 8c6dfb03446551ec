"""The other commands of the binary, and how it takes a configuration that is wrong."""

import os
import sqlite3
import subprocess

import psycopg
import pytest
import requests
from PIL import Image

from harness import configuration, media
from harness.process import REPOSITORY, eventually, free_port
from harness.relais import run

BAD_CONFIGURATION = 64


@pytest.fixture
def settings(tmp_path):
    """Variables and a configuration file that are right."""
    config, _ = configuration.two_folders(tmp_path / "replicas")
    return configuration.environment(tmp_path / "data", 1, 2, media.MODEL) | {"RELAIS_TEST_CONFIG": config}


def relais(settings, *arguments, **changes):
    variables = settings | changes
    return run(*arguments, "--config", variables.pop("RELAIS_TEST_CONFIG"), **variables)


def test_help_lists_the_commands():
    text = run("--help").stdout
    commands = ("serve", "check", "config", "migrate", "transcribe", "thumbnail", "model", "user", "key", "secrets")
    for command in commands:
        assert f"  {command}" in text
    assert "worker" not in text, "the worker is none of the user's business"


def test_version_is_told():
    assert run("--version").stdout.startswith("relais ")


def test_check_says_what_works(settings, redis_server, postgres):
    done = relais(settings, "check", REDIS_URL=redis_server.url, DATABASE_URL=postgres.new_database("check"))
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("first", "second", "database", "redis", "model"):
        assert part in done.stdout.lower(), f"nothing is said of {part}:\n{done.stdout}"


def database_line(settings, url):
    done = relais(settings, "check", DATABASE_URL=url)
    (line,) = [line for line in done.stdout.splitlines() if " database: " in line]
    assert (done.returncode == 0) == line.startswith("ok"), done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    return line


def test_check_names_the_migrations_to_come_and_the_tables_that_are_gone(settings, postgres):
    url = postgres.new_database("check-tables")
    fresh = database_line(settings, url)
    assert fresh.startswith("ok") and "first_tables" in fresh and "relais migrate" in fresh, fresh
    assert relais(settings, "migrate", DATABASE_URL=url).returncode == 0
    assert "up to date" in database_line(settings, url)
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE users")
    gone = database_line(settings, url)
    assert gone.startswith("FAILED") and "users" in gone and "journal" not in gone and "backup" in gone, gone


def test_check_tells_apart_why_a_database_cannot_be_used(settings, postgres):
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right-one'")
    url = postgres.new_database("check-guarded").replace("postgres@", "guarded:{}@")
    rules = postgres.folder / "data" / "pg_hba.conf"
    trusting = rules.read_text()
    rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + trusting)
    with psycopg.connect(postgres.url()) as connection:
        connection.execute("SELECT pg_reload_conf()")
    eventually(lambda: database_line(settings, url.format("hunter2")).startswith("FAILED"), seconds=10)
    wrong = database_line(settings, url.format("hunter2"))
    assert "password" in wrong and "guarded" in wrong and "unreachable" not in wrong, wrong
    assert database_line(settings, url.format("right-one")).startswith("ok")

    nowhere = database_line(settings, f"postgresql://guarded:hunter2@127.0.0.1:{free_port()}/check-guarded")
    assert nowhere.startswith("FAILED") and "cannot reach" in nowhere and "start the server" in nowhere, nowhere
    absent = database_line(settings, postgres.url("not-there"))
    assert absent.startswith("FAILED") and "not-there" in absent and "createdb" in absent, absent


def test_check_leaves_nothing_on_the_stores(settings, tmp_path):
    assert relais(settings, "check").returncode == 0
    assert not [path for path in (tmp_path / "replicas").rglob("*") if path.is_file() and path.name != "relais.toml"]


def test_check_says_in_words_what_does_not_work(settings, moto_http, tmp_path):
    moto_http.reset()
    stores = {
        "nowhere": configuration.s3_store(moto_http) | {"endpoint": "http://127.0.0.1:9"},
        "no-bucket": configuration.s3_store(moto_http),
    }
    buckets = [configuration.bucket("media", ["nowhere", "no-bucket"])]
    config = configuration.write_toml(tmp_path / "wrong.toml", stores, buckets)
    done = relais(
        settings,
        "check",
        RELAIS_TEST_CONFIG=config,
        REDIS_URL="redis://127.0.0.1:9",
        DATABASE_URL="postgresql://postgres@127.0.0.1:9/none",
        RELAIS_TRANSCRIPTION__MODEL="/nowhere/model.bin",
    )
    said = (done.stdout + done.stderr).lower()
    assert done.returncode not in (0, BAD_CONFIGURATION), said
    for part in ("nowhere", "no-bucket", "database", "redis", "model"):
        assert part in said, f"nothing is said of {part}:\n{said}"
    assert configuration.ROOT_SECRET_KEY.lower() not in said and moto_http.secret_key not in said
    assert "panicked" not in said


def test_config_shows_effective_values_and_hides_secrets(settings, moto_http, tmp_path):
    config = configuration.write_toml(
        tmp_path / "cloud.toml", {"cloud": configuration.s3_store(moto_http)}, [configuration.bucket("*", ["cloud"])]
    )
    done = relais(
        settings,
        "config",
        RELAIS_TEST_CONFIG=config,
        RELAIS_PROXY__LISTEN="127.0.0.1:12345",
        DATABASE_URL="postgresql://someone:hunter2@127.0.0.1/db",
        REDIS_URL="redis://:swordfish@127.0.0.1:6379/0",
    )
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1:12345" in done.stdout and moto_http.url in done.stdout
    secrets = (configuration.ROOT_SECRET_KEY, configuration.SECRET_KEY, moto_http.secret_key, "hunter2", "swordfish")
    assert [secret for secret in secrets if secret in done.stdout + done.stderr] == []


def test_migrate_makes_the_tables_and_may_be_repeated(settings, postgres):
    url = postgres.new_database("migrate")
    for _ in range(2):
        done = relais(settings, "migrate", DATABASE_URL=url.replace("postgresql://", "postgres://"))
        assert done.returncode == 0, done.stderr
    with psycopg.connect(url) as connection:
        tables = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert {"journal", "objects", "jobs"} <= tables


def test_migrate_makes_the_default_database_in_the_data_folder(settings, tmp_path):
    done = relais(settings, "migrate")
    assert done.returncode == 0, done.stderr
    (file,) = [path for path in (tmp_path / "data").iterdir() if path.suffix in (".db", ".sqlite", ".sqlite3")]
    with sqlite3.connect(file) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"journal", "objects", "jobs"} <= tables


@pytest.mark.parametrize("name", sorted(media.EXPECTED))
def test_transcribe_prints_what_was_said(settings, name):
    done = relais(settings, "transcribe", media.SAMPLES / name)
    assert done.returncode == 0, done.stderr
    assert media.EXPECTED[name]["text"] in done.stdout


def test_thumbnail_writes_a_small_picture(settings, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(media.photo(1600, 1200))
    done = relais(settings, "thumbnail", tmp_path / "photo.jpg")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "photo_thumb.jpg") as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (200, 150))


def test_thumbnail_turns_the_picture_upright(settings, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: the camera was held on its side.
    Image.new("RGB", (800, 400)).save(tmp_path / "turned.jpg", exif=exif)
    assert relais(settings, "thumbnail", tmp_path / "turned.jpg").returncode == 0
    with Image.open(tmp_path / "turned_thumb.jpg") as thumbnail:
        assert thumbnail.size == (100, 200)


def test_model_list_names_the_public_models():
    listed = run("model", "list").stdout
    for model in ("tiny", "base", "small", "medium", "large-v3"):
        assert model in listed


def test_missing_file_is_named(settings):
    for command in ("transcribe", "thumbnail"):
        done = relais(settings, command, "/nowhere/file.jpg")
        assert done.returncode == 1 and "/nowhere/file.jpg" in done.stderr, done


WRONG_TOML = {
    "[proxy]\nlissten = '127.0.0.1:1'\n": "lissten",
    "[proxy]\ndrain_timeout_seconds = 'long'\n": "proxy.drain_timeout_seconds",
    "[proxy]\nrequests_in_flight_max = 'many'\n": "requests_in_flight_max",
    "[stores.cloud]\nkind = 'ftp'\n": "stores.cloud",
    "[stores.one]\nkind = 'folder'\npath = 'one'\n[[buckets]]\nname = 'media'\nreplicas = ['two']\n": "two",
    "[[buckets]]\nname = 'UPPER CASE'\nreplicas = ['disk']\n": "UPPER CASE",
    "[[buckets]]\nname = 'media'\nreplicas = []\n": "replicas",
    "[proxy]\ntls_certificate_file = '/nowhere.pem'\n": "tls_key_file",
    "this is not TOML": "wrong.toml",
}


@pytest.mark.parametrize(("text", "named"), WRONG_TOML.items(), ids=WRONG_TOML.values())
def test_bad_configuration_ends_with_64_and_names_the_key(settings, tmp_path, text, named):
    (tmp_path / "wrong.toml").write_text(text)
    for command in ("serve", "config"):
        done = relais(settings, command, RELAIS_TEST_CONFIG=tmp_path / "wrong.toml")
        assert done.returncode == BAD_CONFIGURATION, done
        assert named in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RELAIS_PROXY__LISTEN", "nowhere"),
        ("RELAIS_PROXY__NO_SUCH_KEY", "1"),
        ("SECRET_KEY", "hunter2"),
        ("DATABASE_URL", "mysql://root@127.0.0.1/db"),
        ("REDIS_URL", "http://127.0.0.1"),
    ],
)
def test_bad_variable_ends_with_64_and_is_named(settings, name, value):
    done = relais(settings, "serve", **{name: value})
    assert done.returncode == BAD_CONFIGURATION, done
    key = name.removeprefix("RELAIS_").lower().replace("__", ".")
    assert name.lower() in done.stderr.lower() or key in done.stderr.lower()
    assert value not in done.stderr or name != "SECRET_KEY"


def test_missing_configuration_file_is_named(settings):
    done = relais(settings, "serve", RELAIS_TEST_CONFIG="/nowhere/relais.toml")
    assert (done.returncode, "/nowhere/relais.toml" in done.stderr) == (BAD_CONFIGURATION, True), done


def test_the_printed_commands_work_as_they_are_pasted(start_relais, tmp_path):
    without_keys = {"RELAIS_ROOT_ACCESS_KEY": None, "RELAIS_ROOT_SECRET_KEY": None, "SECRET_KEY": None}
    relais = start_relais(environment=without_keys)
    printed = [line.strip() for line in relais.text().splitlines()]
    commands = [line for line in printed if line.startswith(("export AWS_", "aws "))]
    assert len(commands) == 4, relais.text()
    (tmp_path / "photo.jpg").write_bytes(media.photo())
    path = f"{REPOSITORY / '.venv' / 'bin'}:{os.environ['PATH']}"
    pasted = subprocess.run(
        ["bash", "-euc", "\n".join(commands)],
        env={"PATH": path, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert pasted.returncode == 0, pasted.stderr
    (link,) = [line for line in pasted.stdout.splitlines() if line.startswith("http")]
    assert requests.get(link, timeout=20).content == (tmp_path / "photo.jpg").read_bytes()
    (watch,) = [line.split("   #")[0] for line in printed if " events tail" in line]
    watched = subprocess.run(["bash", "-euc", f"{watch} --no-wait"], capture_output=True, text=True, timeout=60)
    assert "photo.jpg" in watched.stdout, watched
    for file in ("root.key", "secret.key"):
        assert (relais.data / file).stat().st_mode & 0o777 == 0o600


def test_port_in_use_is_named(settings, redis_server):
    done = relais(
        settings, "serve", RELAIS_PROXY__LISTEN=f"127.0.0.1:{redis_server.port}", RELAIS_API__LISTEN="127.0.0.1:0"
    )
    assert done.returncode != 0
    assert "proxy.listen" in done.stderr and str(redis_server.port) in done.stderr
