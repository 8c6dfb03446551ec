"""The story of the voice messages, as their users live it: on the examples `voice-messages` and `accounts` as they stand."""

import contextlib
import json

import psycopg
import requests
from botocore.exceptions import ClientError

from harness import canary, media, slots, tokens
from harness.accounts import anonymous
from harness.clients import refused
from harness.examples import FOLDER, variables
from harness.process import eventually
from harness.stores import cloud_client, contents_in_cloud, files_named, keys_in_cloud
from harness.users import PASSWORD, Users

VOICE, ACCOUNTS = FOLDER / "voice-messages", FOLDER / "accounts"
BUCKET = variables(VOICE)["DO_SPACES_BUCKET"]
SECRET_KEY = variables(ACCOUNTS)["SECRET_KEY"]
PLACE = "audio/whatsapp/42/"
NOTE, OTHERS_NOTE, LIVE = "en-three-eight-nine.ogg", "en-eight-four-eight.ogg", "en-four-six-seven-three.pcm16"
DENIED = (403, "AccessDenied")
OUT_SECONDS = 5  # Within which a disabled user has to be out.
TRANSCRIBED_SECONDS = 30
TOO_MUCH = 26_000_000


def test_the_whole_story(start_example, moto_http):
    canary.remember(SECRET_KEY)
    relais = start_example(VOICE, ACCOUNTS)
    jwt, others = log_in(relais, 42), log_in(relais, 420)

    note, theirs = record(relais, jwt, NOTE), record(relais, others, OTHERS_NOTE)
    live = record(relais, jwt, LIVE, "voice_realtime", "audio/pcm")
    own = transcribed(relais, jwt, note, NOTE) | transcribed(relais, jwt, live, LIVE)
    foreign = transcribed(relais, others, theirs, OTHERS_NOTE)
    assert_events_name_the_owner(relais, {key: "42" for key in own} | {key: "420" for key in foreign})

    s3, other = tokens.by_sts(relais, jwt), tokens.by_sts(relais, others)
    assert_one_sees_only_their_own(s3, own, "42", "420")
    assert_recordings_are_public_and_transcripts_are_not(relais, moto_http, note, own)
    assert_another_is_refused_everything(relais, other, others, own, note["key"])
    assert_what_is_no_recording_is_refused(relais, s3, jwt)
    assert keys_in_cloud(moto_http) == own | foreign, "nothing that was refused has left anything"

    disable_and_wait(relais, jwt, s3)
    before = contents_in_cloud(moto_http, BUCKET, foreign)
    report = erased(relais, 42)
    assert (report["objects"], report["complete"], report["left_count"]) == (len(own), True, 0)
    found = {one["prefix"]: one["objects"] for one in report["by_prefix"]}
    assert found == {"audio/whatsapp/42/": 3, "audio/voice_realtime/42/": 3}
    assert keys_in_cloud(moto_http) == foreign and not files_named(relais.data / "stores", ["/42/"])
    assert contents_in_cloud(moto_http, BUCKET, foreign) == before, "all of user 420 is there, as it was"
    assert listed(other, "audio/whatsapp/420/") == foreign
    report = erased(relais, 42)
    assert (report["objects"], report["versions"], report["uploads"], report["complete"]) == (0, 0, 0, True)


def log_in(relais, user):
    """Registers a user, who gets this id, and gives the token of the login after it."""
    with psycopg.connect(relais.settings["DATABASE_URL"]) as database:
        database.execute("SELECT setval(pg_get_serial_sequence('users', 'id'), %s)", (user - 1,))
    users, email = Users(relais), f"user-{user}@app.example"
    assert users.register(email).json()["user"]["id"] == user
    answer = users.login(email)
    assert answer.status_code == 200, answer.text
    jwt = canary.remember(answer.json()["access_token"])
    assert users.me(jwt).json()["email"] == email
    return jwt


