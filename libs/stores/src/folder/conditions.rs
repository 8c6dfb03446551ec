//! What a client wants to be true before something is read or changed. Precedence as in RFC 9110, section 13.2.2.

use http::{HeaderMap, HeaderValue, header};
use s3s::dto::{ETag, ETagCondition, Timestamp, TimestampFormat};
use s3s::{S3Error, S3Result, s3_error};

use super::clock::timestamp;
use super::record::{Object, Version};

/// Conditions of a read, or of the source of a copy.
#[derive(Clone, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

/// Takes the conditions out of the input of a read.
macro_rules! conditions_of {
    ($input:expr) => {
        $crate::folder::conditions::Conditions {
            if_match: $input.if_match.clone(),
            if_none_match: $input.if_none_match.clone(),
            if_modified_since: $input.if_modified_since.clone(),
            if_unmodified_since: $input.if_unmodified_since.clone(),
        }
    };
}
pub(super) use conditions_of;

/// Takes the conditions on the source out of the input of a copy.
macro_rules! source_conditions_of {
    ($input:expr) => {
        $crate::folder::conditions::Conditions {
            if_match: $input.copy_source_if_match.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since.clone(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.clone(),
        }
    };
}
pub(super) use source_conditions_of;

impl Conditions {
    /// For a read, which answers "not modified" where the client has the object already.
    pub(super) fn check_read(&self, object: &Object, modified: &Timestamp) -> S3Result<()> {
        self.check_match(object, modified)?;
        if self.is_unchanged(object, modified) { Err(not_modified(object, modified)) } else { Ok(()) }
    }

    /// For the source of a copy, where there is no "not modified".
    pub(super) fn check_source(&self, object: &Object, modified: &Timestamp) -> S3Result<()> {
        self.check_match(object, modified)?;
        if self.is_unchanged(object, modified) { Err(failed()) } else { Ok(()) }
    }

    fn check_match(&self, object: &Object, modified: &Timestamp) -> S3Result<()> {
        let holds = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => names(condition, object),
            (None, Some(since)) => seconds(modified) <= seconds(since),
            (None, None) => true,
        };
        if holds { Ok(()) } else { Err(failed()) }
    }

    fn is_unchanged(&self, object: &Object, modified: &Timestamp) -> bool {
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => names(condition, object),
            (None, Some(since)) => seconds(modified) <= seconds(since),
            (None, None) => false,
        }
    }
}

/// Conditions of a write, on what is there before.
#[derive(Clone, Default)]
pub(super) struct WriteConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl WriteConditions {
    pub(super) fn are_none(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    pub(super) fn check(&self, current: Option<&Version>) -> S3Result<()> {
        let object = current.and_then(|version| version.object.as_ref());
        match (&self.if_match, object) {
            (Some(_), None) => return Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(object)) if !names(condition, object) => return Err(failed()),
            _ => {}
        }
        match (&self.if_none_match, object) {
            (Some(condition), Some(object)) if names(condition, object) => Err(failed()),
            _ => Ok(()),
        }
    }
}

/// Conditions of a deletion, on what is deleted.
#[derive(Clone, Default)]
pub(super) struct DeleteConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) last_modified: Option<Timestamp>,
    pub(super) size: Option<i64>,
}

impl DeleteConditions {
    pub(super) fn are_none(&self) -> bool {
        self.if_match.is_none() && self.last_modified.is_none() && self.size.is_none()
    }

    pub(super) fn check(&self, version: Option<&Version>) -> S3Result<()> {
        let Some(version) = version else {
            let asked = !self.are_none();
            return if asked { Err(s3_error!(NoSuchKey, "there is no object to match")) } else { Ok(()) };
        };
        let object = version.object.as_ref();
        let matches = match (&self.if_match, object) {
            (None | Some(ETagCondition::Any), _) => true,
            (Some(condition), object) => object.is_some_and(|object| names(condition, object)),
        };
        let has_size = |size: &i64| u64::try_from(*size) == Ok(object.map_or(0, |object| object.size));
        let has_time = |time: &Timestamp| seconds(time) == seconds(&timestamp(version.stamp));
        let holds = matches
            && self.size.as_ref().is_none_or(has_size)
            && self.last_modified.as_ref().is_none_or(has_time);
        if holds { Ok(()) } else { Err(failed()) }
    }
}

fn names(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == object.etag,
    }
}

fn failed() -> S3Error {
    s3_error!(PreconditionFailed, "the object is not the one that was asked for")
}

/// What the client has is still right; the answer says which that is.
fn not_modified(object: &Object, modified: &Timestamp) -> S3Error {
    let mut headers = HeaderMap::new();
    if let Ok(etag) = ETag::Strong(object.etag.clone()).to_http_header() {
        headers.insert(header::ETAG, etag);
    }
    let mut date = Vec::new();
    let date =
        modified.format(TimestampFormat::HttpDate, &mut date).ok().map(|()| HeaderValue::from_bytes(&date));
    if let Some(Ok(date)) = date {
        headers.insert(header::LAST_MODIFIED, date);
    }
    let mut error = s3_error!(NotModified);
    error.set_headers(headers);
    error
}

/// Dates in headers have no fractions of a second.
fn seconds(time: &Timestamp) -> i64 {
    let time: time::OffsetDateTime = time.clone().into();
    time.unix_timestamp()
}
