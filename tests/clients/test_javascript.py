"""The AWS SDK for JavaScript v3 with its presigner, its forms and its upload of streams in parts."""

import json

import pytest

from harness.clients import REGION, program, run_client
from harness.keys import ODD_KEYS
from harness.process import REPOSITORY, plain_environment

CLIENT = "AWS SDK for JavaScript v3"
FOLDER = REPOSITORY / "tests" / "clients" / "javascript"


def version():
    node = run_client([program("node"), "--version"], plain_environment()).stdout.strip().removeprefix("v")
    return f"{json.loads((FOLDER / 'package.json').read_text())['dependencies']['@aws-sdk/client-s3']} on Node {node}"


@pytest.fixture
def check(relais, bucket, tmp_path):
    """Runs one check of client.mjs in the test's bucket."""
    environment = plain_environment(
        AWS_ACCESS_KEY_ID=relais.access_key,
        AWS_SECRET_ACCESS_KEY=relais.secret_key,
        AWS_REGION=REGION,
        AWS_ENDPOINT_URL=relais.url,
        NODE_EXTRA_CA_CERTS=relais.certificate.authority,
        ODD_KEYS=json.dumps(ODD_KEYS),
    )
    return lambda name: run_client(
        [program("node"), "client.mjs", name, bucket, tmp_path / "scratch"], environment, cwd=FOLDER
    )


def test_objects_with_odd_keys_are_put_read_listed_and_deleted(check):
    check("oddKeys")


def test_headers_ranges_and_conditions_are_kept(check):
    check("headersAndRanges")


def test_stream_is_sent_with_its_checksum_behind_it(check):
    check("streamWithTrailer")


def test_every_checksum_is_verified_kept_and_given_back(check):
    check("checksums")


def test_stream_goes_up_in_parts_and_comes_back_whole_or_by_part(check):
    check("uploadInParts")


def test_upload_that_is_given_up_leaves_nothing(check):
    check("uploadGivenUp")


def test_objects_and_ranges_of_them_are_copied(check):
    check("copies")


def test_presigned_urls_read_write_and_delete_as_signed(check):
    check("presignedUrls")


def test_presigned_part_is_uploaded_by_somebody_without_keys(check):
    check("presignedPart")


def test_presigned_form_uploads_what_its_policy_allows(check):
    check("presignedForm")


def test_tags_and_versions_are_kept(check):
    check("tagsAndVersions")
