"""Each of the five systems starts with the variables that it has, and its objects go where these say."""

import sqlite3
from pathlib import Path

import psycopg
import pytest

from harness.clients import boto3_client, ensure_bucket
from harness.examples import EXAMPLES, variables
from harness.media import SAMPLES

BUCKET_VARIABLES = ("DO_SPACES_BUCKET", "S3_BUCKET_NAME", "AWS_BUCKET_NAME")
VOICE_NOTE = (SAMPLES / "en-three-eight-nine.ogg").read_bytes()  # Its bucket looks at what the bytes are.
OBJECTS = {
    "DO_SPACES_BUCKET": ("audio/whatsapp/7/2026/01/0b9c1f9e.ogg", "audio/ogg", VOICE_NOTE),
    "S3_BUCKET_NAME": ("data/file.xlsx", "application/octet-stream", b"kept"),
    "AWS_BUCKET_NAME": ("clothing/7/9/shirt.txt", "text/plain", b"kept"),
}


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
    key, content_type, body = OBJECTS.get(name, ("note.txt", "text/plain", b"kept"))
    s3 = relais.client()
    ensure_bucket(s3, bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    if name:
        cloud = boto3_client(moto_http.url, moto_http.access_key, moto_http.secret_key)
        assert cloud.get_object(Bucket=bucket, Key=key)["Body"].read() == body
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
