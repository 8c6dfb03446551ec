//! What a genuine token must say to be taken: for whom, until when, about whom.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::super::token::{Claims, Token};
use super::refusal::Refusal;

/// What an issuer's tokens must say.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) audience: Audience,
    /// How far clocks may differ.
    pub(super) leeway: Duration,
    /// The claim that names who the token is for.
    pub(super) subject_claim: String,
}

/// Whom a token must be made for.
#[derive(Debug)]
pub(super) enum Audience {
    /// `aud` must name this.
    Required(String),
    /// Where there is an `aud`, it must name this.
    IfPresent(String),
}

/// The longest subject. Providers may use 255 ASCII characters.
const SUBJECT_BYTES_MAX: usize = 256;

impl Terms {
    /// What the claims say, if they say what they must.
    pub(super) fn token(
        &self,
        issuer: &str,
        claims: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Token, Refusal> {
        let expires_at = time(&claims, "exp")?.ok_or(Refusal::Times)?;
        if expires_at + self.leeway <= now {
            return Err(Refusal::Expired);
        }
        if time(&claims, "nbf")?.is_some_and(|not_before| not_before > now + self.leeway) {
            return Err(Refusal::NotYet);
        }
        self.audience.check(claims.get("aud"))?;
        Ok(Token {
            issuer: issuer.to_owned(),
            subject: subject(claims.get(&self.subject_claim))?,
            issued_at: time(&claims, "iat")?,
            expires_at,
            id: claims.get("jti").and_then(Value::as_str).map(str::to_owned),
            claims: Claims(claims),
        })
    }
}

impl Audience {
    fn check(&self, aud: Option<&Value>) -> Result<(), Refusal> {
        let (wanted, required) = match self {
            Self::Required(wanted) => (wanted, true),
            Self::IfPresent(wanted) => (wanted, false),
        };
        let named = match aud {
            None => !required,
            Some(Value::String(one)) => one == wanted,
            Some(Value::Array(several)) => several.iter().any(|one| one == wanted.as_str()),
            Some(_) => false,
        };
        if named { Ok(()) } else { Err(Refusal::Audience) }
    }
}

/// A time in seconds since 1970, whole or with a fraction, which is dropped (RFC 7519, section 2).
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    let time = seconds.filter(|seconds| (0..=SECONDS_MAX).contains(seconds));
    let time = time.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map(Some).ok_or(Refusal::Times)
}

/// The end of the year 9999: no token needs more, and sums with what is below do not overflow.
const SECONDS_MAX: i64 = 253_402_300_799;

/// A subject names an account, and stands in logs, headers and XML.
fn subject(claim: Option<&Value>) -> Result<String, Refusal> {
    let subject = match claim {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return Err(Refusal::Subject),
    };
    let fits = (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) && !subject.chars().any(char::is_control);
    if fits { Ok(subject) } else { Err(Refusal::Subject) }
}
