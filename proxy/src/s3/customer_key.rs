//! Encryption with a key of the client (SSE-C): whether its three headers belong together.
//!
//! Encrypting is the store's affair, and saying so in the answer too: what a store does not confirm is not claimed here. See "Using server-side encryption with customer-provided keys" in the Amazon S3 user guide.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::crypto::{Checksum as _, Md5};
use s3s::{S3Result, s3_error};

/// The only algorithm that there is.
const ALGORITHM: &str = "AES256";

/// Length of its key.
const KEY_BYTES: usize = 32;

/// Refuses headers that name no key, or another than their hash does.
pub(super) fn check(
    algorithm: Option<&str>,
    key: Option<&str>,
    md5: Option<&str>,
    encryption: Option<&str>,
) -> S3Result<()> {
    if algorithm.is_none() && key.is_none() && md5.is_none() {
        return Ok(());
    }
    if encryption.is_some() {
        return Err(s3_error!(
            InvalidArgument,
            "an object is encrypted with your key or with one of the server, not both"
        ));
    }
    if algorithm != Some(ALGORITHM) {
        return Err(s3_error!(InvalidArgument, "the algorithm of a customer-provided key must be AES256"));
    }
    let (Some(key), Some(md5)) = (key, md5) else {
        return Err(s3_error!(InvalidArgument, "encryption with your key needs the key and its MD5"));
    };
    let key = BASE64_STANDARD.decode(key).ok().filter(|key| key.len() == KEY_BYTES);
    let Some(key) = key else {
        return Err(s3_error!(InvalidArgument, "a customer-provided key is 32 bytes in base64"));
    };
    let mut hash = Md5::new();
    hash.update(&key);
    let hash = BASE64_STANDARD.encode(hash.finalize());
    verify_slices_are_equal(hash.as_bytes(), md5.as_bytes())
        .map_err(|_| s3_error!(InvalidArgument, "the MD5 is not that of the customer-provided key"))
}

/// Checks the headers of a request; the second form is for requests that may also ask for encryption by the server.
macro_rules! check_customer_key {
    ($input:expr) => {
        $crate::s3::customer_key::check(
            $input.sse_customer_algorithm.as_deref(),
            $input.sse_customer_key.as_deref(),
            $input.sse_customer_key_md5.as_deref(),
            None,
        )
    };
    ($input:expr, $encryption:expr) => {
        $crate::s3::customer_key::check(
            $input.sse_customer_algorithm.as_deref(),
            $input.sse_customer_key.as_deref(),
            $input.sse_customer_key_md5.as_deref(),
            $encryption.as_ref().map(|kind| kind.as_str()),
        )
    };
}

pub(super) use check_customer_key;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
    const MD5: &str = "DWygnHRtgiJ77HCm+1rvHw==";

    #[test]
    fn a_key_comes_with_its_algorithm_and_its_hash_or_not_at_all() {
        assert!(check(None, None, None, Some("AES256")).is_ok());
        assert!(check(Some("AES256"), Some(KEY), Some(MD5), None).is_ok());
        assert!(check(Some("AES256"), Some(KEY), Some(MD5), Some("AES256")).is_err());
        assert!(check(Some("AES128"), Some(KEY), Some(MD5), None).is_err());
        assert!(check(None, Some(KEY), Some(MD5), None).is_err());
        assert!(check(Some("AES256"), None, Some(MD5), None).is_err());
        assert!(check(Some("AES256"), Some(KEY), None, None).is_err());
        assert!(check(Some("AES256"), Some(KEY), Some("AAAAAAAAAAAAAAAAAAAAAA=="), None).is_err());
        assert!(check(Some("AES256"), Some("c2hvcnQ="), Some(MD5), None).is_err());
    }
}
