//! What the conditions of a policy may look at: facts of a request.
//!
//! Only what a signature covers or the connection shows. `X-Forwarded-For` is believed of nobody: behind a proxy, `aws:SourceIp` is
//! the proxy's address. s3s takes no header from a query, so `x-amz-acl` and the like in a presigned URL do nothing and are no
//! facts. Bodies are not looked into; what a form asks for is put into headers first (`form`). See "Condition keys for Amazon S3" of
//! the AWS service authorization reference; `s3:content-length` is ours.

use chrono::{DateTime, NaiveDateTime, Utc};
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use relais_model::Identity;

use super::session::Asker;
use super::token::Claims;
use crate::observe::Connection;

pub(crate) use caller::Caller;

mod caller;
pub(crate) mod form;

/// Headers that are condition keys of the same name, with `s3:` in front.
const HEADERS: [&str; 16] = [
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// Parameters of the query that are condition keys.
const QUERY: [(&str, &str); 4] = [
    ("s3:prefix", "prefix"),
    ("s3:delimiter", "delimiter"),
    ("s3:max-keys", "max-keys"),
    ("s3:versionid", "versionId"),
];

/// The facts of one request.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) headers: &'a HeaderMap,
    uri: &'a Uri,
    connection: Option<Connection>,
    /// What their token claims.
    claims: Option<&'a Claims>,
    /// Whether they have policies of their own.
    session: bool,
    /// Who asks; nothing for who did not sign.
    account: Option<&'a str>,
    is_form: bool,
}

/// Tags that an object has.
pub(crate) type Tags = Vec<(String, String)>;

impl<'a> Facts<'a> {
    pub(crate) fn new(
        headers: &'a HeaderMap,
        uri: &'a Uri,
        connection: Option<Connection>,
        asker: &'a Asker,
    ) -> Self {
        let account = match &asker.identity {
            Identity::Anonymous => None,
            known => Some(known.principal()),
        };
        let (claims, session) = (asker.claims(), asker.session.is_some());
        Self { headers, uri, connection, claims, session, account, is_form: false }
    }

    /// Of a form, by the headers that [`form::headers`] makes of it.
    pub(crate) fn of_form(
        headers: &'a HeaderMap,
        uri: &'a Uri,
        connection: Option<Connection>,
        asker: &'a Asker,
    ) -> Self {
        Self { is_form: true, ..Self::new(headers, uri, connection, asker) }
    }

    /// The values of a condition key, in lower case but for what follows a slash.
    pub(crate) fn values(&self, key: &str, existing_tags: &Tags) -> Option<Vec<String>> {
        let one = |value: Option<String>| value.map(|value| vec![value]);
        if let Some(tag) = key.strip_prefix("s3:existingobjecttag/") {
            return only(existing_tags, tag);
        }
        if let Some(tag) = key.strip_prefix("s3:requestobjecttag/") {
            return only(&self.request_tags(), tag);
        }
        if let Some((_, name)) = QUERY.iter().find(|(known, _)| *known == key) {
            return one(self.query(name));
        }
        match key {
            "aws:sourceip" => one(self.source_ip()),
            "aws:currenttime" => one(Some(Utc::now().to_rfc3339())),
            "aws:epochtime" => one(Some(Utc::now().timestamp().to_string())),
            "aws:securetransport" => one(self.connection.map(|connection| connection.secure.to_string())),
            "aws:referer" => self.header("referer"),
            "aws:useragent" => self.header("user-agent"),
            "s3:requestobjecttagkeys" => Some(self.request_tags().into_iter().map(|(key, _)| key).collect()),
            "s3:content-length" => one(self.object_bytes().map(|bytes| bytes.to_string())),
            "s3:x-amz-content-sha256" => {
                self.header("x-amz-content-sha256").or_else(|| self.unsigned_payload())
            }
            "s3:authtype" => one(self.signature().map(|(way, _)| way.to_owned())),
            "s3:signatureversion" => {
                one(self.signature().and_then(|(_, version)| version).map(str::to_owned))
            }
            "s3:signatureage" => one(self.signature_age().map(|age| age.to_string())),
            "s3:object-lock-mode" | "s3:object-lock-legal-hold" | "s3:object-lock-retain-until-date" => {
                self.header(&key.replace("s3:", "x-amz-"))
            }
            "s3:object-lock-remaining-retention-days" => {
                one(self.retention_days().map(|days| days.to_string()))
            }
            _ => match key.strip_prefix("s3:").filter(|name| HEADERS.contains(name)) {
                Some(name) => self.header(name),
                None => self.caller().values(key),
            },
        }
    }

