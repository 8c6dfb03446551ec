"""Uploads in parts: listed, finished, given up and copied into, by any instance of relais and after a restart."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import media, replicas
from harness.clients import refused
from harness.media import MIB

_numbers = itertools.count()


@pytest.fixture(scope="module", params=["folders", "clouds"])
def replicated(request, start_shared_relais, tmp_path_factory):
    """Relais over a database that others can share: SQLite with folders, PostgreSQL with clouds."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "folders":
        environment = {"DATABASE_URL": f"sqlite://{folder}/shared.db?mode=rwc"}
        return replicas.over_folders(start_shared_relais, folder, environment=environment)
    clouds = [request.getfixturevalue(name) for name in ("moto_http", "moto_https")]
    environment = {"DATABASE_URL": request.getfixturevalue("postgres").new_database("multipart")}
    return replicas.over_clouds(start_shared_relais, folder, clouds, environment=environment)


@pytest.fixture(scope="module")
def other(replicated, start_shared_relais):
    """Another instance, over the same database and stores."""
    database = replicated.relais.settings["DATABASE_URL"]
    name = f"other-{next(_numbers)}"
    return start_shared_relais(name, config=replicated.relais.config, environment={"DATABASE_URL": database}).client()


def begin(s3, bucket, *keys, **options):
    return [s3.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"] for key in keys]


def put_parts(s3, bucket, key, upload, *bodies):
    """Uploads the parts, and gives what a completion names."""
    parts = []
    for number, body in enumerate(bodies, 1):
        etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    return {"Parts": parts}


def listed(s3, bucket, **options):
    found = s3.list_multipart_uploads(Bucket=bucket, **options).get("Uploads", [])
    return [(one["Key"], one["UploadId"]) for one in found]


def test_uploads_are_listed_by_every_instance_and_after_a_restart(replicated, other, s3, bucket):
    assert listed(s3, bucket) == []
    uploads = [(key, *begin(s3, bucket, key)) for key in ("b", "a/1", "a/2")]
    wanted = sorted(uploads)
    assert listed(s3, bucket) == listed(other, bucket) == wanted
    replicated.relais.stop()
    replicated.relais.start()
    assert listed(replicated.client(), bucket) == wanted

    key, upload = wanted[0]
    done = put_parts(other, bucket, key, upload, b"by another instance")
    other.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=done)
    assert listed(s3, bucket) == listed(other, bucket) == wanted[1:]
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"by another instance"


def test_list_of_uploads_folds_filters_and_pages(s3, bucket):
    keys = ["a", "photos/1", "photos/2", "photos/old/3", "z z+é"]
    uploads = {key: begin(s3, bucket, key)[0] for key in keys}
    twice = sorted([uploads["a"], *begin(s3, bucket, "a")])

    folded = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [one["Key"] for one in folded["Uploads"]] == ["a", "a", "z z+é"]
    assert [one["Prefix"] for one in folded["CommonPrefixes"]] == ["photos/"]
    inside = s3.list_multipart_uploads(Bucket=bucket, Prefix="photos/", Delimiter="/")
    assert [one["Key"] for one in inside["Uploads"]] == ["photos/1", "photos/2"]
    assert [one["Prefix"] for one in inside["CommonPrefixes"]] == ["photos/old/"]
    assert listed(s3, bucket, Prefix="none") == []

    pages, markers = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **markers)
        pages.append([(one["Key"], one["UploadId"]) for one in page["Uploads"]])
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert [len(page) for page in pages] == [2, 2, 2]
    every = [one for page in pages for one in page]
    assert [key for key, _ in every] == ["a", *keys]
    assert sorted(id for key, id in every if key == "a") == twice
    assert dict(every[2:]) == {key: uploads[key] for key in keys[1:]}
    assert [key for key, _ in listed(s3, bucket, KeyMarker="photos/1")] == keys[2:]


