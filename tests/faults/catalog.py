"""A look into the catalog of the relais under test: what is not finished, and the events of its log."""

import json
import sqlite3
from contextlib import closing

import psycopg

from .checks import Event

# The kinds of event as the catalog writes them, and as S3 names them.
NAMES = {
    "Put": "ObjectCreated:Put",
    "Post": "ObjectCreated:Post",
    "Copy": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
    "Delete": "ObjectRemoved:Delete",
    "DeleteMarker": "ObjectRemoved:DeleteMarkerCreated",
    "PutTags": "ObjectTagging:Put",
    "DeleteTags": "ObjectTagging:Delete",
    "PutAcl": "ObjectAcl:Put",
}

UNFINISHED = {
    "intents are open": "SELECT key, kind, state FROM journal WHERE sequencer IS NULL",
    "keys are not settled": "SELECT key, replicas, settle_after, settling FROM objects WHERE settle_after IS NOT NULL",
    "journal rows are not settled": "SELECT key, kind, state FROM journal WHERE settled_at IS NULL",
}


class Catalog:
    """Reads the database past relais, and past the gate."""

    def __init__(self, instance, url):
        self.url, self.file = url, instance.data / "relais.db"

    def unfinished(self):
        """What is left to do, by what it is; nothing when all is done."""
        found = {what: self.rows(statement) for what, statement in UNFINISHED.items()}
        return {what: rows for what, rows in found.items() if rows}

    def log(self):
        """The events of the log, in its order; replication's own are left out."""
        rows = self.rows("SELECT event FROM journal WHERE position IS NOT NULL ORDER BY position")
        events = [row[0] if isinstance(row[0], dict) else json.loads(row[0]) for row in rows]
        return [_event(one) for one in events if one["kind"] in NAMES]

    def end_of_log(self):
        return self.rows("SELECT max(position) FROM journal")[0][0]

    def rows(self, statement):
        if self.url:
            with psycopg.connect(self.url) as connection:
                return connection.execute(statement).fetchall()
        with closing(sqlite3.connect(self.file, timeout=10)) as connection:
            return connection.execute(statement).fetchall()


def _event(event):
    return Event(
        id=event["id"],
        name=NAMES[event["kind"]],
        key=event["key"],
        sequencer=f"{event['sequencer']:016X}",
        request_id=event["requester"]["request_id"],
        principal=event["requester"]["principal"],
        etag=(event.get("object") or {}).get("etag"),
    )
