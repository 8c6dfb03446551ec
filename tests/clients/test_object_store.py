"""The Rust crate `object_store`, which much of the data world reaches S3 with; it speaks HTTP/2."""

import json
import tomllib

import pytest

from harness.clients import REGION, run_client
from harness.keys import ODD_KEYS
from harness.process import REPOSITORY, plain_environment
from harness.stores import assert_replicas_hold

CLIENT = "object_store (Rust)"
PROGRAM = REPOSITORY / "target" / "debug" / "relais-clients"  # Built with the workspace.


def version():
    packages = tomllib.loads((REPOSITORY / "Cargo.lock").read_text())["package"]
    return next(package["version"] for package in packages if package["name"] == "object_store")


@pytest.fixture
def check(relais, bucket):
    """Runs one check of the program in the test's bucket."""
    environment = plain_environment(
        AWS_ACCESS_KEY_ID=relais.access_key,
        AWS_SECRET_ACCESS_KEY=relais.secret_key,
        AWS_REGION=REGION,
        AWS_ENDPOINT_URL=relais.url,
        TARGET_AUTHORITY=relais.certificate.authority,
        ODD_KEYS=json.dumps(ODD_KEYS),
    )
    return lambda name: run_client([PROGRAM, name, bucket], environment)


def test_objects_with_odd_keys_are_put_read_listed_and_deleted(check):
    check("odd-keys")


def test_attributes_and_tags_are_kept(check, s3, bucket):
    check("attributes-and-tags")
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert tags == [{"Key": "team", "Value": "red + blue"}]


def test_ranges_and_conditions_are_kept(check):
    check("ranges-and-conditions")


def test_conditional_writes_let_one_of_many_win(check):
    check("conditional-writes")


def test_checksums_are_kept_in_one_piece_and_in_parts(check, s3, bucket):
    check("checksums")
    for key, name in [("sha256", "ChecksumSHA256"), ("crc64nvme", "ChecksumCRC64NVME")]:
        assert s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")[name]


def test_large_object_goes_up_in_parts(check, relais, s3, bucket):
    check("parts")
    body = s3.get_object(Bucket=bucket, Key="large")["Body"].read()
    assert_replicas_hold(relais.folders, bucket, "large", body)


def test_objects_are_copied_and_renamed_also_only_where_nothing_is(check):
    check("copies")


def test_presigned_urls_read_write_and_delete_as_signed(check):
    check("presigned-urls")
