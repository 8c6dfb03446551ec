//! The form of a slot: the fields that a page sends before its file.
//!
//! The policy holds the form to one key, one type or family, and a range of sizes; s3s checks it before the file is stored. See
//! "POST Policy" in the Amazon S3 API reference.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::ContentType;
use super::presign::Presigner;

/// How long a form can be used: s3s takes the signature of a form for a quarter of an hour, whatever its policy says.
pub(super) const FORM_SECONDS_MAX: u64 = 15 * 60;

/// What a form allows.
#[derive(Debug)]
pub(super) struct Form<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) content_type: &'a ContentType,
    pub(super) bytes: RangeInclusive<u64>,
    pub(super) expires_at: DateTime<Utc>,
}

/// The fields of the form, all but the file.
pub(super) fn fields(form: &Form<'_>, presigner: &Presigner) -> Map<String, Value> {
    let scope = presigner.scope();
    let mut fields = Map::new();
    let mut put = |name: &str, value: &str| fields.insert(name.to_owned(), json!(value));
    put("key", form.key);
    put("x-amz-algorithm", ALGORITHM);
    put("x-amz-credential", &scope.credential);
    put("x-amz-date", &scope.date);
    if let Some(token) = &presigner.key.session_token {
        put(SECURITY_TOKEN, token.expose());
    }
    if let ContentType::Exactly(content_type) = form.content_type {
        put("Content-Type", content_type);
    }
    let policy = policy(form, &fields);
    let policy = BASE64_STANDARD.encode(policy.to_string());
    fields.insert("x-amz-signature".to_owned(), json!(presigner.signature(&policy)));
    fields.insert("policy".to_owned(), json!(policy));
    fields
}

const SECURITY_TOKEN: &str = "x-amz-security-token";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Each field as it is, the bucket, the size, and the type where the page may choose among several.
fn policy(form: &Form<'_>, fields: &Map<String, Value>) -> Value {
    let mut conditions = vec![
        json!({ "bucket": form.bucket }),
        json!(["content-length-range", form.bytes.start(), form.bytes.end()]),
    ];
    let prefix = match form.content_type {
        ContentType::Exactly(_) => None,
        ContentType::Family(family) => Some(family.as_str()),
        ContentType::Any => Some(""),
    };
    conditions.extend(prefix.map(|prefix| json!(["starts-with", "$Content-Type", prefix])));
    conditions.extend(fields.iter().map(|(name, value)| match name.as_str() {
        // A refusal of s3s repeats what a field should have been. Another token opens nothing beside this access key anyway.
        SECURITY_TOKEN => json!(["starts-with", format!("${name}"), ""]),
        name => json!(["eq", format!("${name}"), value]),
    }));
    json!({
        "expiration": form.expires_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "conditions": conditions,
    })
}

#[cfg(test)]
mod tests {
    use super::super::presign::tests::example;
    use super::*;

    /// 2015-12-29T00:00:00Z
    const EXAMPLE_TIME: u64 = 1_451_347_200;

    fn form(content_type: &ContentType) -> Form<'_> {
        let expires_at = "2015-12-29T01:00:00Z".parse().unwrap();
        Form { bucket: "media", key: "audio/42/a\"b.ogg", content_type, bytes: 1..=25, expires_at }
    }

    fn policy_of(fields: &Map<String, Value>) -> Value {
        let policy = BASE64_STANDARD.decode(fields["policy"].as_str().unwrap()).unwrap();
        serde_json::from_slice(&policy).unwrap()
    }

    /// "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)" of the Amazon S3 API reference.
    #[test]
    fn the_policy_of_the_example_of_aws_is_signed_as_aws_signs_it() {
        let policy = include_str!("form/example_policy.txt").trim_end();
        let signature = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";
        assert_eq!(example(EXAMPLE_TIME, None).signature(policy), signature);
    }

    #[test]
    fn the_policy_holds_the_form_to_what_was_asked() {
        let content_type = ContentType::Exactly("audio/ogg".to_owned());
        let fields = fields(&form(&content_type), &example(EXAMPLE_TIME, Some("session")));
        let credential = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request";
        assert_eq!(
            policy_of(&fields),
            json!({
                "expiration": "2015-12-29T01:00:00.000Z",
                "conditions": [
                    { "bucket": "media" },
                    ["content-length-range", 1, 25],
                    ["eq", "$Content-Type", "audio/ogg"],
                    ["eq", "$key", "audio/42/a\"b.ogg"],
                    ["eq", "$x-amz-algorithm", "AWS4-HMAC-SHA256"],
                    ["eq", "$x-amz-credential", credential],
                    ["eq", "$x-amz-date", "20151229T000000Z"],
                    ["starts-with", "$x-amz-security-token", ""],
                ],
            })
        );
        let names: Vec<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(names.len(), 8);
        assert_eq!(fields["key"], "audio/42/a\"b.ogg");
        assert_eq!(fields["x-amz-signature"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn a_page_may_choose_a_type_only_of_the_family() {
        for (content_type, prefix) in
            [(ContentType::Family("audio/".to_owned()), "audio/"), (ContentType::Any, "")]
        {
            let fields = fields(&form(&content_type), &example(EXAMPLE_TIME, None));
            assert!(!fields.contains_key("Content-Type") && !fields.contains_key("x-amz-security-token"));
            let condition = json!(["starts-with", "$Content-Type", prefix]);
            assert!(policy_of(&fields)["conditions"].as_array().unwrap().contains(&condition));
        }
    }
}
