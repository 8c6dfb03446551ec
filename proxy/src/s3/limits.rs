//! What a bucket refuses before a byte of the body is read.

use relais_model::ByteSize;
use relais_stores::Features;
use s3s::dto::{CopyObjectInput, CreateMultipartUploadInput, PutObjectInput};

use crate::config::BucketConfig;
use crate::error::GatewayError;
use crate::placement::Bucket;

/// The length that a request declares; S3 takes no body of unknown length.
pub(super) fn declared_length(content_length: Option<i64>) -> Result<u64, GatewayError> {
    content_length.and_then(|length| u64::try_from(length).ok()).ok_or(GatewayError::LengthMissing)
}

/// Refuses bodies over the bucket's limit.
pub(super) fn check_length(config: &BucketConfig, length: u64) -> Result<(), GatewayError> {
    match config.object_bytes_max {
        Some(limit) if ByteSize(length) > limit => Err(GatewayError::TooLarge { limit }),
        _ => Ok(()),
    }
}

/// Refuses media types that the bucket does not take. Parameters (`; charset=…`) and case do not matter.
pub(super) fn check_content_type(
    config: &BucketConfig,
    content_type: Option<&str>,
) -> Result<(), GatewayError> {
    if config.content_types.is_empty() {
        return Ok(());
    }
    let found = content_type.unwrap_or("");
    let essence = found.split(';').next().unwrap_or("").trim();
    let matches = |accepted: &String| match accepted.strip_suffix("/*") {
        Some(family) => essence.split('/').next().is_some_and(|found| found.eq_ignore_ascii_case(family)),
        None => accepted.eq_ignore_ascii_case(essence),
    };
    if config.content_types.iter().any(matches) {
        return Ok(());
    }
    Err(GatewayError::ContentType { found: found.to_owned(), accepted: config.content_types.join(", ") })
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
