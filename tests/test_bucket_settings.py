"""Settings of buckets and locks of objects: on every S3 store alike; folders say by name what they cannot do."""

import datetime
import itertools

import pytest
from botocore.exceptions import ClientError

from harness import configuration, replicas
from harness.clients import ensure_bucket, refused

_numbers = itertools.count()
only_clouds = pytest.mark.parametrize("replicated", ["clouds"], indirect=True, scope="module")
only_folders = pytest.mark.parametrize("replicated", ["folders"], indirect=True, scope="module")

LIFECYCLE = {"Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 30}}]}
ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]}
WEBSITE = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}

# How a setting is put, read and removed, and what the answer to reading holds.
SETTINGS = {
    "lifecycle": (
        "put_bucket_lifecycle_configuration",
        {"LifecycleConfiguration": LIFECYCLE},
        "get_bucket_lifecycle_configuration",
        {"Rules": LIFECYCLE["Rules"]},
        "delete_bucket_lifecycle",
    ),
    "encryption": (
        "put_bucket_encryption",
        {"ServerSideEncryptionConfiguration": ENCRYPTION},
        "get_bucket_encryption",
        {"ServerSideEncryptionConfiguration": ENCRYPTION},
        "delete_bucket_encryption",
    ),
    "website": (
        "put_bucket_website",
        {"WebsiteConfiguration": WEBSITE},
        "get_bucket_website",
        WEBSITE,
        "delete_bucket_website",
    ),
    "acceleration": (
        "put_bucket_accelerate_configuration",
        {"AccelerateConfiguration": {"Status": "Enabled"}},
        "get_bucket_accelerate_configuration",
        {"Status": "Enabled"},
        None,
    ),
}


def answer(client, operation, **asked):
    """What a request gave, without what belongs to the transport; nothing where it was refused."""
    try:
        found = getattr(client, operation)(**asked)
    except ClientError:
        return None
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def holds(found, wanted):
    return found is not None and all(found.get(name) == value for name, value in wanted.items())


@only_clouds
@pytest.mark.parametrize("setting", SETTINGS)
def test_setting_is_put_read_and_removed_on_every_store(replicated, s3, bucket, setting):
    put, asked, read, wanted, remove = SETTINGS[setting]
    before = answer(s3, read, Bucket=bucket)
    getattr(s3, put)(Bucket=bucket, **asked)
    assert holds(answer(s3, read, Bucket=bucket), wanted)
    assert replicated.on_both(lambda store: holds(answer(store, read, Bucket=bucket), wanted)) == [True, True]
    if remove:
        getattr(s3, remove)(Bucket=bucket)
        assert answer(s3, read, Bucket=bucket) == before
        assert replicated.on_both(lambda store: answer(store, read, Bucket=bucket)) == [before] * 2


@only_clouds
def test_wrong_setting_is_refused_and_none_is_changed(replicated, s3, bucket):
    wrong = {"Rules": [LIFECYCLE["Rules"][0] | {"Status": "Perhaps"}]}
    assert refused(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=wrong)[0] == 400
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket)[0] == 404
    assert replicated.on_both(lambda store: answer(store, SETTINGS["lifecycle"][2], Bucket=bucket)) == [None, None]


