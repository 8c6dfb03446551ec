//! The bucket that is asked, as the environment describes it.

use std::env;

use anyhow::{Context, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum, S3CopyIfNotExists};
use object_store::path::Path;
use object_store::{Certificate, ClientOptions, RetryConfig};

/// A bucket behind an endpoint, and the names that objects in it shall have.
pub(crate) struct Target {
    bucket: String,
    authority: Vec<u8>,
    /// Names of objects in the order of a listing.
    pub(crate) keys: Vec<Path>,
}

impl Target {
    /// Reads `TARGET_AUTHORITY`, a file of certificates, and `ODD_KEYS`, a JSON array. `AWS_ENDPOINT_URL` and the keys
    /// are read by `object_store` itself.
    pub(crate) fn from_environment(bucket: String) -> Result<Self> {
        let file = env::var("TARGET_AUTHORITY").context("TARGET_AUTHORITY is not set")?;
        let authority = std::fs::read(&file).with_context(|| format!("cannot read {file}"))?;
        let keys = env::var("ODD_KEYS").context("ODD_KEYS is not set")?;
        let keys: Vec<String> = serde_json::from_str(&keys).context("ODD_KEYS is not an array of strings")?;
        let keys = keys.into_iter().map(Path::parse).collect::<Result<_, _>>()?;
        Ok(Self { bucket, authority, keys })
    }

    /// A client of the bucket that never hides a failure by trying again.
    pub(crate) fn store(&self) -> Result<AmazonS3> {
        Ok(self.builder()?.build()?)
    }

    /// A client that sends a checksum with everything.
    pub(crate) fn store_with(&self, checksum: Checksum) -> Result<AmazonS3> {
        Ok(self.builder()?.with_checksum_algorithm(checksum).build()?)
    }

    /// Somebody without keys.
    pub(crate) fn stranger(&self) -> Result<reqwest::Client> {
        let authority = reqwest::Certificate::from_pem(&self.authority)?;
        Ok(reqwest::Client::builder().tls_certs_only([authority]).build()?)
    }

    fn builder(&self) -> Result<AmazonS3Builder> {
        let trusted = ClientOptions::new().with_root_certificate(Certificate::from_pem(&self.authority)?);
        Ok(AmazonS3Builder::from_env()
            .with_bucket_name(&self.bucket)
            .with_client_options(trusted)
            .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() }))
    }
}
