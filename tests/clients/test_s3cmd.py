"""s3cmd: signs every body by its hash, checks ETags against MD5s, and cuts large files into parts."""

from importlib import metadata

import pytest
import requests

from harness import media
from harness.clients import program, run_client
from harness.keys import ODD_KEYS, body_of, files_in, write_files
from harness.media import MIB
from harness.process import plain_environment
from harness.stores import assert_replicas_hold

CLIENT = "s3cmd"


def version():
    return metadata.version("s3cmd")


@pytest.fixture(scope="module")
def proxy_settings():
    return {"signature_v2": True}  # Its `signurl` knows no other, and is the one thing here that needs it.


@pytest.fixture(scope="module")
def s3cmd(relais, tmp_path_factory):
    """Runs `s3cmd ARGUMENTS` and gives what it printed."""
    config = tmp_path_factory.mktemp("s3cmd") / "s3cfg"
    host = relais.url.removeprefix("https://")
    settings = {
        "access_key": relais.access_key,
        "secret_key": relais.secret_key,
        "bucket_location": "us-east-1",  # Its default, "US", is no region to sign for.
        "host_base": host,
        "host_bucket": host,  # No bucket in it: path style.
        "use_https": True,
        "signurl_use_https": True,
        "ca_certs_file": relais.certificate.authority,
        "max_retries": 1,
        "stats": False,
    }
    config.write_text("[default]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))

    def run(*arguments):
        command = [program("s3cmd"), "--config", config, "--no-progress", *arguments]
        return run_client(command, plain_environment(LANG="C.UTF-8")).stdout

    return run


def keys(s3cmd, place):
    """What lies below `s3://BUCKET/PREFIX/`, by names that begin behind it."""
    lines = s3cmd("ls", "--recursive", place).splitlines()
    return {line[line.index("s3://") :].removeprefix(place) for line in lines}


def test_objects_with_odd_keys_are_put_listed_read_and_removed(s3cmd, relais, bucket, tmp_path):
    write_files(tmp_path / "there")
    for key in ODD_KEYS:
        s3cmd("put", tmp_path / "there" / key, f"s3://{bucket}/{key}")
        assert_replicas_hold(relais.folders, bucket, key, body_of(key))
        s3cmd("get", f"s3://{bucket}/{key}", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == body_of(key)
        (tmp_path / "back").unlink()
    assert keys(s3cmd, f"s3://{bucket}/") == set(ODD_KEYS)
    s3cmd("del", f"s3://{bucket}/{ODD_KEYS[0]}")
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}")
    assert not keys(s3cmd, f"s3://{bucket}/")


def test_buckets_are_made_listed_and_removed(s3cmd):
    s3cmd("mb", "s3://by-s3cmd")
    assert "s3://by-s3cmd\n" in s3cmd("ls")
    s3cmd("rb", "s3://by-s3cmd")
    assert "s3://by-s3cmd\n" not in s3cmd("ls")


def test_headers_and_metadata_are_kept_copied_and_changed(s3cmd, s3, bucket, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>é</p>")
    headers = ["--add-header=x-amz-meta-one:1", "--add-header=Cache-Control:max-age=60"]
    s3cmd("put", "--mime-type=text/x-page", *headers, page, f"s3://{bucket}/a")
    s3cmd("cp", f"s3://{bucket}/a", f"s3://{bucket}/b")
    s3cmd("modify", "--add-header=x-amz-meta-two:2", f"s3://{bucket}/b")
    s3cmd("mv", f"s3://{bucket}/b", f"s3://{bucket}/c d+é")
    assert keys(s3cmd, f"s3://{bucket}/") == {"a", "c d+é"}
    head = s3.head_object(Bucket=bucket, Key="c d+é")
    assert (head["ContentType"], head["CacheControl"]) == ("text/x-page", "max-age=60")
    assert (head["Metadata"]["one"], head["Metadata"]["two"]) == ("1", "2")
    told = s3cmd("info", f"s3://{bucket}/c d+é")
    assert "MIME type: text/x-page" in told and f"File size: {page.stat().st_size}" in told


def test_signed_url_is_read_by_somebody_without_keys(s3cmd, relais, s3, bucket):
    for key in ODD_KEYS[-2:]:
        s3.put_object(Bucket=bucket, Key=key, Body=body_of(key))
        url = s3cmd("signurl", f"s3://{bucket}/{key}", "+60").strip()
        assert requests.get(url, verify=str(relais.certificate.authority), timeout=20).content == body_of(key)


def test_large_file_goes_up_in_parts_and_a_download_goes_on_where_it_stopped(s3cmd, relais, s3, bucket, tmp_path):
    file, back = tmp_path / "large", tmp_path / "back"
    file.write_bytes(media.random_bytes(12 * MIB + 1))
    s3cmd("put", "--multipart-chunk-size-mb=5", file, f"s3://{bucket}/large")
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    assert_replicas_hold(relais.folders, bucket, "large", file.read_bytes())
    back.write_bytes(file.read_bytes()[: 4 * MIB])
    s3cmd("get", "--continue", f"s3://{bucket}/large", back)  # Asks for the range that is missing.
    assert back.read_bytes() == file.read_bytes()


def test_uploads_under_way_are_listed_and_given_up(s3cmd, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    assert upload in s3cmd("multipart", f"s3://{bucket}")
    s3cmd("abortmp", f"s3://{bucket}/k", upload)
    assert upload not in s3cmd("multipart", f"s3://{bucket}")


def test_sync_sends_what_changed_both_ways(s3cmd, bucket, tmp_path):
    here, back, there = write_files(tmp_path / "here"), tmp_path / "back", f"s3://{bucket}/site/"
    s3cmd("sync", f"{here}/", there)
    assert keys(s3cmd, there) == set(ODD_KEYS)
    (here / "plain.txt").write_text("changed")
    (here / "plus+sign.txt").unlink()
    told = s3cmd("sync", "--delete-removed", f"{here}/", there)
    assert "plain.txt" in told and "plus+sign.txt" in told and "tilde" not in told
    back.mkdir()
    s3cmd("sync", there, f"{back}/")
    assert files_in(back) == files_in(here)
    assert "download" not in s3cmd("sync", there, f"{back}/"), "a second time there is nothing to do"


def test_tags_of_objects_are_set_and_removed(s3cmd, bucket, tmp_path):
    def tags():
        _, *lines = s3cmd("gettagging", f"s3://{bucket}/k").splitlines()
        return dict(line.strip().split(":\t") for line in lines)

    (tmp_path / "k").write_text("x")
    s3cmd("put", tmp_path / "k", f"s3://{bucket}/k")
    s3cmd("settagging", f"s3://{bucket}/k", "team=red&two=2")
    assert tags() == {"team": "red", "two": "2"}
    s3cmd("deltagging", f"s3://{bucket}/k")
    assert not tags()
