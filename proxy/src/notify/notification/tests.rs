use relais_model::EventKind;
use s3s::dto::EventBridgeConfiguration;

use super::super::tests::event;
use super::*;

const ARN: &str = "arn:relais:sqs:::audit";

fn filter(rules: &[(&str, &str)]) -> NotificationConfigurationFilter {
    let rule = |(name, value): &(&str, &str)| FilterRule {
        name: Some((*name).to_owned().into()),
        value: Some((*value).to_owned()),
    };
    let filter_rules = Some(rules.iter().map(rule).collect());
    NotificationConfigurationFilter { key: Some(S3KeyFilter { filter_rules }) }
}

fn queue(id: &str, events: &[&str], rules: &[(&str, &str)]) -> QueueConfiguration {
    QueueConfiguration {
        id: Some(id.to_owned()),
        queue_arn: ARN.to_owned(),
        events: events.iter().map(|event| (*event).to_owned().into()).collect(),
        filter: Some(filter(rules)).filter(|_| !rules.is_empty()),
    }
}

fn of(queues: Vec<QueueConfiguration>) -> Result<Notifications, NotificationError> {
    let queue_configurations = Some(queues);
    Notifications::of_client(NotificationConfiguration { queue_configurations, ..Default::default() })
}

fn refused(queues: Vec<QueueConfiguration>) -> NotificationError {
    of(queues).expect_err("it is refused")
}

const PUT: &[&str] = &["s3:ObjectCreated:Put"];
const CREATED: &[&str] = &["s3:ObjectCreated:*"];
const REMOVED: &[&str] = &["s3:ObjectRemoved:*"];

#[test]
fn what_was_put_is_given_back() {
    let asked = NotificationConfiguration {
        event_bridge_configuration: None,
        queue_configurations: Some(vec![
            queue("pictures", CREATED, &[("Prefix", "im%61ges/"), ("suffix", "+.jpg")]),
            queue("gone", REMOVED, &[]),
        ]),
        topic_configurations: Some(vec![TopicConfiguration {
            id: Some("tags".to_owned()),
            topic_arn: "arn:aws:sns:us-east-1:123456789012:audit".to_owned(),
            events: vec!["s3:ObjectTagging:*".to_owned().into()],
            filter: Some(filter(&[("prefix", "")])),
        }]),
        lambda_function_configurations: Some(vec![LambdaFunctionConfiguration {
            id: Some("acl".to_owned()),
            lambda_function_arn: "arn:aws:lambda:us-east-1:123456789012:function:other".to_owned(),
            events: vec!["s3:ObjectAcl:Put".to_owned().into()],
            filter: None,
        }]),
    };
    let taken = Notifications::of_client(asked.clone()).unwrap();
    let buses: Vec<_> = taken.destinations().into_keys().collect();
    assert_eq!(buses, ["audit", "other"]);
    let kept: Notifications = serde_json::from_str(&serde_json::to_string(&taken).unwrap()).unwrap();

    for (kind, bus, key, expected) in [
        (EventKind::Put, "audit", "images/a .jpg", Some("pictures")),
        (EventKind::Put, "audit", "im%61ges/a+.jpg", None),
        (EventKind::Put, "other", "images/a .jpg", None),
        (EventKind::DeleteMarker, "audit", "x", Some("gone")),
        (EventKind::PutTags, "audit", "x", Some("tags")),
        (EventKind::PutAcl, "other", "x", Some("acl")),
        (EventKind::PutAcl, "audit", "x", None),
    ] {
        let event = event(kind, "media", key);
        assert_eq!(kept.matching(bus, &event), expected, "{kind:?} {bus} {key}");
        assert_eq!(taken.matching(bus, &event), expected);
    }

    let output = kept.into_output();
    assert_eq!(output.queue_configurations, asked.queue_configurations);
    assert_eq!(output.topic_configurations, asked.topic_configurations);
    assert_eq!(output.lambda_function_configurations, asked.lambda_function_configurations);
    assert!(output.event_bridge_configuration.is_none());
}

#[test]
fn nothing_put_is_an_empty_configuration() {
    let taken = Notifications::of_client(NotificationConfiguration::default()).unwrap();
    assert!(taken.is_empty());
    assert_eq!(taken.into_output(), GetBucketNotificationConfigurationOutput::default());
}

