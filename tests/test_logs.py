"""The log never holds a secret, a token, a signed URL or what somebody said."""

import re

import pytest
import requests

from harness import configuration, media
from harness.clients import aws
from harness.process import eventually


@pytest.mark.parametrize("level", ["info", "trace"])
def test_log_holds_no_secret_and_no_transcript(level, start_relais, moto_http, redis_server, postgres, tmp_path):
    moto_http.reset()
    folder_config, folders = configuration.two_folders(tmp_path)
    config = configuration.write_toml(
        folder_config,
        {"first": configuration.folder_store(folders[0]), "cloud": configuration.s3_store(moto_http)},
        [configuration.bucket("*", ["first", "cloud"], write_mode="all")],
    )
    relais = start_relais(
        config=config,
        environment={
            "DATABASE_URL": postgres.new_database(f"logs_{level}").replace("postgres@", "postgres:hunter2@"),
            "REDIS_URL": redis_server.url,
            "RELAIS_LOG__FILTER": level,
        },
    )
    s3 = relais.client()
    s3.create_bucket(Bucket="media")
    note = media.SAMPLES / "en-three-eight-nine.ogg"
    aws(relais, "s3", "cp", note, "s3://media/note.ogg")
    url = s3.generate_presigned_url("get_object", {"Bucket": "media", "Key": "note.ogg"})
    assert requests.get(url, headers={"Cookie": "session=cookie-of-a-browser"}, timeout=20).content == note.read_bytes()
    bearer = {"Authorization": "Bearer token-of-somebody"}
    assert requests.get(f"{relais.url}/media/note.ogg", headers=bearer, timeout=20).status_code in (400, 401, 403)
    eventually(lambda: s3.list_objects_v2(Bucket="media", Prefix="note.vtt")["KeyCount"] == 1, seconds=30)
    assert s3.get_object(Bucket="media", Key="note.vtt")["Body"].read()
    done = relais.command("transcribe", note)
    relais.stop()

    log = relais.text()
    assert "note.ogg" in log or level == "info", "the log says nothing of the requests: nothing is tested"
    signature = re.search(r"X-Amz-Signature=(\w+)", url)[1]
    forbidden = {
        "root secret": configuration.ROOT_SECRET_KEY,
        "signing secret": configuration.SECRET_KEY,
        "secret of a store": moto_http.secret_key,
        "password of the database": "hunter2",
        "signature of a URL": signature,
        "any signature": "X-Amz-Signature=",
        "bearer token": "token-of-somebody",
        "cookie": "cookie-of-a-browser",
        "transcript": "three eight nine",
        "part of the transcript": "eight nine",
    }
    assert [what for what, text in forbidden.items() if text in log] == []
    assert "three eight nine" not in done.stderr


def test_made_keys_are_shown_once_and_kept_private(start_relais, tmp_path):
    config, _ = configuration.two_folders(tmp_path)
    relais = start_relais(config=config, environment={"RELAIS_ROOT_ACCESS_KEY": None, "RELAIS_ROOT_SECRET_KEY": None})
    first = relais.text()
    private = [path for path in relais.data.rglob("*") if path.is_file() and path.stat().st_mode & 0o077 == 0]
    secrets = [text for path in private if 16 <= len(text := path.read_bytes().decode(errors="replace").strip()) < 4096]
    shown = [line for text in secrets for line in re.findall(r"[\w+/=-]{32,}", text) if line in first]
    assert shown, f"no secret key is shown, or it is not in a file of mode 0600 ({private})"
    relais.stop()
    relais.output.unlink()
    relais.start()
    assert not [secret for secret in shown if secret in relais.text()]
