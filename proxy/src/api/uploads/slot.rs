//! What a client asks of a slot, and what of it is granted before anything is signed.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use relais_model::{ByteSize, ObjectKey};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Asking;
use super::form::FORM_SECONDS_MAX;
use super::layout::Filling;
use super::plan;
use super::profile::Profile;
use super::refusal::Refusal;
use crate::access::token::Token;

/// The body of `POST /api/uploads/{profile}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    filename: Option<String>,
    content_type: Option<String>,
    pub(super) size: Option<u64>,
    #[serde(default)]
    pub(super) method: Method,
    #[serde(default)]
    values: Map<String, Value>,
}

/// How the file will come.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub(super) enum Method {
    /// As the body of a request.
    #[default]
    #[serde(rename = "PUT")]
    Put,
    /// As a form of a page.
    #[serde(rename = "POST")]
    Post,
    /// In parts.
    #[serde(rename = "multipart")]
    Multipart,
}

/// What the content may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum ContentType {
    /// This, as it is written here.
    Exactly(String),
    /// What begins so, as `audio/`.
    Family(String),
    Any,
}

/// A slot that may be given if the caller may write its key.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: ObjectKey,
    pub(super) content_type: ContentType,
    pub(super) bytes_max: ByteSize,
    pub(super) size: Option<u64>,
    pub(super) now: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

/// Largest body of a single request that S3 takes.
const PUT_BYTES_MAX: u64 = 5 << 30;

/// Longest content type that is signed. Real ones have a tenth of this.
const CONTENT_TYPE_BYTES_MAX: usize = 256;

impl Slot {
    pub(super) fn new(asking: &Asking<'_>, asked: &Asked) -> Result<Self, Refusal> {
        let Asking { profile, token, .. } = asking;
        if let Some(name) = asked.values.keys().find(|name| !profile.layout.asks_for(name)) {
            return Err(Refusal::Asked(format!(
                "values: {name:?} is nothing that the keys of this profile ask for"
            )));
        }
        let own = match asked.method {
            Method::Put => ByteSize(PUT_BYTES_MAX),
            Method::Post => asking.uploads.form_bytes_max,
            Method::Multipart => ByteSize(plan::OBJECT_BYTES_MAX),
        };
        let bytes_max = asking.bytes_max().map_or(own, |limit| limit.min(own));
        if asked.size.is_some_and(|size| ByteSize(size) > bytes_max) {
            return Err(Refusal::TooLarge(bytes_max));
        }
        let content_type = content_type(profile, asked)?;
        let now = now();
        let filling = Filling {
            token,
            filename: asked.filename.as_deref(),
            values: &asked.values,
            now,
            uuid: Uuid::new_v4(),
        };
        let key = profile.layout.fill(&filling)?;
        let expires_at = expires_at(profile, token, now, asked.method);
        Ok(Self { key, content_type, bytes_max, size: asked.size, now, expires_at })
    }
}

impl Asking<'_> {
    /// The smallest of the limits that there are.
    pub(super) fn bytes_max(&self) -> Option<ByteSize> {
        let of_bucket = self.bucket.config.object_bytes_max;
        let limits = [self.profile.object_bytes_max, of_bucket, self.session.object_bytes_max()];
        limits.into_iter().flatten().min()
    }
}

/// Signatures count whole seconds.
pub(super) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(0)
}

/// A slot ends with its profile's time, and not after the token.
pub(super) fn expires_at(
    profile: &Profile,
    token: &Token,
    now: DateTime<Utc>,
    method: Method,
) -> DateTime<Utc> {
    let mut seconds = profile.expires.as_secs();
    if method == Method::Post {
        seconds = seconds.min(FORM_SECONDS_MAX);
    }
    let seconds = TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1000));
    (now + seconds).min(token.expires_at)
}

/// What was asked if the profile takes it; if nothing was, what the profile leaves no choice of.
fn content_type(profile: &Profile, asked: &Asked) -> Result<ContentType, Refusal> {
    if let Some(text) = &asked.content_type {
        let is_header = |byte: u8| matches!(byte, b' '..=b'~');
        if text.len() > CONTENT_TYPE_BYTES_MAX
            || !text.bytes().all(is_header)
            || text.trim() != text
            || text.is_empty()
        {
            let wrong = "content_type: must be plain text of at most 256 characters, such as \"audio/ogg\"";
            return Err(Refusal::Asked(wrong.to_owned()));
        }
        if !profile.takes(text) {
            return Err(Refusal::ContentType(text.clone(), profile.content_types.clone()));
        }
        return Ok(ContentType::Exactly(text.clone()));
    }
    match &profile.content_types[..] {
        [] => Ok(ContentType::Any),
        [only] => match only.strip_suffix('*') {
            None => Ok(ContentType::Exactly(only.clone())),
            Some(family) if asked.method == Method::Post => Ok(ContentType::Family(family.to_owned())),
            Some(_) => Err(undecided(profile)),
        },
        _ => Err(undecided(profile)),
    }
}

fn undecided(profile: &Profile) -> Refusal {
    let taken = profile.content_types.join(", ");
    Refusal::Asked(format!("content_type: say which the file has; these are taken: {taken}"))
}
