"""The story of the wardrobe, as its users live it: pictures from a web page, on the example `wardrobe` as it stands."""

import io

import requests
from PIL import Image

from harness import configuration, media, slots, tokens
from harness.accounts import anonymous
from harness.clients import refused
from harness.examples import FOLDER, variables
from harness.media import MIB
from harness.process import eventually
from harness.stores import contents_in_cloud, files_named, keys_in_cloud, uploads_in_cloud

WARDROBE = FOLDER / "wardrobe"
BUCKET = variables(WARDROBE)["AWS_BUCKET_NAME"]
PAGE = {"Origin": "https://app.example"}
SHIRT = {"filename": "my shirt.jpg", "values": {"clothing_id": 9}}
DENIED = (403, "AccessDenied")
PART_BYTES = 8 * MIB
THUMBNAIL_SECONDS = 30
TOO_MUCH = 20_000_001  # For every profile.
PICTURE = media.photo()
# Larger than one part, and smaller than the 20 MB that the profiles take.
LARGE_PICTURE = media.photo(3000, 3200, "PNG")


def test_the_whole_story(start_example, moto_http):
    relais = start_example(WARDROBE, SECRET_KEY=configuration.SECRET_KEY)
    jwt, others = (tokens.token(sub=user, role="user", session_id=f"s-{user}") for user in ("42", "420"))
    mine = [*dress(relais, jwt, "42"), in_parts_with_a_break(relais, jwt)]
    theirs = dress(relais, others, "420")

    s3, other = tokens.by_sts(relais, jwt), tokens.by_sts(relais, others)
    own = with_thumbnails(s3, mine)
    foreign = with_thumbnails(other, theirs)
    assert_one_lists_only_their_own(s3, own, "42", "420")
    assert_pictures_are_read_by_presigned_urls_alone(relais, s3, mine[0])
    assert_another_is_refused_everything(relais, other, others, own)
    assert_other_pages_and_files_are_refused(relais, jwt, mine[0])
    assert keys_in_cloud(moto_http) == own | foreign, "nothing that was refused has left anything"

    begun = slots.slot(relais, "body", jwt, **large("film.png", body_id=8))
    assert slots.put_part(begun["parts"][0], LARGE_PICTURE, PART_BYTES).status_code == 200
    before = contents_in_cloud(moto_http, BUCKET, foreign)
    report = erase(relais, jwt)
    assert (report["objects"], report["uploads"], report["left_count"], report["complete"]) == (len(own), 1, 0, True)
    found = {one["prefix"]: one["objects"] for one in report["by_prefix"]}
    of_session = {None: 2}  # No prefix is the user's there, but the objects are.
    assert found == {"clothing/42/": 4, "body/42/": 2, "tryon/42/": 2, "avatars/42/": 2} | of_session
    assert keys_in_cloud(moto_http) == foreign and not uploads_in_cloud(moto_http)
    assert contents_in_cloud(moto_http, BUCKET, foreign) == before, "all of user 420 is there, as it was"
    assert not files_named(relais.data / "stores", ["/42/", "/s-42/"])
    assert_one_lists_only_their_own(other, foreign, "420", "42")
    again = erase(relais, jwt)
    assert (again["objects"], again["versions"], again["uploads"], again["complete"]) == (0, 0, 0, True)


def dress(relais, jwt, user):
    """A picture for each layout, by the URLs and the forms of slots, as a page of the application sends them."""
    asked = {"content_type": "image/jpeg", "size": len(PICTURE)}
    layouts = [
        ("clothing", SHIRT, f"clothing/{user}/9/"),
        ("body", {"filename": "front.jpg", "values": {"body_id": 7}}, f"body/{user}/7/"),
        ("tryon", {"filename": "look.jpg", "values": {"tryon_id": "t-1"}}, f"tryon/{user}/t-1/"),
        ("avatars", {"filename": "me.jpg"}, f"avatars/{user}/"),
        ("temp", {"filename": "later.jpg"}, f"temp/s-{user}/"),
    ]
    given = []
    for number, (profile, more, folder) in enumerate(layouts):
        method = ("PUT", "POST")[number % 2]
        one = slots.slot(relais, profile, jwt, method=method, **asked | more)
        assert one["key"].startswith(folder) and one["bucket"] == BUCKET and one["public_url"] is None
        preflight = page_asks(one["url"], method)
        assert preflight.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        assert method in preflight.headers["Access-Control-Allow-Methods"]
        answer = send(one, method)
        assert answer.status_code == {"PUT": 200, "POST": 204}[method], answer.text
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        assert "etag" in answer.headers["Access-Control-Expose-Headers"].lower()
        given.append(one)
    return given


def send(given, method):
    if method == "PUT":
        return slots.put(given, PICTURE, **PAGE)
    form = {"file": ("picture", PICTURE)}
    return requests.post(given["url"], data=given["fields"], files=form, headers=PAGE, timeout=60)


