"""rclone: copies, syncs and compares folders; it signs bodies by their hash and keeps times in the metadata."""

import json
import re
import subprocess

import pytest
import requests

from harness import media
from harness.clients import run_client
from harness.keys import ODD_KEYS, body_of, files_in, write_files
from harness.media import MIB
from harness.process import plain_environment
from harness.stores import assert_replicas_hold

CLIENT = "rclone"
PARTS = ["--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi"]


def version():
    printed = subprocess.run(["rclone", "version"], capture_output=True, text=True, check=True).stdout
    return re.match(r"rclone v([0-9.]+)", printed)[1]


@pytest.fixture(scope="module")
def rclone(relais):
    """Runs `rclone ARGUMENTS`, in which `relais:` is the server, and gives what it printed."""
    environment = plain_environment(
        RCLONE_CONFIG="/dev/null",
        RCLONE_CA_CERT=relais.certificate.authority,
        RCLONE_RETRIES="1",
        RCLONE_LOW_LEVEL_RETRIES="1",
        RCLONE_CONFIG_RELAIS_TYPE="s3",
        RCLONE_CONFIG_RELAIS_PROVIDER="Other",
        RCLONE_CONFIG_RELAIS_ENDPOINT=relais.url,
        RCLONE_CONFIG_RELAIS_ACCESS_KEY_ID=relais.access_key,
        RCLONE_CONFIG_RELAIS_SECRET_ACCESS_KEY=relais.secret_key,
    )

    def run(*arguments, **options):
        done = run_client(["rclone", *arguments], environment, **options)
        assert "protocol error" not in str(done.stderr), f"rclone speaks HTTP/2, and says {done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def site(tmp_path):
    return write_files(tmp_path / "site")


def keys(rclone, place):
    return set(rclone("lsf", "--recursive", "--files-only", place).splitlines())


def test_folders_are_copied_both_ways_and_compared(rclone, relais, bucket, site, tmp_path):
    rclone("copy", site, f"relais:{bucket}/site")
    assert keys(rclone, f"relais:{bucket}/site") == set(ODD_KEYS)
    for key in ODD_KEYS:
        assert_replicas_hold(relais.folders, bucket, f"site/{key}", body_of(key))
    rclone("check", site, f"relais:{bucket}/site")  # By size and MD5; then by the bytes.
    rclone("check", "--download", site, f"relais:{bucket}/site")
    rclone("copy", f"relais:{bucket}/site", tmp_path / "back")
    assert files_in(tmp_path / "back") == files_in(site)
    times = {file.name: file.stat().st_mtime_ns for file in site.rglob("*.txt")}
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "back").rglob("*.txt")} == times


def test_sync_makes_the_target_equal_both_ways(rclone, bucket, site, tmp_path):
    there = f"relais:{bucket}/site"
    rclone("sync", site, there)
    (site / "plain.txt").write_text("changed")
    (site / "plus+sign.txt").unlink()
    rclone("sync", site, there)
    assert keys(rclone, there) == set(files_in(site))
    rclone("sync", there, tmp_path / "back")
    rclone("deletefile", f"{there}/plain.txt")
    rclone("sync", there, tmp_path / "back")
    assert files_in(tmp_path / "back") == {name: body for name, body in files_in(site).items() if name != "plain.txt"}


def test_parts_of_an_object_are_read(rclone, s3, bucket):
    body = media.random_bytes(1000)
    s3.put_object(Bucket=bucket, Key="k é+%.bin", Body=body)
    cat = ["cat", f"relais:{bucket}/k é+%.bin"]
    assert rclone(*cat, text=False) == body
    assert rclone(*cat, "--offset", "10", "--count", "20", text=False) == body[10:30]
    assert rclone(*cat, "--tail", "5", text=False) == body[-5:]


def test_large_file_goes_up_in_parts_and_keeps_its_hash(rclone, relais, s3, bucket, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(media.random_bytes(12 * MIB + 1))
    rclone("copy", *PARTS, file, f"relais:{bucket}")
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    assert_replicas_hold(relais.folders, bucket, "large", file.read_bytes())
    rclone("check", tmp_path, f"relais:{bucket}")  # By the MD5 that rclone put into the metadata.
    rclone("copyto", "--s3-copy-cutoff", "5Mi", f"relais:{bucket}/large", f"relais:{bucket}/copy")
    assert_replicas_hold(relais.folders, bucket, "copy", file.read_bytes())


def test_stream_becomes_an_object(rclone, relais, bucket):
    body = media.random_bytes(6 * MIB)
    rclone("rcat", "--streaming-upload-cutoff", "1Mi", *PARTS, f"relais:{bucket}/stream", text=False, input=body)
    assert_replicas_hold(relais.folders, bucket, "stream", body)


def test_headers_and_metadata_are_kept_by_moves(rclone, s3, bucket, site):
    headers = ["--header-upload", "Cache-Control: max-age=60", "--header-upload", "x-amz-meta-one: 1"]
    rclone("copyto", *headers, site / "plain.txt", f"relais:{bucket}/a.html")
    rclone("moveto", f"relais:{bucket}/a.html", f"relais:{bucket}/b c+é.html")
    assert keys(rclone, f"relais:{bucket}") == {"b c+é.html"}
    head = s3.head_object(Bucket=bucket, Key="b c+é.html")
    assert (head["CacheControl"], head["Metadata"]["one"]) == ("max-age=60", "1")
    rclone("touch", "--timestamp", "2001-02-03T04:05:06", f"relais:{bucket}/b c+é.html")  # Copies it onto itself.
    (entry,) = json.loads(rclone("lsjson", f"relais:{bucket}"))
    assert entry["ModTime"].startswith("2001-02-03T04:05:06")


def test_link_is_read_by_somebody_without_keys(rclone, relais, s3, bucket):
    for key in ODD_KEYS[-2:]:
        s3.put_object(Bucket=bucket, Key=key, Body=body_of(key))
        url = rclone("link", "--expire", "1m", f"relais:{bucket}/{key}").strip()
        assert requests.get(url, verify=str(relais.certificate.authority), timeout=20).content == body_of(key)


def test_buckets_are_made_emptied_and_removed(rclone, site):
    rclone("mkdir", "relais:by-rclone")
    rclone("copy", site, "relais:by-rclone/site")
    assert "by-rclone" in rclone("lsd", "relais:")
    rclone("delete", "--include", "*plain*", "relais:by-rclone")
    assert keys(rclone, "relais:by-rclone/site") == {*ODD_KEYS} - {"plain.txt"}
    rclone("purge", "relais:by-rclone")
    assert "by-rclone" not in rclone("lsd", "relais:")


def test_uploads_under_way_are_listed_and_given_up(rclone, s3, bucket):
    s3.create_multipart_upload(Bucket=bucket, Key="k")
    listed = json.loads(rclone("backend", "list-multipart-uploads", f"relais:{bucket}"))
    assert [upload["Key"] for upload in listed[bucket]] == ["k"]
    rclone("backend", "cleanup", "-o", "max-age=0s", f"relais:{bucket}")
    assert not json.loads(rclone("backend", "list-multipart-uploads", f"relais:{bucket}"))[bucket]
