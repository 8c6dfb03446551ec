//! One entry of the audit log.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// What somebody asked for and what was decided. What is not known is left out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry<'a> {
    #[serde(serialize_with = "micros")]
    pub(crate) time: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<&'a str>,
    /// Who asked.
    pub(crate) principal: &'a str,
    pub(crate) via: Via,
    /// Name of the issuer of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub(crate) roles: &'a [&'a str],
    /// As policies name it: `s3:GetObject`, `sts:AssumeRoleWithWebIdentity`, `auth:Login`.
    pub(crate) action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_ip: Option<&'a str>,
    pub(crate) decision: Decision,
    /// Which grant or statement decided.
    pub(crate) reason: &'a str,
    /// Status of the answer, where it is known by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
}

/// By which way somebody came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Via {
    Key,
    Bearer,
    SessionToken,
    Sts,
    Root,
    Anonymous,
    Service,
}

/// What was decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decision {
    Allow,
    Deny,
}

impl<'a> Entry<'a> {
    /// An entry of this moment with nothing but what every one has.
    pub(crate) fn new(
        (principal, via): (&'a str, Via),
        action: &'a str,
        decision: Decision,
        reason: &'a str,
    ) -> Self {
        Self {
            time: Utc::now(),
            request_id: None,
            principal,
            via,
            issuer: None,
            roles: &[],
            action,
            bucket: None,
            key: None,
            version: None,
            source_ip: None,
            decision,
            reason,
            status: None,
        }
    }

    /// One line of JSON; a line break within a value is escaped by it.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

fn micros<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}
