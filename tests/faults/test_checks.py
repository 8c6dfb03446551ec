"""The checker itself: histories made by hand, each with one thing that must not be, and the same without it."""

import dataclasses

from .checks import RECOVERY, Event, Stored, all_answered, answers_of, events_on, last_events_tell, statuses_at_the_end, stores_hold
from .client import content_type
from .history import DONE, LATE_SECONDS, REFUSED, UNKNOWN, History, Operation, body_of

SIZE = 100


def history(*operations):
    one = History()
    one.operations = list(operations)
    return one


def write(id, begun, ended, kind="put", key="k", outcome=DONE, **known):
    known = {"size": SIZE, "etag": f'"etag-{id}"', "request_id": f"request-{id}"} | known
    if kind == "tag":
        known["tags"] = {"t": id}
    return Operation(id, kind, key, begun, ended, outcome, **known)


def read(begun, ended, writer=None, body=None, key="k", **more):
    """A GET that found the value of that writer, or that nothing is there."""
    if writer is None:
        return Operation("read", "get", key, begun, ended, REFUSED, "404 NoSuchKey")
    found = {"writer": writer, "size": SIZE, "etag": f'"etag-{writer}"', "content_type": content_type(writer)}
    found |= {"bytes_of": body or writer, "whole": True} | more
    return Operation("read", "get", key, begun, ended, DONE, "200", found=found)


def event(id, sequencer, name="ObjectCreated:Put", key="k", number=None):
    return Event(number or f"event-{id}", name, key, f"{sequencer:016X}", f"request-{id}", f"etag-{id}", "root")


def recovered(event, **more):
    """The event as recovery makes it, which does not know who asked for what it has found."""
    return dataclasses.replace(event, request_id="intent", principal=RECOVERY, **more)


def stored(id, size=SIZE, tags=(), body=None):
    return Stored(body_of(body or id, size), id, content_type(id), tags, f'"etag-{id}"')


def kinds(findings):
    return [one.check for one in findings]


FIRST, SECOND = write("1", 0, 1), write("2", 2, 3)
GONE = write("3", 4, 5, kind="delete", etag=None)


# Reads.


def test_the_latest_acknowledged_value_may_be_read():
    assert answers_of(history(FIRST, SECOND, read(4, 5, "2"))) == []


def test_a_stale_value_is_found():
    assert kinds(answers_of(history(FIRST, SECOND, read(4, 5, "1")))) == ["read"]


def test_a_value_may_be_read_while_it_is_written_over():
    assert answers_of(history(FIRST, SECOND, read(2.5, 2.6, "1"), read(2.5, 2.6, "2"))) == []


def test_a_value_that_nobody_wrote_is_found():
    assert kinds(answers_of(history(FIRST, read(2, 3, "9")))) == ["read"]


def test_a_torn_value_is_found():
    assert kinds(answers_of(history(FIRST, read(2, 3, "1", whole=False)))) == ["read"]


def test_bytes_of_another_write_are_found():
    assert kinds(answers_of(history(FIRST, SECOND, read(4, 5, "2", body="1")))) == ["read"]


def test_a_lost_write_is_found():
    assert kinds(answers_of(history(FIRST, read(2, 3)))) == ["read"]


def test_a_deleted_object_that_is_read_is_found():
    assert kinds(answers_of(history(FIRST, GONE, read(6, 7, "1")))) == ["read"]


def test_a_write_without_an_answer_may_be_there_or_not():
    unknown = write("2", 2, 3, outcome=UNKNOWN)
    assert answers_of(history(FIRST, unknown, read(4, 5, "1"), read(4, 5, "2"))) == []


def test_a_write_without_an_answer_does_not_come_back_for_ever():
    unknown, late = write("2", 2, 3, outcome=UNKNOWN), 3 + LATE_SECONDS
    after = write("4", late + 1, late + 2)
    assert kinds(answers_of(history(unknown, after, read(late + 3, late + 4, "2")))) == ["read"]


def test_a_write_that_was_refused_is_found_when_it_is_there():
    refused = write("2", 2, 3, outcome=REFUSED, answer="412 PreconditionFailed")
    assert kinds(answers_of(history(FIRST, refused, read(4, 5, "2")))) == ["read"]


def test_a_copy_has_the_bytes_of_its_source():
    copy = write("4", 4, 5, kind="copy", key="to", source="k")
    right, wrong = read(6, 7, "4", body="2", key="to"), read(6, 7, "4", body="1", key="to")
    assert answers_of(history(FIRST, SECOND, copy, right)) == []
    assert kinds(answers_of(history(FIRST, SECOND, copy, wrong))) == ["read"]


def test_another_entity_tag_is_found_once_the_write_is_acknowledged():
    assert kinds(answers_of(history(FIRST, read(2, 3, "1", etag='"other"')))) == ["read"]
    copy = write("4", 4, 5, kind="copy", key="to", source="k")
    early, late = [read(begun, 9, "4", body="1", key="to", etag='"other"') for begun in (4.5, 6)]
    assert answers_of(history(FIRST, copy, early)) == []
    assert kinds(answers_of(history(FIRST, copy, late))) == ["read"]