def page_asks(url, method, origin=PAGE["Origin"]):
    """What a browser asks before a page may send a file."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type",
    }
    return requests.options(url, headers=headers, timeout=30)


def large(filename, **values):
    """What is asked for the large picture."""
    return {
        "method": "multipart",
        "filename": filename,
        "content_type": "image/png",
        "size": len(LARGE_PICTURE),
        "values": values,
    }


def in_parts_with_a_break(relais, jwt):
    """The second part is sent and then the page is closed; later the first one follows."""
    given = slots.slot(relais, "clothing", jwt, **large("coat.png", clothing_id=10))
    assert (given["key"], given["part_bytes"], len(given["parts"])) == ("clothing/42/10/coat.png", PART_BYTES, 2)
    assert slots.put_part(given["parts"][1], LARGE_PICTURE, PART_BYTES).status_code == 200

    back = slots.plan(relais, "clothing", jwt, given)
    assert [part["done"] for part in back["parts"]] == [False, True]
    assert slots.put_part(back["parts"][0], LARGE_PICTURE, PART_BYTES).status_code == 200
    done = slots.plan(relais, "clothing", jwt, given)
    assert all(part["done"] for part in done["parts"])
    assert slots.complete(done).status_code == 200
    found = tokens.by_sts(relais, jwt).get_object(Bucket=BUCKET, Key=given["key"])
    assert (found["Body"].read(), found["ContentType"]) == (LARGE_PICTURE, "image/png")
    return given


def with_thumbnails(s3, given):
    """Waits for the thumbnail of each picture, and gives the keys of all of them."""
    keys = {one["key"] for one in given}
    made = {key.rsplit(".", 1)[0] + "_thumb.jpg": key for key in keys}
    for thumbnail, key in made.items():
        eventually(lambda: listed(s3, thumbnail), THUMBNAIL_SECONDS, what=f"{thumbnail} is listed")
        found = s3.get_object(Bucket=BUCKET, Key=thumbnail)
        with Image.open(io.BytesIO(found["Body"].read())) as picture:
            assert picture.format == "JPEG" and max(picture.size) == 200
        assert found["Metadata"]["relais-derived-from"] == key
    return keys | set(made)


def listed(s3, prefix):
    return {one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])}


def assert_one_lists_only_their_own(s3, own, user, other):
    folders = [f"{layout}/{user}/" for layout in ("clothing", "body", "tryon", "avatars")] + [f"temp/s-{user}/"]
    for folder in folders:
        expected = {key for key in own if key.startswith(folder)}
        assert expected and listed(s3, folder) == expected
    for prefix in ("", "clothing/", f"clothing/{user}", f"clothing/{other}/", f"temp/s-{other}/", "temp/"):
        assert refused(s3.list_objects_v2, Bucket=BUCKET, Prefix=prefix) == DENIED, prefix


def assert_pictures_are_read_by_presigned_urls_alone(relais, s3, given):
    where = {"Bucket": BUCKET, "Key": given["key"]}
    url = slots.remembered({"url": s3.generate_presigned_url("get_object", where, ExpiresIn=3600)})["url"]
    answer = requests.get(url, headers=PAGE, timeout=30)
    assert (answer.content, answer.headers["Content-Type"]) == (PICTURE, "image/jpeg")
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert requests.get(url.replace("/42/", "/420/"), timeout=30).status_code == 403
    assert requests.get(url.split("?")[0], timeout=30).status_code == 403
    assert refused(anonymous(relais).get_object, **where) == DENIED


def assert_another_is_refused_everything(relais, other, jwt, own):
    for key in own:
        where = {"Bucket": BUCKET, "Key": key}
        for call in (other.get_object, other.delete_object, other.create_multipart_upload, other.get_object_tagging):
            assert refused(call, **where) == DENIED
        assert refused(other.put_object, **where, Body=PICTURE, ContentType="image/jpeg") == DENIED
        assert refused(other.copy_object, Bucket=BUCKET, Key="avatars/420/stolen.jpg", CopySource=where) == DENIED
        assert requests.get(other.generate_presigned_url("get_object", where), timeout=30).status_code == 403
    answer = other.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in own]})
    assert {one["Key"] for one in answer["Errors"]} == own and not answer.get("Deleted")
    url = f"{relais.api_url}/api/users/42/objects"
    assert requests.delete(url, headers=tokens.bearer(jwt), timeout=30).status_code == 403


def assert_other_pages_and_files_are_refused(relais, jwt, given):
    assert "Access-Control-Allow-Origin" not in page_asks(given["url"], "PUT", "https://evil.example").headers
    picture = {"filename": "x.jpg", "content_type": "image/jpeg"}
    wrong = [({"content_type": "image/gif"}, 415), ({"size": TOO_MUCH}, 413), ({"values": {"user_id": "420"}}, 400)]
    for asked, status in wrong:
        answer = slots.refused_slot(relais, "avatars", jwt, **picture | asked)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), asked
    other = slots.slot(relais, "avatars", jwt, **picture)
    assert slots.put(other, PICTURE, **{"content-type": "text/html"}).status_code == 403
    assert slots.put(other, bytes(TOO_MUCH)).status_code == 400
    moved = other | {"url": other["url"].replace("/avatars/42/", "/avatars/420/")}
    assert slots.put(moved, PICTURE).status_code == 403


def erase(relais, jwt):
    """The report of what users erased of their own."""
    answer = requests.delete(f"{relais.api_url}/api/users/42/objects", headers=tokens.bearer(jwt), timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()
