"""The events on the Redis stream, as a consumer gets them."""

import json

from .checks import Event


def events_on_stream(redis, stream):
    """In the order of the stream; replication's own are left out."""
    found = []
    for _, fields in redis.client.xrange(stream):
        record = json.loads(fields["record"])
        if record["eventName"].startswith("Object"):
            found.append(_event(fields, record))
    return found


def _event(fields, record):
    return Event(
        id=fields["id"],
        name=record["eventName"],
        key=fields["key"],
        sequencer=record["s3"]["object"]["sequencer"],
        request_id=record["responseElements"]["x-amz-request-id"],
        principal=record["userIdentity"]["principalId"],
        etag=record["s3"]["object"].get("eTag"),
    )
