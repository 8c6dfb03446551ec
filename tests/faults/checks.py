"""What must hold, as functions of what clients heard and of what is found when the faults have stopped.

Nothing here asks a server: `test_checks.py` shows with histories made by hand that each check fails when it should.
"""

from dataclasses import dataclass

from .client import content_type, odd
from .history import CREATES, DONE, EVENTS, REFUSED, UNKNOWN, body_of, is_event_of, removes, writer_of

READS = ("get", "head", "get tags", "list")
MISSING = ("NoSuchKey", "404")
RECOVERY = "relais"  # The principal of the events of proxy/src/background/recover.rs.


@dataclass(frozen=True)
class Event:
    """One event as a bus delivered it."""

    id: str
    name: str
    key: str
    sequencer: str
    request_id: str | None = None
    etag: str | None = None
    principal: str | None = None


@dataclass(frozen=True)
class Stored:
    """One object as a store has it."""

    body: bytes
    writer: str | None
    content_type: str | None
    tags: tuple = ()
    etag: str | None = None

    def __str__(self):
        return f"{len(self.body)} bytes of {writer_of(self.body)}, written by {self.writer}, tags {dict(self.tags)}, {self.etag}"


@dataclass(frozen=True)
class Finding:
    """Something that must not be. `check` is its kind, `key` the object that it is about."""

    check: str
    key: str
    what: str

    def __str__(self):
        return f"{self.check}: {self.key!r}: {self.what}"


def answers_of(history):
    """Every answer that a client got was one that was possible then."""
    found = [Finding("odd answer", one.key, str(one)) for one in history.operations if odd(one)]
    for one in history.operations:
        if one.kind in READS:
            found += _read(history, one)
        elif one.kind in EVENTS:
            found += _conditions(history, one)
    return found


def _read(history, read):
    if read.kind == "list":
        return _listing(history, read) if read.outcome == DONE else []
    possible = history.possible_tags if read.kind == "get tags" else history.possible
    writers = possible(read.key, read.begun, read.ended)
    if read.outcome == REFUSED:
        is_missing = read.answer.split(" ")[-1] in MISSING
        wrong = is_missing and not any(removes(one) for one in writers)
        return [Finding("read", read.key, f"not there, though it must be: {read}")] if wrong else []
    if read.outcome != DONE:
        return []
    if read.kind == "get tags":
        right = any(one is not None and not removes(one) and one.tags == read.found for one in writers)
        return [] if right else [Finding("read", read.key, f"tags that it cannot have: {read}")]
    return [Finding("read", read.key, f"{what}: {read}") for what in _content(history, read.key, writers, read)]


def _content(history, key, writers, read):
    """What is wrong with the answer to a GET or HEAD."""
    found = read.found
    writer = next((one for one in writers if one is not None and one.id == found["writer"]), None)
    if writer is None or removes(writer):
        return ["a value that it cannot have"]
    wrong = []
    if found["content_type"] != content_type(writer.id):
        wrong.append("another's content type")
    if not found.get("whole", True):
        wrong.append("a torn body")
    sources = bodies_of(history, writer)
    if "bytes_of" in found and found["bytes_of"] not in sources:
        wrong.append("another's bytes")
    elif found["size"] not in sources.values():
        wrong.append("another's size")
    if not _may_have(writer, found["etag"], read):
        wrong.append(f"another entity tag than {writer.etag}, which its writer was told")
    return wrong


def _may_have(writer, etag, read):
    """Whether an entity tag is what the writer was told. A copy may be done twice before it is acknowledged, of two sources."""
    return writer.etag in (None, etag) or (writer.kind == "copy" and read.begun < writer.ended)


def bodies_of(history, writer):
    """Whose bytes the object of a writer can have, with their lengths: a copy has those of its source, which may be one too."""
    known = (writer.id, len(history.operations))
    if known not in history.bodies:
        history.bodies[known] = _bodies_of(history, writer)
    return history.bodies[known]


def _bodies_of(history, writer):
    bodies, waiting, seen = {}, [writer], {writer.id}
    while waiting:
        one = waiting.pop()
        if one.kind != "copy":
            bodies[one.id] = max(one.size, len(f"{one.id}\n"))
            continue
        sources = [source for source in history.possible(one.source, one.begun, one.last) if not removes(source)]
        waiting += [source for source in sources if source.id not in seen]
        seen |= {source.id for source in sources}
    return bodies


