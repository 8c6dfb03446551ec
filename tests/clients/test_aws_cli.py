"""aws-cli: the commands of `aws s3` that people have in their scripts, and some of `aws s3api`."""

import os
import shutil
import subprocess
from importlib import metadata

import pytest
import requests

from harness import media, streams
from harness.clients import aws, aws_command, aws_json
from harness.keys import ODD_KEYS, body_of, files_in, write_files
from harness.media import MIB
from harness.stores import assert_replicas_hold

CLIENT = "aws-cli"
STREAM_BYTES = 3072 * MIB  # About a minute on two free cores, with a relais that is not optimised.
ONE_BY_ONE = ["percent%20encoded%2Fslash.txt", "plus+sign.txt", "é/日本語/😀.txt"]  # Each start takes a second.
CLEARLY_OLDER = (1_700_000_000, 1_700_000_000)


def version():
    return metadata.version("awscli")


@pytest.fixture
def site(tmp_path):
    """A folder with a file for each odd key and one that is large enough to be cut into parts."""
    folder = write_files(tmp_path / "site")
    (folder / "large.bin").write_bytes(media.random_bytes(9 * MIB))
    for file in folder.rglob("*"):
        os.utime(file, CLEARLY_OLDER)  # So that `sync` does not take what it stored for newer.
    return folder


def keys(s3, bucket, prefix=""):
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {entry["Key"].removeprefix(prefix) for entry in listed}


@pytest.mark.parametrize("key", ONE_BY_ONE)
def test_file_is_copied_up_and_down(relais, bucket, tmp_path, key):
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(body_of(key))
    aws(relais, "s3", "cp", there, f"s3://{bucket}/{key}")
    aws(relais, "s3", "cp", f"s3://{bucket}/{key}", back)
    assert back.read_bytes() == body_of(key)
    assert_replicas_hold(relais.folders, bucket, key, body_of(key))


