"""Upload slots: a page asks the JSON port for one, and sends its file to the S3 port with what the slot says, and with nothing else."""

import io
import re
import time
import tomllib
import uuid
from urllib.parse import quote

import pytest
import requests
from harness import canary, configuration, media, tokens
from harness.configuration import allow, role
from harness.process import REPOSITORY
from PIL import Image

MB = 1_000_000
MIB = 1 << 20
VOICE, IMAGES, NARROW = "voice-messages", "wardrobe-images", "narrow"
WHATSAPP = "audio/whatsapp/{user_id}/{year}/{month}/{uuid}.ogg"
ACTIONS = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
OF_USERS = [f"{VOICE}/audio/whatsapp", f"{IMAGES}/clothing", f"{IMAGES}/large", f"{NARROW}/n"]
USER = role(
    "user",
    [
        allow(ACTIONS, [f"{place}/${{jwt:sub}}/*" for place in OF_USERS]),
        allow(ACTIONS, [f"{IMAGES}/temp/${{jwt:session_id}}/*"]),
    ],
    claims={"role": "user"},
)
SMALL = role("small", [allow(["s3:PutObject"], [f"{IMAGES}/clothing/${{jwt:sub}}/*"])], claims={"role": "small"}) | {
    "object_bytes_max": "1kB"
}


def profile(name, bucket, key, **more):
    return {"name": name, "bucket": bucket, "key": key, **more}


PROFILES = [
    profile("whatsapp", VOICE, WHATSAPP, object_bytes_max="25kB", content_types=["audio/ogg"]),
    profile("clothing", IMAGES, "clothing/{user_id}/{clothing_id}/{filename}", content_types=["image/*"]),
    profile("several", IMAGES, "clothing/{user_id}/{uuid}.{ext}", content_types=["image/png", "image/jpeg"]),
    profile("temp", IMAGES, "temp/{session_id}/{filename}"),
    profile("large", IMAGES, "large/{user_id}/{uuid}", object_bytes_max="100MB"),
    profile("short", VOICE, WHATSAPP, content_types=["audio/ogg"], expires_seconds=1),
    profile("elsewhere", VOICE, "private/{uuid}"),
    profile("narrow", NARROW, "n/{user_id}/{uuid}", object_bytes_max="25MB"),
]


def settings(**proxy):
    buckets = [
        configuration.bucket(VOICE, ["first", "second"], write_mode="all", public_read=["audio/*.ogg"]),
        configuration.bucket(IMAGES, ["first", "second"], write_mode="all"),
        configuration.bucket(NARROW, ["first"], object_bytes_max="2kB"),
    ]
    lists = {"uploads": PROFILES, "access.roles": [USER, SMALL]}
    return {"named": buckets, "lists": lists, **({"proxy": proxy} if proxy else {}), **configuration.no_sidecars()}


@pytest.fixture(scope="module")
def relais(start_shared_relais, tmp_path_factory):
    config, _ = configuration.two_folders(tmp_path_factory.mktemp("slots"), **settings())
    return start_shared_relais("slots", config=config)


def jwt(subject="42", **claims):
    return tokens.token(**{"sub": subject, "role": "user"} | claims)


def ask(relais, name, token=None, **body):
    headers = tokens.bearer(token or jwt())
    return requests.post(f"{relais.api_url}/api/uploads/{name}", json=body, headers=headers, timeout=30)


