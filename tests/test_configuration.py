"""Each of the five systems starts with the variables that it has, and its objects go where these say."""

import sqlite3
from pathlib import Path

import psycopg
import pytest

from harness.clients import boto3_client, ensure_bucket
from harness.process import REPOSITORY

EXAMPLES = sorted(path for path in (REPOSITORY / "config" / "examples").glob("*") if path.is_dir())
BUCKET_VARIABLES = ("DO_SPACES_BUCKET", "S3_BUCKET_NAME", "AWS_BUCKET_NAME")
KEYS = {
    "DO_SPACES_BUCKET": ("audio/whatsapp/7/2026/01/0b9c1f9e.ogg", "audio/ogg"),
    "S3_BUCKET_NAME": ("data/file.xlsx", "application/octet-stream"),
    "AWS_BUCKET_NAME": ("clothing/7/9/shirt.txt", "text/plain"),
}
KEPT = b"OggS kept"  # Where the voice messages are kept, bytes must begin as the type says.


def variables(example):
    """The example's `.env`, read as the five systems read theirs: names, values, comments, optional quotes."""
    lines = (line.strip() for line in (example / ".env").read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


@pytest.fixture
def start_example(start_relais, moto_http, postgres, redis_server, tmp_path):
    """Starts an example with its own variables, except for addresses of outside servers and the data folder."""
    moto_http.reset()

    def start(example):
        given = variables(example)
        here = {
            "DO_SPACES_ENDPOINT": moto_http.url,
            "AWS_ENDPOINT_URL": moto_http.url,
            "AWS_ACCESS_KEY_ID": given.get("AWS_ACCESS_KEY_ID", moto_http.access_key),
            "AWS_SECRET_ACCESS_KEY": given.get("AWS_SECRET_ACCESS_KEY", moto_http.secret_key),
            "SECRET_KEY": given.get("SECRET_KEY"),
        }
        if given.get("DATABASE_URL", "").startswith("postgres"):
            here["DATABASE_URL"] = postgres.new_database(example.name)
        if "REDIS_URL" in given:
            here["REDIS_URL"] = redis_server.url
        if "DB_PATH" in given:
            here["DB_PATH"] = tmp_path / Path(given["DB_PATH"]).name
        config = example / "relais.toml"
        return start_relais(config=config if config.exists() else None, environment=given | here)

    return start


def test_there_is_an_example_for_each_of_the_five_systems():
    assert len(EXAMPLES) == 5
    named = set().union(*(variables(example) for example in EXAMPLES))
    assert named >= {"DO_SPACES_KEY", "DO_SPACES_SECRET", "DO_SPACES_REGION", "AWS_REGION", "AWS_REGION_NAME"}
    assert named >= {"WHISPER_API_KEY", "ALLOWED_ORIGINS", "DB_PATH", "DATABASE_URL", "SECRET_KEY", *BUCKET_VARIABLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_starts_and_keeps_objects_where_it_says(example, start_example, moto_http, postgres, tmp_path):
    relais = start_example(example)
    given = variables(example)
    name = next((name for name in BUCKET_VARIABLES if name in given), None)
    bucket = given[name] if name else "media"
    key, content_type = KEYS.get(name, ("note.txt", "text/plain"))
    s3 = relais.client()
    ensure_bucket(s3, bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=KEPT, ContentType=content_type)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == KEPT
    if name:
        cloud = boto3_client(moto_http.url, moto_http.access_key, moto_http.secret_key)
        assert cloud.get_object(Bucket=bucket, Key=key)["Body"].read() == KEPT
    if given.get("DATABASE_URL", "").startswith("postgres"):
        with psycopg.connect(postgres.url(example.name)) as connection:
            assert connection.execute("SELECT count(*) FROM objects").fetchone() == (1,)
    if "DB_PATH" in given:
        with sqlite3.connect(tmp_path / Path(given["DB_PATH"]).name) as connection:
            assert connection.execute("SELECT count(*) FROM objects").fetchone() == (1,)


def test_defaults_need_no_file_and_no_server(start_relais):
    relais = start_relais()
    s3 = relais.client()
    s3.put_object(Bucket="media", Key="k", Body=b"kept")
    assert s3.get_object(Bucket="media", Key="k")["Body"].read() == b"kept"
    assert any(path.name == "k" for path in relais.data.rglob("k")), "the data folder holds the object"
