"""The servers of a run: those of the harness, in forms that survive being ended, and a relais as a fast remote store."""

import signal
from pathlib import Path

import psycopg

from harness import configuration
from harness.process import plain_environment
from harness.relais import BINARY, Relais
from harness.servers import Postgres, Redis


class DurableRedis(Redis):
    """Redis that has on disk what it has acknowledged, so that a restart loses nothing."""

    def start(self):
        durable = ["--appendonly", "yes", "--appendfsync", "always"]
        command = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        self.spawn([*command, *durable], plain_environment())
        self.wait_ready(self._is_loaded)

    def _is_loaded(self):
        try:
            return self._answers()
        except Exception as error:  # "LOADING" while it reads its file.
            if "loading" in str(error).lower():
                return False
            raise


class RestartedPostgres(Postgres):
    """PostgreSQL that can be ended, also by a crash, and started on the data that it has."""

    def restart(self, crash=False):
        if crash and self.child is not None:
            self.crash()
        else:
            self.stop()
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.start()

    def crash(self):
        """Ends it at once; the next start replays its log. SIGQUIT, since SIGKILL would leave its children behind."""
        child, self.child = self.child, None
        child.send_signal(signal.SIGQUIT)
        child.wait(20)

    def drop_database(self, name):
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class Node(Relais):
    """A relais that can be started by another program and with its S3 port behind a gate."""

    prefix = ()

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.ended = []  # The exit codes with which it ended before anybody ended it.

    def spawn(self, command, environment=None, user=None):
        super().spawn([*self.prefix, *command], environment, user)

    def launch(self):
        """Starts it without waiting until it is ready."""
        arguments = ["--config", self.config] if self.config else []
        self.spawn([BINARY, "serve", *arguments], plain_environment(**self.settings))

    def kill(self):
        if self.child is not None and self.child.poll() is not None:
            self.ended.append(self.child.returncode)
        super().kill()


class Cloud(Node):
    """A relais over one folder, used as a remote store: many times faster than moto, and a real server."""

    region = "us-east-1"

    def __init__(self, folder, name, stored, prefix=()):
        folder.mkdir(parents=True, exist_ok=True)
        stores = {name: configuration.folder_store(stored)}
        config = configuration.write_toml(
            folder / f"{name}.toml", stores, [configuration.bucket("*", [name])], **configuration.no_sidecars()
        )
        super().__init__(folder / name, config=config)
        self.name, self.stored, self.prefix = name, Path(stored), prefix


class Behind:
    """A server as it is reached through a gate."""

    certificate = None

    def __init__(self, server, gate):
        self.region, self.access_key, self.secret_key = server.region, server.access_key, server.secret_key
        self.url = f"http://127.0.0.1:{gate.port}"
