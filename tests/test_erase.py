"""Erasing what belongs to user 42 leaves nothing of theirs on any replica, and everything of user 420."""

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import requests

from harness import configuration, media
from harness.accounts import Account
from harness.process import eventually
from harness.relais import starter
from harness.tokens import bearer, token

BUCKET, VERSIONED = "wardrobe", "history"
USERS = {
    id: Account(id, f"KEYOFUSER{id:0>11}", f"secret-of-user-{id}-0123456789abcdef", f"User {id}", f"{id}@test.example")
    for id in ("42", "420")
}
PREFIXES = ("clothing/{}/", "body/{}/")
MANY = 1100  # More than one page of a listing and one bulk deletion.
NOTHING_ELSE = [configuration.allow(["s3:GetObject"], ["none/*"])]
ADMIN = configuration.role("admin", NOTHING_ELSE, claims={"role": "admin"}, admin=True)


@pytest.fixture
def wardrobe(tmp_path):
    """Users 42 and 420 with objects, versions, markers, thumbnails and an upload each, in the same two buckets."""
    config, folders = configuration.two_folders(
        tmp_path,
        accounts=USERS.values(),
        lists={"access.roles": [ADMIN]},
        transcription={"enabled": False},
        audit={"file": "audit.jsonl"},
    )
    with starter(tmp_path) as start:
        relais = start(config=config)
        root = relais.client()
        for bucket in (BUCKET, VERSIONED):
            root.create_bucket(Bucket=bucket)
            arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
            everything = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": arns}
            root.put_bucket_policy(
                Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everything]})
            )
        root.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
        yield SimpleNamespace(relais=relais, root=root, folders=folders)


def fill(wardrobe, user, many):
    client = USERS[user].client(wardrobe.relais, max_pool_connections=16)
    for prefix in PREFIXES:
        keys = [f"{prefix.format(user)}{number:04}/shirt.txt" for number in range(many)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda key: client.put_object(Bucket=BUCKET, Key=key, Body=key.encode()), keys))
    for body in (b"one", b"two", b"three"):
        client.put_object(Bucket=VERSIONED, Key=f"notes/of-{user}", Body=body)
    client.put_object(Bucket=VERSIONED, Key=f"notes/gone-{user}", Body=b"x")
    client.delete_object(Bucket=VERSIONED, Key=f"notes/gone-{user}")
    photo = f"clothing/{user}/photo/shirt.jpg"
    client.put_object(Bucket=BUCKET, Key=photo, Body=media.photo(), ContentType="image/jpeg")
    thumbnail = photo.replace(".jpg", "_thumb.jpg")
    eventually(lambda: wardrobe.root.list_objects_v2(Bucket=BUCKET, Prefix=thumbnail)["KeyCount"] == 1, 60)
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=f"tryon/{user}/film")["UploadId"]
    part = {"Bucket": BUCKET, "Key": f"tryon/{user}/film", "UploadId": upload, "PartNumber": 1}
    client.upload_part(**part, Body=b"part of " + user.encode() * 100)


def on_disk(folders, user):
    """The visible files and the hidden records of one user, on each replica, and whatever holds a text of the user's."""
    names = (f"clothing/{user}/", f"body/{user}/", f"tryon/{user}/", f"of-{user}", f"gone-{user}")
    found = []
    for folder in folders:
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        plain = {file: file.replace("/=", "/").replace("/-", "/") + "/" for file in files}
        of_user = [file for file, text in plain.items() if any(f"{name}" in text for name in names)]
        if user == "42":  # "of-42" is a part of "of-420".
            of_user = [file for file in of_user if "of-420" not in file and "gone-420" not in file]
        found.append(sorted(of_user))
    return found


def state_of(wardrobe, user):
    """What a client sees of one user's, and what the disks have."""
    listed = wardrobe.root.list_object_versions(Bucket=VERSIONED)
    versions = [(one["Key"], one["VersionId"]) for kind in ("Versions", "DeleteMarkers") for one in listed.get(kind, [])]
    versions = sorted(one for one in versions if one[0].endswith(f"-{user}"))
    pages = wardrobe.root.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [one["Key"] for page in pages for one in page.get("Contents", []) if f"/{user}/" in one["Key"]]
    uploads = wardrobe.root.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    uploads = [one["Key"] for one in uploads if f"/{user}/" in one["Key"]]
    return keys, versions, uploads, on_disk(wardrobe.folders, user)


def erase(wardrobe, user, claims, **headers):
    url = f"{wardrobe.relais.api_url}/api/users/{user}/objects"
    jwt = token(iss="relais", aud="relais", **claims)
    return requests.delete(url, headers=bearer(jwt) | headers, timeout=300)


NOTHING = ([], [], [], [[], []])


