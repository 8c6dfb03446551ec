//! Conditions of reads, which s3s-fs does not look at. Precedence as in RFC 9110, section 13.2.2.

use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

/// What a client wants to be true before it gets an object.
#[derive(Default)]
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

impl Conditions {
    pub(super) fn check(&self, etag: Option<&ETag>, last_modified: Option<&Timestamp>) -> S3Result<()> {
        let names = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(wanted) => etag.is_some_and(|etag| etag.weak_cmp(wanted)),
        };
        let newer_than =
            |since: &Timestamp| last_modified.is_some_and(|modified| seconds(modified) > seconds(since));
        let failed = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => !names(condition),
            (None, Some(since)) => newer_than(since),
            (None, None) => false,
        };
        if failed {
            return Err(s3_error!(PreconditionFailed, "the object is not the one that was asked for"));
        }
        let unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => names(condition),
            (None, Some(since)) => !newer_than(since),
            (None, None) => false,
        };
        if unchanged { Err(s3_error!(NotModified)) } else { Ok(()) }
    }
}

/// Dates in headers have no fractions of a second.
fn seconds(time: &Timestamp) -> i64 {
    let time: time::OffsetDateTime = time.clone().into();
    time.unix_timestamp()
}
