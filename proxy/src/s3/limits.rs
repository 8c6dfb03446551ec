//! What a bucket, or a session, refuses: most of it before a byte of the body is read.

use std::sync::Arc;

use http::Extensions;
use relais_model::ByteSize;
use relais_stores::Features;
use s3s::dto::{CopyObjectInput, CreateMultipartUploadInput, Metadata, PutObjectInput};

use crate::access::session::Session;
use crate::config::BucketConfig;
use crate::error::GatewayError;
use crate::kind::Examiner;
use crate::placement::Bucket;

/// Most metadata of a client's own that S3 takes ("Working with object metadata" in the Amazon S3 user guide).
const METADATA_BYTES_MAX: usize = 2048;

/// The length that a request declares; S3 takes no body of unknown length.
pub(super) fn declared_length(content_length: Option<i64>) -> Result<u64, GatewayError> {
    content_length.and_then(|length| u64::try_from(length).ok()).ok_or(GatewayError::LengthMissing)
}

/// The largest object that a request may write: as its bucket and its session allow.
pub(super) fn limit_of(config: &BucketConfig, extensions: &Extensions) -> Option<ByteSize> {
    [config.object_bytes_max, session_limit(extensions)].into_iter().flatten().min()
}

/// The largest object that the session of a request may write, whatever its bucket allows.
pub(super) fn session_limit(extensions: &Extensions) -> Option<ByteSize> {
    extensions.get::<Arc<Session>>().and_then(|session| session.object_bytes_max())
}

/// Refuses bodies over the limit.
pub(super) fn check_length(limit: Option<ByteSize>, length: u64) -> Result<(), GatewayError> {
    match limit {
        Some(limit) if ByteSize(length) > limit => Err(GatewayError::TooLarge { limit }),
        _ => Ok(()),
    }
}

/// Refuses more metadata of a client's own than S3 keeps: names without their prefix and values together.
pub(super) fn check_metadata(metadata: Option<&Metadata>) -> Result<(), GatewayError> {
    let found = metadata.into_iter().flatten().map(|(name, value)| name.len() + value.len()).sum();
    if found > METADATA_BYTES_MAX {
        return Err(GatewayError::MetadataTooLarge { found, limit: METADATA_BYTES_MAX });
    }
    Ok(())
}

/// Whether the bucket wants to know what bytes are.
pub(super) fn examines(config: &BucketConfig) -> bool {
    config.check_bytes && !config.content_types.is_empty()
}

/// Looks at what is written into the bucket as a media type.
pub(super) fn examiner(config: &BucketConfig, content_type: Option<&str>) -> Examiner {
    match content_type.filter(|_| examines(config)) {
        Some(content_type) => Examiner::of(content_type),
        None => Examiner::of_nothing(),
    }
}

/// Refuses media types that the bucket, or the credentials, do not take. Parameters (`; charset=…`) and case do not matter.
pub(super) fn check_content_type(
    config: &BucketConfig,
    extensions: &Extensions,
    content_type: Option<&str>,
) -> Result<(), GatewayError> {
    let session = extensions.get::<Arc<Session>>();
    check_accepted(&config.content_types, content_type)?;
    session.map_or(Ok(()), |session| check_accepted(&session.content_types, content_type))
}

/// Against one list; an empty one takes everything.
fn check_accepted(accepted: &[String], content_type: Option<&str>) -> Result<(), GatewayError> {
    if accepted.is_empty() {
        return Ok(());
    }
    let found = content_type.unwrap_or("");
    let essence = found.split(';').next().unwrap_or("").trim();
    let matches = |accepted: &String| match accepted.strip_suffix("/*") {
        Some(family) => essence.split('/').next().is_some_and(|found| found.eq_ignore_ascii_case(family)),
        None => accepted.eq_ignore_ascii_case(essence),
    };
    if accepted.iter().any(matches) {
        return Ok(());
    }
    Err(GatewayError::ContentType { found: found.to_owned(), accepted: accepted.join(", ") })
}

/// What a request wants of the stores beyond keeping bytes.
pub(super) struct Wanted {
    lock: bool,
    customer_key: bool,
    encryption: Option<String>,
    tags: bool,
}

/// Reads it off a request that makes an object.
macro_rules! wanted {
    ($input:expr) => {
        Wanted {
            lock: $input.object_lock_mode.is_some()
                || $input.object_lock_legal_hold_status.is_some()
                || $input.object_lock_retain_until_date.is_some(),
            encryption: $input.server_side_encryption.as_ref().map(|kind| kind.as_str().to_owned()),
            customer_key: $input.sse_customer_algorithm.is_some() || $input.sse_customer_key.is_some(),
            tags: $input.tagging.as_ref().is_some_and(|tags| !tags.is_empty()),
        }
    };
}

impl Wanted {
    pub(super) fn of(input: &PutObjectInput) -> Self {
        wanted!(input)
    }

    pub(super) fn of_upload(input: &CreateMultipartUploadInput) -> Self {
        wanted!(input)
    }

    pub(super) fn of_copy(input: &CopyObjectInput) -> Self {
        wanted!(input)
    }
}

/// Refuses what one of the bucket's stores would drop without a word.
pub(super) fn check_features(bucket: &Bucket, wanted: &Wanted) -> Result<(), GatewayError> {
    let all = |feature: &dyn Fn(&Features) -> bool| {
        bucket.places.iter().all(|place| feature(&place.store.features))
    };
    if wanted.lock && !all(&|features| features.object_lock) {
        return Err(GatewayError::Unable("object lock"));
    }
    if wanted.customer_key && !all(&|features| features.encryption_customer_keys) {
        return Err(GatewayError::Unable("encryption with a key of the client"));
    }
    if wanted.encryption.as_ref().is_some_and(|kind| !all(&|features| features.encrypts(kind))) {
        return Err(GatewayError::Unable("encryption by the server"));
    }
    if wanted.tags && !all(&|features| features.tagging) {
        return Err(GatewayError::Unable("tags of objects"));
    }
    Ok(())
}
