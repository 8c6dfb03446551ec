"""Looks at what is in the replicas, past relais."""


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