def _listing(history, read):
    found, keys = [], {one.key for one in history.operations if one.kind in EVENTS}
    for key in read.found.keys() - keys:
        found.append(Finding("listing", key, f"an object that nobody wrote: {read}"))
    for key in keys:
        writers = history.possible(key, read.begun, read.ended)
        there = read.found.get(key)
        if there is None:
            right = any(removes(one) for one in writers)
        else:
            size, etag = there
            right = any(
                size in bodies_of(history, one).values() and _may_have(one, etag, read) for one in writers if not removes(one)
            )
        if not right:
            found.append(Finding("listing", key, f"listed as {there}, which it cannot be: {read.id} at {read.begun:.3f}"))
    return found


def _conditions(history, write):
    """A conditional write was done, or refused, only where its condition could hold, or not."""
    if not (write.if_match or write.if_none_match):
        return []
    refused = write.outcome == REFUSED and "Precondition" in write.answer
    if write.outcome != DONE and not refused:
        return []
    before = [one for one in history.possible(write.key, write.begun, write.ended) if one is not write]
    if write.if_none_match:
        holds = [removes(one) for one in before]
    else:
        holds = [not removes(one) and one.etag == write.if_match for one in before]
        if any(not removes(one) and one.etag is None for one in before):
            return []  # Nobody knows the entity tag of what may have been there.
    wrong = not any(holds) if write.outcome == DONE else all(holds)
    found = [Finding("condition", write.key, f"decided wrongly: {write}")] if wrong else []
    # A copy that was read before and written after brings back what was replaced.
    once = write.if_match and sum(not removes(one) and one.etag == write.if_match for one in history.mutations(write.key)) == 1
    twice = [
        one
        for one in history.mutations(write.key)
        if write.outcome == one.outcome == DONE and once and one.if_match == write.if_match and one.id < write.id
    ]
    return found + [Finding("condition", write.key, f"{one.id} and {write.id} both replaced {write.if_match}") for one in twice]


def events_on(history, bus, events):
    """Every acknowledged mutation has its event, with one id; the events of a key are in order."""
    by_request, announced, found = {}, {}, []
    asked = {one.request_id for one in history.operations if one.request_id}
    for event in events:
        by_request.setdefault((event.request_id, event.key), []).append(event)
    for one in history.mutations():
        if one.outcome != DONE:
            continue
        its = [event for event in by_request.get((one.request_id, one.key), []) if is_event_of(event.name, one.kind)]
        if not its:
            taken = {event.id for event in announced.values()}
            free = [event for event in events if event.request_id not in asked and event.id not in taken]
            its = [event for event in free if _may_tell_of(event, one)][:1]
        if not its:
            found.append(Finding("lost event", one.key, f"{bus} has no event of {one}"))
        elif len({event.id for event in its}) > 1:
            found.append(Finding("event ids", one.key, f"{bus} has {sorted({event.id for event in its})} of {one}"))
        else:
            announced[one.id] = its[0]
    return found + _order(bus, events) + _real_order(history, bus, announced) + _one_content(bus, events)


def _may_tell_of(event, one):
    """Whether an event whose request no client knows can be that of a mutation: recovery, or an earlier attempt, was first.

    No other attempt has another request id: the clients of the runs try nothing again by themselves, and what relais asks of
    a store more than once is one request of the client.
    """
    if not (event.principal == RECOVERY or one.retried):
        return False
    same = event.key == one.key and is_event_of(event.name, one.kind)
    return same and (one.kind not in CREATES or event.etag == _bare(one.etag))


def _order(bus, events):
    """The first delivery of each event comes after those with smaller sequencers."""
    found, last, seen = [], {}, set()
    for event in events:
        if event.id in seen:
            continue
        seen.add(event.id)
        before = last.get(event.key)
        if before is not None and event.sequencer <= before.sequencer:
            found.append(Finding("event order", event.key, f"{bus}: {event} came after {before}"))
        else:
            last[event.key] = event
    return found


def _real_order(history, bus, announced):
    """A mutation that began when another was over has the larger sequencer."""
    found, by_key = [], {}
    for one in history.mutations():
        if one.id in announced:
            by_key.setdefault(one.key, []).append(one)
    for key, mutations in by_key.items():
        for one in mutations:
            event = announced[one.id]
            after = [other for other in mutations if other.begun > one.ended]
            late = [other for other in after if announced[other.id].sequencer <= event.sequencer]
            found += [Finding("event order", key, f"{bus}: {other.id} came after {one.id}, its event before") for other in late]
    return found


def _one_content(bus, events):
    """An id names one event, however often it is delivered."""
    contents = {}
    for event in events:
        contents.setdefault(event.id, set()).add(event)
    several = {id: many for id, many in contents.items() if len(many) > 1}
    return [Finding("event ids", next(iter(many)).key, f"{bus}: several events are {id}") for id, many in several.items()]