def test_tags_of_an_overwritten_object_are_found():
    tagged = Operation("read", "get tags", "k", 4, 5, DONE, "200", found={"t": "4"})
    assert kinds(answers_of(history(FIRST, write("4", 1.5, 1.6, kind="tag"), SECOND, tagged))) == ["read"]
    assert answers_of(history(FIRST, SECOND, write("4", 3.5, 3.6, kind="tag"), tagged)) == []


def test_a_listing_without_an_acknowledged_object_is_found():
    listed = Operation("read", "list", "", 2, 3, DONE, "200", found={})
    assert kinds(answers_of(history(FIRST, listed))) == ["listing"]


def test_a_listing_with_an_object_that_nobody_wrote_is_found():
    listed = Operation("read", "list", "", 2, 3, DONE, "200", found={"k": (SIZE, '"etag-1"'), "x": (1, '"e"')})
    assert kinds(answers_of(history(FIRST, listed))) == ["listing"]


def test_an_answer_that_nobody_deserves_is_found():
    refused = write("2", 2, 3, outcome=REFUSED, answer="403 AccessDenied")
    assert kinds(answers_of(history(FIRST, refused))) == ["odd answer"]


# Conditions.


def test_two_replacements_of_one_value_are_found():
    both = [write(id, 2, 3, if_match='"etag-1"') for id in ("2", "4")]
    assert kinds(answers_of(history(FIRST, *both))) == ["condition"]
    assert answers_of(history(FIRST, both[0])) == []
    brought_back = write("3", 1, 2.5, etag='"etag-1"')
    assert answers_of(history(FIRST, brought_back, *both)) == []


def test_a_creation_over_an_object_is_found():
    assert kinds(answers_of(history(FIRST, write("2", 2, 3, if_none_match=True)))) == ["condition"]
    assert answers_of(history(write("2", 2, 3, if_none_match=True))) == []


def test_a_refusal_without_a_reason_is_found():
    refused = write("2", 2, 3, if_none_match=True, outcome=REFUSED, answer="412 PreconditionFailed")
    assert kinds(answers_of(history(refused))) == ["condition"]
    assert answers_of(history(FIRST, refused)) == []


# Events.


def test_events_in_order_are_right_also_when_repeated():
    events = [event("1", 10), event("2", 20), event("1", 10), event("2", 20)]
    assert events_on(history(FIRST, SECOND), "bus", events) == []


def test_a_lost_event_is_found():
    assert kinds(events_on(history(FIRST, SECOND), "bus", [event("2", 20)])) == ["lost event"]


def test_an_event_that_recovery_made_counts_for_one_mutation():
    again = write("4", 6, 7, kind="delete", etag=None)
    removed = recovered(event("3", 20, "ObjectRemoved:Delete"), etag=None)
    assert events_on(history(FIRST, GONE), "bus", [event("1", 10), removed]) == []
    assert kinds(events_on(history(FIRST, GONE, again), "bus", [event("1", 10), removed])) == ["lost event"]
    made = recovered(event("2", 20))
    assert kinds(events_on(history(FIRST), "bus", [made])) == ["lost event"]


def test_the_event_of_an_unacknowledged_deletion_counts_for_no_other():
    unheard = write("4", 6, 7, kind="delete", etag=None, outcome=UNKNOWN, request_id=None)
    removed = dataclasses.replace(event("4", 30, "ObjectRemoved:Delete"), etag=None)
    assert kinds(events_on(history(FIRST, GONE, unheard), "bus", [event("1", 10), removed])) == ["lost event"]


def test_the_event_of_unacknowledged_tags_counts_for_no_others():
    tagged = write("4", 4, 5, kind="tag", etag=None)
    unheard = write("5", 6, 7, kind="tag", etag=None, outcome=UNKNOWN, request_id=None)
    events = [event("1", 10), event("5", 30, "ObjectTagging:Put")]
    assert kinds(events_on(history(FIRST, tagged, unheard), "bus", events)) == ["lost event"]


def test_the_event_of_an_earlier_attempt_counts_for_what_was_tried_again():
    name = "ObjectCreated:CompleteMultipartUpload"
    earlier = dataclasses.replace(event("1", 10, name), request_id="earlier")
    once = write("1", 0, 1, kind="multipart")
    again = dataclasses.replace(once, retried=True)
    assert kinds(events_on(history(once), "bus", [earlier])) == ["lost event"]
    assert events_on(history(again), "bus", [earlier]) == []


def test_the_lost_event_of_a_deletion_is_found():
    assert kinds(events_on(history(FIRST, GONE), "bus", [event("1", 10)])) == ["lost event"]


def test_a_write_without_an_answer_needs_no_event():
    assert events_on(history(FIRST, write("2", 2, 3, outcome=UNKNOWN)), "bus", [event("1", 10)]) == []


