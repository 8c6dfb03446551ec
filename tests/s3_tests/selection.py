"""Which tests of ceph/s3-tests are run: everything in two files but what this one table leaves out.

A group is left out because no S3 store behind relais could pass it either: it asks for a service beside S3, for what
only Ceph's gateway has, or for a background job's clock; or because it repeats others. A test that relais merely fails
is not left out: docs/compatibility.md says why it fails.
"""

import re
from dataclasses import dataclass

FILES = ("s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py")


@dataclass(frozen=True)
class Group:
    """Tests that have one of the markers, or whose name without parameters matches the pattern from its start."""

    name: str
    reason: str
    markers: frozenset = frozenset()
    pattern: str | None = None

    def holds(self, name, markers):
        return bool(self.markers & markers) or bool(self.pattern and re.match(self.pattern, name))


def group(name, reason, *markers, pattern=None):
    return Group(name, reason, frozenset(markers), pattern)


# The first group that holds a test takes it.
LEFT_OUT = (
    group(
        "bucket logging",
        "access logs come from a background job of the store; most tests use Ceph's own journal mode and flush call",
        "bucket_logging",
        "bucket_logging_cleanup",
    ),
    group("S3 Select", "withdrawn by AWS; no store that relais serves has it", "s3select"),
    group("website", "static websites have a host name and a protocol of their own beside S3", pattern=".*website"),
    group(
        "lifecycle execution",
        "waits for the store's background job, with a day that Ceph shortens to seconds; setting the rules is tested",
        "lifecycle_expiration",
        "lifecycle_transition",
    ),
    group(
        "tiering",
        "moves objects between storage classes or to another cloud in the background",
        "cloud_transition",
        "cloud_restore",
        "storage_class",
        pattern="test_(restore_|read_through)",
    ),
    group(
        "IAM",
        "users, roles and accounts are another service with another protocol",
        "iam_account",
        "iam_cross_account",
        "iam_role",
        "iam_tenant",
        "iam_user",
        "user_policy",
        "group_policy",
        "role_policy",
        "session_policy",
        "test_of_sts",
        "webidentity_test",
        "abac_test",
    ),
    group("notifications to SNS", "topics are another service", "sns"),
    group("SSE-KMS", "needs a key service behind the store", pattern=".*kms"),
    group("tenants", "accounts with a name space each, which only Ceph has", pattern=".*tenant"),
    group("SigV2", "the same tests are selected with SigV4", "auth_aws2", pattern="test_cors_presigned_.*_v2"),
    group(
        "repeated sizes",
        "a copy from each kind of encryption to each is run with 1 MiB, not with three more sizes of one chunk or part",
        pattern=r"test_copy_enc .*-(1|1024|8388608)\]",
    ),
    group(
        "Ceph's extensions",
        "append, usage counters, unordered listing and extended HEAD are not in S3",
        "appendobject",
        pattern="test_(account_usage|head_bucket_usage|bucket_head_extended|bucket_list(v2)?_unordered)",
    ),
    group(
        "deletes with time or size",
        "x-amz-if-match-last-modified-time and -size are for AWS's directory buckets",
        pattern="test_delete_objects?_(current_|version_)?if_match_(last_modified_time|size)",
    ),
    group("torrents", "withdrawn by AWS", pattern="test_get_object_torrent"),
)


def left_out(name, markers):
    """The group that takes the test out of the run, or None. The name may have parameters."""
    plain, _, parameters = name.partition("[")
    whole = f"{plain} {parameters}"  # SSE-KMS is a parameter in some tests.
    return next((one for one in LEFT_OUT if one.holds(whole, set(markers))), None)
