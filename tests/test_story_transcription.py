"""The story of the transcription service, told as its users live it: on the example `transcription` as it stands."""

import contextlib
import sqlite3

import requests

from harness import canary, media, tokens
from harness.accounts import anonymous
from harness.clients import refused
from harness.examples import FOLDER, variables
from harness.process import eventually
from harness.stores import files_named
from harness.users import Users

TRANSCRIPTION = FOLDER / "transcription"
BUCKET = "transcriptions"
KEY = variables(TRANSCRIPTION)["WHISPER_API_KEY"]
FIRST, SECOND, THIRD = "en-three-eight-nine.ogg", "fr-neuf-un-sept.ogg", "en-zero-nine-six.wav"
MADE_OF_EACH = 3  # The recording, its transcript, its subtitles.
DENIED = (403, "AccessDenied")
DONE_SECONDS = 40


def test_the_whole_story(start_example):
    for secret in (KEY, *(media.EXPECTED[name]["text"] for name in (FIRST, SECOND, THIRD))):
        canary.remember(secret)
    relais = start_example(TRANSCRIPTION)
    jwt, other = log_in(relais, 42), log_in(relais, 420)
    command(relais, "user", "credits", "42", "2")
    assert credits(relais, jwt) == 2 and credits(relais, other) is None

    jobs = {submit(relais, jwt, name): name for name in (FIRST, SECOND)}
    assert credits(relais, jwt) == 0
    assert_nothing_is_left_to_spend(relais, jwt)
    of_other, of_service = submit(relais, other, THIRD), submit(relais, KEY, FIRST)
    done(relais, jwt, jobs)
    done(relais, other, {of_other: THIRD})
    done(relais, KEY, jobs | {of_other: THIRD, of_service: FIRST})
    assert_jobs_are_their_owners(relais, jwt, other, jobs, of_other, of_service)
    assert credits(relais, other) is None, "who has no limit pays nothing"

    own, foreign = (objects_of(relais, user) for user in ("42", "420"))
    assert {key.split("/")[0] for key in own} == set(jobs) and len(own) == 2 * MADE_OF_EACH
    assert {key.split("/")[0] for key in foreign} == {of_other} and len(foreign) == MADE_OF_EACH
    assert_nothing_is_open_on_the_s3_port(relais, jwt, own)

    of_service = objects_of(relais, "api")
    assert len(of_service) == MADE_OF_EACH
    assert erase(relais, other).status_code == 403
    report = erase(relais, jwt).json()
    assert (report["objects"], report["left_count"], report["complete"]) == (len(own), 0, True)
    assert (objects_of(relais, "42"), objects_of(relais, "420")) == (set(), foreign)
    stores = relais.data / "stores"
    assert files_named(stores, jobs) == [] and len(files_named(stores, [of_other])) >= MADE_OF_EACH
    assert objects_of(relais, "api") == of_service
    assert all(status(relais, jwt, job).status_code == 404 for job in jobs)
    done(relais, other, {of_other: THIRD})
    again = erase(relais, jwt).json()
    assert (again["objects"], again["versions"], again["uploads"], again["complete"]) == (0, 0, 0, True)
    relais.stop()
    assert canary.secrets_in(relais.output.read_bytes()) == [], "what was said is never logged, and no secret is"


def log_in(relais, user):
    """Registers a user, who gets this id, and gives the token of the login after it."""
    users, email = Users(relais), f"user-{user}@app.example"
    answer = users.register(email)
    assert answer.status_code == 201, answer.text
    with contextlib.closing(sqlite3.connect(relais.settings["DB_PATH"], timeout=10)) as database, database:
        database.execute("UPDATE users SET id = ? WHERE email = ?", (user, email))
    jwt = canary.remember(users.login(email).json()["access_token"])
    assert users.me(jwt).json()["id"] == user
    return jwt


def command(relais, *arguments):
    ended = relais.command(*arguments)
    assert ended.returncode == 0, ended.stderr


def credits(relais, jwt):
    return Users(relais).me(jwt).json()["credits"]


def send(relais, token, name):
    form = {"file": (name, (media.SAMPLES / name).read_bytes(), media.content_type(name))}
    return requests.post(f"{relais.api_url}/transcribe", files=form, headers=tokens.bearer(token), timeout=60)


def submit(relais, token, name):
    answer = send(relais, token, name)
    assert (answer.status_code, answer.json()["status"]) == (200, "queued"), answer.text
    return answer.json()["job_id"]


def status(relais, token, job):
    return requests.get(f"{relais.api_url}/transcribe/{job}", headers=tokens.bearer(token), timeout=30)


def done(relais, token, jobs):
    """Waits for each job, whose text must be what was said."""
    for job, name in jobs.items():

        def ended():
            answer = status(relais, token, job)
            assert answer.status_code == 200, answer.text
            return answer.json() if answer.json()["status"] not in ("queued", "processing") else None

        answer = eventually(ended, DONE_SECONDS, what=f"{name} is transcribed")
        assert (answer["status"], answer["text"].strip()) == ("done", media.EXPECTED[name]["text"])
        assert answer["language"] == media.EXPECTED[name]["language"] and answer["segments"]


def assert_nothing_is_left_to_spend(relais, jwt):
    before = objects_of(relais, "42")
    answer = send(relais, jwt, THIRD)
    assert (answer.status_code, answer.headers["Content-Type"]) == (402, "application/problem+json")
    assert credits(relais, jwt) == 0
    after = {key for key in objects_of(relais, "42") if key.endswith(THIRD)}
    assert before and not after, "what is not paid is not stored"


def assert_jobs_are_their_owners(relais, jwt, other, jobs, of_other, of_service):
    """A job of another is as one that never was, and without a good token there is nothing at all."""
    nowhere = status(relais, jwt, "0190163d-8694-739b-aea5-966c26f8ad91")
    assert nowhere.status_code == 404
    for token, hidden in ((other, [*jobs, of_service]), (jwt, [of_other, of_service])):
        for job in hidden:
            answer = status(relais, token, job)
            assert (answer.status_code, answer.text) == (404, nowhere.text)
    for wrong in (KEY + "x", jwt[:-3], "no.token.atall"):
        assert status(relais, wrong, of_other).status_code == 401
        assert send(relais, wrong, FIRST).status_code == 401
    assert requests.get(f"{relais.api_url}/transcribe/{of_other}", timeout=30).status_code == 401


def assert_nothing_is_open_on_the_s3_port(relais, jwt, own):
    """The example has no roles: users have their jobs, and no bucket."""
    for client in (anonymous(relais), tokens.by_bearer(relais, jwt)):
        assert refused(client.list_objects_v2, Bucket=BUCKET) == DENIED
        for key in own:
            assert refused(client.get_object, Bucket=BUCKET, Key=key) == DENIED


def objects_of(relais, owner):
    """The keys of the bucket that belong to this account, as the listing says."""
    answer = relais.client().list_objects_v2(Bucket=BUCKET, FetchOwner=True)
    return {one["Key"] for one in answer.get("Contents", []) if one["Owner"]["ID"] == owner}


def erase(relais, jwt):
    """Asks to erase what belongs to user 42."""
    return requests.delete(f"{relais.api_url}/api/users/42/objects", headers=tokens.bearer(jwt), timeout=60)
