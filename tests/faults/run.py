"""One run: clients and gremlins together, then quiet, then the checks."""

import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from harness import canary
from harness.process import eventually

from . import checks
from .chaos import Chaos
from .checks import Finding, Stored
from .client import Client
from .history import UNKNOWN, History
from .plan import EMBEDDED, REDIS
from .stream import events_on_stream
from .system import System

SETTLED_SECONDS = 60  # From the end of the faults until nothing is left to do.
ANSWERED_SECONDS = 10  # Until an instance answers every read: a breaker pauses for 3 s at most, and others may be trying just then.
READ_SECONDS = 5  # How long one such read waits: an instance that hangs must not take the time of the whole run.
CLIENTS_SECONDS = 300  # Longer than all operations of a client can take.
PANIC = "panicked at"  # What Rust writes to standard error, be it caught or not.


@dataclass
class Result:
    """What a run did and found."""

    plan: object
    findings: list = field(default_factory=list)
    history: History = field(default_factory=History)
    faults: Counter = field(default_factory=Counter)
    seconds: float = 0
    settled_after: float = 0
    errors: list = field(default_factory=list)

    def failing_keys(self):
        return sorted({one.key for one in self.findings if one.key})


def run(site, plan, keep=None):
    """Runs a plan on the servers of a site. The folder `keep` gets the logs of a run that found something."""
    result, begun = Result(plan), time.monotonic()
    folder = site.folder / "runs" / plan.bucket
    with System(site, plan, folder) as system:
        try:
            _run(system, result)
        except BaseException:
            _keep(folder, keep)
            raise
    result.findings += _secrets(folder) + _panics(folder) + _ends(system)
    result.faults.update(f"instance ended by itself with {code}" for one in system.instances for code in one.ended)
    if result.findings:
        _keep(folder, keep)
    system.forget()
    result.seconds = time.monotonic() - begun
    return result


def _run(system, result):
    plan, history = system.plan, result.history
    fronts = system.fronts()
    clients = [Client(number, fronts, plan, history) for number in range(plan.clients)]
    chaos = Chaos(system)
    chaos.start()
    for one in clients:
        one.thread.start()
    for one in clients:
        one.thread.join(CLIENTS_SECONDS)
    chaos.stop()
    result.faults, result.errors = chaos.faults(), chaos.errors
    for one in clients:
        assert not one.thread.is_alive(), f"{one.thread.name} hangs"
        if one.failed:
            raise one.failed
    quiet = time.monotonic()
    system.recover()
    result.findings += _settle(system, history, quiet)
    result.settled_after = time.monotonic() - quiet
    reads = _read_everything(system, history)
    result.findings += checks.all_answered(reads) + checks.statuses_at_the_end(reads)
    running, end = [one for one in system.instances if one.child is not None], system.catalog.end_of_log()
    result.findings += _stop(system)
    if system.catalog.end_of_log() != end:  # What a client had given up was still on its way, and came to its end with the process.
        for one in running:
            one.start()
        result.findings += _settle(system, history, time.monotonic())
        result.findings += _stop(system)
    buses = _buses(system)
    stores = {name: _stored(system, number, kind) for number, (name, kind) in enumerate(zip(system.store_names(), plan.stores, strict=True))}
    result.findings += checks.answers_of(history) + checks.stores_hold(history, stores)
    for bus, events in buses.items():
        result.findings += checks.events_on(history, bus, events)
        result.findings += checks.last_events_tell(history, bus, events, stores[system.store_names()[0]])


def _settle(system, history, quiet):
    """Waits until the journal is empty and every bus has what was acknowledged; says what is missing when time is up."""

    def missing():
        found = [Finding("not settled", "", f"{what}: {rows}") for what, rows in system.catalog.unfinished().items()]
        for bus, events in _buses(system).items():
            found += [one for one in checks.events_on(history, bus, events) if one.check == "lost event"]
        return found

    try:
        eventually(lambda: not missing(), SETTLED_SECONDS - (time.monotonic() - quiet), every=0.5)
    except AssertionError:
        return [one for one in missing() if one.check == "not settled"]  # Lost events are found again by the checks.
    return []


def _buses(system):
    """The events of every bus that the run has."""
    buses = {}
    log = system.catalog.log()
    if log or system.plan.bus == EMBEDDED:
        buses["the log"] = log
    if system.plan.bus == REDIS:
        buses["the Redis stream"] = events_on_stream(system.site.redis, f"{system.plan.bucket}:events")
    return buses


def _read_everything(system, history):
    """Every instance shows every key as one of the values that it can have; gives what each read came to in the end."""
    reads = []
    for number, one in enumerate(system.instances):
        if one.child is not None:
            reader = Client(f"end{number}", [system.client(one, read_timeout=READ_SECONDS)], system.plan, history)
            reader.s3 = reader.fronts[0]
            calls = [(call, key) for key in system.plan.keys for call in (reader._get, reader._head, reader._get_tags)]
            end = time.monotonic() + ANSWERED_SECONDS
            reads += [_answered(history, call, key, end) for call, key in [*calls, (reader._list, "")]]
    return reads


def _answered(history, call, key, end):
    """Reads until there is an answer, or the time is up; gives the last attempt."""
    while True:
        call(key)
        read = history.operations[-1]  # Nobody else is there any more.
        if read.outcome != UNKNOWN or time.monotonic() > end:
            return read
        time.sleep(0.5)


def _stop(system):
    """A clean end on SIGTERM, whatever came before."""
    found = []
    for one in system.instances:
        try:
            one.stop()
        except AssertionError as error:
            found.append(Finding("unclean end", "", str(error)[-1500:]))
    return found


def _stored(system, number, kind):
    """Every object of the bucket on a store, read from the store itself."""
    s3, bucket, found = system.site.look(kind, number), system.plan.bucket, {}
    for one in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        answer = s3.get_object(Bucket=bucket, Key=one["Key"])
        tags = s3.get_object_tagging(Bucket=bucket, Key=one["Key"])["TagSet"]
        found[one["Key"]] = Stored(
            body=answer["Body"].read(),
            writer=answer["Metadata"].get("op"),
            content_type=answer.get("ContentType"),
            tags=tuple(sorted((tag["Key"], tag["Value"]) for tag in tags)),
            etag=answer["ETag"],
        )
    return found


def _secrets(folder):
    """What the logs of the run must not say."""
    logs = {log: canary.secrets_in(log.read_bytes()) for log in folder.rglob("relais.log")}
    return [Finding("secret in a log", "", f"{log}: {what}") for log, found in logs.items() for what in found]


def _panics(folder):
    """The first panic of each log."""
    logs = {log: log.read_text(errors="replace").splitlines() for log in folder.rglob("relais.log")}
    first = {log: next((line for line in lines if PANIC in line), None) for log, lines in logs.items()}
    return [Finding("panic", "", f"{log}: {line}") for log, line in first.items() if line]


def _ends(system):
    """Instances that a signal ended which nobody here sent. An exit code is none: a start without a database ends with one."""
    signals = [(one, -code) for one in system.instances for code in one.ended if code < 0]
    return [Finding("ended by a signal", "", f"{one.output}: {signal.Signals(number).name}") for one, number in signals]


def _keep(folder, keep):
    """Copies the logs of a run that found something."""
    for log in folder.rglob("relais.log") if keep else ():
        target = keep / folder.name / f"{log.parent.name}.log"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(log.read_bytes())
