"""The servers that runs share, one after the other: each run has a bucket, a database and a stream of its own."""

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from harness.clients import boto3_client
from harness.servers import Moto

from . import disk
from .chaos import GREMLINS
from .gate import Gate, Loop
from .plan import FOLDER, MOTO, SMALL
from .servers import Cloud, DurableRedis, RestartedPostgres


class Site:
    """Servers that are started when a run first needs them, and end with the block.

    A cloud is a relais over `stored/NUMBER`. The same cloud shows what is in a folder store of that number, so every store is looked
    into past the relais under test.
    """

    def __init__(self):
        self._open, self._clouds = ExitStack(), {}

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="relais-faults-"))
        self.loop = Loop()
        self.threads = self._open.enter_context(ThreadPoolExecutor(GREMLINS))
        return self

    def __exit__(self, *_):
        self._open.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def postgres(self):
        return self._open.enter_context(RestartedPostgres())

    @cached_property
    def redis(self):
        return self._open.enter_context(DurableRedis())

    @cached_property
    def moto(self):
        return self._open.enter_context(Moto())

    @cached_property
    def small_disk(self):
        small = disk.SmallDisk(self.folder / "small")
        self._open.callback(small.close)
        return small

    def folder_of(self, kind, number):
        """Where a folder store of this place in the placement keeps its objects."""
        return self.small_disk.folder if kind == SMALL else self.folder / "stored" / str(number)

    def account(self, kind, number):
        """The server that is this store, or that shows what is in it."""
        if kind == MOTO:
            return self.moto
        name = "small" if kind == SMALL else f"cloud-{number}"
        if name not in self._clouds:
            prefix = self.small_disk.prefix if kind == SMALL else ()
            cloud = Cloud(self.folder, name, self.folder_of(kind, number), prefix)
            self._open.callback(cloud.kill)
            self._clouds[name] = cloud.start()
        return self._clouds[name]

    def recover(self):
        """Everything that was started runs again, whatever a gremlin has left behind."""
        started = [self.__dict__.get(name) for name in ("redis", "moto")]
        for one in [*started, *self._clouds.values()]:
            if one is not None and not is_running(one):
                one.kill()
                one.start()
        if "postgres" in self.__dict__ and not is_running(self.postgres):
            self.postgres.restart()
        if "redis" in self.__dict__:
            self.redis.client.config_set("maxmemory", 0)
        if "small_disk" in self.__dict__:
            self.small_disk.free()

    def look(self, kind, number):
        """A client of the store itself."""
        server = self.account(kind, number)
        return boto3_client(server.url, server.access_key, server.secret_key)

    def gate(self, name, port, seed):
        return Gate(self.loop, name, port, seed)


def is_remote(kind):
    return kind not in (FOLDER, SMALL)


def is_running(process):
    return process.child is not None and process.child.poll() is None
