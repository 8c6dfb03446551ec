//! The checksum of an upload in parts that is made from those of its parts: the checksum of their checksums, and their number.
//!
//! Each part was compared with its own when it came, so this says whether the right parts are put together. It is compared
//! here, since not every store does. That of the whole object (`FULL_OBJECT`) is the stores' affair: relais never sees it.
//! See "Checking object integrity" in the Amazon S3 user guide.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{ChecksumType, CompleteMultipartUploadInput, CompletedPart};

use crate::error::GatewayError;

/// One row an algorithm: its field, its hasher, its header.
macro_rules! algorithms {
    ($($field:ident $hasher:ident $header:literal;)*) => {
        /// Compares the checksum that a completion names with those of the parts that it names.
        pub(super) fn check(
            input: &CompleteMultipartUploadInput,
            parts: &[CompletedPart],
            kind: Option<&str>,
        ) -> Result<(), GatewayError> {
            if kind == Some(ChecksumType::FULL_OBJECT) {
                return Ok(());
            }
            $(if let Some(expected) = &input.$field {
                let mut hasher = ChecksumHasher { $hasher: Some(Default::default()), ..Default::default() };
                for part in parts {
                    let digest = part.$field.as_ref().and_then(|digest| BASE64_STANDARD.decode(digest).ok());
                    hasher.update(&digest.ok_or(GatewayError::Digest { algorithm: $header })?);
                }
                let found = hasher.finalize().$field.unwrap_or_default();
                // With or without the number of parts behind it.
                if expected.split('-').next() != Some(found.as_str()) {
                    return Err(GatewayError::Digest { algorithm: $header });
                }
            })*
            Ok(())
        }
    };
}

algorithms! {
    checksum_crc32 crc32 "x-amz-checksum-crc32";
    checksum_crc32c crc32c "x-amz-checksum-crc32c";
    checksum_sha1 sha1 "x-amz-checksum-sha1";
    checksum_sha256 sha256 "x-amz-checksum-sha256";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `one`, of `two`, and of these two digests together.
    const ONE: &str = "dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0=";
    const TWO: &str = "P8TM/nRYcOLA2Z9x8w/wZWyN7dQcwdfT03aw2+aF4vM=";

    const BOTH: &str = "EZFMGaKKmMV9EvPM5sMreUR4T0tHgacGwk6x3ChOKFY=";

    fn part(digest: &str) -> CompletedPart {
        CompletedPart { checksum_sha256: Some(digest.to_owned()), ..Default::default() }
    }

    #[test]
    fn the_checksum_of_a_completion_is_that_of_its_parts_in_their_order() {
        let asked = |digest: &str| CompleteMultipartUploadInput {
            checksum_sha256: Some(digest.to_owned()),
            ..Default::default()
        };
        let parts = [part(ONE), part(TWO)];
        assert!(check(&asked(BOTH), &parts, None).is_ok());
        assert!(check(&asked(&format!("{BOTH}-2")), &parts, Some("COMPOSITE")).is_ok());
        assert!(check(&asked(BOTH), &[part(TWO), part(ONE)], None).is_err());
        assert!(check(&asked("bad"), &parts, None).is_err());
        assert!(check(&asked(BOTH), &[part(ONE), CompletedPart::default()], None).is_err());
        assert!(check(&asked("of the whole"), &parts, Some("FULL_OBJECT")).is_ok());
        assert!(check(&CompleteMultipartUploadInput::default(), &parts, None).is_ok());
    }
}