def record(relais, jwt, name, profile="whatsapp", content_type="audio/ogg"):
    """Uploads a recording into a slot, and gives the slot."""
    body = (media.SAMPLES / name).read_bytes()
    given = slots.slot(relais, profile, jwt, content_type=content_type, size=len(body))
    answer = slots.put(given, body)
    assert answer.status_code == 200, answer.text
    return given


def transcribed(relais, jwt, given, name):
    """Waits for what is made of a recording, which its user may read; gives the keys of all three."""
    s3, stem = tokens.by_sts(relais, jwt), given["key"].rsplit(".", 1)[0]
    keys = {given["key"], f"{stem}.transcript.json", f"{stem}.vtt"}
    eventually(lambda: listed(s3, f"{stem}.") == keys, TRANSCRIBED_SECONDS, what=f"{name} is transcribed")

    def read(key):
        return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    assert read(given["key"]) == (media.SAMPLES / name).read_bytes()
    text = canary.remember(media.EXPECTED[name]["text"])
    assert json.loads(read(f"{stem}.transcript.json"))["text"].strip() == text
    subtitles = read(f"{stem}.vtt").decode()
    assert subtitles.startswith("WEBVTT") and text.split()[0] in subtitles
    assert text not in relais.text(), "what was said is never logged"
    return keys


def listed(s3, prefix):
    return {one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])}


def assert_events_name_the_owner(relais, owners):
    """One event for each object, with its owner; what was made of a recording says of which."""
    done = relais.command("events", "tail", "--no-wait")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    owned = {one["s3"]["object"]["key"]: one["relais"]["owner"] for one in records}
    assert owned == owners and len(records) == len(owners)
    for one in records:
        key, made_from = one["s3"]["object"]["key"], one["relais"].get("derivedFrom")
        assert one["eventName"] == "ObjectCreated:Put"
        stem = key.removesuffix(".vtt").removesuffix(".transcript.json")
        if stem == key:
            assert made_from is None
        else:
            assert made_from["key"] in (f"{stem}.ogg", f"{stem}.pcm16")


def assert_one_sees_only_their_own(s3, own, user, other):
    places = ("audio/whatsapp", "audio/voice_realtime")
    assert set().union(*(listed(s3, f"{place}/{user}/") for place in places)) == own
    for prefix in ("", "audio/", "audio/whatsapp/", f"audio/whatsapp/{user}", f"audio/whatsapp/{other}/"):
        assert refused(s3.list_objects_v2, Bucket=BUCKET, Prefix=prefix) == DENIED, prefix
    assert refused(s3.list_objects_v2, Bucket=BUCKET) == DENIED


def assert_recordings_are_public_and_transcripts_are_not(relais, cloud, note, own):
    """Anybody reads a recording, by relais and by its address at the store, and nothing else."""
    assert note["public_url"] == f"{cloud.url}/{BUCKET}/{note['key']}"
    assert requests.get(note["public_url"], timeout=30).content == (media.SAMPLES / NOTE).read_bytes()
    nobody, at_store = anonymous(relais), cloud_client(cloud)
    for key in own:
        public = key.endswith((".ogg", ".pcm16"))
        grants = at_store.get_object_acl(Bucket=BUCKET, Key=key)["Grants"]
        everybody = [one["Permission"] for one in grants if one["Grantee"].get("URI", "").endswith("/AllUsers")]
        assert everybody == (["READ"] if public else []), key
        if public:
            assert nobody.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        else:
            assert refused(nobody.get_object, Bucket=BUCKET, Key=key) == DENIED
        assert refused(nobody.delete_object, Bucket=BUCKET, Key=key) == DENIED
    assert refused(nobody.list_objects_v2, Bucket=BUCKET, Prefix="audio/") == DENIED


