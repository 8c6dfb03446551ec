"""A small disk that can get full: a tmpfs in a mount namespace of its own, which an ordinary user may make.

A keeper process holds the namespace; whatever is to see the disk is started by `prefix`. Where the kernel allows no namespaces to
this user there is no small disk, and the run says so.
"""

import subprocess
from functools import cache

DISK_BYTES = 64 * 1024 * 1024


@cache
def is_possible():
    probe = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    try:
        return subprocess.run(probe, capture_output=True, timeout=20, check=False).returncode == 0
    except OSError:
        return False


class SmallDisk:
    """The folder is a disk of `DISK_BYTES` for those who are started by `prefix`; nothing for others."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        mount = f"mount -t tmpfs -o size={DISK_BYTES} none '{folder}' && echo ready && exec sh"
        self._keeper = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._keeper.stdout.readline() == "ready\n", "cannot mount a tmpfs in a namespace"

    @property
    def prefix(self):
        return ["nsenter", "--target", str(self._keeper.pid), "--user", "--mount", "--preserve-credentials", "--"]

    def fill(self):
        """Takes all the room there is."""
        self._do(f"cat /dev/zero > '{self.folder}/ballast' 2>/dev/null")

    def free(self):
        self._do(f"rm -f '{self.folder}/ballast'")

    def remove(self, bucket):
        """Removes what a folder store has of a bucket."""
        self._do(f"rm -rf '{self.folder}/{bucket}' '{self.folder}/.relais/{bucket}'")

    def close(self):
        self._keeper.stdin.close()
        self._keeper.wait(10)

    def _do(self, command):
        self._keeper.stdin.write(f"{command}; echo done\n")
        self._keeper.stdin.flush()
        lines = []
        while (line := self._keeper.stdout.readline()) != "done\n":
            assert line, "the keeper of the small disk has ended"
            lines.append(line)
        return "".join(lines).strip()