def slot(relais, name, token=None, **body):
    answer = ask(relais, name, token, **body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return remembered(answer.json())


def remembered(given):
    """No log may hold the signatures and tokens of a slot."""
    canary.remember(given.get("fields", {}).get("x-amz-security-token"))
    found = re.findall(r"X-Amz-(?:Security-Token|Signature)=([^&\"]+)", str(given))
    for secret in set(found):
        canary.remember(secret)
    return given


def put(given, body, **headers):
    return requests.put(given["url"], data=body, headers=given["headers"] | headers, timeout=30)


def post(given, body, **fields):
    return requests.post(given["url"], data=given["fields"] | fields, files={"file": ("name.bin", body)}, timeout=30)


def problem(answer, status):
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["status"] == status
    return answer.json()["detail"]


def stored(relais, given):
    return relais.client().get_object(Bucket=given["bucket"], Key=given["key"])


def is_there(relais, given):
    listed = relais.client().list_objects_v2(Bucket=given["bucket"], Prefix=given["key"])
    return listed["KeyCount"] == 1


def test_a_file_is_put_with_the_url_and_headers_of_its_slot(relais):
    given = slot(relais, "whatsapp", content_type="audio/ogg", size=5)
    year, month = time.strftime("%Y %m", time.gmtime()).split()
    folder, name = given["key"].rsplit("/", 1)
    assert (given["bucket"], given["method"], folder) == (VOICE, "PUT", f"audio/whatsapp/42/{year}/{month}")
    assert str(uuid.UUID(name.removesuffix(".ogg"))) == name.removesuffix(".ogg")
    assert given["headers"] == {"content-type": "audio/ogg", "content-length": "5"}
    assert (given["object_bytes_max"], given["content_types"]) == (25_000, ["audio/ogg"])
    assert given["public_url"] is None, "without proxy.public_urls folders have no public address"
    left = time.mktime(time.strptime(given["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    assert 3500 < left <= 3600
    assert put(given, b"voice").status_code == 200
    found = stored(relais, given)
    assert (found["Body"].read(), found["ContentType"]) == (b"voice", "audio/ogg")
    owner = relais.client().get_object_acl(Bucket=VOICE, Key=given["key"])["Owner"]["ID"]
    assert owner == "42", "what is uploaded belongs to who asked"
    assert slot(relais, "whatsapp")["key"] != given["key"]


def test_a_page_posts_the_form_of_its_slot(relais):
    given = slot(relais, "whatsapp", method="POST")
    assert given["fields"]["Content-Type"] == "audio/ogg"
    assert post(given, b"by form").status_code == 204
    found = stored(relais, given)
    assert (found["Body"].read(), found["ContentType"]) == (b"by form", "audio/ogg")
    family = slot(relais, "clothing", method="POST", filename="a.gif", values={"clothing_id": 9})
    assert post(family, b"x", **{"Content-Type": "text/html"}).status_code in (400, 403)
    assert not is_there(relais, family)
    assert post(family, b"x", **{"Content-Type": "image/gif"}).status_code == 204
    assert stored(relais, family)["ContentType"] == "image/gif"


def test_larger_files_are_refused(relais):
    problem(ask(relais, "whatsapp", size=25_001), 413)
    problem(ask(relais, "whatsapp", size=25_001, method="POST"), 413)
    assert slot(relais, "whatsapp", size=25_000)["headers"]["content-length"] == "25000"
    unsized = slot(relais, "whatsapp")
    assert put(unsized, bytes(25_001)).status_code == 400
    assert not is_there(relais, unsized)
    assert put(unsized, bytes(25_000)).status_code == 200
    form = slot(relais, "whatsapp", method="POST")
    assert post(form, bytes(25_001)).status_code == 400
    assert not is_there(relais, form)
    sized = slot(relais, "whatsapp", size=5)
    assert put(sized, b"voices").status_code == 403, "the length is part of what is signed"
    exact = slot(relais, "whatsapp", method="POST", size=5)
    assert post(exact, b"voices").status_code == 400
    assert post(exact, b"void").status_code == 400
    assert post(exact, b"voice").status_code == 204


def test_the_smallest_limit_of_profile_bucket_and_role_holds(relais):
    assert slot(relais, "narrow")["object_bytes_max"] == 2000
    small = jwt(role="small")
    given = slot(relais, "clothing", small, filename="a.png", content_type="image/png", values={"clothing_id": 9})
    assert given["object_bytes_max"] == 1000
    assert put(given, bytes(1001)).status_code == 400
    assert put(given, bytes(1000)).status_code == 200


def test_other_types_are_refused(relais):
    assert "audio/ogg" in problem(ask(relais, "whatsapp", content_type="text/html"), 415)
    assert "image/png" in problem(ask(relais, "several", filename="a.png"), 400), "one of several has to be named"
    problem(ask(relais, "clothing", filename="a.png", values={"clothing_id": 1}), 400)
    for odd in ("", " ", "audio/ogg\r\nx-amz-acl: public-read", "audio/ogg" + " " * 300, "audio/ögg"):
        assert problem(ask(relais, "whatsapp", content_type=odd), 400)
    given = slot(relais, "whatsapp", content_type="audio/ogg; codecs=opus")
    assert put(given, b"x", **{"content-type": "text/html"}).status_code == 403
    assert put(given, b"x", **{"content-type": ""}).status_code == 403
    assert not is_there(relais, given)
    assert put(given, b"x").status_code == 200
    form = slot(relais, "whatsapp", method="POST")
    assert post(form, b"x", **{"Content-Type": "text/html"}).status_code in (400, 403)
    assert not is_there(relais, form)


def test_a_slot_is_for_its_key_and_for_writing_alone(relais):
    given = slot(relais, "whatsapp", size=1)
    other = given | {"url": given["url"].replace(given["key"], given["key"].replace(".ogg", "x.ogg"))}
    assert put(other, b"x").status_code == 403
    assert put(given, b"x", **{"x-amz-acl": "public-read"}).status_code == 403, "no header that was not signed"
    assert put(given, b"x", **{"x-amz-copy-source": f"{VOICE}/{given['key']}"}).status_code == 403
    for call in (requests.get, requests.head, requests.delete):
        assert call(given["url"], headers=given["headers"], timeout=30).status_code in (400, 403)
    for added in ("versionId=x", "acl", "tagging", "uploadId=x&partNumber=1"):
        assert put(given | {"url": f"{given['url']}&{added}"}, b"x").status_code == 403
    form = slot(relais, "whatsapp", method="POST")
    assert post(form, b"x", key=form["key"].replace("/42/", "/43/")).status_code in (400, 403)
    assert post(form, b"x", acl="public-read").status_code == 403, "no field that the policy does not name"
    assert not is_there(relais, given) and not is_there(relais, form)


def test_the_credentials_of_a_slot_open_nothing_else(relais):
    """Who takes the credentials out of a form can do with them what the form could, to its key."""
    form = slot(relais, "whatsapp", method="POST")
    other = slot(relais, "whatsapp", method="POST")
    mixed = form["fields"] | {"x-amz-security-token": other["fields"]["x-amz-security-token"]}
    assert post(form | {"fields": mixed}, b"x").status_code in (400, 403)
    without = {name: value for name, value in form["fields"].items() if name != "x-amz-security-token"}
    assert post(form | {"fields": without}, b"x").status_code in (400, 403)


def test_a_slot_ends(relais):
    given, form = slot(relais, "short"), slot(relais, "short", method="POST")
    time.sleep(2.5)
    assert put(given, b"x").status_code in (400, 403)
    assert post(form, b"x").status_code in (400, 403)
    assert not is_there(relais, given) and not is_there(relais, form)


def test_a_slot_ends_with_its_token(relais):
    ends = int(time.time()) + 30
    given = slot(relais, "whatsapp", jwt(exp=ends))
    assert given["expires_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))
    problem(ask(relais, "whatsapp", jwt(exp=int(time.time()) - 1)), 401)


def test_nobody_gets_a_slot_in_the_folder_of_another(relais):
    for value in ("../43", "43/1", "..", ".", "", "a\nb", "\u0000", "x" * 129, None, True, [43], {"a": 43}):
        answer = ask(relais, "clothing", filename="a.png", content_type="image/png", values={"clothing_id": value})
        assert "clothing_id" in problem(answer, 400), value
    for name in ("user_id", "sub", "uuid", "filename"):
        values = {"clothing_id": 9, name: "43"}
        answer = ask(relais, "clothing", filename="a.png", content_type="image/png", values=values)
        assert name in problem(answer, 400), "what the client may not say is refused, not passed over"
    for filename in ("../../43/1/a.png", "..\\43\\a.png", "/etc/a.png", "a.png"):
        given = slot(relais, "clothing", filename=filename, content_type="image/png", values={"clothing_id": 9})
        assert given["key"] == "clothing/42/9/a.png"
    for subject in ("4/2", "..", "42/9"):
        problem(ask(relais, "whatsapp", jwt(subject)), 400)
    problem(ask(relais, "whatsapp", jwt("")), 401)
    # A claim wins over what the client says; without the claim the policy has the last word.
    own = slot(relais, "temp", jwt(session_id="s-1"), filename="a", values={"session_id": "s-2"})
    assert own["key"] == "temp/s-1/a"
    problem(ask(relais, "temp", filename="a", values={"session_id": "s-1"}), 403)


def test_keys_that_look_like_patterns_are_only_themselves(relais):
    for odd in ("*", "${jwt:sub}", "?", "a b+c%2F", "é"):
        given = slot(relais, "clothing", filename="a.png", content_type="image/png", values={"clothing_id": odd})
        assert given["key"] == f"clothing/42/{odd}/a.png"
        assert quote(given["key"], safe="/~") in given["url"]
        assert put(given, odd.encode()).status_code == 200, odd
        assert stored(relais, given)["Body"].read() == odd.encode()


def test_who_may_not_write_gets_no_slot(relais):
    problem(ask(relais, "elsewhere"), 403)
    problem(ask(relais, "whatsapp", jwt(role="nobody")), 403)
    problem(ask(relais, "whatsapp", jwt(role="small")), 403)
    assert requests.post(f"{relais.api_url}/api/uploads/whatsapp", json={}, timeout=30).status_code == 401
    problem(ask(relais, "whatsapp", "no.token.atall"), 401)


def test_bad_requests_are_told_what_is_wrong(relais):
    assert "profile" in problem(ask(relais, "none"), 404)
    assert "colour" in problem(ask(relais, "whatsapp", colour="red"), 422)
    problem(ask(relais, "whatsapp", method="DELETE"), 422)
    problem(ask(relais, "whatsapp", size=-1), 422)
    problem(ask(relais, "whatsapp", filename="x" * 70_000), 413)
    assert "filename" in problem(ask(relais, "clothing", content_type="image/png", values={"clothing_id": 9}), 400)
    assert "size" in problem(ask(relais, "large", method="multipart"), 400)
    problem(ask(relais, "large", method="multipart", size=0), 400)
    headers = tokens.bearer(jwt()) | {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b"[" * 20_000, b"\xff"):
        answer = requests.post(f"{relais.api_url}/api/uploads/whatsapp", data=body, headers=headers, timeout=30)
        assert 400 <= answer.status_code < 500 and answer.headers["Content-Type"] == "application/problem+json"


def complete(given, etags):
    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in sorted(etags.items()))
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
    return requests.post(given["complete_url"], data=body, timeout=60)


def again(relais, given, token=None, name="large", **query):
    url = f"{relais.api_url}/api/uploads/{name}/{given['upload_id']}"
    headers = tokens.bearer(token or jwt())
    return requests.get(url, params={"key": given["key"]} | query, headers=headers, timeout=30)


def test_a_large_file_comes_in_parts_and_goes_on_after_a_break(relais):
    size = 2 * 8 * MIB + 12345
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    given = slot(relais, "large", method="multipart", size=size, content_type="video/mp4")
    assert given["part_bytes"] == 8 * MIB
    assert [(part["number"], part["bytes"], part["done"]) for part in given["parts"]] == [
        (1, 8 * MIB, False), (2, 8 * MIB, False), (3, 12345, False)
    ]
    pieces = {part["number"]: body[8 * MIB * (part["number"] - 1):][: part["bytes"]] for part in given["parts"]}
    first, second, _ = given["parts"]
    assert requests.put(second["url"], data=pieces[2], timeout=60).status_code == 200
    assert requests.put(first["url"], data=b"too short", timeout=60).status_code == 403

    answer = again(relais, given)
    assert answer.status_code == 200, answer.text
    back = remembered(answer.json())
    assert [(part["number"], part["done"]) for part in back["parts"]] == [(1, False), (2, True), (3, False)]
    assert "url" not in back["parts"][1]
    assert (back["upload_id"], back["key"], back["part_bytes"]) == (given["upload_id"], given["key"], 8 * MIB)
    for part in back["parts"]:
        if not part["done"]:
            assert requests.put(part["url"], data=pieces[part["number"]], timeout=60).status_code == 200
    done = remembered(again(relais, given).json())
    assert all(part["done"] and "url" not in part for part in done["parts"])
    assert complete(done, {part["number"]: part["etag"] for part in done["parts"]}).status_code == 200
    found = stored(relais, given)
    assert found["Body"].read() == body
    assert found["ContentType"] == "video/mp4"
    assert relais.client().get_object_acl(Bucket=IMAGES, Key=given["key"])["Owner"]["ID"] == "42"
    problem(again(relais, given), 404)


def test_a_large_upload_can_be_given_up(relais):
    given = slot(relais, "large", method="multipart", size=9 * MIB)
    assert requests.delete(given["abort_url"], timeout=30).status_code == 204
    problem(again(relais, given), 404)
    assert not is_there(relais, given)


def test_a_plan_is_only_its_callers(relais):
    given = slot(relais, "large", method="multipart", size=9 * MIB)
    for other in ("4", "420", "43"):
        problem(again(relais, given, jwt(other)), 404)
    problem(again(relais, given, jwt(role="nobody")), 403)
    problem(again(relais, given, name="clothing"), 404)
    problem(again(relais, given | {"upload_id": "x" * 40}), 404)
    problem(again(relais, given | {"key": f"large/42/{uuid.uuid4()}"}), 404)
    problem(again(relais, given | {"key": "large/42/../43"}), 404)
    problem(again(relais, given, extra="x"), 400)
    # An upload that was begun on the S3 port has no plan.
    key = f"large/42/{uuid.uuid4()}"
    upload = relais.client().create_multipart_upload(Bucket=IMAGES, Key=key)["UploadId"]
    problem(again(relais, {"upload_id": upload, "key": key}), 404)
    relais.client().abort_multipart_upload(Bucket=IMAGES, Key=key, UploadId=upload)
    part = given["parts"][0]["url"]
    assert requests.put(part.replace("partNumber=1", "partNumber=2"), data=bytes(8 * MIB), timeout=30).status_code == 403
    problem(ask(relais, "large", method="multipart", size=100 * MB + 1), 413)


def test_a_plan_has_no_more_than_a_thousand_parts(start_relais, tmp_path):
    profiles = [profile("huge", IMAGES, "large/{user_id}/{uuid}")]
    config, _ = configuration.two_folders(tmp_path / "huge", **settings() | {"lists": {"uploads": profiles, "access.roles": [USER]}})
    relais = start_relais("huge", config=config)
    given = slot(relais, "huge", method="multipart", size=2_000_000_000_000)
    assert len(given["parts"]) <= 1000
    assert sum(part["bytes"] for part in given["parts"]) == 2_000_000_000_000
    problem(ask(relais, "huge", method="multipart", size=6_000_000_000_000), 413)


def test_the_address_is_the_public_one(start_relais, tmp_path):
    config, _ = configuration.two_folders(tmp_path / "public", **settings(public_urls=["https://s3.example/"]))
    relais = start_relais("public", config=config)
    given = slot(relais, "whatsapp")
    address = f"https://s3.example/{VOICE}/{given['key']}"
    assert given["url"].startswith(f"{address}?")
    assert given["public_url"] == address
    here = given | {"url": given["url"].replace("https://s3.example", relais.url)}
    assert put(here, b"x", **{"X-Forwarded-Host": "s3.example"}).status_code == 200
    other = slot(relais, "clothing", filename="a.png", content_type="image/png", values={"clothing_id": 9})
    assert other["public_url"] is None, "what is private has no public address"
    form = slot(relais, "whatsapp", method="POST")
    assert form["url"] == f"https://s3.example/{VOICE}"


@pytest.mark.parametrize("wrong, told", [
    (profile("a", VOICE, "a/{user_id}.ogg"), "uploads: a: key: character 3"),
    (profile("a", "No", "a/{uuid}"), "uploads: a: bucket"),
    (profile("a/b", VOICE, "a/{uuid}"), "uploads: name"),
    (profile("a", VOICE, "a/{uuid}", content_types=["ogg"]), "uploads: a: content_types"),
    (profile("a", VOICE, "a/{uuid}", expires_seconds=0), "uploads: a: expires_seconds"),
    (profile("a", VOICE, "a/{uuid}", colour="red"), "colour"),
])
def test_a_wrong_profile_stops_the_start(relais, tmp_path, wrong, told):
    config, _ = configuration.two_folders(tmp_path / "wrong", **settings() | {"lists": {"uploads": [wrong]}})
    done = relais.command("config", config=config)
    assert (done.returncode, told in done.stderr) == (64, True), done.stderr


@pytest.mark.parametrize("example, needed", [
    ("voice-messages", {"whatsapp": WHATSAPP, "voice_realtime": "audio/voice_realtime/{user_id}/{year}/{month}/{uuid}.pcm16"}),
    ("wardrobe", {
        "clothing": "clothing/{user_id}/{clothing_id}/{filename}",
        "body": "body/{user_id}/{body_id}/{filename}",
        "tryon": "tryon/{user_id}/{tryon_id}/{filename}",
        "avatars": "avatars/{user_id}/{filename}",
        "temp": "temp/{session_id}/{filename}",
    }),
])
def test_the_examples_have_a_profile_for_each_layout(start_relais, tmp_path, example, needed):
    """With the profiles and the role of the example as it stands, over folders instead of its cloud."""
    text = (REPOSITORY / "config" / "examples" / example / "relais.toml").read_text()
    given = tomllib.loads(text)
    assert {one["name"]: one["key"] for one in given["uploads"]} == needed
    config = tmp_path / "example.toml"
    config.write_text(re.sub(r'replicas = \["\w+"\]', 'replicas = ["disk"]', text))
    relais = start_relais(example, config=config, environment={
        "RELAIS_THUMBNAIL__ENABLED": "false", "RELAIS_TRANSCRIPTION__ENABLED": "false"
    })
    user, other = jwt(session_id="s-42"), jwt("43", session_id="s-43")
    for one in given["uploads"]:
        asked = {"content_type": one["content_types"][0], "filename": "me.jpg"}
        names = re.findall(r"\{(\w+_id)\}", one["key"])
        values = {name: "9" for name in names if name not in ("user_id", "session_id")}
        mine, theirs = (slot(relais, one["name"], who, values=values, **asked) for who in (user, other))
        assert "42" in mine["key"].replace("-", "/").split("/") and "43" in theirs["key"].replace("-", "/").split("/")
        body = content_of(one["content_types"][0])
        assert put(mine, body).status_code == 200
        assert stored(relais, mine)["Body"].read() == body


def content_of(content_type):
    """Bytes that are what the type says."""
    samples = {"audio/ogg": "en-three-eight-nine.ogg", "audio/pcm": "en-four-six-seven-three.pcm16"}
    if content_type in samples:
        return (media.SAMPLES / samples[content_type]).read_bytes()
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, content_type.removeprefix("image/"))
    return picture.getvalue()
