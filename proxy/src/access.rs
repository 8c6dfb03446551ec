//! Who may do what: so far the holder of the root keys everything, and anyone what a bucket makes public.
//!
//! s3s verifies signatures with the secret from here and asks [`Access`] before each operation. A copy source is part of a
//! request that only the root keys can make, so it needs no check of its own yet.

use std::sync::Arc;

use relais_model::Secret;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};

use crate::gateway::Gateway;

/// The key pair that may do everything.
#[derive(Clone, Debug)]
pub struct RootKey {
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: Secret,
}

/// Knows the secret of each access key.
pub(crate) struct Keys(pub(crate) Arc<RootKey>);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.0.access_key {
            Ok(SecretKey::from(self.0.secret_key.expose()))
        } else {
            Err(s3_error!(InvalidAccessKeyId, "the access key is not known here"))
        }
    }
}

/// Decides each operation.
pub(crate) struct Access(pub(crate) Gateway);

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_some() || self.is_public(context) {
            return Ok(());
        }
        Err(s3_error!(AccessDenied, "sign the request, or ask for something public"))
    }
}

impl Access {
    /// Whether this is a read of an object that its bucket shows to everyone.
    fn is_public(&self, context: &S3AccessContext<'_>) -> bool {
        let reads = matches!(context.s3_op().name(), "GetObject" | "HeadObject");
        let S3Path::Object { bucket, key } = context.s3_path() else { return false };
        reads && self.0.bucket(bucket).is_ok_and(|bucket| bucket.is_public(key))
    }
}
