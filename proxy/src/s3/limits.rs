//! What a bucket refuses before a byte of the body is read.

use relais_model::ByteSize;

use crate::config::BucketConfig;
use crate::error::GatewayError;

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
