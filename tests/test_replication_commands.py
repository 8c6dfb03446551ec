"""`relais replication`: what breaks on a replica behind relais's back is found, mended, and then gone."""

import json
import shutil
import threading
import time
from types import SimpleNamespace

import pytest

from harness import configuration, replicas
from harness.media import MIB, random_bytes
from harness.process import eventually
from harness.relais import starter

BUCKET = "photos"
BODY = b"what was stored"
KEYS = ["a/1", "a/2", "b/1", "b/2", "é/日本語 +&%.txt", "plain"]


@pytest.fixture
def pair(tmp_path):
    """One relais over two folders with a look into each, and a bucket with a few objects that both have."""
    with starter(tmp_path) as start:
        pair = replicas.over_folders(start, tmp_path / "config")
        s3 = pair.client()
        s3.create_bucket(Bucket=BUCKET)
        for key in KEYS:
            put(s3, key)
        folders = [tmp_path / "config" / name for name in ("first", "second")]
        yield SimpleNamespace(
            relais=pair.relais, s3=s3, first=pair.stores[0], second=pair.stores[1], folders=folders
        )


def put(s3, key, body=BODY, **more):
    more = {"Metadata": {"colour": "red"}, "ContentType": "text/plain", "Tagging": "side=left"} | more
    s3.put_object(Bucket=BUCKET, Key=key, Body=body, **more)


def diff(relais, *options, prefix=None):
    """The differences as (key, state, what), the summary, and the exit code."""
    of_prefix = ["--prefix", prefix] if prefix else []
    done = relais.command("replication", "diff", BUCKET, "--json", *of_prefix, *options)
    assert done.stdout, done.stderr
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    found = [(one["key"], one["state"], tuple(one["what"])) for one in lines]
    assert all(one["replica"] == "second" for one in lines)
    return found, last["summary"], done.returncode


def break_replica(pair):
    """What each key is broken by, in the order of keys."""
    second = pair.second
    second.delete_object(Bucket=BUCKET, Key="a/1")
    put(second, "a/2", b"other bytes")
    put(second, "b/1", Metadata={"colour": "blue"})
    put(second, "b/2", Tagging="side=right")
    put(second, "nobody's", b"extra")
    put(second, "plain", ContentType="text/html", CacheControl="no-store")
    listed = [
        ("a/1", "missing", ()),
        ("a/2", "different", ("size",)),
        ("nobody's", "extra", ()),
    ]
    deep = [
        *listed[:2],
        ("b/1", "different", ("metadata",)),
        ("b/2", "different", ("tags",)),
        listed[2],
        ("plain", "different", ("cache control", "content type")),
    ]
    return listed, deep


def test_a_diff_of_equal_replicas_is_clean(pair):
    for options in [(), ("--deep",)]:
        found, summary, code = diff(pair.relais, *options)
        assert (found, code) == ([], 0)
        assert summary["keys"] == len(KEYS) and summary["bytes"] == len(KEYS) * len(BODY) and summary["equal"]


def test_a_diff_finds_all_that_was_broken_behind_relais(pair):
    listed, deep = break_replica(pair)
    found, summary, code = diff(pair.relais)
    assert (found, code) == (listed, 1)
    assert (summary["missing"], summary["different"], summary["extra"]) == (1, 1, 1)
    found, summary, code = diff(pair.relais, "--deep")
    assert (found, code) == (deep, 1)
    assert (summary["missing"], summary["different"], summary["extra"]) == (1, 4, 1)
    found, _, code = diff(pair.relais, "--deep", prefix="b/")
    assert (found, code) == (deep[2:4], 1)
    in_words = pair.relais.command("replication", "diff", BUCKET)
    assert in_words.returncode == 1
    assert "missing    second  a/1" in in_words.stdout and "1 missing, 1 extra, 1 different" in in_words.stdout


def repair(relais, *options):
    return relais.command("replication", "repair", BUCKET, *options)


