use chrono::DateTime;
use relais_model::{EventKind, Requester, Sequencer};
use s3s::dto::{NotificationConfiguration, QueueConfiguration};
use uuid::Uuid;

use super::*;

const BUSES: [&str; 2] = ["audit", "redis"];

pub(super) fn event(kind: EventKind, bucket: &str, key: &str) -> Event {
    Event {
        id: Uuid::nil(),
        kind,
        time: DateTime::UNIX_EPOCH,
        bucket: bucket.parse().unwrap(),
        key: key.parse().unwrap(),
        sequencer: Sequencer(1),
        object: None,
        version_id: None,
        derived_from: None,
        requester: Requester {
            principal: "root".into(),
            source_ip: None,
            request_id: String::new(),
            traceparent: None,
        },
    }
}

fn config(more: serde_json::Value) -> Config {
    let mut config =
        serde_json::json!({ "stream": "relais:events", "stream_length_max": 10, "partitions": 1 });
    config.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

fn rules(more: serde_json::Value) -> Rules {
    Rules::new(&config(more), &BUSES).unwrap()
}

/// Notifications that send what is created below a prefix to a bus.
fn on_bucket(id: &str, bus: &str, prefix: &str) -> Notifications {
    let filter = serde_json::json!({ "key": { "filter_rules": [{ "name": "prefix", "value": prefix }] } });
    let queue = QueueConfiguration {
        id: Some(id.to_owned()),
        queue_arn: format!("arn:relais:sqs:::{bus}"),
        events: vec!["s3:ObjectCreated:*".to_owned().into()],
        filter: Some(serde_json::from_value(filter).unwrap()),
    };
    let queue_configurations = Some(vec![queue]);
    Notifications::of_client(NotificationConfiguration { queue_configurations, ..Default::default() })
        .unwrap()
}

fn refused(more: serde_json::Value) -> String {
    Rules::new(&config(more), &BUSES).unwrap_err().to_string()
}

#[test]
fn without_rules_every_bus_gets_everything() {
    let (rules, none) = (rules(serde_json::json!({})), Notifications::default());
    for bus in BUSES {
        for kind in EventKind::ALL {
            assert_eq!(sent(&rules, &none, bus, &event(kind, "media", "a")), Some(None));
        }
    }
    assert_eq!(sent(&rules, &none, "unknown", &event(EventKind::Put, "media", "a")), None);
}

#[test]
fn a_bus_that_a_rule_names_gets_what_its_rules_select() {
    let rules = rules(serde_json::json!({ "rules": [
        { "id": "pictures", "bus": "audit", "buckets": ["media", "other"], "events": ["s3:ObjectCreated:*"],
          "prefix": "images/", "suffix": ".jpg" },
        { "id": "gone", "bus": "audit", "events": ["s3:ObjectRemoved:Delete", "s3:ObjectAcl:Put"] },
    ]}));
    let table = [
        (EventKind::Put, "media", "images/a.jpg", Some("pictures")),
        (EventKind::CompleteMultipartUpload, "other", "images/.jpg", Some("pictures")),
        (EventKind::Put, "third", "images/a.jpg", None),
        (EventKind::Put, "media", "images/a.png", None),
        (EventKind::Put, "media", "a.jpg", None),
        (EventKind::PutTags, "media", "images/a.jpg", None),
        (EventKind::Delete, "third", "a", Some("gone")),
        (EventKind::PutAcl, "media", "images/a.jpg", Some("gone")),
        (EventKind::DeleteMarker, "media", "images/a.jpg", None),
    ];
    let none = Notifications::default();
    for (kind, bucket, key, expected) in table {
        let event = event(kind, bucket, key);
        let expected = expected.map(|id| Some(id.to_owned()));
        assert_eq!(sent(&rules, &none, "audit", &event), expected, "{kind:?} {bucket} {key}");
        assert_eq!(sent(&rules, &none, "redis", &event), Some(None));
    }
}

#[test]
fn keys_are_matched_as_they_are() {
    let rules =
        rules(serde_json::json!({ "rules": [{ "id": "one", "bus": "audit", "prefix": "a+b/100%/é" }] }));
    let none = Notifications::default();
    assert!(sent(&rules, &none, "audit", &event(EventKind::Put, "media", "a+b/100%/été")).is_some());
    assert!(sent(&rules, &none, "audit", &event(EventKind::Put, "media", "a b/100%/été")).is_none());
}

#[test]
fn a_bus_for_rules_alone_gets_nothing_by_itself() {
    let rules = rules(serde_json::json!({ "only_by_rules": ["audit"] }));
    let put = event(EventKind::Put, "media", "images/a");
    assert_eq!(sent(&rules, &Notifications::default(), "audit", &put), None);
    let expected = Some(Some("mine".to_owned()));
    assert_eq!(sent(&rules, &on_bucket("mine", "audit", "images/"), "audit", &put), expected);
    assert_eq!(sent(&rules, &on_bucket("mine", "redis", "images/"), "audit", &put), None);
}

#[test]
fn the_buckets_own_rule_is_named_before_the_configurations() {
    let rules = rules(serde_json::json!({ "rules": [{ "id": "all", "bus": "audit" }] }));
    let own = on_bucket("mine", "audit", "images/");
    let rule = |bus, key| sent(&rules, &own, bus, &event(EventKind::Put, "media", key)).unwrap();
    assert_eq!(rule("audit", "images/a").as_deref(), Some("mine"));
    assert_eq!(rule("audit", "logs/a").as_deref(), Some("all"));
    assert_eq!(rule("redis", "images/a"), None);
}

#[test]
fn a_wrong_rule_is_refused_with_its_key_and_what_there_is() {
    let error = refused(serde_json::json!({ "rules": [{ "id": "one", "bus": "audti" }] }));
    assert_eq!(error, r#"events.rules, "one": `bus`: there is no bus "audti"; there are audit, redis"#);

    let error = refused(serde_json::json!({ "only_by_rules": ["audti"] }));
    assert_eq!(error, r#"events.only_by_rules: there is no bus "audti"; there are audit, redis"#);

    let event =
        serde_json::json!({ "id": "one", "bus": "audit", "events": ["s3:ObjectCreated:*", "s3:ObjectMade"] });
    let error = refused(serde_json::json!({ "rules": [event] }));
    assert!(
        error.starts_with(r#"events.rules, "one": `events`: there is no event "s3:ObjectMade""#),
        "{error}"
    );
    assert!(
        error.contains("s3:ObjectCreated:*") && error.contains("s3:Replication:OperationMissedThreshold")
    );

    let error =
        refused(serde_json::json!({ "rules": [{ "id": "one", "bus": "audit", "buckets": ["Me dia"] }] }));
    assert!(error.contains("`buckets`") && error.contains("Me dia"), "{error}");

    let twice = serde_json::json!([{ "id": "one", "bus": "audit" }, { "id": "one", "bus": "redis" }]);
    assert!(refused(serde_json::json!({ "rules": twice })).contains("`id`: \"one\""));

    let lonely = config(serde_json::json!({ "rules": [{ "id": "one", "bus": "audit" }] }));
    let error = Rules::new(&lonely, &[]).unwrap_err().to_string();
    assert!(error.contains("REDIS_URL"), "{error}");
}
