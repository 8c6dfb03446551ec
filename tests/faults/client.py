"""One client: random operations on few keys, each written down with what it heard."""

import random
import threading
import time
import urllib.parse
from http.client import HTTPException

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from .history import DONE, REFUSED, UNKNOWN, body_of, writer_of

# How often each operation is asked for.
WEIGHTS = {
    "put": 22,
    "multipart": 6,
    "copy": 8,
    "delete": 9,
    "bulk delete": 4,
    "create": 5,
    "replace": 7,
    "tag": 6,
    "untag": 2,
    "get": 18,
    "head": 6,
    "get tags": 4,
    "list": 6,
}

# Sizes of objects: mostly one chunk, sometimes several, and at the borders of what stores and relais treat alike.
SIZES = (64, 100, 1_000, 4_096, 20_000, 65_536, 65_537, 200_000, 700_000)

PART_BYTES = 5 * 1024 * 1024  # What S3 wants of every part but the last.
TWO_PARTS = 0.15  # How many of the multipart uploads have two parts.

PAUSE_SECONDS = 0.12  # The longest pause between two operations of a client.
PAUSE_AFTER_FAILURE = 1.0  # The longest one after a failure: or all operations would be spent while nobody listens.

# Answers that mean that nothing was changed. Whatever else says 4xx is a finding.
REFUSALS = {"NoSuchKey", "404", "PreconditionFailed", "412", "ConditionalRequestConflict", "NoSuchUpload"}
REFUSALS |= {"MethodNotAllowed", "405"}  # What S3 says of a delete marker, which has no tags.
# A body that broke off on its way to relais, or a clock that ran out while it was on its way: nothing was changed either.
BROKEN_OFF = {"IncompleteBody", "RequestTimeout", "400", "408"}

FAILURES = (BotoCoreError, HTTPClientError, HTTPError, HTTPException, OSError)


