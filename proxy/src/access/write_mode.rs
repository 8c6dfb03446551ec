//! The write mode that a request asks for: `x-relais-write-mode`.
//!
//! Anybody may ask for more than the bucket wants. For less one needs leave: the root key, or a role that gives it; and then the
//! header has to be under the signature. An unsigned one, which whoever holds a presigned URL or a form can add, can only raise
//! the mode of that one write, which takes nothing from anybody.

use http::{Extensions, HeaderMap};
use relais_model::{Identity, WriteMode};
use s3s::access::S3AccessContext;
use s3s::{S3Result, s3_error};

use super::session::Asker;
use super::signed;
use crate::placement::Bucket;

/// Says how many replicas must have a write.
const HEADER: &str = "x-relais-write-mode";

/// In the extensions of a request: the mode that it asks for, and may.
#[derive(Clone, Copy, Debug)]
struct Asked(WriteMode);

/// How many places of a bucket must have what a request writes, the primary among them, before it is acknowledged.
pub(crate) fn required(bucket: &Bucket, extensions: &Extensions) -> usize {
    let asked = extensions.get().map(|Asked(mode)| *mode);
    asked.unwrap_or(bucket.config.write_mode).required(bucket.places.len())
}

/// Leaves behind in a request what its header asks for. Operations that write no object do not look at it.
pub(super) fn take(context: &mut S3AccessContext<'_>, bucket: &Bucket, asker: &Asker) -> S3Result<()> {
    let Some(mode) = asked(context.headers())? else { return Ok(()) };
    // What s3s verified no signature of came with a bearer token, and all of it from who holds the token.
    let by_token = context.credentials().is_none();
    let is_vouched_for = by_token || signed::covers(context.headers(), context.uri(), HEADER);
    if mode < bucket.config.write_mode && !(is_vouched_for && may_lower(asker)) {
        return Err(s3_error!(
            AccessDenied,
            "{HEADER} asks for less than the write mode of the bucket; the root key and roles with write_modes_below may, and sign it"
        ));
    }
    context.extensions_mut().insert(Asked(mode));
    Ok(())
}

fn asked(headers: &HeaderMap) -> S3Result<Option<WriteMode>> {
    let mut values = headers.get_all(HEADER).iter();
    let mode = match (values.next().map(|value| value.as_bytes()), values.next()) {
        (None, _) => return Ok(None),
        (Some(b"primary"), None) => WriteMode::Primary,
        (Some(b"quorum"), None) => WriteMode::Quorum,
        (Some(b"all"), None) => WriteMode::All,
        _ => return Err(s3_error!(InvalidArgument, "{HEADER} must be primary, quorum or all")),
    };
    Ok(Some(mode))
}

fn may_lower(asker: &Asker) -> bool {
    match &asker.session {
        None => asker.identity == Identity::Root,
        Some(session) => session.may_lower_write_modes(),
    }
}

#[cfg(test)]
mod tests;
