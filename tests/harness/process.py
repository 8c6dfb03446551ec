"""A child process with its output in a file, ended by its id whatever happens."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def eventually(condition, seconds=15, every=0.1, what=None):
    """Calls `condition` until it gives something true, and gives that; an AssertionError counts as not yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            result, reason = condition(), None
        except AssertionError as error:
            result, reason = None, error
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or condition}") from reason
        time.sleep(every)


def free_port():
    """A free port below those that the kernel gives to outgoing connections, so that none takes it meanwhile."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _die_with_the_tests():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program that runs until `stop`. Its standard output and error go to one file."""

    stop_signal = signal.SIGTERM

    def __init__(self, output):
        self.output = Path(output)
        self.child = None

    def spawn(self, command, environment=None, user=None):
        assert self.child is None, "runs already"
        as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
        with self.output.open("ab") as output:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY if user is None else "/",
                preexec_fn=_die_with_the_tests,
                **as_user,
            )

    def wait_ready(self, ready, seconds=30):
        """Waits until `ready()` is true; fails at once if the program ends before."""

        def alive_and_ready():
            if self.child.poll() is not None:
                raise RuntimeError(f"ended with {self.child.returncode} before it was ready:\n{self.text()[-4000:]}")
            return ready()

        try:
            eventually(alive_and_ready, seconds, what=f"{type(self).__name__} is ready")
        except BaseException:
            self.kill()
            raise

    def text(self):
        """Everything the program printed so far."""
        return self.output.read_text(errors="replace")

    def stop(self, seconds=20):
        """Asks the program to end and gives its exit code; kills it if it does not, and gives None then."""
        child, self.child = self.child, None
        if child is None:
            return None
        child.send_signal(self.stop_signal)
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return None

    def kill(self):
        """Ends the program as a crash would."""
        child, self.child = self.child, None
        if child is not None:
            child.kill()
            child.wait()


def plain_environment(**extra):
    """An environment without the settings, proxies and cloud keys of whoever runs the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {name: str(value) for name, value in extra.items()}
