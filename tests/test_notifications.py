"""Which event goes to which bus: rules of the configuration, and what clients put on a bucket."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from harness import configuration
from harness.accounts import ALICE, BOB
from harness.clients import aws, aws_json, refused
from harness.process import eventually
from harness.servers import Redis

BUCKET, OTHER = "media", "other"
AUDIT, AUDIT_STREAM = "audit", "audit:events"
STREAM = "relais:events"
ARN = f"arn:relais:sqs:::{AUDIT}"
INVALID = (400, "InvalidArgument")
DENIED = (403, "AccessDenied")
SETTINGS_COUNT_AFTER_SECONDS = 2  # On instances that did not take them.


def messages(redis, stream=AUDIT_STREAM):
    """What is on a stream, in order, as records or test events."""
    return [json.loads(fields["record"]) for _, fields in redis.client.xrange(stream)]


def sent(redis, stream=AUDIT_STREAM):
    """The events on a stream: rule, name, bucket and key, each event once."""
    records = {record["relais"]["id"]: record for record in messages(redis, stream) if "relais" in record}
    return [
        (one["s3"]["configurationId"], one["eventName"], one["s3"]["bucket"]["name"], one["s3"]["object"]["key"])
        for one in records.values()
    ]


def trials(redis, stream=AUDIT_STREAM):
    return [message for message in messages(redis, stream) if message.get("Event") == "s3:TestEvent"]


def queue(name, events, arn=ARN, **filters):
    rules = [{"Name": key, "Value": value} for key, value in filters.items()]
    more = {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}
    return {"Id": name, "QueueArn": arn, "Events": events, **more}


def put_queues(s3, *queues, bucket=BUCKET, **more):
    wanted = {"QueueConfigurations": list(queues)}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted, **more)


def got(s3, bucket=BUCKET):
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def message_of(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Message"]


def config_file(folder, rules=(), only=(AUDIT,), second=None, accounts=()):
    """Over a folder, with a bus beside the default one."""
    bus = configuration.bus(AUDIT, AUDIT_STREAM, **({"redis_url": second.url} if second else {}))
    folder.mkdir(parents=True, exist_ok=True)
    return configuration.write_toml(
        folder / "relais.toml",
        {"disk": configuration.folder_store(folder / "disk")},
        [configuration.bucket("*", ["disk"])],
        accounts,
        configuration.event_lists([bus], rules),
        events=configuration.only_by_rules(*only),
        **configuration.no_sidecars(),
    )


@pytest.fixture
def start(start_relais, tmp_path, redis_server):
    def started(name="relais", environment=None, **settings):
        environment = {"REDIS_URL": redis_server.url} | (environment or {})
        relais = start_relais(name, config=config_file(tmp_path / "files", **settings), environment=environment)
        return relais, relais.client()

    return started


@pytest.fixture
def s3(start):
    client = start()[1]
    for bucket in (BUCKET, OTHER):
        client.create_bucket(Bucket=bucket)
    return client


def test_rules_of_the_configuration_select_by_bucket_type_and_key(start, redis_server):
    pictures = {"buckets": [BUCKET], "events": ["s3:ObjectCreated:*"], "prefix": "a+b/", "suffix": ".jpg"}
    rules = [
        configuration.event_rule("pictures", AUDIT, **pictures),
        configuration.event_rule("gone", AUDIT, events=["s3:ObjectRemoved:Delete"]),
    ]
    _, s3 = start(rules=rules, only=())
    for bucket in (BUCKET, OTHER):
        s3.create_bucket(Bucket=bucket)
        for key in ("a+b/1.jpg", "a b/2.jpg", "a+b/3.png", "4.jpg"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.put_object_tagging(Bucket=BUCKET, Key="a+b/1.jpg", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object(Bucket=OTHER, Key="4.jpg")

    expected = [
        ("pictures", "ObjectCreated:Put", BUCKET, "a%2Bb/1.jpg"),
        ("gone", "ObjectRemoved:Delete", OTHER, "4.jpg"),
    ]
    eventually(lambda: len(sent(redis_server)) >= 2, what="the rules have sent")
    assert sent(redis_server) == expected
    eventually(lambda: len(sent(redis_server, STREAM)) == 10, what="a bus without rules has everything")
    assert {rule for rule, *_ in sent(redis_server, STREAM)} == {"relais"}


def test_notifications_of_a_bucket_are_tried_kept_enforced_and_removed(start, s3, redis_server):
    assert got(s3) == {}
    s3.put_object(Bucket=BUCKET, Key="in/before.jpg", Body=b"x")
    wanted = [
        queue("pictures", ["s3:ObjectCreated:*"], prefix="in/", suffix=".jpg"),
        queue("spaces", ["s3:ObjectCreated:Put"], prefix="a+b%2F"),
        queue("gone", ["s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"], f"arn:minio:sqs::{AUDIT}:redis"),
    ]
    put_queues(s3, *wanted)
    assert got(s3) == {"QueueConfigurations": wanted}

    (test,) = trials(redis_server)  # Before the answer, and once for each bus.
    assert (test["Service"], test["Bucket"]) == ("Amazon S3", BUCKET)
    assert test["RequestId"] and test["HostId"] and test["Time"]

    for key in ("in/1.jpg", "in/2.png", "a b/4", "a+b/5"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    s3.put_object(Bucket=OTHER, Key="in/3.jpg", Body=b"x")
    s3.copy_object(Bucket=BUCKET, Key="in/6.jpg", CopySource={"Bucket": BUCKET, "Key": "in/2.png"})
    s3.delete_object(Bucket=BUCKET, Key="in/2.png")
    expected = [
        ("pictures", "ObjectCreated:Put", BUCKET, "in/1.jpg"),
        ("spaces", "ObjectCreated:Put", BUCKET, "a+b/4"),
        ("pictures", "ObjectCreated:Copy", BUCKET, "in/6.jpg"),
        ("gone", "ObjectRemoved:Delete", BUCKET, "in/2.png"),
    ]
    eventually(lambda: len(sent(redis_server)) >= len(expected), what="the bus has its events")
    assert sent(redis_server) == expected
    eventually(lambda: len(sent(redis_server, STREAM)) == 8, what="the other bus has everything")
    assert trials(redis_server, STREAM) == []

    put_queues(s3)
    assert got(s3) == {}
    s3.put_object(Bucket=BUCKET, Key="in/7.jpg", Body=b"x")
    eventually(lambda: len(sent(redis_server, STREAM)) == 9, what="the other bus still has everything")
    put_queues(s3, queue("again", ["s3:ObjectCreated:*"]))
    s3.put_object(Bucket=BUCKET, Key="last", Body=b"x")
    eventually(lambda: len(sent(redis_server)) > len(expected), what="the bus has the last event")
    assert sent(redis_server) == [*expected, ("again", "ObjectCreated:Put", BUCKET, "last")]


def test_topics_functions_and_missing_ids_work_with_aws_cli(start, redis_server):
    relais, s3 = start()
    s3.create_bucket(Bucket=BUCKET)
    account = "us-east-1:123456789012"
    wanted = {
        "TopicConfigurations": [{"TopicArn": f"arn:aws:sns:{account}:{AUDIT}", "Events": ["s3:ObjectTagging:*"]}],
        "QueueConfigurations": [{"QueueArn": f"arn:aws:sqs:{account}:redis", "Events": ["s3:ObjectRemoved:*"]}],
        "LambdaFunctionConfigurations": [
            {"LambdaFunctionArn": f"arn:aws:lambda:{account}:function:{AUDIT}", "Events": ["s3:ObjectCreated:Put"]}
        ],
    }
    command = ["s3api", "put-bucket-notification-configuration", "--bucket", BUCKET]
    aws(relais, *command, "--notification-configuration", json.dumps(wanted))
    found = aws_json(relais, "s3api", "get-bucket-notification-configuration", "--bucket", BUCKET)
    ids = {kind: found[kind][0].pop("Id") for kind in wanted}
    assert found == wanted
    assert all(ids.values()) and len(set(ids.values())) == 3
    assert len(trials(redis_server)) == len(trials(redis_server, STREAM)) == 1

    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    s3.put_object_tagging(Bucket=BUCKET, Key="a", Tagging={"TagSet": []})
    s3.delete_object(Bucket=BUCKET, Key="a")
    eventually(lambda: len(sent(redis_server)) == 2, what="the bus has its events")
    rules = [rule for rule, *_ in sent(redis_server)]
    assert rules == [ids["LambdaFunctionConfigurations"], ids["TopicConfigurations"]]
    eventually(lambda: len(sent(redis_server, STREAM)) == 3, what="the default bus has everything")
    assert [rule for rule, *_ in sent(redis_server, STREAM)] == ["relais", "relais", ids["QueueConfigurations"]]


def test_what_s3_would_refuse_is_refused_and_changes_nothing(s3, redis_server):
    created, removed = ["s3:ObjectCreated:*"], ["s3:ObjectRemoved:*"]
    put_queues(s3, queue("kept", created))
    before = got(s3)
    wrong = [
        [queue("a", created), queue("b", ["s3:ObjectCreated:Put"])],
        [queue("a", created, prefix="images"), queue("b", created, suffix="jpg")],
        [queue("a", created, prefix="images/"), queue("b", created, prefix="im")],
        [queue("a", created, suffix=".jpg"), queue("b", created, suffix="g")],
        [queue("a", created), queue("a", removed)],
        [queue("a", ["s3:ObjectAccessed:*"])],
        [queue("a", ["s3:*"])],
        [queue("a", created, infix="x")],
        [queue("a", created, prefix="x" * 1025)],
        [queue("a", created, arn=AUDIT)],
        [queue("a", created, arn="arn:relais:sqs:::nowhere")],
    ]
    for queues in wrong:
        assert refused(put_queues, s3, *queues) == INVALID, queues
    nowhere = queue("a", created, arn="arn:relais:sqs:::nowhere")
    said = message_of(put_queues, s3, nowhere)
    assert said.startswith("Unable to validate the following destination configurations")
    assert nowhere["QueueArn"] in said
    bridge = {"EventBridgeConfiguration": {}}
    assert refused(
        s3.put_bucket_notification_configuration, Bucket=BUCKET, NotificationConfiguration=bridge
    ) == (501, "NotImplemented")
    assert refused(put_queues, s3, bucket="missing") == (404, "NoSuchBucket")
    assert got(s3) == before
    assert len(trials(redis_server)) == 1

    # What does not overlap is taken, and where validation is skipped, a bus that is not there yet.
    pictures = [queue(suffix, created, prefix="images/", suffix=suffix) for suffix in (".jpg", ".png")]
    put_queues(s3, *pictures)
    assert got(s3) == {"QueueConfigurations": pictures}
    put_queues(s3, nowhere, SkipDestinationValidation=True)
    assert got(s3) == {"QueueConfigurations": [nowhere]}


def test_a_bus_that_is_away_refuses_notifications_unless_validation_is_skipped(start):
    with Redis() as second:
        _, s3 = start(second=second)
        s3.create_bucket(Bucket=BUCKET)
        second.stop()
        all_created = queue("all", ["s3:ObjectCreated:*"])
        assert refused(put_queues, s3, all_created) == (503, "ServiceUnavailable")
        said = message_of(put_queues, s3, all_created)
        assert AUDIT in said and str(second.port) not in said  # Where the bus is, is not the client's affair.
        assert got(s3) == {}

        put_queues(s3, all_created, SkipDestinationValidation=True)
        s3.put_object(Bucket=BUCKET, Key="waits", Body=b"x")
        second.start()
        eventually(lambda: len(sent(second)) == 1, seconds=45, what="the event waited for its bus")
        assert sent(second) == [("all", "ObjectCreated:Put", BUCKET, "waits")]
        assert trials(second) == []


def test_who_may_not_neither_reads_nor_puts_notifications(start):
    relais, s3 = start(accounts=[ALICE, BOB])
    alice, bob = ALICE.client(relais), BOB.client(relais)
    alice.create_bucket(Bucket=BUCKET)
    put_queues(alice, queue("mine", ["s3:ObjectCreated:*"]))
    read = {"Bucket": BUCKET}
    assert refused(bob.get_bucket_notification_configuration, **read) == DENIED
    assert refused(put_queues, bob) == DENIED

    def allow(*actions):
        statement = configuration.allow(list(actions), [BUCKET], Principal={"AWS": BOB.owner})
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        alice.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))

    allow("s3:GetBucketNotification")
    assert bob.get_bucket_notification_configuration(**read)["QueueConfigurations"]
    assert refused(put_queues, bob) == DENIED
    assert got(alice)
    allow("s3:PutBucketNotification")
    assert refused(bob.get_bucket_notification_configuration, **read) == DENIED
    put_queues(bob)
    assert got(alice) == {}


def test_settings_count_on_every_instance(start, postgres, redis_server):
    database = {"DATABASE_URL": postgres.new_database("notifications")}
    clients = [start(name, database)[1] for name in ("one", "two")]
    for s3, bucket in zip(clients, (BUCKET, OTHER), strict=True):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="before", Body=b"x")  # So that the relay has looked at the settings.
    eventually(lambda: len(sent(redis_server, STREAM)) == 2, what="the relay works")
    for s3, bucket in zip(clients, (BUCKET, OTHER), strict=True):
        put_queues(s3, queue(bucket, ["s3:ObjectCreated:*"]), bucket=bucket)
    time.sleep(SETTINGS_COUNT_AFTER_SECONDS)
    for s3, bucket in zip(clients, (OTHER, BUCKET), strict=True):
        s3.put_object(Bucket=bucket, Key="after", Body=b"x")
    eventually(lambda: len(sent(redis_server)) == 2, what="both settings count, whoever relays")
    assert sorted(sent(redis_server)) == [(bucket, "ObjectCreated:Put", bucket, "after") for bucket in (BUCKET, OTHER)]


@pytest.mark.parametrize(
    "rule, words",
    [
        (configuration.event_rule("one", "audti"), ['"one"', '"audti"', "audit, redis"]),
        (
            configuration.event_rule("one", AUDIT, events=["s3:ObjectMade"]),
            ['"one"', '"s3:ObjectMade"', "s3:ObjectCreated:*"],
        ),
    ],
)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_wrong_rule_stops_the_start_and_is_named(start, tmp_path, redis_server, command, rule, words):
    relais, _ = start()
    relais.stop()
    done = relais.command(command, config=config_file(tmp_path / "wrong", rules=[rule]))
    assert done.returncode == 64
    assert all(word in done.stderr for word in ["events.rules", *words]), done.stderr