#[test]
fn missing_ids_are_made_and_given_ones_are_unique() {
    let without = |events| QueueConfiguration { id: None, ..queue("", events, &[]) };
    let taken = of(vec![without(CREATED), without(REMOVED), queue("", &["s3:ObjectAcl:Put"], &[])]).unwrap();
    let ids: Vec<String> =
        taken.into_output().queue_configurations.unwrap().into_iter().filter_map(|one| one.id).collect();
    assert!(ids.iter().all(|id| !id.is_empty()) && ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");

    assert!(matches!(
        refused(vec![queue("a", CREATED, &[]), queue("a", REMOVED, &[])]),
        NotificationError::SameId(id) if id == "a"
    ));
    assert!(matches!(refused(vec![queue(&"x".repeat(256), PUT, &[])]), NotificationError::IdTooLong));
    assert!(of(vec![queue(&"é".repeat(255), PUT, &[])]).is_ok());
}

#[test]
fn configurations_that_one_event_could_match_twice_are_refused() {
    let overlapping = |one: (&[&str], &[(&str, &str)]), other: (&[&str], &[(&str, &str)])| {
        of(vec![queue("one", one.0, one.1), queue("other", other.0, other.1)]).err()
    };
    for events in [CREATED, PUT, &["s3:ObjectRemoved:Delete", "s3:ObjectCreated:Put"]] {
        let error = overlapping((CREATED, &[]), (events, &[])).unwrap();
        assert!(matches!(error, NotificationError::OverlappingEvents(..)), "{error}");
        let error = overlapping((CREATED, &[("prefix", "images")]), (events, &[("suffix", "jpg")])).unwrap();
        assert!(matches!(error, NotificationError::OverlappingKeys(..)), "{error}");
        // The same place, differently written.
        let error = overlapping((CREATED, &[("prefix", "a b")]), (events, &[("prefix", "a+%62")])).unwrap();
        assert!(matches!(error, NotificationError::OverlappingKeys(..)), "{error}");
        assert!(overlapping((CREATED, &[("prefix", "images/")]), (events, &[("prefix", "logs/")])).is_none());
    }
    assert!(overlapping((CREATED, &[]), (REMOVED, &[])).is_none());
    assert!(overlapping((PUT, &[]), (&["s3:ObjectCreated:Copy"], &[])).is_none());

    // Also between kinds of destinations.
    let topic = TopicConfiguration {
        id: None,
        topic_arn: "arn:relais:sns:::other".to_owned(),
        events: vec!["s3:ObjectCreated:Put".to_owned().into()],
        filter: None,
    };
    let mixed = NotificationConfiguration {
        queue_configurations: Some(vec![queue("one", CREATED, &[])]),
        topic_configurations: Some(vec![topic]),
        ..Default::default()
    };
    assert!(matches!(Notifications::of_client(mixed), Err(NotificationError::OverlappingEvents(..))));
}

#[test]
fn what_s3_refuses_is_refused_with_its_code() {
    let long = "x".repeat(1025);
    let at_arn = |arn: &str| QueueConfiguration { queue_arn: arn.to_owned(), ..queue("a", PUT, &[]) };
    let table = [
        (queue("a", &[], &[]), S3ErrorCode::MalformedXML, "at least one event"),
        (queue("a", &["s3:ObjectAccessed:*"], &[]), S3ErrorCode::InvalidArgument, "s3:ObjectAccessed:*"),
        (at_arn("audit"), S3ErrorCode::InvalidArgument, "not well formed: audit"),
        (at_arn("arn:aws:sns:us-east-1:1:audit"), S3ErrorCode::InvalidArgument, "not well formed"),
        (queue("a", PUT, &[("infix", "x")]), S3ErrorCode::InvalidArgument, "either prefix or suffix"),
        (queue("a", PUT, &[("", "x")]), S3ErrorCode::InvalidArgument, "either prefix or suffix"),
        (
            queue("a", PUT, &[("prefix", "a"), ("Prefix", "b")]),
            S3ErrorCode::InvalidArgument,
            "more than one prefix",
        ),
        (
            queue("a", PUT, &[("suffix", "a"), ("suffix", "a")]),
            S3ErrorCode::InvalidArgument,
            "more than one suffix",
        ),
        (queue("a", PUT, &[("suffix", &long)]), S3ErrorCode::InvalidArgument, "1024 bytes"),
        (queue("a", PUT, &[("prefix", "%ff")]), S3ErrorCode::InvalidArgument, "it is text"),
    ];
    for (queue, code, words) in table {
        let error = refused(vec![queue]);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let bridge = NotificationConfiguration {
        event_bridge_configuration: Some(EventBridgeConfiguration {}),
        ..Default::default()
    };
    assert_eq!(Notifications::of_client(bridge).unwrap_err().code(), S3ErrorCode::NotImplemented);
}

#[test]
fn a_bucket_has_a_hundred_notifications_and_no_more() {
    let many = |count: usize| {
        let one = |number| queue(&format!("{number}"), PUT, &[("prefix", &format!("{number:04}/"))]);
        of((0..count).map(one).collect())
    };
    assert!(many(NOTIFICATIONS_MAX).is_ok());
    assert!(matches!(many(NOTIFICATIONS_MAX + 1), Err(NotificationError::TooMany)));
}