def test_the_command_erases_one_user_and_nothing_of_another(wardrobe):
    fill(wardrobe, "42", MANY)
    fill(wardrobe, "420", 20)
    others = state_of(wardrobe, "420")
    before = state_of(wardrobe, "42")
    assert len(before[0]) == 2 * MANY + 2 and len(before[1]) == 5 and len(before[2]) == 1
    assert all(len(files) > 2 * MANY for files in before[3]), "nothing would be compared"

    counted = wardrobe.relais.command("erase", "42", "--dry-run", "--json")
    assert counted.returncode == 0, counted.stderr
    expected = {"objects": 2 * MANY + 3, "versions": 3, "delete_markers": 1, "uploads": 1, "rounds": 1}
    report = json.loads(counted.stdout)
    assert {name: report[name] for name in expected} == expected and report["dry_run"] is True
    assert state_of(wardrobe, "42")[:3] == before[:3], "a dry run deletes nothing"

    done = wardrobe.relais.command("erase", "42", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    expected["rounds"] = 2
    assert {name: report[name] for name in expected} == expected
    assert (report["user"], report["complete"], report["left"], report["left_count"]) == ("42", True, [], 0)
    assert sum(one["objects"] for one in report["by_prefix"]) == report["objects"]
    assert report["bytes"] >= sum(len(key) for key in before[0][:100])
    assert state_of(wardrobe, "42") == NOTHING
    assert state_of(wardrobe, "420") == others

    again = wardrobe.relais.command("erase", "42")
    assert again.returncode == 0, again.stderr
    assert "erased of user 42: 0 objects, 0 older versions, 0 delete markers, 0 uploads" in again.stdout


def test_the_route_is_for_the_user_and_for_administrators(wardrobe):
    fill(wardrobe, "42", 5)
    fill(wardrobe, "420", 5)
    others = state_of(wardrobe, "420")
    before = state_of(wardrobe, "42")
    url = f"{wardrobe.relais.api_url}/api/users/42/objects"
    assert requests.delete(url, timeout=60).status_code == 401
    for claims in ({"sub": "420"}, {"sub": "4"}, {"sub": "042"}, {"sub": "42 "}, {"sub": "420", "role": "user"}):
        refusal = erase(wardrobe, "42", claims)
        assert refusal.status_code == 403 and refusal.headers["content-type"] == "application/problem+json"
    for id in ("root", "relais", "anonymous", "%2e%2e", "42%2F", "42%0A"):
        answer = erase(wardrobe, id, {"sub": requests.utils.unquote(id)})
        assert answer.status_code in (400, 401, 404), id  # 401: no token is taken whose subject is a name of relais
    assert state_of(wardrobe, "42") == before

    report = erase(wardrobe, "42", {"sub": "42"})
    assert report.status_code == 200
    report = report.json()
    assert (report["user"], report["objects"], report["uploads"], report["complete"]) == ("42", 13, 1, True)
    assert state_of(wardrobe, "42") == NOTHING
    assert state_of(wardrobe, "420") == others

    again = erase(wardrobe, "42", {"sub": "42"}, Accept="application/x-ndjson")
    assert again.headers["content-type"] == "application/x-ndjson"
    report = json.loads(again.text.splitlines()[-1])["report"]
    assert (report["objects"], report["versions"], report["uploads"], report["rounds"]) == (0, 0, 0, 1)

    assert erase(wardrobe, "420", {"sub": "7", "role": "admin"}).json()["complete"]
    assert state_of(wardrobe, "420") == NOTHING
    wardrobe.relais.stop()  # Now every entry is on disk.
    text = (wardrobe.relais.data / "audit.jsonl").read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    entries = [one for one in entries if one["action"] == "relais:EraseUser"]
    seen = [(one["principal"], one["via"], one["key"], one["decision"]) for one in entries]
    assert ("420", "bearer", "42", "deny") in seen and ("42", "bearer", "42", "allow") in seen
    assert seen[-1] == ("7", "bearer", "420", "allow")
    assert "eyJ" not in text, "a token is in the audit log"


def test_progress_comes_in_lines_before_the_report(wardrobe):
    fill(wardrobe, "42", 30)
    answer = erase(wardrobe, "42", {"sub": "42"}, Accept="application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [list(line) for line in lines[:-1]] == [["progress"]] * (len(lines) - 1) and len(lines) > 1
    told = [line["progress"]["objects"] for line in lines[:-1]]
    assert told == sorted(told)
    assert lines[-1]["report"]["objects"] == 63 and lines[-1]["report"]["complete"]
    assert state_of(wardrobe, "42") == NOTHING


def test_the_command_refuses_what_is_no_user(wardrobe):
    for id, why in (("root", "relais uses itself"), ("..", "cannot be the id"), ("a/b", "cannot be the id"), ("", "empty")):
        refused = wardrobe.relais.command("erase", id)
        assert refused.returncode != 0 and why in refused.stderr, (id, refused.stderr)