def test_headers_and_metadata_are_kept_by_copies(relais, bucket, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>é</p>")
    headers = ["--metadata", "one=1,two=2", "--cache-control", "max-age=60"]
    aws(relais, "s3", "cp", page, f"s3://{bucket}/page.html", *headers)
    aws(relais, "s3", "cp", f"s3://{bucket}/page.html", f"s3://{bucket}/copy.html")
    for key in ("page.html", "copy.html"):
        head = aws_json(relais, "s3api", "head-object", "--bucket", bucket, "--key", key)
        assert (head["ContentType"], head["CacheControl"]) == ("text/html", "max-age=60")
        assert head["Metadata"] == {"one": "1", "two": "2"}


def test_folders_are_copied_recursively(relais, s3, bucket, site, tmp_path):
    aws(relais, "s3", "cp", "--recursive", site, f"s3://{bucket}/deep/er")
    assert keys(s3, bucket, "deep/er/") == {*ODD_KEYS, "large.bin"}
    aws(relais, "s3", "cp", "--recursive", "--exclude", "*.bin", f"s3://{bucket}/deep", tmp_path / "back")
    assert files_in(tmp_path / "back" / "er") == {key: body_of(key) for key in ODD_KEYS}


def test_sync_sends_what_changed_both_ways(relais, s3, bucket, site, tmp_path):
    there, back = f"s3://{bucket}/site", tmp_path / "back"
    aws(relais, "s3", "sync", site, there)
    assert keys(s3, bucket, "site/") == {*ODD_KEYS, "large.bin"}
    assert not aws(relais, "s3", "sync", site, there).stdout, "a second time there is nothing to do"
    (site / "plain.txt").write_text("longer than it was before, so it is another")
    (site / "large.bin").unlink()
    told = aws(relais, "s3", "sync", "--no-progress", "--delete", site, there).stdout
    assert sorted(line.split(":")[0] for line in told.splitlines()) == ["delete", "upload"]
    aws(relais, "s3", "sync", there, back)
    assert files_in(back) == files_in(site)
    assert not aws(relais, "s3", "sync", there, back).stdout, "a second time there is nothing to do"
    s3.delete_object(Bucket=bucket, Key="site/plain.txt")
    aws(relais, "s3", "sync", "--delete", there, back)
    assert "plain.txt" not in files_in(back)


def test_objects_are_moved_listed_and_removed(relais, s3, bucket, site):
    aws(relais, "s3", "mv", "--recursive", site, f"s3://{bucket}/a")
    assert not files_in(site)
    aws(relais, "s3", "mv", "--recursive", f"s3://{bucket}/a", f"s3://{bucket}/b")
    assert keys(s3, bucket) == {f"b/{key}" for key in (*ODD_KEYS, "large.bin")}
    listed = aws(relais, "s3", "ls", f"s3://{bucket}/b/").stdout
    assert " PRE é/\n" in listed and " 9437184 large.bin\n" in listed
    aws(relais, "s3", "rm", "--recursive", "--exclude", "*.bin", f"s3://{bucket}/b")
    assert keys(s3, bucket) == {"b/large.bin"}
    aws(relais, "s3", "rb", "--force", f"s3://{bucket}")
    assert bucket not in aws(relais, "s3", "ls").stdout


def test_presigned_url_is_read_by_somebody_without_keys(relais, s3, bucket):
    for key in ONE_BY_ONE:
        s3.put_object(Bucket=bucket, Key=key, Body=body_of(key))
        url = aws(relais, "s3", "presign", f"s3://{bucket}/{key}", "--expires-in", "60").stdout.strip()
        assert requests.get(url, verify=str(relais.certificate.authority), timeout=20).content == body_of(key)


def test_single_requests_do_what_their_options_say(relais, bucket, tmp_path):
    def ask(operation, *options):
        return aws_json(relais, "s3api", operation, "--bucket", bucket, *options)

    body, back = tmp_path / "body", tmp_path / "back"
    body.write_bytes(media.random_bytes(1000))
    put = ask("put-object", "--key", "k", "--body", body, "--checksum-algorithm", "SHA256", "--tagging", "a=1")
    head = ask("head-object", "--key", "k", "--checksum-mode", "ENABLED")
    assert (head["ETag"], head["ChecksumSHA256"]) == (put["ETag"], put["ChecksumSHA256"])
    assert ask("get-object-tagging", "--key", "k")["TagSet"] == [{"Key": "a", "Value": "1"}]
    got = ask("get-object", "--key", "k", "--range", "bytes=10-19", back)
    assert (back.read_bytes(), got["ContentRange"]) == (body.read_bytes()[10:20], "bytes 10-19/1000")
    ask("put-bucket-versioning", "--versioning-configuration", "Status=Enabled")
    assert ask("get-bucket-versioning") == {"Status": "Enabled"}


@pytest.mark.timeout(900)
def test_stream_of_unknown_end_goes_up_in_parts_and_comes_down_again(relais, s3, bucket):
    free = shutil.disk_usage(relais.folders[0]).free
    if free < 4 * STREAM_BYTES:
        pytest.skip(f"{4 * STREAM_BYTES} bytes of disk are needed, two replicas and their parts; {free} are free")
    target = f"s3://{bucket}/large"
    up, environment = aws_command(relais, "s3", "cp", "-", target, "--expected-size", STREAM_BYTES)
    with subprocess.Popen([str(part) for part in up], env=environment, stdin=subprocess.PIPE) as sender:
        sent = streams.send(sender.stdin, STREAM_BYTES)
    assert sender.returncode == 0
    for folder in relais.folders:
        with (folder / bucket / "large").open("rb") as stored:
            assert streams.receive(stored) == (STREAM_BYTES, sent)
    down, environment = aws_command(relais, "s3", "cp", target, "-")
    with subprocess.Popen([str(part) for part in down], env=environment, stdout=subprocess.PIPE) as receiver:
        assert streams.receive(receiver.stdout) == (STREAM_BYTES, sent)
    assert receiver.returncode == 0
    s3.delete_object(Bucket=bucket, Key="large")  # The other tests would keep its space until they end.
