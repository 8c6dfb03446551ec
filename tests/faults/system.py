"""The relais under test as a plan wants it: its stores, database, bus and instances, with a gate before everything."""

import shutil

from harness import configuration
from harness.clients import boto3_client

from .catalog import Catalog
from .plan import MOTO, POSTGRES, REDIS, SMALL
from .servers import Behind, Node
from .site import is_remote, is_running

# A run has no time for the patience that an operator wants.
STORE = {"connect_timeout_seconds": 1, "read_timeout_seconds": 3, "queue_timeout_seconds": 5}

CLIENT_SECONDS = 12  # How long a client waits for an answer: longer than relais waits for a store.

READY_SECONDS = 60  # How long an instance may take to be ready once nothing is broken.


class System:
    """Instances over the stores of a plan; a context manager."""

    def __init__(self, site, plan, folder):
        self.site, self.plan, self.folder = site, plan, folder
        self.gates = {}

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        plan, variables = self.plan, {}
        if plan.database == POSTGRES:
            self.site.postgres.new_database(plan.bucket)
            port = self._gate("postgres", self.site.postgres.port)
            variables["DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{port}/{plan.bucket}"
        if plan.bus == REDIS:
            variables["REDIS_URL"] = f"redis://127.0.0.1:{self._gate('redis', self.site.redis.port)}/0"
        config = self._write_config()
        self.instances = [Node(self.folder / f"instance-{n}", config=config, environment=variables) for n in range(plan.instances)]
        for number, one in enumerate(self.instances):
            if SMALL in plan.stores:
                one.prefix = self.site.small_disk.prefix
            self._gate(f"front {number}", one.s3_port)
        self.catalog = Catalog(self.instances[0], self.site.postgres.url(plan.bucket) if plan.database == POSTGRES else None)
        try:
            for one in self.instances:
                one.start()
            s3 = self.client(self.instances[0])
            s3.create_bucket(Bucket=plan.bucket)
            if plan.versioned:
                s3.put_bucket_versioning(Bucket=plan.bucket, VersioningConfiguration={"Status": "Enabled"})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for one in self.instances:
            one.kill()
        for gate in self.gates.values():
            gate.close()
        if self.plan.database == POSTGRES:
            self.site.postgres.drop_database(self.plan.bucket)

    def launch(self, instance):
        """Starts an instance as a supervisor does: without waiting, and again when it ends by itself."""
        instance.kill()
        instance.launch()

    def recover(self):
        """When all faults are over: every server and every instance that is meant to run does, and is ready."""
        self.site.recover()
        meant = [one for one in self.instances if not (self.plan.stays_dead and one.child is None)]
        for one in meant:
            if not is_running(one):
                self.launch(one)
        for one in meant:
            one.wait_ready(one.is_ready, READY_SECONDS)

    def heal(self):
        for gate in self.gates.values():
            gate.heal()

    def client(self, instance, **options):
        """A client of an instance itself, without a gate."""
        return boto3_client(instance.url, instance.access_key, instance.secret_key, **options)

    def fronts(self):
        """A client of each instance, through its gate."""
        return [
            boto3_client(
                f"http://127.0.0.1:{self.gates[f'front {number}'].port}",
                one.access_key,
                one.secret_key,
                read_timeout=CLIENT_SECONDS,
                connect_timeout=2,
                max_pool_connections=20,
            )
            for number, one in enumerate(self.instances)
        ]

    def store_names(self):
        return [f"{kind}-{number}" for number, kind in enumerate(self.plan.stores)]

    def forget(self):
        """Removes what the run has left on folders; the database goes with the block."""
        for number, kind in enumerate(self.plan.stores):
            if kind == SMALL:
                self.site.small_disk.remove(self.plan.bucket)
            elif kind != MOTO:
                root = self.site.folder_of(kind, number)
                for path in (root / self.plan.bucket, root / ".relais" / self.plan.bucket):
                    shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _gate(self, name, port):
        gate = self.gates[name] = self.site.gate(name, port, self.plan.seed)
        return gate.port

    def _write_config(self):
        stores = {}
        for number, (kind, name) in enumerate(zip(self.plan.stores, self.store_names(), strict=True)):
            if is_remote(kind):
                server = self.site.account(kind, number)
                self._gate(name, getattr(server, "s3_port", None) or server.port)
                behind = Behind(server, self.gates[name])
                stores[name] = (
                    configuration.full_s3_store(behind, **STORE)
                    if kind == MOTO
                    else configuration.s3_store(behind, profile="aws", **STORE)
                )
            else:
                stores[name] = configuration.folder_store(self.site.folder_of(kind, number))
        buckets = [configuration.bucket("*", list(stores), write_mode=self.plan.write_mode)]
        sections = configuration.no_sidecars() | {"events": {"stream": f"{self.plan.bucket}:events"}}
        return configuration.write_toml(self.folder / "relais.toml", stores, buckets, **sections)
