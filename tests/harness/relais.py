"""The binary under test."""

import contextlib
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import requests

from . import canary, configuration
from .clients import boto3_client
from .media import MODEL
from .process import REPOSITORY, Process, free_port, plain_environment

BINARY = Path(os.environ.get("RELAIS_BIN", REPOSITORY / "target" / "debug" / "relais"))


class Relais(Process):
    """One `relais serve`, with a data folder, ports and keys of its own.

    A variable that is `None` in `environment` is not set. `stop` demands a clean end. `kill` is a crash; `start` after
    it continues with the same data.
    """

    access_key, secret_key = configuration.ROOT_ACCESS_KEY, configuration.ROOT_SECRET_KEY

    def __init__(self, folder, config=None, targets=(), certificate=None, environment=None):
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder / "relais.log")
        canary.watch(self.output)
        self.data = folder / "data"
        self.config, self.targets, self.certificate = config, targets, certificate
        self.s3_port, self.api_port = free_port(), free_port()
        settings = configuration.environment(self.data, self.s3_port, self.api_port, MODEL) | (environment or {})
        self.settings = {name: value for name, value in settings.items() if value is not None}

    @property
    def url(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.s3_port}"

    @property
    def api_url(self):
        return f"http://127.0.0.1:{self.api_port}"

    def start(self, seconds=60):
        arguments = ["--config", self.config] if self.config else []
        for target in self.targets:
            arguments += ["--target", target]
        self.spawn([BINARY, "serve", *arguments], plain_environment(**self.settings))
        self.wait_ready(self.is_ready, seconds)
        return self

    def is_ready(self):
        try:
            return requests.get(f"{self.api_url}/ready", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def stop(self, seconds=30):
        """Ends the process as a service manager does, and checks that it ends well."""
        if self.child is None:
            return
        with contextlib.suppress(requests.RequestException):
            requests.get(f"{self.api_url}/metrics", timeout=5)  # Which the canary reads.
        code = super().stop(seconds)
        assert code == 0, f"relais ended with {code} on SIGTERM:\n{self.text()[-4000:]}"

    def client(self, **config):
        """A boto3 client with the root keys."""
        authority = self.certificate and self.certificate.authority
        return boto3_client(self.url, self.access_key, self.secret_key, authority, **config)

    def command(self, *arguments, config=None):
        """Runs another command of the binary with the same settings."""
        return run(*arguments, *(["--config", config or self.config] if config or self.config else []), **self.settings)

    def memory_peak_bytes(self):
        """The largest resident size that the process ever had."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


def run(*arguments, **environment):
    """Runs `relais ARGUMENTS` to its end."""
    assert BINARY.exists() or shutil.which(str(BINARY)), f"{BINARY} is not built: make test builds it"
    command = [str(part) for part in (BINARY, *arguments)]
    done = subprocess.run(
        command, env=plain_environment(**environment), capture_output=True, text=True, timeout=120, cwd=REPOSITORY
    )
    canary.printed(command, done.stderr)
    return done


@contextmanager
def starter(folder):
    """Gives a function that starts relais; each ends with the block, cleanly, and is killed if that fails."""
    started = []

    def start(name="relais", **settings):
        one = Relais(folder / name, **settings)
        started.append(one)
        return one.start()

    try:
        yield start
        for one in reversed(started):
            one.stop()
    finally:
        for one in started:
            one.kill()