def test_abort_is_done_everywhere_and_the_id_is_gone(replicated, other, s3, bucket):
    (upload,) = begin(s3, bucket, "k")
    done = put_parts(s3, bucket, "k", upload, b"x" * MIB)
    assert replicated.on_both(lambda store: len(own_uploads(store, bucket))) in ([1, 1], [0, 0])
    other.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    gone = (404, "NoSuchUpload")
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    for client in (s3, other):
        assert refused(client.list_parts, **named) == gone
        assert refused(client.complete_multipart_upload, **named, MultipartUpload=done) == gone
        assert listed(client, bucket) == []
    assert replicated.on_both(lambda store: own_uploads(store, bucket)) == [[], []]


@pytest.mark.parametrize("replicated", ["folders"], indirect=True, scope="module")  # Moto answers 500.
def test_aborted_upload_takes_no_parts(replicated, other, s3, bucket):
    (upload,) = begin(s3, bucket, "k")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    for client in (s3, other):
        part = {"Bucket": bucket, "Key": "k", "UploadId": upload, "PartNumber": 2, "Body": b"x"}
        assert refused(client.upload_part, **part) == (404, "NoSuchUpload")


def own_uploads(store, bucket):
    """The uploads that a store itself knows of. A relais over a folder knows only those that it began."""
    return store.list_multipart_uploads(Bucket=bucket).get("Uploads", [])


def test_completion_twice_gives_the_same_answer(other, s3, bucket):
    (upload,) = begin(s3, bucket, "k")
    done = put_parts(s3, bucket, "k", upload, media.random_bytes(5 * MIB), b"tail")
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload, "MultipartUpload": done}
    answers = [client.complete_multipart_upload(**named) for client in (s3, s3, other)]
    for answer in answers:
        answer.pop("ResponseMetadata")
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0]["Bucket"], answers[0]["Key"]) == (bucket, "k")
    assert answers[0]["ETag"].endswith('-2"')
    s3.put_object(Bucket=bucket, Key="k", Body=b"newer")
    s3.complete_multipart_upload(**named)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"newer", "a repetition overwrites nothing"


def test_completions_at_the_same_time_make_one_object(replicated, other, s3, bucket):
    (upload,) = begin(s3, bucket, "k")
    done = put_parts(s3, bucket, "k", upload, b"once")
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload, "MultipartUpload": done}

    def complete(client):
        return client.complete_multipart_upload(**named)["ETag"]

    with ThreadPoolExecutor(4) as threads:
        etags = set(threads.map(complete, [s3, other] * 2))
    assert len(etags) == 1
    assert replicated.on_both(lambda store: replicas.found(store, bucket, "k")) == [b"once"] * 2


def test_parts_are_listed_in_pages(s3, bucket):
    (upload,) = begin(s3, bucket, "k")
    sizes = {1: 10, 2: 20, 5: 50, 7: 70, 10_000: 100}
    for number, size in sizes.items():
        s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=b"x" * size)
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=5, Body=b"replaced")
    sizes[5] = len("replaced")
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    every = s3.list_parts(**named)
    assert (every["Bucket"], every["Key"], every["UploadId"], every["IsTruncated"]) == (bucket, "k", upload, False)
    pages = list(s3.get_paginator("list_parts").paginate(**named, PaginationConfig={"PageSize": 2}))
    assert [len(page["Parts"]) for page in pages] == [2, 2, 1]
    assert {part["PartNumber"]: part["Size"] for page in pages for part in page["Parts"]} == sizes
    assert [part["PartNumber"] for part in s3.list_parts(**named, PartNumberMarker=5)["Parts"]] == [7, 10_000]
    for number in (0, 10_001):
        assert refused(s3.upload_part, **named, PartNumber=number, Body=b"x") == (400, "InvalidArgument")


