"""The transcription API: a form in, a job, its text; a token, origins and limits as the service that it replaces had them."""

import pytest
import requests

from harness import media
from harness.process import eventually

KEY = "the-api-key-of-the-tests"
BEARER = {"Authorization": f"Bearer {KEY}"}
SAMPLE = "en-three-eight-nine.ogg"


@pytest.fixture(scope="module")
def service(start_shared_relais):
    return start_shared_relais("transcription-api", environment={
        "WHISPER_API_KEY": KEY,
        "ALLOWED_ORIGINS": "https://app.example, https://other.example",
        "RELAIS_API__TRANSCRIPTION_BYTES_MAX": "200kB",
    })


def submit(service, name, body, **options):
    form = {"file": (name, body, media.content_type(name))}
    return requests.post(f"{service.api_url}/transcribe", files=form, timeout=30, **options)


def status(service, job_id, headers=BEARER):
    return requests.get(f"{service.api_url}/transcribe/{job_id}", headers=headers, timeout=30)


def test_a_recording_becomes_text(service):
    answer = submit(service, SAMPLE, (media.SAMPLES / SAMPLE).read_bytes(), headers=BEARER)
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    job_id = answer.json()["job_id"]
    seen = set()

    def done():
        job = status(service, job_id).json()
        seen.add(job["status"])
        return job if job["status"] not in ("queued", "processing") else None

    job = eventually(done, seconds=60, what="the job is done")
    assert (job["status"], job["text"]) == ("done", media.EXPECTED[SAMPLE]["text"])
    assert job["segments"] and job["segments"][0]["end"] > job["segments"][0]["start"] >= 0
    assert seen <= {"queued", "processing", "done"}
    assert media.EXPECTED[SAMPLE]["text"] not in service.text(), "what was said is never logged"


def test_what_is_no_recording_ends_in_an_error(service):
    job_id = submit(service, "text.wav", b"RIFF this is not a recording", headers=BEARER).json()["job_id"]
    def failed():
        job = status(service, job_id).json()
        return job if job["status"] == "error" else None

    assert eventually(failed, seconds=60, what="the job ends in an error")["error"]


def test_everything_but_health_wants_the_token(service):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}):
        refused = submit(service, SAMPLE, b"x", headers=headers)
        assert (refused.status_code, refused.headers["Content-Type"]) == (401, "application/problem+json")
        assert status(service, "0190163d-8694-739b-aea5-966c26f8ad91", headers).status_code == 401
    assert requests.get(f"{service.api_url}/health", timeout=5).status_code == 200


def test_bad_requests_are_told_what_is_wrong(service):
    assert submit(service, "long.wav", bytes(300_000), headers=BEARER).status_code == 413
    nothing = requests.post(f"{service.api_url}/transcribe", files={"other": b"x"}, headers=BEARER, timeout=30)
    assert (nothing.status_code, "file" in nothing.json()["detail"]) == (400, True)
    assert status(service, "0190163d-8694-739b-aea5-966c26f8ad91").status_code == 404


def test_only_allowed_origins_may_use_it_from_a_page(service):
    def preflight(origin):
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        return requests.options(f"{service.api_url}/transcribe", headers=headers, timeout=10).headers

    assert preflight("https://other.example")["Access-Control-Allow-Origin"] == "https://other.example"
    assert "Access-Control-Allow-Origin" not in preflight("https://evil.example")


def test_without_require_auth_no_token_is_asked(start_relais):
    service = start_relais(environment={"REQUIRE_AUTH": "false", "RELAIS_TRANSCRIPTION__ENABLED": "false"})
    assert submit(service, SAMPLE, (media.SAMPLES / SAMPLE).read_bytes()).json()["status"] == "queued"
