"""The small disk gets full for those who are started on it, and for nobody else."""

import subprocess

import pytest

from . import disk


@pytest.mark.skipif(not disk.is_possible(), reason="this user may make no mount namespaces here: runs have no full disk")
def test_a_full_disk_refuses_writes_until_there_is_room(tmp_path):
    small = disk.SmallDisk(tmp_path / "small")

    def write(name):
        command = [*small.prefix, "sh", "-c", f"head -c 100 /dev/zero > '{small.folder}/{name}'"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    try:
        assert write("first").returncode == 0 and not list(small.folder.iterdir())
        small.fill()
        assert "No space left" in write("second").stderr
        small.free()
        assert write("third").returncode == 0
        assert subprocess.run([*small.prefix, "mkdir", "-p", f"{small.folder}/a", f"{small.folder}/.relais/a"], check=False).returncode == 0
        assert write("a/object").returncode == write(".relais/a/row").returncode == 0
        small.remove("a")
        assert write("a/object").returncode != 0 and write(".relais/a/row").returncode != 0
        assert write("fourth").returncode == 0
    finally:
        small.close()
