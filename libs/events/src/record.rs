//! The form in which subscribers get an event: the record that S3 itself sends, with one object more.
//!
//! Everything outside `relais` is as in S3's event message structure, version 2.3, so that what was written for S3
//! reads it; the key is URL-encoded there, as S3 does. `relais` holds what S3 has no place for, with the key of the
//! source in plain text. What is not known is left out, never invented. The record is complete: the event can be
//! made from it again, and consumers of relais do just that; save that a removal does not say what is the latest then.

use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use relais_model::{DerivedFrom, Event, EventKind, ObjectFacts, Requester, Sequencer};
use serde_json::{Value, json};

use crate::bus::{Notice, TestNotice};
use crate::error::BusError;

/// Gives the record of an event that a rule has sent.
pub(crate) fn notice_record(notice: &Notice, region: &str) -> Value {
    let mut record = record(&notice.event, region);
    if let Some(rule) = &notice.rule
        && let Some(id) = record.pointer_mut(RULE)
    {
        *id = Value::from(rule.as_str());
    }
    record
}

/// Gives the message with which S3 tries a new place for notifications.
pub(crate) fn test_message(notice: &TestNotice) -> Value {
    json!({
        "Service": "Amazon S3",
        "Event": TEST_EVENT,
        "Time": notice.time.to_rfc3339_opts(SecondsFormat::Millis, true),
        "Bucket": notice.bucket,
        "RequestId": notice.request_id,
        "HostId": notice.host_id,
    })
}

/// Gives the S3 event record of an event, for a client that sees its buckets in this region.
pub fn record(event: &Event, region: &str) -> Value {
    let object = facts(event);
    let derived_from = event.derived_from.as_ref().filter(|_| !event.kind.removes());
    without_nulls(json!({
        "eventVersion": "2.3",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": event.time.to_rfc3339_opts(SecondsFormat::Millis, true),
        "eventName": event.kind.name(),
        "userIdentity": { "principalId": event.requester.principal },
        "requestParameters": { "sourceIPAddress": event.requester.source_ip },
        "responseElements": { "x-amz-request-id": event.requester.request_id },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "relais",
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": { "principalId": BUCKET_OWNER },
                "arn": format!("arn:aws:s3:::{}", event.bucket),
            },
            "object": {
                "key": encoded(event.key.as_str()),
                "size": object.map(|object| object.size),
                "eTag": object.map(|object| &object.etag),
                "versionId": event.version_id,
                "sequencer": event.sequencer.to_string(),
            },
        },
        "relais": {
            "id": event.id,
            // S3 has milliseconds; the journal knows better.
            "time": event.time,
            "contentType": object.and_then(|object| object.content_type.as_ref()),
            "owner": object.map(|object| &object.owner),
            "derivedFrom": derived_from.map(|source| json!({ "key": source.key, "etag": source.etag })),
            "traceparent": event.requester.traceparent,
        },
    }))
}

/// What there is to say of the object; nothing of a removal, whose event has what is the latest then and names the version
/// that is gone.
pub(crate) fn facts(event: &Event) -> Option<&ObjectFacts> {
    event.object.as_ref().filter(|_| !event.kind.removes())
}

/// Makes the event again from a record that [`record`] wrote.
pub fn event_from_record(record: &Value) -> Result<Event, BusError> {
    let optional = |field: &'static str| record.pointer(field).and_then(Value::as_str).map(str::to_owned);
    let text = |field: &'static str| optional(field).ok_or(BusError::InvalidRecord { field });
    Ok(Event {
        id: parsed(text(ID)?.parse(), ID)?,
        kind: kind(&text(NAME)?).ok_or(BusError::InvalidRecord { field: NAME })?,
        time: parsed(text(TIME)?.parse::<DateTime<Utc>>(), TIME)?,
        bucket: parsed(text(BUCKET)?.parse(), BUCKET)?,
        key: parsed(decoded(&text(KEY)?).parse(), KEY)?,
        sequencer: Sequencer(parsed(u64::from_str_radix(&text(SEQUENCER)?, 16), SEQUENCER)?),
        object: match record.pointer(SIZE) {
            None => None,
            Some(size) => Some(ObjectFacts {
                size: size.as_u64().ok_or(BusError::InvalidRecord { field: SIZE })?,
                etag: text(ETAG)?,
                content_type: optional("/relais/contentType"),
                owner: text(OWNER)?,
            }),
        },
        version_id: optional(VERSION),
        derived_from: match optional(SOURCE_KEY) {
            None => None,
            Some(key) => {
                Some(DerivedFrom { key: parsed(key.parse(), SOURCE_KEY)?, etag: text(SOURCE_ETAG)? })
            }
        },
        requester: Requester {
            principal: text(PRINCIPAL)?,
            source_ip: optional("/requestParameters/sourceIPAddress"),
            request_id: text(REQUEST_ID)?,
            traceparent: optional("/relais/traceparent"),
        },
    })
}

fn parsed<T, E>(outcome: Result<T, E>, field: &'static str) -> Result<T, BusError> {
    outcome.map_err(|_| BusError::InvalidRecord { field })
}

fn kind(name: &str) -> Option<EventKind> {
    EventKind::of_name(name)
}

/// URL-encodes a key as S3 does in its events: slashes stay, a space becomes `+`.
fn encoded(key: &str) -> String {
    utf8_percent_encode(key, &ENCODED_IN_KEYS).to_string().replace("%20", "+")
}

fn decoded(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let known = fields.into_iter().filter(|(_, value)| !value.is_null());
            known.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        other => other,
    }
}

/// S3 names the account that owns the bucket. The catalog knows the owner, an event does not: the record names the holder
/// of the root keys, whoever it is.
const BUCKET_OWNER: &str = "root";

/// All but what Java's `URLEncoder`, which S3 follows, and the slash leave as they are.
const ENCODED_IN_KEYS: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/');

/// The name of the event that is none.
pub(crate) const TEST_EVENT: &str = "s3:TestEvent";

const RULE: &str = "/s3/configurationId";
const ID: &str = "/relais/id";
const NAME: &str = "/eventName";
const TIME: &str = "/relais/time";
const BUCKET: &str = "/s3/bucket/name";
const KEY: &str = "/s3/object/key";
const SEQUENCER: &str = "/s3/object/sequencer";
const SIZE: &str = "/s3/object/size";
const VERSION: &str = "/s3/object/versionId";
const ETAG: &str = "/s3/object/eTag";
const OWNER: &str = "/relais/owner";
const SOURCE_KEY: &str = "/relais/derivedFrom/key";
const SOURCE_ETAG: &str = "/relais/derivedFrom/etag";
const PRINCIPAL: &str = "/userIdentity/principalId";
const REQUEST_ID: &str = "/responseElements/x-amz-request-id";

#[cfg(test)]
mod tests;