def all_answered(reads):
    """Once nothing is broken, every read has an answer, be it that nothing is there."""
    return [Finding("no answer", one.key, str(one)) for one in reads if one.outcome == UNKNOWN]


def statuses_at_the_end(reads):
    """Once everything is settled, an object that says how far it is replicated says that it is done."""
    wrong = [one for one in reads if one.found and one.found.get("status") not in (None, "COMPLETED")]
    return [Finding("replication status", one.key, str(one)) for one in wrong]


def stores_hold(history, stores):
    """What is on the stores at the end: only what was written, the same on each, nothing lost, nothing back."""
    found, names = [], list(stores)
    keys = {one.key for one in history.operations if one.kind in EVENTS}
    for name, objects in stores.items():
        for key in objects.keys() - keys:
            found.append(Finding("stray object", key, f"{name} has what nobody wrote: {objects[key]}"))
        for key in sorted(keys):
            found += [Finding("final state", key, f"{name}: {what}") for what in _final(history, key, objects.get(key))]
    for name in names[1:]:
        for key in sorted(keys):
            found += _same(key, (names[0], stores[names[0]].get(key)), (name, stores[name].get(key)))
    return found


def _final(history, key, stored):
    writers = history.possible(key)
    if stored is None:
        return [] if any(removes(one) for one in writers) else ["not there, though an acknowledged write says so"]
    writer = next((one for one in writers if one is not None and one.id == stored.writer), None)
    if writer is None or removes(writer):
        if all(removes(one) for one in writers):
            return [f"a deleted object is there: {stored}"]
        return [f"a value that it cannot have: {stored}"]
    wrong = []
    if stored.content_type != content_type(writer.id):
        wrong.append(f"another's content type: {stored.content_type}, {stored}")
    name = writer_of(stored.body)
    if stored.body != body_of(name, len(stored.body)) or bodies_of(history, writer).get(name) != len(stored.body):
        wrong.append(f"bytes that {writer.id} did not write: {stored}")
    tags = [one.tags for one in history.possible_tags(key) if not removes(one)]
    if dict(stored.tags) not in tags:
        wrong.append(f"tags that it cannot have: {stored}")
    return wrong


def _same(key, one, other):
    (first, one), (second, other) = one, other
    if (one is None) != (other is None):
        has, lacks = (first, second) if other is None else (second, first)
        return [Finding("replicas differ", key, f"{has} has what {lacks} has not: {one or other}")]
    if one is None:
        return []
    differ = [name for name in ("body", "writer", "content_type", "tags") if getattr(one, name) != getattr(other, name)]
    return [Finding("replicas differ", key, f"{first} and {second} in {', '.join(differ)}: {one}; {other}")] if differ else []


def last_events_tell(history, bus, events, primary):
    """What is there at the end was announced, whether it was acknowledged or not; so was what is gone."""
    found = []
    others = {(event.key, event.etag) for event in events if not _acknowledged(history, event)}
    for key, stored in primary.items():
        writers = [history.find(id) for id in (stored.writer, dict(stored.tags).get("t"))]
        for writer in writers:
            if writer is not None and writer.outcome != DONE and (key, _bare(stored.etag)) not in others:
                found.append(Finding("lost event", key, f"{bus} never heard of what is there: {stored}, by {writer}"))
    for key in {event.key for event in events} - primary.keys():
        last = max((event for event in events if event.key == key), key=lambda event: event.sequencer)
        writer = _acknowledged(history, last)
        if "Removed" not in last.name and writer and not _removed_since(history, writer):
            found.append(Finding("lost event", key, f"{bus} never heard that it is gone: {last}"))
    return found


def _acknowledged(history, event):
    """The acknowledged operation that an event tells of; nothing for one that recovery has found."""
    for one in history.mutations(event.key):
        if one.outcome == DONE and is_event_of(event.name, one.kind):
            if one.request_id == event.request_id or (one.retried and _bare(one.etag) == event.etag):
                return one
    return None


def _removed_since(history, writer):
    """Whether an acknowledged deletion can have come after a write."""
    deletions = [one for one in history.mutations(writer.key) if removes(one) and one.outcome == DONE]
    return any(one.ended > writer.begun for one in deletions)


def _bare(etag):
    return etag.strip('"') if etag else etag


def counted(history):
    """Operations by kind and outcome, for the report."""
    counts = {}
    for one in history.operations:
        counts.setdefault(one.kind, {}).setdefault(one.outcome, 0)
        counts[one.kind][one.outcome] += 1
    return counts
