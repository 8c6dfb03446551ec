//! Bodies that are documents, XML or JSON, which s3s holds whole: how large one may be.
//!
//! What says by its head that it is larger is refused before it is read; what is larger and does not say so ends in s3s.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use s3s::{S3Result, s3_error};

/// The largest. S3's own stay below: 1,000 keys of 1,024 bytes to delete make 5 MiB where each character is escaped, 10,000 parts
/// with their checksums less.
pub(crate) const BYTES_MAX: usize = 8 << 20;

/// Operations whose body is an object.
const OF_OBJECTS: [&str; 3] = ["PutObject", "UploadPart", "PostObject"];

pub(super) fn check(operation: &str, headers: &HeaderMap) -> S3Result<()> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if OF_OBJECTS.contains(&operation) || length.is_none_or(|length| length <= BYTES_MAX as u64) {
        return Ok(());
    }
    Err(s3_error!(MaxMessageLengthExceeded, "the body is larger than any document of S3"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn objects_may_be_larger_than_documents() {
        let of = |bytes: usize| HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(bytes))]);
        for operation in OF_OBJECTS {
            assert!(check(operation, &of(BYTES_MAX + 1)).is_ok());
        }
        assert!(check("DeleteObjects", &of(BYTES_MAX)).is_ok());
        let refused = check("DeleteObjects", &of(BYTES_MAX + 1)).unwrap_err();
        assert_eq!(refused.code().as_str(), "MaxMessageLengthExceeded");
        assert!(check("DeleteObjects", &HeaderMap::new()).is_ok());
    }
}