def test_events_out_of_order_are_found():
    assert "event order" in kinds(events_on(history(FIRST, SECOND), "bus", [event("2", 20), event("1", 10)]))


def test_sequencers_against_the_order_of_the_writes_are_found():
    assert kinds(events_on(history(FIRST, SECOND), "bus", [event("2", 10), event("1", 20)])) == ["event order"]


def test_two_ids_of_one_mutation_are_found():
    events = [event("1", 10), event("1", 20, number="another")]
    assert kinds(events_on(history(FIRST), "bus", events)) == ["event ids"]


def test_one_id_of_two_events_is_found():
    events = [event("1", 10, number="same"), event("2", 20, number="same")]
    assert "event ids" in kinds(events_on(history(FIRST, SECOND), "bus", events))


def test_an_unacknowledged_write_that_is_there_is_announced():
    unknown = history(FIRST, write("2", 2, 3, outcome=UNKNOWN))
    assert last_events_tell(unknown, "bus", [event("1", 10), recovered(event("2", 20))], {"k": stored("2")}) == []
    assert kinds(last_events_tell(unknown, "bus", [event("1", 10)], {"k": stored("2")})) == ["lost event"]
    assert last_events_tell(unknown, "bus", [event("1", 10)], {"k": stored("1")}) == []


def test_unacknowledged_tags_that_are_there_are_announced():
    unknown, there = history(FIRST, write("2", 2, 3, kind="tag", outcome=UNKNOWN)), {"k": stored("1", tags=(("t", "2"),))}
    more = recovered(event("1", 20, "ObjectTagging:Put", number="more"))
    assert kinds(last_events_tell(unknown, "bus", [event("1", 10)], there)) == ["lost event"]
    assert last_events_tell(unknown, "bus", [event("1", 10), more], there) == []


def test_an_unacknowledged_deletion_that_happened_is_announced():
    unknown = history(FIRST, write("3", 4, 5, kind="delete", outcome=UNKNOWN))
    removed = recovered(event("3", 20, "ObjectRemoved:Delete"), etag=None)
    assert kinds(last_events_tell(unknown, "bus", [event("1", 10)], {})) == ["lost event"]
    assert last_events_tell(unknown, "bus", [event("1", 10), removed], {}) == []


# Stores.


def test_equal_replicas_with_the_latest_value_are_right():
    assert stores_hold(history(FIRST, SECOND), {"a": {"k": stored("2")}, "b": {"k": stored("2")}}) == []


def test_a_replica_that_lacks_an_object_is_found():
    found = kinds(stores_hold(history(FIRST), {"a": {"k": stored("1")}, "b": {}}))
    assert sorted(found) == ["final state", "replicas differ"]


def test_a_replica_that_is_behind_is_found():
    found = stores_hold(history(FIRST, SECOND), {"a": {"k": stored("2")}, "b": {"k": stored("1")}})
    assert sorted(kinds(found)) == ["final state", "replicas differ"]


def test_replicas_that_differ_in_what_goes_with_the_bytes_are_found():
    tagged = history(FIRST, write("2", 2, 3, kind="tag", outcome=UNKNOWN))
    tags = stored("1", tags=(("t", "2"),))
    assert kinds(stores_hold(tagged, {"a": {"k": stored("1")}, "b": {"k": tags}})) == ["replicas differ"]
    other = dataclasses.replace(stored("1"), content_type="text/plain")
    assert "replicas differ" in kinds(stores_hold(history(FIRST), {"a": {"k": stored("1")}, "b": {"k": other}}))


def test_a_resurrected_object_is_found():
    stores = {"a": {"k": stored("1")}, "b": {"k": stored("1")}}
    assert kinds(stores_hold(history(FIRST, GONE), stores)) == ["final state", "final state"]


def test_a_stray_object_is_found():
    assert kinds(stores_hold(history(FIRST), {"a": {"k": stored("1"), "x": stored("9")}})) == ["stray object"]


def test_half_an_object_is_found():
    torn = dataclasses.replace(stored("1"), body=body_of("1", SIZE)[:50])
    assert kinds(stores_hold(history(FIRST), {"a": {"k": torn}})) == ["final state"]


def test_a_lost_object_is_found():
    assert kinds(stores_hold(history(FIRST), {"a": {}})) == ["final state"]


def test_a_status_that_stays_pending_is_found():
    assert statuses_at_the_end([read(4, 5, "1", status="COMPLETED"), read(4, 5)]) == []
    assert kinds(statuses_at_the_end([read(4, 5, "1", status="PENDING")])) == ["replication status"]


def test_a_read_without_an_answer_at_the_end_is_found():
    silent = Operation("read", "head", "k", 6, 7, UNKNOWN, "503 ServiceUnavailable")
    unlisted = Operation("read", "list", "", 6, 7, UNKNOWN, "ReadTimeoutError")
    assert all_answered([read(4, 5, "1"), read(4, 5)]) == []
    assert kinds(all_answered([read(4, 5, "1"), silent, unlisted])) == ["no answer", "no answer"]