@pytest.mark.parametrize("setting", ["lifecycle", "website", "acceleration", "object lock"])
@only_folders
def test_folders_say_what_they_cannot_do(replicated, s3, bucket, setting):
    lock = {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
    put, asked = SETTINGS[setting][:2] if setting in SETTINGS else ("put_object_lock_configuration", lock)
    with pytest.raises(ClientError) as caught:
        getattr(s3, put)(Bucket=bucket, **asked)
    error = caught.value.response["Error"]
    assert (caught.value.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"]) == (501, "NotImplemented")
    assert setting.split()[-1][:4] in error["Message"].lower(), f"it is not named: {error['Message']}"


@only_folders
def test_folders_refuse_locks_rather_than_drop_them(s3, bucket, replicated):
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    refusal = (501, "NotImplemented")
    locked = {"Bucket": f"{bucket}-locked", "ObjectLockEnabledForBucket": True}
    assert refused(s3.create_bucket, **locked) == refusal
    assert refused(s3.head_bucket, Bucket=f"{bucket}-locked")[0] == 404
    put = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    assert refused(s3.put_object, **put, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until) == refusal
    assert refused(s3.put_object, **put, ObjectLockLegalHoldStatus="ON") == refusal
    assert replicated.on_both(lambda store: replicas.found(store, bucket, "k")) == [None, None]
    s3.put_object(**put)
    assert refused(s3.put_object_legal_hold, Bucket=bucket, Key="k", LegalHold={"Status": "ON"}) == refusal
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    assert refused(s3.put_object_retention, Bucket=bucket, Key="k", Retention=retention) == refusal


@pytest.fixture
def locked(s3):
    """A bucket whose objects can be locked."""
    name = f"locked-{next(_numbers)}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def version_at(store, bucket, body):
    """The id that a store itself gave the version with this body."""
    ids = [one["VersionId"] for one in store.list_object_versions(Bucket=bucket)["Versions"]]
    return next(id for id in ids if store.get_object(Bucket=bucket, Key="k", VersionId=id)["Body"].read() == body)


def lock_at(store, bucket, body):
    """What a store itself says of the version with this body."""
    return store.head_object(Bucket=bucket, Key="k", VersionId=version_at(store, bucket, body))


@only_clouds
def test_locked_bucket_has_its_configuration_on_every_store(replicated, s3, locked):
    retention = {"Mode": "GOVERNANCE", "Days": 3}
    asked = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=asked)

    def configured(client):
        found = client.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
        default = found["Rule"]["DefaultRetention"]
        return found["ObjectLockEnabled"], {name: default[name] for name in retention}

    assert configured(s3) == ("Enabled", retention)
    assert replicated.on_both(configured) == [("Enabled", retention)] * 2
    assert replicated.on_both(lambda store: store.get_bucket_versioning(Bucket=locked)["Status"]) == ["Enabled"] * 2


@only_clouds
def test_retention_keeps_a_version_on_every_store(replicated, s3, locked):
    until = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(days=1)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    id = s3.put_object(Bucket=locked, Key="k", Body=b"kept", **lock)["VersionId"]
    s3.put_object(Bucket=locked, Key="k", Body=b"newer")
    named = {"Bucket": locked, "Key": "k", "VersionId": id}
    assert s3.head_object(**named)["ObjectLockMode"] == "GOVERNANCE"
    assert replicated.on_both(lambda store: lock_at(store, locked, b"kept")["ObjectLockMode"]) == ["GOVERNANCE"] * 2
    assert refused(s3.delete_object, **named) == (403, "AccessDenied")
    later = {"Mode": "GOVERNANCE", "RetainUntilDate": until + datetime.timedelta(days=1)}
    s3.put_object_retention(**named, Retention=later)
    assert s3.head_object(**named)["ObjectLockRetainUntilDate"] == later["RetainUntilDate"]
    ends = replicated.on_both(lambda store: lock_at(store, locked, b"kept")["ObjectLockRetainUntilDate"])
    assert ends == [later["RetainUntilDate"]] * 2
    s3.delete_object(**named, BypassGovernanceRetention=True)
    left = replicated.on_both(lambda store: len(store.list_object_versions(Bucket=locked)["Versions"]))
    assert left == [1, 1]


@only_clouds
def test_legal_hold_keeps_a_version_on_every_store(replicated, s3, locked):
    id = s3.put_object(Bucket=locked, Key="k", Body=b"held")["VersionId"]
    named = {"Bucket": locked, "Key": "k", "VersionId": id}
    s3.put_object_legal_hold(**named, LegalHold={"Status": "ON"})
    assert s3.get_object_legal_hold(**named)["LegalHold"]["Status"] == "ON"

    def held(store):
        own = version_at(store, locked, b"held")
        return store.get_object_legal_hold(Bucket=locked, Key="k", VersionId=own)["LegalHold"]["Status"]

    assert replicated.on_both(held) == ["ON", "ON"]
    assert refused(s3.delete_object, **named) == (403, "AccessDenied")
    s3.put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    s3.delete_object(**named)
    assert "Versions" not in s3.list_object_versions(Bucket=locked)


def differ(store, setting):
    """Changes a setting of the bucket `checked` in one store, behind the back of relais."""
    put, asked = SETTINGS[setting][:2]
    getattr(store, put)(Bucket="checked", **asked)


CHANGES = {
    "lifecycle": lambda store: differ(store, "lifecycle"),
    "encryption": lambda store: differ(store, "encryption"),
    "website": lambda store: differ(store, "website"),
    "tags": lambda store: store.put_bucket_tagging(Bucket="checked", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]}),
    "versioning": lambda store: store.put_bucket_versioning(
        Bucket="checked", VersioningConfiguration={"Status": "Enabled"}
    ),
}


@pytest.mark.parametrize("setting", CHANGES)
@pytest.mark.parametrize("changed", [0, 1])
def test_check_tells_a_difference_between_replicas(setting, changed, clouds, start_relais, tmp_path):
    stores = {name: configuration.full_s3_store(cloud) for name, cloud in zip(("one", "two"), clouds, strict=True)}
    buckets = [configuration.bucket("checked", list(stores), write_mode="all")]
    config = configuration.write_toml(tmp_path / "relais.toml", stores, buckets, **configuration.no_sidecars())
    relais = start_relais(config=config)
    ensure_bucket(relais.client(), "checked")
    well = relais.command("check")
    assert well.returncode == 0, well.stdout + well.stderr
    CHANGES[setting](replicas.account(clouds[changed]))
    told = relais.command("check")
    assert told.returncode != 0
    (line,) = [line for line in told.stdout.splitlines() if line.startswith("FAILED")]
    assert "bucket checked" in line and setting in line and "two" in line
