//! The checksums that S3 knows, as names and values: computed, compared, kept and answered.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::checksum::ChecksumHasher;
use s3s::dto::Checksum;
use s3s::{S3Result, s3_error};

/// Values, in base64, by the names of their algorithms.
pub(super) type Sums = BTreeMap<String, String>;

/// Of the bytes, or of the parts' checksums.
pub(super) const FULL_OBJECT: &str = "FULL_OBJECT";
pub(super) const COMPOSITE: &str = "COMPOSITE";

/// One row an algorithm: its name, its field, its hasher, its size. Everything below is made from this table.
macro_rules! algorithms {
    ($($name:literal $field:ident $hasher:ident $bytes:literal;)*) => {
        /// The checksums that an input or a part carries.
        macro_rules! checksums_of {
            ($input:expr) => {{
                let mut sums = $crate::folder::checksum::Sums::new();
                $(if let Some(value) = &$input.$field {
                    sums.insert($name.to_owned(), value.clone());
                })*
                sums
            }};
        }

        /// Puts checksums into an answer.
        macro_rules! put_checksums {
            ($output:expr, $sums:expr) => { $($output.$field = $sums.get($name).cloned();)* };
        }

        /// Switches an algorithm on; `false` if S3 knows no such one.
        fn enable(hasher: &mut ChecksumHasher, name: &str) -> bool {
            match name {
                $($name => hasher.$hasher = Some(Default::default()),)*
                _ => return false,
            }
            true
        }

        fn to_sums(checksum: &Checksum) -> Sums {
            checksums_of!(checksum)
        }

        fn digest_bytes(name: &str) -> Option<usize> {
            match name {
                $($name => Some($bytes),)*
                _ => None,
            }
        }
    };
}

algorithms! {
    "CRC32" checksum_crc32 crc32 4;
    "CRC32C" checksum_crc32c crc32c 4;
    "CRC64NVME" checksum_crc64nvme crc64nvme 8;
    "MD5" checksum_md5 md5 16;
    "SHA1" checksum_sha1 sha1 20;
    "SHA256" checksum_sha256 sha256 32;
    "SHA512" checksum_sha512 sha512 64;
    "XXHASH64" checksum_xxhash64 xxhash64 8;
    "XXHASH3" checksum_xxhash3 xxhash3 8;
    "XXHASH128" checksum_xxhash128 xxhash128 16;
}

pub(super) use checksums_of as sums_of;
pub(super) use put_checksums as put_sums;

/// Computes the checksums of these names.
pub(super) fn hasher<'a>(names: impl IntoIterator<Item = &'a str>) -> S3Result<ChecksumHasher> {
    let mut hasher = ChecksumHasher::default();
    for name in names {
        if !enable(&mut hasher, name) {
            return Err(s3_error!(InvalidRequest, "there is no checksum algorithm of the name {name}"));
        }
    }
    Ok(hasher)
}

/// What a hasher found.
pub(super) fn finish(hasher: ChecksumHasher) -> Sums {
    to_sums(&hasher.finalize())
}

/// Refuses values that no algorithm gives.
pub(super) fn check_form(sums: &Sums) -> S3Result<()> {
    for (name, value) in sums {
        if BASE64_STANDARD.decode(value).ok().map(|digest| digest.len()) != digest_bytes(name) {
            return Err(s3_error!(InvalidRequest, "the value of the {name} checksum is not one"));
        }
    }
    Ok(())
}

/// Refuses values that differ from what was found.
pub(super) fn compare(given: &Sums, found: &Sums) -> S3Result<()> {
    match given.iter().find(|(name, value)| found.get(*name) != Some(value)) {
        Some((name, _)) => {
            Err(s3_error!(BadDigest, "the {name} checksum that was given is not that of the bytes"))
        }
        None => Ok(()),
    }
}

/// The checksum of parts' checksums: `{value}-{number of parts}`.
pub(super) fn composite<'a>(name: &str, parts: impl Iterator<Item = &'a str>) -> S3Result<String> {
    let mut hasher = hasher([name])?;
    let mut count = 0;
    for part in parts {
        let digest = BASE64_STANDARD.decode(part);
        hasher.update(
            &digest.map_err(|error| s3_error!(error, InternalError, "a part's checksum is unreadable"))?,
        );
        count += 1;
    }
    let sums = finish(hasher);
    Ok(format!("{}-{count}", sums.get(name).map_or("", String::as_str)))
}

/// Of which kind the checksum of a multipart upload is: as asked, or as S3 has it by default.
pub(super) fn kind(name: &str, asked: Option<&str>) -> S3Result<&'static str> {
    let can_be_full = matches!(name, "CRC32" | "CRC32C" | "CRC64NVME");
    match (name, asked) {
        ("CRC64NVME", None | Some(FULL_OBJECT)) => Ok(FULL_OBJECT),
        (_, Some(FULL_OBJECT)) if can_be_full => Ok(FULL_OBJECT),
        (_, None | Some(COMPOSITE)) if name != "CRC64NVME" => Ok(COMPOSITE),
        (_, asked) => {
            let asked = asked.unwrap_or_default();
            Err(s3_error!(
                InvalidRequest,
                "a {name} checksum of a multipart upload cannot be of the type {asked}"
            ))
        }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}
