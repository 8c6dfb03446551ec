//! The expected bytes follow from MinIO's `event.Event`, its `ToEvent`, its Redis target, and Go's `encoding/json`.

use chrono::{TimeZone, Utc};
use relais_model::{Requester, Sequencer};
use uuid::Uuid;

use super::*;

fn photo() -> Event {
    Event {
        id: Uuid::nil(),
        kind: EventKind::Put,
        time: Utc.timestamp_nanos(1_772_600_767_089_000_000),
        bucket: "media".parse().unwrap(),
        key: "images/a photo+1 <é>&~.jpg".parse().unwrap(),
        sequencer: Sequencer(0x1895_0A6B_2C3D_4E5F),
        object: Some(ObjectFacts {
            size: 1024,
            etag: "d41d8cd98f00b204e9800998ecf8427e".into(),
            content_type: Some("image/jpeg; name=\"<a&b>\"\u{2028}".into()),
            owner: "alice".into(),
        }),
        version_id: Some("3f4a".into()),
        derived_from: None,
        requester: Requester {
            principal: "ALICEKEY".into(),
            source_ip: Some("2001:db8::7".into()),
            request_id: "17A1B2C3D4E5F607".into(),
            traceparent: None,
        },
    }
}

const CREATED: &str = concat!(
    r#"{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"eu-west-3","eventTime":"2026-03-04T05:06:07.089Z","#,
    r#""eventName":"s3:ObjectCreated:Put","userIdentity":{"principalId":"ALICEKEY"},"#,
    r#""requestParameters":{"principalId":"ALICEKEY","region":"eu-west-3","sourceIPAddress":"[2001:db8::7]"},"#,
    r#""responseElements":{"x-amz-id-2":"","x-amz-request-id":"17A1B2C3D4E5F607","x-minio-deployment-id":"","#,
    r#""x-minio-origin-endpoint":""},"s3":{"s3SchemaVersion":"1.0","configurationId":"Config","#,
    r#""bucket":{"name":"media","ownerIdentity":{"principalId":"ALICEKEY"},"arn":"arn:aws:s3:::media"},"#,
    r#""object":{"key":"images%2Fa+photo%2B1+%3C%C3%A9%3E%26~.jpg","size":1024,"#,
    r#""eTag":"d41d8cd98f00b204e9800998ecf8427e","#,
    r#""contentType":"image/jpeg; name=\"\u003ca\u0026b\u003e\"\u2028","#,
    r#""userMetadata":{"content-type":"image/jpeg; name=\"\u003ca\u0026b\u003e\"\u2028"},"#,
    r#""versionId":"3f4a","sequencer":"18950A6B2C3D4E5F"}},"source":{"host":"[2001:db8::7]","port":"","userAgent":""}}"#,
);

const REMOVED: &str = concat!(
    r#"{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"","eventTime":"2026-03-04T05:06:07.000Z","#,
    r#""eventName":"s3:ObjectRemoved:Delete","userIdentity":{"principalId":"ALICEKEY"},"#,
    r#""requestParameters":{"principalId":"ALICEKEY","region":"","sourceIPAddress":""},"#,
    r#""responseElements":{"x-amz-id-2":"","x-amz-request-id":"17A1B2C3D4E5F607","x-minio-deployment-id":"","#,
    r#""x-minio-origin-endpoint":""},"s3":{"s3SchemaVersion":"1.0","configurationId":"Config","#,
    r#""bucket":{"name":"media","ownerIdentity":{"principalId":"ALICEKEY"},"arn":"arn:aws:s3:::media"},"#,
    r#""object":{"key":"k","sequencer":"18950A6B2C3D4E5F"}},"source":{"host":"","port":"","userAgent":""}}"#,
);

fn removed() -> Event {
    let mut event = Event { kind: EventKind::Delete, object: None, version_id: None, ..photo() };
    event.time = Utc.timestamp_nanos(1_772_600_767_000_000_000);
    event.key = "k".parse().unwrap();
    event.requester.source_ip = None;
    event
}

#[test]
fn the_hash_has_the_bytes_of_minio() {
    assert_eq!(namespace_field(&photo()), "media/images/a photo+1 <é>&~.jpg");
    assert_eq!(namespace_value(&photo(), "eu-west-3"), format!(r#"{{"Records":[{CREATED}]}}"#));
    assert_eq!(namespace_value(&removed(), ""), format!(r#"{{"Records":[{REMOVED}]}}"#));
}

#[test]
fn the_list_has_the_bytes_of_minio() {
    let created = format!(r#"[{{"Event":[{CREATED}],"EventTime":"2026-03-04T05:06:07.089Z"}}]"#);
    assert_eq!(access_value(&photo(), "eu-west-3"), created);
    let removed_bytes = format!(r#"[{{"Event":[{REMOVED}],"EventTime":"2026-03-04T05:06:07.000Z"}}]"#);
    assert_eq!(access_value(&removed(), ""), removed_bytes);
}

/// What the event has of an object is not of the version that is gone.
#[test]
fn a_removed_version_is_not_described_by_what_is_the_latest_then() {
    let event = Event { kind: EventKind::Delete, key: "k".parse().unwrap(), ..photo() };
    let text = access_value(&event, "");
    let object = r#""object":{"key":"k","versionId":"3f4a","sequencer":"18950A6B2C3D4E5F"}"#;
    assert!(text.contains(object), "{text}");
}

#[test]
fn what_go_finds_empty_is_left_out() {
    let mut event = photo();
    event.object =
        Some(ObjectFacts { size: 0, etag: String::new(), content_type: None, owner: "alice".into() });
    event.version_id = Some(String::new());
    event.key = "k".parse().unwrap();
    let text = namespace_value(&event, "");
    assert!(text.contains(r#""object":{"key":"k","sequencer":"18950A6B2C3D4E5F"}"#), "{text}");
}

#[test]
fn names_are_those_that_minio_parses() {
    let names: Vec<_> = EventKind::ALL.into_iter().map(name).collect();
    // Of these MinIO lacks `ObjectAcl:Put` only: it has no event for that.
    assert_eq!(
        names,
        [
            "ObjectCreated:Put",
            "ObjectCreated:Post",
            "ObjectCreated:Copy",
            "ObjectCreated:CompleteMultipartUpload",
            "ObjectRemoved:Delete",
            "ObjectRemoved:DeleteMarkerCreated",
            "ObjectCreated:PutTagging",
            "ObjectCreated:DeleteTagging",
            "ObjectAcl:Put",
            "Replication:OperationFailedReplication",
            "Replication:OperationMissedThreshold",
            "Replication:OperationReplicatedAfterThreshold",
        ]
    );
}

#[test]
fn keys_are_escaped_as_go_does_in_queries() {
    for (plain, escaped) in [
        ("a b/c", "a+b%2Fc"),
        ("-_.~", "-_.~"),
        ("*!'()", "%2A%21%27%28%29"),
        ("日", "%E6%97%A5"),
        ("1+1=2%", "1%2B1%3D2%25"),
    ] {
        assert_eq!(query_escaped(plain), escaped);
    }
}

#[test]
fn control_characters_are_written_as_go_does() {
    assert_eq!(
        as_go_writes(&"\u{1}\u{8}\t\n\u{c}\r\u{1f}\u{7f}\"\\/"),
        r#""\u0001\b\t\n\f\r\u001f"#.to_owned() + "\u{7f}" + r#"\"\\/""#
    );
}
