"""The servers that relais talks to, each a real one on a free loopback port with a temporary folder."""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import redis
import requests

from .process import Process, free_port, plain_environment


class Server(Process):
    """A server with a temporary folder that goes away with it; a context manager."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix=f"relais-{type(self).__name__.lower()}-"))
        self.port = free_port()
        super().__init__(self.folder / "output.log")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(Server):
    """`redis-server` without persistence."""

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self):
        return redis.Redis(port=self.port, decode_responses=True)

    def start(self):
        self.spawn(
            ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", self.folder],
            plain_environment(),
        )
        self.wait_ready(self._answers)

    def _answers(self):
        try:
            return self.client.ping()
        except redis.ConnectionError:
            return False


class Postgres(Server):
    """PostgreSQL from Debian's package; it refuses to run as root, so root starts it as the user `postgres`."""

    stop_signal = signal.SIGINT  # "Fast": does not wait for clients.

    def __init__(self):
        super().__init__()
        self.user = "postgres" if os.geteuid() == 0 else None
        versions = glob.glob("/usr/lib/postgresql/*/bin")
        assert versions, "PostgreSQL is not installed: make test installs it"
        self.programs = Path(max(versions, key=lambda path: int(Path(path).parent.name)))

    def url(self, database="postgres"):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self):
        if self.user:
            shutil.chown(self.folder, self.user)
        data = self.folder / "data"
        if not data.exists():
            self._make(data)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.spawn([self.programs / "postgres", "-D", data, *options], plain_environment(), self.user)
        self.wait_ready(self._answers)

    def _make(self, data):
        subprocess.run(
            [
                self.programs / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-N",
            ],
            check=True,
            capture_output=True,
            cwd="/",
            user=self.user,
        )

    def new_database(self, name):
        """Creates an empty database and gives its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def _answers(self):
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            return False


class Moto(Server):
    """Moto's S3 server: a remote S3 account. Give it a certificate to make it speak HTTPS."""

    access_key, secret_key = "motoaccesskey", "motosecretkey"
    region = "us-east-1"

    def __init__(self, certificate=None):
        super().__init__()
        self.certificate = certificate

    @property
    def url(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        tls = ["--ssl-cert", self.certificate.chain, "--ssl-key", self.certificate.key] if self.certificate else []
        program = Path(sys.executable).with_name("moto_server")
        self.spawn([program, "-H", "127.0.0.1", "-p", self.port, *tls], plain_environment())
        self.wait_ready(self._answers)

    def reset(self):
        """Forgets every bucket."""
        requests.post(f"{self.url}/moto-api/reset", verify=self._trusted, timeout=5).raise_for_status()

    @property
    def _trusted(self):
        return str(self.certificate.authority) if self.certificate else None

    def _answers(self):
        try:
            return requests.get(f"{self.url}/moto-api/", verify=self._trusted, timeout=5).ok
        except requests.ConnectionError:
            return False
