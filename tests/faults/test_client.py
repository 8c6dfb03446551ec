"""What a client writes down of what it heard, where an answer speaks of several keys."""

from .client import Client
from .history import DONE, UNKNOWN, History
from .plan import Plan


class Answering:
    """Deletes all keys that it is asked to, but for the first."""

    def delete_objects(self, Bucket, Delete):
        deleted = Delete["Objects"][1:]
        return {"Deleted": deleted, "ResponseMetadata": {"RequestId": "one", "HTTPStatusCode": 200}}


def test_keys_of_a_bulk_deletion_are_done_also_when_the_first_is_not():
    plan, history = Plan.of("3", 10), History()
    for number in range(20):
        client = Client(number, [Answering()], plan, history)
        client.s3 = client.fronts[0]
        begun = len(history.operations)
        client._bulk_delete("")
        outcomes = [one.outcome for one in history.operations[begun:]]
        assert outcomes == [UNKNOWN] + [DONE] * (len(outcomes) - 1)
    assert any(one.outcome == DONE for one in history.operations)
