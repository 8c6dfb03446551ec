//! What the conditions of a policy may look at: facts of a request.
//!
//! Only what a signature covers or the connection shows. See "Condition keys for Amazon S3" of the AWS service authorization
//! reference.

use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use relais_model::Identity;

use super::session::Asker;
use super::token::Claims;
use crate::observe::Connection;

/// Headers that are condition keys of the same name, with `s3:` in front.
const HEADERS: [&str; 14] = [
    "x-amz-acl",
    "x-amz-content-sha256",
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
    /// The ACL that a form asks for, which is no header.
    pub(crate) form_acl: Option<&'a str>,
    /// Who asks; nothing for who did not sign.
    account: Option<&'a str>,
    /// What the token says that they brought.
    claims: Option<&'a Claims>,
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
        let claims = asker.claims();
        Self { headers, uri, connection, form_acl: None, account, claims }
    }

    /// The values of a condition key, in lower case but for what follows a slash.
    pub(crate) fn values(&self, key: &str, existing_tags: &Tags) -> Option<Vec<String>> {
        if let Some(path) = key.strip_prefix("jwt:") {
            return self.claims?.values(path);
        }
        if let Some(tag) = key.strip_prefix("s3:existingobjecttag/") {
            return only(existing_tags, tag);
        }
        if let Some(tag) = key.strip_prefix("s3:requestobjecttag/") {
            return only(&self.request_tags(), tag);
        }
        if let Some((_, name)) = QUERY.iter().find(|(known, _)| *known == key) {
            return self.query(name).map(|value| vec![value]);
        }
        match key {
            "aws:sourceip" => self.connection.map(|connection| vec![connection.client.ip().to_string()]),
            "aws:currenttime" => Some(vec![chrono::Utc::now().to_rfc3339()]),
            "aws:epochtime" => Some(vec![chrono::Utc::now().timestamp().to_string()]),
            "aws:securetransport" => self.connection.map(|connection| vec![connection.secure.to_string()]),
            "aws:username" | "aws:userid" => self.account.map(|account| vec![account.to_owned()]),
            "s3:x-amz-acl" if self.form_acl.is_some() => self.form_acl.map(|acl| vec![acl.to_owned()]),
            "aws:referer" => self.header("referer"),
            "aws:useragent" => self.header("user-agent"),
            "s3:requestobjecttagkeys" => Some(self.request_tags().into_iter().map(|(key, _)| key).collect()),
            _ => {
                let name = key.strip_prefix("s3:").filter(|name| HEADERS.contains(name))?;
                self.header(name)
            }
        }
    }

    /// The value of a parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        query(self.uri, name)
    }

    fn header(&self, name: &str) -> Option<Vec<String>> {
        let values = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let values: Vec<String> = values.map(str::to_owned).collect();
        Some(values).filter(|values| !values.is_empty())
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