def status(relais):
    done = relais.command("replication", "status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lose_bucket(folder):
    """As somebody does who removes a folder by hand."""
    for path in (folder / BUCKET, folder / ".relais" / BUCKET):
        shutil.rmtree(path, ignore_errors=True)


def test_a_dry_run_of_a_repair_changes_nothing(pair):
    _, deep = break_replica(pair)
    done = repair(pair.relais, "--deep")
    assert done.returncode == 0, done.stderr
    assert "--yes copies 5 objects to replicas and removes 1 from them" in done.stdout
    time.sleep(2)
    assert diff(pair.relais, "--deep")[0] == deep, "nothing was changed, nor asked of the settler"


@pytest.mark.parametrize("served", [True, False], ids=["by a relais that runs", "by itself"])
def test_a_repair_makes_replicas_equal_again(pair, served):
    break_replica(pair)
    if not served:
        pair.relais.stop()
    done = repair(pair.relais, "--deep", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "repaired" in done.stdout
    found, summary, code = diff(pair.relais, "--deep")
    assert (found, code) == ([], 0) and summary["keys"] == len(KEYS)
    for key in KEYS:
        head = pair.second.head_object(Bucket=BUCKET, Key=key)
        assert (head["Metadata"], head["ContentType"]) == ({"colour": "red"}, "text/plain")
        assert pair.second.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"] == [{"Key": "side", "Value": "left"}]
        assert replicas.found(pair.second, BUCKET, key) == BODY
    assert replicas.found(pair.second, BUCKET, "nobody's") is None


def test_a_repair_is_confined_to_its_prefix(pair):
    break_replica(pair)
    assert repair(pair.relais, "--prefix", "a/", "--yes").returncode == 0
    assert replicas.found(pair.second, BUCKET, "a/1") == BODY
    assert replicas.found(pair.second, BUCKET, "nobody's") == b"extra"


def test_nothing_is_removed_where_the_primary_has_lost_its_bucket(pair):
    pair.relais.stop()  # It would make its bucket anew, or not be asked; the command is alone now.
    lose_bucket(pair.folders[0])
    done = repair(pair.relais, "--yes")
    assert done.returncode == 1 and "cannot find the bucket of first" in done.stderr, done.stdout + done.stderr
    assert [replicas.found(pair.second, BUCKET, key) for key in KEYS] == [BODY] * len(KEYS)


def test_a_replica_that_has_lost_its_bucket_gets_everything_again(pair):
    lose_bucket(pair.folders[1])
    found = pair.relais.command("replication", "diff", BUCKET)
    assert found.returncode == 1 and "cannot list the objects of second: NoSuchBucket" in found.stderr
    done = repair(pair.relais, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [replicas.found(pair.second, BUCKET, key) for key in KEYS] == [BODY] * len(KEYS)
    assert diff(pair.relais, "--deep")[0] == []


def test_keys_that_are_being_written_are_no_difference(tmp_path):
    with starter(tmp_path) as start:
        config, _ = configuration.two_folders(tmp_path / "c", write_mode="primary", **configuration.no_sidecars())
        relais = start(config=config)
        s3 = relais.client()
        s3.create_bucket(Bucket=BUCKET)
        done = threading.Event()

        def write():
            number = 0
            while not done.is_set():
                number += 1
                put(s3, f"busy/{number % 20}", f"{number}".encode() * 100)
                if number % 5 == 0:
                    s3.delete_object(Bucket=BUCKET, Key=f"busy/{(number + 7) % 20}")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            time.sleep(1)
            for options in [(), ("--deep",)]:
                found, _, code = diff(relais, *options)
                assert (found, code) == ([], 0)
        finally:
            done.set()
            writer.join()


def test_a_paused_store_is_left_alone_until_it_is_resumed(pair):
    paused = pair.relais.command("replication", "pause", "second")
    assert paused.returncode == 0, paused.stderr
    time.sleep(3)  # Every instance heeds it within two seconds.
    pair.second.delete_object(Bucket=BUCKET, Key="a/1")
    done = repair(pair.relais, "--yes")
    assert done.returncode == 1 and "left: missing    second  a/1" in done.stdout, done.stdout + done.stderr
    store = status(pair.relais)["stores"]["second"]
    assert store["unsettled"] == 1 and store["paused"] and store["buckets"][BUCKET]["unsettled"] == 1
    assert replicas.found(pair.second, BUCKET, "a/1") is None
    check = pair.relais.command("check", "--deep")
    assert check.returncode == 1 and "relais replication resume second" in check.stdout

    resumed = pair.relais.command("replication", "resume", "second")
    assert resumed.returncode == 0 and "is settled again" in resumed.stdout
    eventually(lambda: replicas.found(pair.second, BUCKET, "a/1") == BODY, 30)
    eventually(lambda: status(pair.relais)["stores"]["second"]["unsettled"] == 0)
    assert "was not paused" in pair.relais.command("replication", "resume", "second").stdout
    assert pair.relais.command("replication", "pause", "tape").returncode == 1


def test_status_tells_why_a_key_cannot_be_settled(tmp_path):
    with starter(tmp_path) as start:
        config, folders = configuration.two_folders(
            tmp_path / "c", write_mode="primary", **configuration.no_sidecars()
        )
        relais = start(config=config)
        s3 = relais.client()
        s3.create_bucket(Bucket=BUCKET)
        lose_bucket(folders[1])
        put(s3, "lost")
        store = eventually(lambda: (one := status(relais)["stores"].get("second")) and one["reasons"] and one, 30)
        (reason,) = store["reasons"]
        assert (reason["bucket"], reason["key"]) == (BUCKET, "lost") and "NoSuchBucket" in reason["reason"]
        assert store["unsettled"] == 1 and store["oldest"]
        words = relais.command("replication", "status").stdout
        assert "store second: 1 keys unsettled" in words and f"cannot settle {BUCKET}/lost" in words


def test_a_check_finds_a_replica_that_was_changed_by_hand(tmp_path):
    with starter(tmp_path) as start:
        named = configuration.bucket(BUCKET, ["first", "second"], write_mode="all")
        config, folders = configuration.two_folders(tmp_path / "c", named=[named], **configuration.no_sidecars())
        relais = start(config=config)
        put(relais.client(), "a/1")
        well = relais.command("check", "--deep")
        assert well.returncode == 0, well.stdout + well.stderr
        assert f"bucket {BUCKET}, sample of keys: 1 keys compared" in well.stdout and "server: one runs" in well.stdout
        (folders[1] / BUCKET / "a" / "1").unlink()
        shutil.rmtree(folders[1] / ".relais" / BUCKET / "keys")
        ill = relais.command("check", "--deep")
        assert ill.returncode == 1
        assert f"relais replication repair {BUCKET} --yes" in ill.stdout, ill.stdout
        assert "FAILED" not in relais.command("check").stdout


def test_bytes_are_compared_where_entity_tags_tell_nothing(clouds, tmp_path):
    with starter(tmp_path) as start:
        pair = replicas.over_clouds(start, tmp_path / "c", clouds, store=configuration.s3_store)
        pair.client().create_bucket(Bucket=BUCKET)
        body = random_bytes(6 * MIB)
        first, second = pair.stores
        upload = first.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
        part = {"Bucket": BUCKET, "Key": "large", "UploadId": upload}
        etags = [
            first.upload_part(**part, PartNumber=number, Body=body[begin : begin + 5 * MIB])["ETag"]
            for number, begin in ((1, 0), (2, 5 * MIB))
        ]
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        first.complete_multipart_upload(**part, MultipartUpload={"Parts": parts})
        kind = first.head_object(Bucket=BUCKET, Key="large")["ContentType"]
        second.put_object(Bucket=BUCKET, Key="large", Body=body, ContentType=kind)
        found, summary, code = diff(pair.relais)
        assert (found, code) == ([("large", "unclear", ("bytes",))], 0) and not summary["equal"]
        found, summary, code = diff(pair.relais, "--deep")
        assert (found, code) == ([], 0) and summary["equal"]

        second.put_object(Bucket=BUCKET, Key="large", Body=body[:-1] + b"!", ContentType=kind)
        found, _, code = diff(pair.relais, "--deep")
        assert (found, code) == ([("large", "different", ("bytes",))], 1)
        done = repair(pair.relais, "--deep", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        assert replicas.found(second, BUCKET, "large") == body


def test_no_command_prints_a_secret(pair):
    break_replica(pair)
    secrets = [configuration.ROOT_SECRET_KEY, configuration.SECRET_KEY]
    for arguments in [
        ("replication", "status"),
        ("replication", "diff", BUCKET, "--deep"),
        ("replication", "repair", BUCKET, "--yes"),
        ("check", "--deep"),
        ("adopt", BUCKET, "--yes"),
        ("events", "tail", "--no-wait"),
    ]:
        done = pair.relais.command(*arguments)
        assert done.stdout, arguments
        assert not [one for one in secrets if one in done.stdout + done.stderr], arguments
