"""Who may transcribe with a token: jobs belong to whom they are of, and cost a user a credit each."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from harness import configuration, media
from harness.database import Table
from harness.tokens import token as jwt
from harness.users import Users

KEY = "the-api-key-of-the-tests"
SAMPLE = "en-three-eight-nine.ogg"


@pytest.fixture(scope="module")
def service(start_shared_relais, tmp_path_factory):
    """Recordings go to a bucket that takes OGG alone, so that a refusal of the store can be had."""
    named = configuration.bucket("transcriptions", ["first"], content_types=["audio/ogg"])
    config, _ = configuration.two_folders(
        tmp_path_factory.mktemp("credits"), named=[named], thumbnail={"enabled": False}
    )
    one = start_shared_relais(config=config, environment=configuration.many_logins() | {"WHISPER_API_KEY": KEY})
    one.table = Table(one)
    return one


@pytest.fixture
def user(service):
    """Makes a user with so many credits; gives id and token."""

    def make(credits=None):
        answer = Users(service).register(f"{uuid.uuid4().hex}@app.example").json()
        if credits is not None:
            service.table.change("UPDATE users SET credits = ? WHERE id = ?", credits, answer["user"]["id"])
        return answer["user"]["id"], answer["access_token"]

    return make


def own(*secret, **claims):
    """A token of relais's own issuer."""
    return jwt(*secret, **{"iss": "relais", "aud": "relais"} | claims)


def submit(service, token, body=b"OggS and nothing", kind="audio/ogg"):
    headers = {"Authorization": f"Bearer {token}"}
    form = {"file": ("note.ogg", body, kind)}
    return requests.post(f"{service.api_url}/transcribe", files=form, headers=headers, timeout=60)


def status(service, token, job_id):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{service.api_url}/transcribe/{job_id}", headers=headers, timeout=60)


def credits(service, user_id):
    return service.table.value("SELECT credits FROM users WHERE id = ?", user_id)


def test_a_job_is_for_the_eyes_of_its_owner_and_of_the_service(service, user):
    (alice_id, alice), (_, bob) = user(), user()
    recording = (media.SAMPLES / SAMPLE).read_bytes()
    job_id = submit(service, alice, recording).json()["job_id"]
    assert status(service, alice, job_id).json()["status"] in ("queued", "processing", "done")
    assert status(service, KEY, job_id).status_code == 200
    others = status(service, bob, job_id)
    nowhere = status(service, bob, "0190163d-8694-739b-aea5-966c26f8ad91")
    assert (others.status_code, others.text) == (404, nowhere.text), "as if it were not there"
    of_service = submit(service, KEY, recording).json()["job_id"]
    assert status(service, alice, of_service).status_code == 404
    owner = service.table.value("SELECT owner FROM objects WHERE key = ?", f"{job_id}/note.ogg")
    assert owner == str(alice_id), "the recording is the user's, as any object of theirs"


def test_credits_are_spent_to_the_last_and_then_refused(service, user):
    user_id, token = user(credits=2)
    assert [submit(service, token).status_code for _ in range(2)] == [200, 200]
    assert credits(service, user_id) == 0
    refused = submit(service, token)
    assert (refused.status_code, refused.headers["Content-Type"]) == (402, "application/problem+json")
    assert "no credits left" in refused.json()["detail"]
    assert credits(service, user_id) == 0
    stored = service.table.value("SELECT count(*) FROM objects WHERE owner = ?", str(user_id))
    assert stored == 2, "what is not paid is not stored"


def test_many_at_once_cannot_spend_more_than_there_is(service, user):
    user_id, token = user(credits=3)
    with ThreadPoolExecutor(10) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: submit(service, token), range(10)))
    assert statuses == [200] * 3 + [402] * 7
    assert credits(service, user_id) == 0


def test_a_recording_that_is_not_stored_costs_nothing(service, user):
    user_id, token = user(credits=1)
    refused = submit(service, token, kind="video/mp4")
    assert refused.status_code >= 400 and refused.status_code != 402, refused.text
    assert credits(service, user_id) == 1
    assert submit(service, token).status_code == 200
    assert credits(service, user_id) == 0


def test_who_has_no_limit_or_is_no_user_pays_nothing(service, user):
    user_id, token = user()
    assert submit(service, token).status_code == 200
    assert credits(service, user_id) is None
    assert submit(service, KEY).status_code == 200
    machine = own(sub="machine-7")
    job_id = submit(service, machine).json()["job_id"]
    assert status(service, machine, job_id).status_code == 200
    assert status(service, token, job_id).status_code == 404
    poor_id, _ = user(credits=0)
    assert submit(service, own(sub=f"0{poor_id}")).status_code == 200, "another subject, and no user's"


def test_tokens_that_are_not_good_are_refused(service, user):
    _, token = user()
    for wrong in (token[:-3], own(sub="7", exp=1), own("x" * 40, sub="7"), own(sub="7", aud="other"), KEY + "x"):
        refused = submit(service, wrong)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert status(service, wrong, "0190163d-8694-739b-aea5-966c26f8ad91").status_code == 401
    assert status(service, token, "not-an-id").status_code == 404