def test_completion_refuses_what_is_no_object(replicated, s3, bucket):
    (upload,) = begin(s3, bucket, "k")
    small = put_parts(s3, bucket, "k", upload, b"x" * (5 * MIB - 1), b"tail")["Parts"]
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    for parts, code in (
        (small, "EntityTooSmall"),
        (small[::-1], "InvalidPartOrder"),
        ([{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}], "InvalidPart"),
        ([{"PartNumber": 3, "ETag": small[0]["ETag"]}], "InvalidPart"),
        ([], "MalformedXML"),
    ):
        refusal = refused(s3.complete_multipart_upload, **named, MultipartUpload={"Parts": parts})
        assert refusal == (400, code)
    assert replicated.on_both(lambda store: replicas.found(store, bucket, "k")) == [None, None]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": small[:1]})
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 5 * MIB - 1, "not all parts need be named"


def test_sealed_id_opens_nothing_but_its_own_key(s3, bucket):
    (upload,) = begin(s3, bucket, "mine")
    s3.create_bucket(Bucket=f"{bucket}-other")
    changed = upload[:-2] + ("AA" if not upload.endswith("AA") else "BB")
    for named in (
        {"Bucket": bucket, "Key": "another", "UploadId": upload},
        {"Bucket": f"{bucket}-other", "Key": "mine", "UploadId": upload},
        {"Bucket": bucket, "Key": "mine", "UploadId": changed},
        {"Bucket": bucket, "Key": "mine", "UploadId": "made-up"},
    ):
        gone = (404, "NoSuchUpload")
        parts = {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]}
        assert refused(s3.upload_part, **named, PartNumber=1, Body=b"x") == gone
        assert refused(s3.upload_part_copy, **named, PartNumber=1, CopySource=f"{bucket}/mine")[0] == 404
        assert refused(s3.list_parts, **named) == gone
        assert refused(s3.abort_multipart_upload, **named) == gone
        assert refused(s3.complete_multipart_upload, **named, MultipartUpload=parts) == gone
    assert listed(s3, bucket) == [("mine", upload)]


@pytest.mark.parametrize(("range_", "first", "last"), [(None, 0, 6 * MIB), ("bytes=1-5242881", 1, 5_242_882)])
def test_part_may_be_a_copy(replicated, s3, bucket, range_, first, last):
    source = media.random_bytes(6 * MIB)
    s3.put_object(Bucket=bucket, Key="from é+", Body=source)
    (upload,) = begin(s3, bucket, "to")
    named = {"Bucket": bucket, "Key": "to", "UploadId": upload}
    extent = {"CopySourceRange": range_} if range_ else {}
    copied = s3.upload_part_copy(**named, PartNumber=1, CopySource={"Bucket": bucket, "Key": "from é+"}, **extent)
    tail = s3.upload_part(**named, PartNumber=2, Body=b"tail")["ETag"]
    assert [part["Size"] for part in s3.list_parts(**named)["Parts"]] == [last - first, 4]
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}, {"PartNumber": 2, "ETag": tail}]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    wanted = source[first:last] + b"tail"
    assert replicated.on_both(lambda store: replicas.found(store, bucket, "to") == wanted) == [True, True]


def test_part_cannot_be_a_copy_of_what_is_not_there(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"x" * 100)
    (upload,) = begin(s3, bucket, "to")
    copy = {"Bucket": bucket, "Key": "to", "UploadId": upload, "PartNumber": 1}
    source = f"{bucket}/from"
    for wrong in ("bytes=0-100", "bytes=100-200"):
        status, code = refused(s3.upload_part_copy, **copy, CopySource=source, CopySourceRange=wrong)
        assert (status, code) in ((400, "InvalidArgument"), (416, "InvalidRange")), wrong
    for wrong in ("0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-5", "bytes=5-2"):
        refusal = refused(s3.upload_part_copy, **copy, CopySource=source, CopySourceRange=wrong)
        assert refusal == (400, "InvalidArgument"), wrong
    assert refused(s3.upload_part_copy, **copy, CopySource=f"{bucket}/none") == (404, "NoSuchKey")
    assert refused(s3.upload_part_copy, **copy, CopySource="no-such-bucket/k") == (404, "NoSuchBucket")
    assert s3.list_parts(Bucket=bucket, Key="to", UploadId=upload).get("Parts", []) == []