    fn caller(&self) -> Caller<'a> {
        Caller { account: self.account, claims: self.claims, session: self.session }
    }

    /// The address of the other end of the connection.
    pub(crate) fn source_ip(&self) -> Option<String> {
        self.connection.map(|connection| connection.client.ip().to_string())
    }

    /// The value of a parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        query(self.uri, name)
    }

    /// Whether the request has the header, and s3s takes it for one: an empty one it does not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    /// What is not text is shown as far as it is, rather than hidden from a Deny.
    fn header(&self, name: &str) -> Option<Vec<String>> {
        let values = self.headers.get_all(name).iter().filter(|value| !value.is_empty());
        let values: Vec<String> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        Some(values).filter(|values| !values.is_empty())
    }

    /// How large the object is that comes with the request, or the part; a copy brings none. Of several lengths the largest.
    fn object_bytes(&self) -> Option<u64> {
        if self.has("x-amz-copy-source") {
            return None;
        }
        let streams = |value: &String| value.starts_with("STREAMING-");
        let is_encoded = self.header("x-amz-content-sha256").is_some_and(|values| values.iter().any(streams));
        let name = if is_encoded { "x-amz-decoded-content-length" } else { "content-length" };
        self.header(name)?.iter().filter_map(|value| value.parse().ok()).max()
    }

    /// The way of the signature, and its version where that is known.
    fn signature(&self) -> Option<(&'static str, Option<&'static str>)> {
        self.account?;
        if self.is_form {
            return Some(("POST", None));
        }
        if self.query("X-Amz-Signature").is_some() {
            return Some(("REST-QUERY-STRING", Some(VERSION_4)));
        }
        if self.query("Signature").is_some() {
            return Some(("REST-QUERY-STRING", Some("AWS")));
        }
        // A token is taken off before; other schemes s3s refuses.
        let header = self.header("authorization")?.pop()?;
        Some(("REST-HEADER", Some(if header.starts_with("AWS ") { "AWS" } else { VERSION_4 })))
    }

    /// In milliseconds.
    fn signature_age(&self) -> Option<i64> {
        let (_, version) = self.signature()?;
        version.filter(|version| *version == VERSION_4)?;
        let dated = |text: String| NaiveDateTime::parse_from_str(&text, "%Y%m%dT%H%M%SZ").ok();
        let by_date = || DateTime::parse_from_rfc2822(&self.header("date")?.pop()?).ok();
        let signed_at = match self.query("X-Amz-Date").or_else(|| self.header("x-amz-date")?.pop()) {
            Some(text) => dated(text)?.and_utc(),
            None => by_date()?.to_utc(),
        };
        Some((Utc::now() - signed_at).num_milliseconds().max(0))
    }

    /// A presigned URL signs no payload.
    fn unsigned_payload(&self) -> Option<Vec<String>> {
        let is_presigned = self.signature() == Some(("REST-QUERY-STRING", Some(VERSION_4)));
        is_presigned.then(|| vec!["UNSIGNED-PAYLOAD".to_owned()])
    }

    fn retention_days(&self) -> Option<i64> {
        let text = self.header("x-amz-object-lock-retain-until-date")?.pop()?;
        let until = DateTime::parse_from_rfc3339(&text).ok()?.to_utc();
        Some((until - Utc::now()).num_days())
    }

    fn request_tags(&self) -> Tags {
        let header = self.header("x-amz-tagging").unwrap_or_default().join("&");
        let pairs = header.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (decode(key), decode(value)))
            .collect()
    }
}

/// The value of a parameter of a query.
pub(crate) fn query(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&');
    // Names may be encoded as well as values; s3s decodes both.
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| decode(key) == name).map(|(_, value)| decode(value))
}

fn only(tags: &Tags, wanted: &str) -> Option<Vec<String>> {
    tags.iter().find(|(key, _)| key == wanted).map(|(_, value)| vec![value.clone()])
}

/// Of a form: a plus is a blank.
fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// As AWS calls the one version that is in use.
const VERSION_4: &str = "AWS4-HMAC-SHA256";

#[cfg(test)]
mod tests;
