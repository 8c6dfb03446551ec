"""What clients asked and heard, and which values that makes possible.

An operation has a beginning and an end on one clock. A mutation that was acknowledged happened once between the two. One that was
refused (4xx) never happened. One without a clear answer may happen whole at any time from its beginning until `LATE_SECONDS`
after its end, or never: a request that was given up may still be under way inside relais.
"""

import random
import time
from dataclasses import dataclass, field

DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"

# How long a mutation that nobody waits for any more may go on: the wait for a lock of its key, and then for the stores.
LATE_SECONDS = 45

FOREVER = float("inf")


@dataclass
class Operation:
    """One request of a client. `tags`, `size`, `parts` and `source` are of mutations that write; `found` is of reads."""

    id: str
    kind: str
    key: str
    begun: float
    ended: float = FOREVER
    outcome: str = UNKNOWN
    answer: str = ""
    request_id: str | None = None
    size: int = 0
    etag: str | None = None
    tags: dict = field(default_factory=dict)
    source: str | None = None
    if_match: str | None = None
    if_none_match: bool = False
    retried: bool = False
    found: object = None

    @property
    def last(self):
        """When the mutation can have happened at the latest."""
        return self.ended if self.outcome == DONE else self.ended + LATE_SECONDS

    def __str__(self):
        what = [f"{self.begun:8.3f} to {self.ended:8.3f}", self.id, self.kind, repr(self.key), self.outcome, self.answer]
        extra = {name: getattr(self, name) for name in ("etag", "source", "if_match", "found", "tags", "request_id")}
        return " ".join(what + [f"{name}={value}" for name, value in extra.items() if value])


CREATES = {
    "put": "ObjectCreated:Put",
    "multipart": "ObjectCreated:CompleteMultipartUpload",
    "copy": "ObjectCreated:Copy",
}
REMOVES = {"delete": "ObjectRemoved:Delete", "bulk delete": "ObjectRemoved:Delete"}
TAGS = {"tag": "ObjectTagging:Put", "untag": "ObjectTagging:Delete"}
EVENTS = CREATES | REMOVES | TAGS
MARKER = "ObjectRemoved:DeleteMarkerCreated"


def is_event_of(name, kind):
    """Whether an event of this name tells of a mutation of this kind; a deletion leaves a marker where there are versions."""
    return name == EVENTS[kind] or (name == MARKER and kind in REMOVES)


class History:
    """All operations of a run, in the order of their beginnings."""

    def __init__(self):
        self.operations = []
        self.bodies = {}  # What checks have found out about copies; asked for at each read.
        self.started = time.monotonic()

    def now(self):
        return time.monotonic() - self.started

    def begin(self, id, kind, key, **known):
        operation = Operation(id, kind, key, self.now(), **known)
        self.operations.append(operation)
        return operation

    def find(self, id):
        """The operation with this id, if there is one."""
        return next((one for one in self.operations if one.id == id), None)

    def mutations(self, key=None):
        """Those that may have happened."""
        return [one for one in self.operations if one.kind in EVENTS and one.outcome != REFUSED and key in (None, one.key)]

    def of_key(self, key):
        return [one for one in self.operations if key in (one.key, one.source)]

    def possible(self, key, begun=FOREVER, ended=FOREVER):
        """The mutations whose content the key can have had between two times; None for that it never was."""
        return _last_writers([one for one in self.mutations(key) if one.kind not in TAGS], begun, ended)

    def possible_tags(self, key, begun=FOREVER, ended=FOREVER):
        """The mutations whose tags the key can have had between two times."""
        return _last_writers(self.mutations(key), begun, ended)


def _last_writers(writes, begun, ended):
    """Each write that began before the end, unless an acknowledged one lies wholly between it and the beginning."""
    before = [one for one in writes if one.outcome == DONE and one.ended < begun]
    newest = max((one.begun for one in before), default=-1)
    found = [one for one in writes if one.begun <= ended and one.last >= newest]
    return found + ([None] if newest < 0 else [])


def removes(operation):
    """Whether the key is without an object after it."""
    return operation is None or operation.kind in REMOVES


def body_of(id, size):
    """The bytes that the operation writes: they begin with its name, and are like no others."""
    head = f"{id}\n".encode()
    return (head + random.Random(id).randbytes(max(size - len(head), 0)))[: max(size, len(head))]


def writer_of(body):
    """Who wrote these bytes, by their own account."""
    return body[:80].split(b"\n")[0].decode(errors="replace")