def assert_another_is_refused_everything(relais, other, jwt, own, public_key):
    """What is public, another may read as anybody may; nothing more."""
    assert other.get_object(Bucket=BUCKET, Key=public_key)["Body"].read()
    body = (media.SAMPLES / NOTE).read_bytes()
    for key in own:
        source = {"Bucket": BUCKET, "Key": key}
        copy = f"audio/whatsapp/420/copy-of-{key.rsplit('/', 1)[1]}"
        if not key.endswith((".ogg", ".pcm16")):
            assert refused(other.get_object, **source) == DENIED
            assert refused(other.copy_object, Bucket=BUCKET, Key=copy, CopySource=source) == DENIED
            url = other.generate_presigned_url("get_object", source)
            assert requests.get(url, timeout=30).status_code == 403
        assert refused(other.put_object, **source, Body=body, ContentType="audio/ogg") == DENIED
        assert refused(other.delete_object, **source) == DENIED
        assert refused(other.create_multipart_upload, **source, ContentType="audio/ogg") == DENIED
        assert refused(other.get_object_tagging, **source) == DENIED
        assert refused(other.put_object_acl, **source, ACL="public-read") == DENIED
    answer = other.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in own]})
    assert {one["Key"] for one in answer["Errors"]} == own and not answer.get("Deleted")
    assert erase(relais, 42, jwt).status_code == 403
    asked = slots.refused_slot(relais, "whatsapp", jwt, values={"user_id": "42"})
    assert asked.status_code == 400, asked.text


def assert_what_is_no_recording_is_refused(relais, s3, jwt):
    """By its bytes, its type or its size; in the slot, by its URL, and where no slot was asked for."""
    given = slots.slot(relais, "whatsapp", jwt, content_type="audio/ogg")
    text = b"I only say that I am a voice note.\n" * 300
    for body in (text, bytes(TOO_MUCH)):
        assert slots.put(given, body).status_code == 400
    form = slots.slot(relais, "whatsapp", jwt, method="POST", content_type="audio/ogg")
    assert slots.post(form, text).status_code == 400
    for asked, status in (({"size": TOO_MUCH}, 413), ({"content_type": "text/plain"}, 415)):
        answer = slots.refused_slot(relais, "whatsapp", jwt, **asked)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    where = {"Bucket": BUCKET, "Key": "audio/whatsapp/42/2026/01/by-hand.ogg"}
    assert refused(s3.put_object, **where, Body=text, ContentType="audio/ogg") == (400, "InvalidArgument")
    assert refused(s3.put_object, **where, Body=text, ContentType="text/plain")[0] == 400
    assert refused(s3.put_object, **where, Body=bytes(TOO_MUCH), ContentType="audio/ogg") == (400, "EntityTooLarge")


def disable_and_wait(relais, jwt, s3):
    """Whoever is disabled is out within 5 s, with every way in that the token had opened before."""
    given = slots.slot(relais, "whatsapp", jwt, content_type="audio/ogg")
    assert listed(s3, PLACE) and listed(tokens.by_bearer(relais, jwt), PLACE)
    done = relais.command("user", "disable", "42")
    assert done.returncode == 0, done.stderr

    def is_out():
        asked = slots.refused_slot(relais, "whatsapp", jwt)
        ways_in = (s3, tokens.by_bearer(relais, jwt))
        return asked.status_code == 401 and not any(may_list(client) for client in ways_in)

    eventually(is_out, OUT_SECONDS, what="the disabled user is out")
    assert slots.put(given, (media.SAMPLES / NOTE).read_bytes()).status_code in (400, 403)
    users = Users(relais)
    assert users.me(jwt).status_code == 401
    assert users.login("user-42@app.example", password=PASSWORD).status_code == 401
    assert erase(relais, 42, jwt).status_code == 401
    assert users.login("user-420@app.example").status_code == 200, "nobody else is out"


def may_list(s3):
    with contextlib.suppress(ClientError):
        return bool(listed(s3, PLACE))
    return False


def erase(relais, user, jwt):
    return requests.delete(f"{relais.api_url}/api/users/{user}/objects", headers=tokens.bearer(jwt), timeout=60)


def erased(relais, user):
    """The report of what the application erased, which asks with a token of its own."""
    answer = erase(relais, user, tokens.token(SECRET_KEY, sub="operator", role="admin"))
    assert answer.status_code == 200, answer.text
    return answer.json()