class Client:
    """Does its share of the operations in a thread, then ends. `fronts` are clients of boto3, one for each instance."""

    def __init__(self, number, fronts, plan, history):
        self.thread = threading.Thread(target=self.run, daemon=True, name=f"client-{number}")
        self.random = random.Random(f"{plan.seed}/client/{number}")
        self.number, self.fronts, self.plan, self.history = number, fronts, plan, history
        self.count, self.etags, self.failed = 0, {}, None
        self.failing = False  # Whether the last operation got no clear answer.

    def run(self):
        try:
            for _ in range(self.plan.operations // self.plan.clients):
                self.operate()
                time.sleep(self.random.uniform(0, PAUSE_AFTER_FAILURE if self.failing else PAUSE_SECONDS))
        except Exception as error:  # What is not foreseen here ends the run as a failure.
            self.failed = error

    def operate(self):
        kind = self.random.choices(list(WEIGHTS), WEIGHTS.values())[0]
        self.s3, key = self.random.choice(self.fronts), self.random.choice(self.plan.keys)
        getattr(self, "_" + kind.replace(" ", "_"))(key)

    # Mutations.

    def _put(self, key, **conditions):
        operation = self._begin("put", key, size=self.random.choice(SIZES), tags=self._tags(), **conditions)
        asked = self._described(operation)
        if operation.if_match:
            asked["IfMatch"] = operation.if_match
        if operation.if_none_match:
            asked["IfNoneMatch"] = "*"
        self._do(operation, lambda: self.s3.put_object(Body=body_of(operation.id, operation.size), **asked))

    def _create(self, key):
        self._put(key, if_none_match=True)

    def _replace(self, key):
        self._put(key, if_match=self.etags.get(key, '"00000000000000000000000000000000"'))

    def _multipart(self, key):
        size = PART_BYTES + 1_000 if self.random.random() < TWO_PARTS else self.random.choice(SIZES)
        operation = self._begin("multipart", key, size=size, tags=self._tags())
        body, parts = body_of(operation.id, size), []
        try:
            asked = self._described(operation)
            asked["UploadId"] = self.s3.create_multipart_upload(**asked)["UploadId"]
            asked = {name: asked[name] for name in ("Bucket", "Key", "UploadId")}
            for number in range(1, -(-size // PART_BYTES) + 1):
                part = body[(number - 1) * PART_BYTES : number * PART_BYTES]
                sent = self.s3.upload_part(PartNumber=number, Body=part, **asked)
                parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        except (ClientError, *FAILURES) as error:
            self._end(operation, REFUSED, f"given up: {_said(error)}")
            return
        complete = lambda: self.s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **asked)  # noqa: E731
        operation.begun = self.history.now()
        self._do(operation, complete)
        if operation.outcome == UNKNOWN and self.random.random() < 0.5:
            operation.retried = True
            self._do(operation, complete)

    def _copy(self, key):
        source = self.random.choice(self.plan.keys)
        operation = self._begin("copy", key, source=source, tags=self._tags())
        asked = self._described(operation) | {
            "CopySource": {"Bucket": self.plan.bucket, "Key": source},
            "MetadataDirective": "REPLACE",
            "TaggingDirective": "REPLACE",
        }
        self._do(operation, lambda: self.s3.copy_object(**asked))

    def _delete(self, key):
        operation = self._begin("delete", key)
        self._do(operation, lambda: self.s3.delete_object(**self._at(key)))

    def _bulk_delete(self, _key):
        keys = self.random.sample(self.plan.keys, self.random.randint(1, min(3, len(self.plan.keys))))
        operations = [self._begin("bulk delete", key) for key in keys]
        asked = {"Objects": [{"Key": key} for key in keys]}
        first = operations[0]
        self._do(first, lambda: self.s3.delete_objects(Bucket=self.plan.bucket, Delete=asked))
        answer = first.found or {}
        first.found = None
        deleted = {one["Key"] for one in answer.get("Deleted", [])}
        answered = first.outcome == DONE  # Before the first turn below decides anew what became of it.
        for operation in operations:
            done = answered and operation.key in deleted
            operation.request_id = first.request_id
            self._end(operation, DONE if done else UNKNOWN, first.answer)

    def _tag(self, key):
        operation = self._begin("tag", key)
        operation.tags = {"t": operation.id}
        self._do(operation, lambda: self.s3.put_object_tagging(Tagging=_tag_set(operation.tags), **self._at(key)))

    def _untag(self, key):
        operation = self._begin("untag", key)
        self._do(operation, lambda: self.s3.delete_object_tagging(**self._at(key)))

    # Reads: what they find is kept, and judged when the run is over.

    def _get(self, key):
        def get():
            answer = self.s3.get_object(**self._at(key))
            return answer | {"bytes": answer["Body"].read()}

        operation = self._begin("get", key)
        answer = self._do(operation, get)
        if answer:
            operation.found = seen(answer, answer["bytes"])
            self.etags[key] = answer["ETag"]

    def _head(self, key):
        operation = self._begin("head", key)
        answer = self._do(operation, lambda: self.s3.head_object(**self._at(key)))
        if answer:
            operation.found = seen(answer)
            self.etags[key] = answer["ETag"]

    def _get_tags(self, key):
        operation = self._begin("get tags", key)
        answer = self._do(operation, lambda: self.s3.get_object_tagging(**self._at(key)))
        if answer:
            operation.found = {one["Key"]: one["Value"] for one in answer["TagSet"]}

    def _list(self, _key):
        operation = self._begin("list", "")
        answer = self._do(operation, lambda: self.s3.list_objects_v2(Bucket=self.plan.bucket))
        if answer:
            operation.found = {one["Key"]: (one["Size"], one["ETag"]) for one in answer.get("Contents", [])}

    # What they share.

    def _at(self, key):
        return {"Bucket": self.plan.bucket, "Key": key}

    def _begin(self, kind, key, **known):
        self.count += 1
        return self.history.begin(f"{self.plan.seed}-{self.number}-{self.count}", kind, key, **known)

    def _tags(self):
        return {"t": f"{self.plan.seed}-{self.number}-{self.count + 1}"} if self.random.random() < 0.4 else {}

    def _described(self, operation):
        asked = self._at(operation.key) | {"Metadata": {"op": operation.id}, "ContentType": content_type(operation.id)}
        if operation.tags:
            asked["Tagging"] = urllib.parse.urlencode(operation.tags)
        return asked

    def _do(self, operation, call):
        """Calls, and writes down how it ended; gives the answer, if there is one."""
        try:
            answer = call()
        except ClientError as error:
            self._end(operation, _outcome(error, operation), _said(error))
            return None
        except FAILURES as error:
            self._end(operation, UNKNOWN, _said(error))
            return None
        operation.request_id = answer["ResponseMetadata"].get("RequestId")
        if operation.kind in ("put", "multipart", "copy"):
            operation.etag = answer.get("ETag") or answer.get("CopyObjectResult", {}).get("ETag")
            if operation.etag:
                self.etags[operation.key] = operation.etag
        if operation.kind == "bulk delete":
            operation.found = answer
        self._end(operation, DONE, str(answer["ResponseMetadata"]["HTTPStatusCode"]))
        return answer

    def _end(self, operation, outcome, answer):
        operation.outcome, operation.answer, operation.ended = outcome, answer, self.history.now()
        self.failing = outcome == UNKNOWN


def seen(answer, body=None):
    """What an answer to GET or HEAD says of an object."""
    found = {
        "writer": answer.get("Metadata", {}).get("op"),
        "size": answer["ContentLength"],
        "etag": answer["ETag"],
        "content_type": answer.get("ContentType"),
        "status": answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-replication-status"),
    }
    if body is not None:
        name = writer_of(body)
        found |= {"bytes_of": name, "whole": len(body) == answer["ContentLength"] and body == body_of(name, len(body))}
    return found


def content_type(id):
    """Another for each operation, so that replicas cannot agree on it by chance."""
    return f"application/x-{id}"


def _outcome(error, operation):
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
    code = error.response["Error"]["Code"]
    if operation.retried and code == "NoSuchUpload":
        return UNKNOWN  # The first attempt may have completed it.
    return REFUSED if 400 <= status < 500 and code != "SlowDown" else UNKNOWN


def _said(error):
    if isinstance(error, ClientError):
        return f"{error.response['ResponseMetadata'].get('HTTPStatusCode')} {error.response['Error']['Code']}"
    return type(error).__name__


def odd(operation):
    """Whether an answer is one that no client deserves, whatever is broken."""
    code = operation.answer.split(" ")[-1]
    return operation.outcome == REFUSED and not operation.answer.startswith("given up") and code not in REFUSALS | BROKEN_OFF


def _tag_set(tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}




