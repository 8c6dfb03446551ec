"""Memory does not grow with the object: 2 GiB in and out while the proxy stays under 100 MiB."""

import shutil

import pytest

from harness import configuration
from harness.clients import aws

GIB = 1024**3
FILE_BYTES = 2 * GIB
RESIDENT_BYTES_MAX = 100 * 1024**2
MARK = b"the end of a large file"


@pytest.fixture
def large_file(tmp_path):
    """Two GiB that take no room on the disk, and end in something to recognise."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.seek(FILE_BYTES - len(MARK))
        file.write(MARK)
    yield path
    path.unlink()


@pytest.fixture
def proxy(start_relais, tmp_path):
    """The proxy alone over two folders, whose files go away with the test: they are as large as the object."""
    config, folders = configuration.two_folders(tmp_path / "replicas")
    proxy = start_relais(config=config, targets=["proxy"])
    proxy.folders = folders
    proxy.client().create_bucket(Bucket="large")
    yield proxy
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def assert_small(proxy):
    peak = proxy.memory_peak_bytes()
    assert peak < RESIDENT_BYTES_MAX, f"the proxy once held {peak / 1024**2:.0f} MiB"


@pytest.mark.timeout(900)
def test_memory_stays_small_while_one_request_carries_two_gibibytes(proxy, large_file):
    s3 = proxy.client(read_timeout=600)
    with large_file.open("rb") as body:
        s3.put_object(Bucket="large", Key="k", Body=body)
    assert_small(proxy)
    received, last = 0, b""
    for chunk in s3.get_object(Bucket="large", Key="k")["Body"].iter_chunks(1024**2):
        received, last = received + len(chunk), (last + chunk)[-len(MARK) :]
    assert (received, last) == (FILE_BYTES, MARK)
    assert all((folder / "large" / "k").stat().st_size == FILE_BYTES for folder in proxy.folders)
    assert_small(proxy)


@pytest.mark.timeout(900)
def test_memory_stays_small_while_aws_cli_copies_two_gibibytes(proxy, large_file, tmp_path):
    aws(proxy, "s3", "cp", "--no-progress", large_file, "s3://large/k", seconds=400)
    assert_small(proxy)
    back = tmp_path / "back.bin"
    aws(proxy, "s3", "cp", "--no-progress", "s3://large/k", back, seconds=400)
    try:
        assert back.stat().st_size == FILE_BYTES
        with back.open("rb") as file:
            file.seek(-len(MARK), 2)
            assert file.read() == MARK
    finally:
        back.unlink()
    assert_small(proxy)
