use chrono::DateTime;
use relais_model::{DerivedFrom, EventKind, ObjectFacts, Requester, Sequencer};
use uuid::Uuid;

use super::*;

/// Wants text.
#[derive(Debug)]
struct Texts;

impl Sidecar for Texts {
    fn kind(&self) -> &'static str {
        "text"
    }

    fn recipe(&self) -> String {
        "text/1".to_owned()
    }

    fn wants(&self, event: &Event) -> bool {
        event.key.stem_and_extension().1 == "txt"
    }

    fn source_bytes_max(&self) -> u64 {
        1000
    }

    fn task(&self, event: &Event) -> serde_json::Value {
        serde_json::json!({ "extension": event.key.stem_and_extension().1 })
    }
}

fn event(kind: EventKind, key: &str) -> Event {
    Event {
        id: Uuid::nil(),
        kind,
        time: DateTime::UNIX_EPOCH,
        bucket: "media".parse().unwrap(),
        key: key.parse().unwrap(),
        sequencer: Sequencer(7),
        object: kind.creates().then(|| ObjectFacts {
            size: 1,
            etag: "e".to_owned(),
            content_type: None,
            owner: "root".to_owned(),
        }),
        version_id: None,
        derived_from: None,
        requester: Requester {
            principal: "root".to_owned(),
            source_ip: None,
            request_id: "1".to_owned(),
            traceparent: None,
        },
    }
}

#[test]
fn every_way_to_create_an_object_gives_a_job() {
    use EventKind::{CompleteMultipartUpload, Copy, Post, Put};
    for kind in [Put, Post, Copy, CompleteMultipartUpload] {
        let job = job_for(&Texts, &event(kind, "notes/a.txt")).unwrap();
        assert_eq!((job.kind.as_str(), job.key.as_str(), job.etag.as_str()), ("text", "notes/a.txt", "e"));
        assert_eq!(job.task, serde_json::json!({ "extension": "txt" }));
    }
}

#[test]
fn what_is_removed_derived_or_not_wanted_gives_none() {
    assert_eq!(job_for(&Texts, &event(EventKind::Delete, "a.txt")), None);
    assert_eq!(job_for(&Texts, &event(EventKind::Put, "a.jpg")), None);
    let derived_from = Some(DerivedFrom { key: "a.ogg".parse().unwrap(), etag: "e".to_owned() });
    assert_eq!(job_for(&Texts, &Event { derived_from, ..event(EventKind::Put, "a.txt") }), None);
}

#[test]
fn the_same_event_gives_the_same_job_and_the_next_write_another() {
    let first = event(EventKind::Put, "a.txt");
    let again = Event { sequencer: Sequencer(8), ..first.clone() };
    assert_eq!(job_for(&Texts, &first), job_for(&Texts, &first));
    assert_ne!(job_for(&Texts, &first), job_for(&Texts, &again));
}
