"""Looks at what is in the replicas, past relais."""

from .clients import boto3_client


def object_file(folder, bucket, key):
    """Where a folder store keeps an object."""
    return folder / bucket / key


def assert_replicas_hold(folders, bucket, key, body):
    for folder in folders:
        file = object_file(folder, bucket, key)
        assert file.is_file(), f"{file} is missing"
        assert file.read_bytes() == body, f"{file} differs from what was sent"


def everything_in(folders):
    """Every file of the folders with its size: equal before and after means that nothing was left behind."""
    return {path: path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()}


def files_named(folder, names):
    """Every file below the folder with one of these names in its path."""
    paths = (path.relative_to(folder).as_posix() for path in everything_in([folder]))
    return sorted(path for path in paths if any(name in f"/{path}" for name in names))


def cloud_client(cloud):
    """A client of the account at a server."""
    return boto3_client(cloud.url, cloud.access_key, cloud.secret_key)


def keys_in_cloud(cloud):
    """Every key of every bucket of the account, those of older versions and delete markers too."""
    s3, keys = cloud_client(cloud), set()
    for bucket in s3.list_buckets()["Buckets"]:
        answer = s3.list_object_versions(Bucket=bucket["Name"])
        keys |= {one["Key"] for kind in ("Versions", "DeleteMarkers") for one in answer.get(kind, [])}
    return keys


def uploads_in_cloud(cloud):
    """The keys of all multipart uploads under way."""
    s3 = cloud_client(cloud)
    answers = [s3.list_multipart_uploads(Bucket=bucket["Name"]) for bucket in s3.list_buckets()["Buckets"]]
    return {one["Key"] for answer in answers for one in answer.get("Uploads", [])}


def contents_in_cloud(cloud, bucket, keys):
    """The bytes of each key."""
    s3 = cloud_client(cloud)
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
