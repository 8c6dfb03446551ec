"""What a seed stands for: which stores, database and bus, how many instances and clients, and what may break."""

import random
from dataclasses import dataclass

from . import disk

FOLDER, CLOUD, MOTO, SMALL = "folder", "cloud", "moto", "small"
SQLITE, POSTGRES = "sqlite", "postgres"
EMBEDDED, REDIS = "embedded", "redis"

# Pairs and triples of stores, the primary first. A folder is used by one instance alone; a small one is on a disk that gets full.
ALONE = (
    (FOLDER, CLOUD),
    (CLOUD, FOLDER),
    (FOLDER, FOLDER),
    (CLOUD, CLOUD),
    (MOTO, CLOUD),
    (CLOUD, MOTO),
    (SMALL, CLOUD),
    (CLOUD, SMALL),
    (FOLDER, CLOUD, MOTO),
    (CLOUD, CLOUD, SMALL),
)
TOGETHER = ((CLOUD, CLOUD), (CLOUD, MOTO), (MOTO, CLOUD), (CLOUD, CLOUD, MOTO))

KEYS = ("a", "a/b", "plain.txt", "with space + plus", "ü/ñ.bin", "deep/er/and/deeper", "last")


@dataclass(frozen=True)
class Plan:
    """All that is decided before a run begins; the same seed and numbers give the same plan."""

    seed: str
    operations: int
    clients: int
    keys: tuple
    bucket: str
    stores: tuple
    write_mode: str
    database: str
    bus: str
    instances: int
    stays_dead: bool = False  # Whether a killed instance is started again: with two, the other one must be enough.
    versioned: bool = False  # Whether the bucket keeps versions: the latest ones must agree.
    zombie: bool = False  # Whether an instance may be frozen for longer than its lease, and wake up taken for dead.
    only_kills: bool = False  # Whether crashes of relais are all that happens.

    @classmethod
    def of(cls, seed, operations, modes=("primary", "all", "quorum")):
        draw = random.Random(f"{seed}/plan")
        instances = 2 if draw.random() < 0.35 else 1
        stores = draw.choice(ALONE if instances == 1 else TOGETHER)
        stores = tuple(FOLDER if kind == SMALL and not disk.is_possible() else kind for kind in stores)
        return cls(
            seed=str(seed),
            operations=operations,
            clients=draw.randint(3, 6),
            keys=tuple(draw.sample(KEYS, draw.randint(2, 5))),
            bucket=f"seed-{seed}".lower(),
            stores=stores,
            write_mode=draw.choice(modes),
            database=POSTGRES if instances == 2 else draw.choice((SQLITE, POSTGRES)),
            bus=draw.choice((EMBEDDED, REDIS)),
            instances=instances,
            stays_dead=instances == 2 and draw.random() < 0.4,
            versioned=draw.random() < 0.15,
            zombie=instances == 2 and draw.random() < 0.2,
        )

    @classmethod
    def of_kills(cls, seed, operations):
        """Crashes alone, over many keys, so that what a crash has cut through stays as it is: what intents are for."""
        draw = random.Random(f"{seed}/kills")
        return cls(
            seed=f"kills-{seed}",
            operations=operations,
            clients=6,
            keys=tuple(f"key-{number}" for number in range(operations // 4)),
            bucket=f"kills-{seed}",
            stores=draw.choice(((FOLDER, CLOUD), (CLOUD, FOLDER), (CLOUD, CLOUD))),
            write_mode=draw.choice(("primary", "all")),
            database=draw.choice((SQLITE, POSTGRES)),
            bus=EMBEDDED,
            instances=1,
            only_kills=True,
        )

    def __str__(self):
        more = [name for name in ("versioned", "zombie", "stays_dead") if getattr(self, name)]
        return (
            f"{'+'.join(self.stores)}, mode {self.write_mode}, {self.database}, {self.bus} bus, {self.instances} instance(s), "
            f"{self.clients} clients, {len(self.keys)} keys, {self.operations} operations{', ' if more else ''}{', '.join(more)}"
        )
