use super::*;
use crate::contract;

fn photo() -> Event {
    Event {
        id: "0192f0c1-7a00-7000-8000-0000000000aa".parse().unwrap(),
        kind: EventKind::Put,
        time: "2026-03-04T05:06:07.890123456Z".parse().unwrap(),
        bucket: "media".parse().unwrap(),
        key: "images/a photo+1 (été).jpg".parse().unwrap(),
        sequencer: Sequencer(0x0006_4F1A_2B3C_4D5E),
        object: Some(ObjectFacts {
            size: 1024,
            etag: "d41d8cd98f00b204e9800998ecf8427e".into(),
            content_type: Some("image/jpeg".into()),
            owner: "alice".into(),
        }),
        version_id: None,
        derived_from: None,
        requester: Requester {
            principal: "alice".into(),
            source_ip: Some("192.0.2.7".into()),
            request_id: "REQ1".into(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        },
    }
}

#[test]
fn a_put_is_the_record_that_s3_sends() {
    let expected = json!({
        "eventVersion": "2.3",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-3",
        "eventTime": "2026-03-04T05:06:07.890Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "alice" },
        "requestParameters": { "sourceIPAddress": "192.0.2.7" },
        "responseElements": { "x-amz-request-id": "REQ1" },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "relais",
            "bucket": {
                "name": "media",
                "ownerIdentity": { "principalId": "root" },
                "arn": "arn:aws:s3:::media"
            },
            "object": {
                "key": "images/a+photo%2B1+%28%C3%A9t%C3%A9%29.jpg",
                "size": 1024,
                "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": "00064F1A2B3C4D5E"
            }
        },
        "relais": {
            "id": "0192f0c1-7a00-7000-8000-0000000000aa",
            "time": "2026-03-04T05:06:07.890123456Z",
            "contentType": "image/jpeg",
            "owner": "alice",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        }
    });
    assert_eq!(record(&photo(), "eu-west-3"), expected);
}

#[test]
fn a_deletion_says_nothing_of_what_is_gone() {
    let mut event = photo();
    event.kind = EventKind::Delete;
    event.object = None;
    event.requester.source_ip = None;

    let record = record(&event, "us-east-1");
    assert_eq!(record["eventName"], "ObjectRemoved:Delete");
    assert_eq!(record["requestParameters"], json!({}));
    assert_eq!(
        record["s3"]["object"],
        json!({ "key": "images/a+photo%2B1+%28%C3%A9t%C3%A9%29.jpg", "sequencer": "00064F1A2B3C4D5E" })
    );
}

/// The event has what is the latest then, and names the version that is gone.
#[test]
fn a_removed_version_is_not_described_by_what_is_the_latest_then() {
    for kind in [EventKind::Delete, EventKind::DeleteMarker] {
        let derived_from =
            Some(DerivedFrom { key: "images/a photo.png".parse().unwrap(), etag: "e1".into() });
        let event = Event { kind, version_id: Some("3f4a".into()), derived_from, ..photo() };
        let record = record(&event, "us-east-1");
        let mut known: Vec<_> = record["s3"]["object"].as_object().unwrap().keys().collect();
        known.sort();
        assert_eq!(known, ["key", "sequencer", "versionId"]);
        let mut known: Vec<_> = record["relais"].as_object().unwrap().keys().collect();
        known.sort();
        assert_eq!(known, ["id", "time", "traceparent"]);
        let again = event_from_record(&record).unwrap();
        assert_eq!(again, Event { object: None, derived_from: None, ..event });
    }
}

#[test]
fn the_source_of_a_derived_object_is_named_in_plain_text() {
    let mut event = photo();
    let key = "images/a photo.jpg".parse().unwrap();
    event.derived_from = Some(DerivedFrom { key, etag: "e1".into() });

    let record = record(&event, "us-east-1");
    assert_eq!(record["relais"]["derivedFrom"], json!({ "key": "images/a photo.jpg", "etag": "e1" }));
}

#[test]
fn keys_are_encoded_as_s3_does() {
    for (plain, in_record) in [
        ("red flower.jpg", "red+flower.jpg"),
        ("a/b//c", "a/b//c"),
        ("year=2026/50%", "year%3D2026/50%25"),
        ("1+1", "1%2B1"),
        ("日", "%E6%97%A5"),
        ("-._*~", "-._*%7E"),
        ("a&b?c#d", "a%26b%3Fc%23d"),
    ] {
        assert_eq!(encoded(plain), in_record);
        assert_eq!(decoded(in_record), plain);
    }
}

#[test]
fn every_event_survives_the_record() {
    let mut events = contract::samples();
    events.push(photo());
    for event in events {
        let text = record(&event, "us-east-1").to_string();
        assert_eq!(event_from_record(&serde_json::from_str(&text).unwrap()).unwrap(), event);
    }
}

#[test]
fn a_broken_record_names_its_field() {
    for (field, value) in [
        (ID, json!("7")),
        (NAME, json!("ObjectRestore:Post")),
        (TIME, json!("yesterday")),
        (BUCKET, json!("NO")),
        (KEY, json!("")),
        (SEQUENCER, json!("xyz")),
        (SIZE, json!(-1)),
        (ETAG, json!(7)),
        (OWNER, Value::Null),
        (PRINCIPAL, Value::Null),
        (REQUEST_ID, Value::Null),
    ] {
        let mut record = record(&photo(), "us-east-1");
        *record.pointer_mut(field).unwrap() = value;
        let error = event_from_record(&record).unwrap_err().to_string();
        assert_eq!(error, format!("the event record has no valid {field}"));
    }
    assert!(event_from_record(&json!([])).is_err());
}
