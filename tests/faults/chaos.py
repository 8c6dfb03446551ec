"""What breaks, and when: gremlins that each break one thing at a time until they are told to stop."""

import random
import signal
import threading
import time
from collections import Counter

from . import gate
from .gate import Fault
from .plan import MOTO, POSTGRES, REDIS, SMALL

GREMLINS = 2
QUIET_SECONDS = (0.05, 0.8)  # Between two faults of a gremlin.
FAULT_SECONDS = (0.1, 2.5)  # How long a fault lasts.
DOWN_SECONDS = (0.0, 1.5)  # How long something that was killed stays away.
LEASE_SECONDS = 15  # Of an instance, in libs/catalog/src/instance.rs.

# Where bodies are cut: within a head, at the border of one, within small and large bodies.
CUT_BYTES = (0, 1, 100, 600, 1_000, 5_000, 30_000, 70_000, 250_000)
LIKELIHOODS = (1.0, 1.0, 0.5, 0.2)


class Chaos:
    """The gremlins of one run. What they did is in `did`, what their gates met in the gates."""

    def __init__(self, system):
        self.system, self.plan = system, system.plan
        self.did, self.errors = Counter(), []
        self._stop, self._busy, self._lock = threading.Event(), set(), threading.Lock()
        self._gremlins = []

    def start(self):
        # In threads that outlive the run: what a thread has started ends with the thread (see harness/process.py).
        self._gremlins = [self.system.site.threads.submit(self._play, number) for number in range(GREMLINS)]

    def stop(self):
        """Ends all faults; what is still away is started again by who needs it."""
        self._stop.set()
        for one in self._gremlins:
            one.result(90)
        self.system.heal()

    def _play(self, number):
        draw = random.Random(f"{self.plan.seed}/gremlin/{number}")
        while not self._stop.wait(draw.uniform(*QUIET_SECONDS)):
            act, what, weight = draw.choices(self._menu(), [weight for _, _, weight in self._menu()])[0]
            with self._lock:
                if what in self._busy:
                    continue
                self._busy.add(what)
            try:
                act(what, draw)
            except Exception as error:
                self.errors.append(f"{act.__name__} {what}: {error!r}")
            finally:
                self._busy.discard(what)

    def _menu(self):
        """What can break here: how, what, and how often it does."""
        if self.plan.only_kills:
            return [(self._kill, "instance 0", 1)]
        menu = [(self._break, name, 4) for name in self.system.gates]
        menu += [(self._kill, f"instance {number}", 2) for number in range(self.plan.instances)]
        menu += [(self._freeze, f"instance {number}", 1) for number in range(self.plan.instances)]
        menu += [(self._crash_store, name, 1) for name in self.system.gates if name.startswith("cloud")]
        menu += [(self._zombify, f"instance {number}", 2) for number in range(self.plan.instances) if self.plan.zombie]
        if self.plan.bus == REDIS:
            menu.append((self._fill_redis, "redis server", 1))
            menu.append((self._restart_redis, "redis server", 1))
        if self.plan.database == POSTGRES:
            menu.append((self._restart_postgres, "postgres server", 1))
        if SMALL in self.plan.stores:
            menu.append((self._fill, "disk", 5))
        return menu

    def _last(self, draw, bounds):
        self._stop.wait(draw.uniform(*bounds))

    def _break(self, name, draw):
        kinds = gate.ANYWHERE if name in ("redis", "postgres") else gate.ANYWHERE + gate.OF_HTTP
        if name.startswith("front"):
            # Python's client takes headers that end with the connection for whole ones: what it then says is not relais's doing.
            kinds = [kind for kind in kinds if kind != gate.HALF_CLOSE_DOWN]
        kind = draw.choice(kinds)
        amount = {
            gate.DELAY: draw.uniform(0.02, 0.6),
            gate.SLOW: draw.choice((5_000, 30_000, 200_000)),
        }.get(kind, draw.choice(CUT_BYTES))
        self.system.gates[name].set(Fault(kind, amount, draw.choice(LIKELIHOODS)))
        self._last(draw, FAULT_SECONDS)
        self.system.gates[name].heal()

    def _kill(self, name, draw):
        one = self.system.instances[int(name.split()[-1])]
        if one.child is None or (self.plan.only_kills and not one.is_ready()):
            return
        one.kill()
        self.did["kill -9 of an instance"] += 1
        if self.plan.stays_dead and sum(other.child is None for other in self.system.instances) == 1:
            return
        self._last(draw, DOWN_SECONDS)
        self.system.launch(one)

    def _freeze(self, name, draw):
        one = self.system.instances[int(name.split()[-1])]
        child = one.child
        if child is None:
            return
        child.send_signal(signal.SIGSTOP)
        self.did["instance frozen"] += 1
        self._last(draw, FAULT_SECONDS)
        child.send_signal(signal.SIGCONT)

    def _zombify(self, name, draw):
        """Freezes an instance until others take it for dead, and wakes it up; once in a run."""
        child = self.system.instances[int(name.split()[-1])].child
        if child is None or self.did["instance frozen beyond its lease"]:
            return
        self.did["instance frozen beyond its lease"] += 1
        child.send_signal(signal.SIGSTOP)
        time.sleep(LEASE_SECONDS + draw.uniform(0.5, 2))  # Also when the others have finished.
        child.send_signal(signal.SIGCONT)

    def _crash_store(self, name, draw):
        cloud = self.system.site.account("cloud", int(name.split("-")[-1]))
        cloud.kill()
        self.did["kill -9 of a store"] += 1
        self._last(draw, DOWN_SECONDS)
        cloud.start()

    def _restart_redis(self, _name, draw):
        self.system.site.redis.stop()
        self.did["restart of Redis"] += 1
        self._last(draw, DOWN_SECONDS)
        self.system.site.redis.start()

    def _fill_redis(self, _name, draw):
        """Redis has no memory left: it answers, and refuses to write."""
        redis = self.system.site.redis.client
        redis.config_set("maxmemory", 1)
        self.did["Redis out of memory"] += 1
        self._last(draw, FAULT_SECONDS)
        redis.config_set("maxmemory", 0)

    def _restart_postgres(self, _name, draw):
        self.system.site.postgres.restart(crash=draw.random() < 0.5)
        self.did["restart of PostgreSQL"] += 1

    def _fill(self, _name, draw):
        small = self.system.site.small_disk
        small.fill()
        self.did["disk full"] += 1
        self._last(draw, FAULT_SECONDS)
        small.free()

    def faults(self):
        """Everything that really happened, by kind."""
        met = Counter(self.did)
        for name, one in self.system.gates.items():
            where = name.split("-")[0].split(" ")[0]
            place = {"front": "client", MOTO: "store", "cloud": "store"}.get(where, where)
            for kind, times in one.met.items():
                met[f"{place}: {kind}"] += times
        return met
