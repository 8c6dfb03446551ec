//! The forms in which MinIO writes events to Redis, byte for byte, for what was written to read those.
//!
//! Names, their order, what is left out when it is empty, and how text is escaped are as MinIO's event and Go's
//! `encoding/json` have them. What MinIO knows and relais does not is written as MinIO writes what it does not know: the
//! id, the endpoint and the host of the server, the port of the client and what program it is, are empty; of the user's
//! metadata there is the content type, which MinIO repeats there.

use chrono::SecondsFormat;
use relais_model::{Event, EventKind, ObjectFacts};
use serde::Serialize;

use crate::record::facts;

/// The value that a hash of the format `namespace` has for an object.
pub(crate) fn namespace_value(event: &Event, region: &str) -> String {
    as_go_writes(&Records { records: [record(event, region)] })
}

/// The field of the hash.
pub(crate) fn namespace_field(event: &Event) -> String {
    format!("{}/{}", event.bucket, event.key)
}

/// What a list of the format `access` gets for an event.
pub(crate) fn access_value(event: &Event, region: &str) -> String {
    let record = record(event, region);
    let event_time = record.event_time.clone();
    as_go_writes(&[Access { event: [record], event_time }])
}

#[derive(Serialize)]
struct Records<'a> {
    #[serde(rename = "Records")]
    records: [Record<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Access<'a> {
    event: [Record<'a>; 1],
    event_time: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    event_version: &'static str,
    event_source: &'static str,
    aws_region: &'a str,
    event_time: String,
    event_name: String,
    user_identity: Identity<'a>,
    request_parameters: RequestParameters<'a>,
    response_elements: ResponseElements<'a>,
    s3: S3<'a>,
    source: Source,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    principal_id: &'a str,
}

/// A map in MinIO: Go writes its keys in order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestParameters<'a> {
    principal_id: &'a str,
    region: &'a str,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: String,
}

/// A map in MinIO too.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ResponseElements<'a> {
    x_amz_id_2: &'static str,
    x_amz_request_id: &'a str,
    x_minio_deployment_id: &'static str,
    x_minio_origin_endpoint: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct S3<'a> {
    #[serde(rename = "s3SchemaVersion")]
    schema_version: &'static str,
    configuration_id: &'static str,
    bucket: Bucket<'a>,
    object: Object<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bucket<'a> {
    name: &'a str,
    owner_identity: Identity<'a>,
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e_tag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_metadata: Option<UserMetadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    sequencer: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct UserMetadata<'a> {
    content_type: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    host: String,
    port: &'static str,
    user_agent: &'static str,
}

fn record<'a>(event: &'a Event, region: &'a str) -> Record<'a> {
    // MinIO names the requester as the owner of the bucket, too.
    let identity = || Identity { principal_id: &event.requester.principal };
    let host = source_ip(event);
    Record {
        event_version: "2.0",
        event_source: "minio:s3",
        aws_region: region,
        event_time: event.time.to_rfc3339_opts(SecondsFormat::Millis, true),
        event_name: format!("s3:{}", name(event.kind)),
        user_identity: identity(),
        request_parameters: RequestParameters {
            principal_id: &event.requester.principal,
            region,
            source_ip_address: host.clone(),
        },
        response_elements: ResponseElements {
            x_amz_id_2: "",
            x_amz_request_id: &event.requester.request_id,
            x_minio_deployment_id: "",
            x_minio_origin_endpoint: "",
        },
        s3: S3 {
            schema_version: "1.0",
            configuration_id: "Config",
            bucket: Bucket {
                name: event.bucket.as_str(),
                owner_identity: identity(),
                arn: format!("arn:aws:s3:::{}", event.bucket),
            },
            object: object(event),
        },
        source: Source { host, port: "", user_agent: "" },
    }
}

fn object(event: &Event) -> Object<'_> {
    let facts = facts(event);
    let content_type = facts.and_then(|facts| facts.content_type.as_deref()).filter(|kind| !kind.is_empty());
    Object {
        key: query_escaped(event.key.as_str()),
        // Go leaves out what is zero or empty: an empty object has no size.
        size: facts.map(|facts| facts.size).filter(|size| *size > 0),
        e_tag: facts.map(etag).filter(|etag| !etag.is_empty()),
        content_type,
        user_metadata: content_type.map(|content_type| UserMetadata { content_type }),
        version_id: event.version_id.as_deref().filter(|id| !id.is_empty()),
        // There it is the time of the object in nanoseconds, which has sixteen digits too.
        sequencer: event.sequencer.to_string(),
    }
}

fn etag(facts: &ObjectFacts) -> &str {
    &facts.etag
}

/// The name that MinIO has for it; where it has none, that of S3.
fn name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::PutTags => "ObjectCreated:PutTagging",
        EventKind::DeleteTags => "ObjectCreated:DeleteTagging",
        kind => kind.name(),
    }
}

/// MinIO puts IPv6 addresses in brackets.
fn source_ip(event: &Event) -> String {
    match &event.requester.source_ip {
        Some(address) if address.contains(':') => format!("[{address}]"),
        Some(address) => address.clone(),
        None => String::new(),
    }
}

/// As Go's `url.QueryEscape` does it.
fn query_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte))
            }
            b' ' => escaped.push('+'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// JSON as Go's `encoding/json` writes it: no spaces, and safe within HTML. The characters concerned can only stand inside
/// of text.
fn as_go_writes(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("structures of texts and numbers can be written");
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                safe.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
