//! Who may do what.
//!
//! s3s verifies signatures with the secrets from here and asks [`Access`] before each operation. `accounts` knows the keys,
//! `action` what an operation needs, `decide` whether it is allowed; `policy` and `acl` are the two languages in which owners
//! say so, and `rules` is what the catalog keeps of a bucket. A bulk deletion is asked key by key, where it is done.

use std::sync::Arc;

use http::HeaderValue;
use relais_model::{Identity, Secret};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{CopySource, PostObjectInput};
use s3s::path::S3Path;
use s3s::{S3Request, S3Result, s3_error};

use crate::gateway::Gateway;
use crate::observe::Connection;
use crate::placement::Bucket;
use context::Facts;
use decide::Question;

pub(crate) mod accounts;
pub(crate) mod acl;
mod action;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod decide;
pub(crate) mod issuers;
pub(crate) mod policy;
pub(crate) mod roles;
pub(crate) mod rules;
pub(crate) mod session;
pub(crate) mod temporary;
pub(crate) mod token;

/// The key pair that may do everything.
#[derive(Clone, Debug)]
pub struct RootKey {
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: Secret,
}

/// Knows the secret of each access key.
pub(crate) struct Keys {
    pub(crate) root: Arc<RootKey>,
    pub(crate) gateway: Gateway,
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.root.access_key {
            return Ok(SecretKey::from(self.root.secret_key.expose()));
        }
        match self.gateway.accounts.key(access_key) {
            Some((secret, _)) => Ok(SecretKey::from(secret.expose())),
            None => Err(s3_error!(InvalidAccessKeyId, "the access key is not known here")),
        }
    }
}

/// Decides each operation, and leaves behind who asked: an [`Identity`] in the request's extensions.
pub(crate) struct Access {
    pub(crate) root: Arc<RootKey>,
    pub(crate) gateway: Gateway,
}

/// Operations that are asked when their body was read: a form names its key there, a bulk deletion its keys.
const ASKED_LATER: [&str; 2] = ["PostObject", "DeleteObjects"];

/// Operations of an account rather than of a bucket.
const OF_ACCOUNTS: [&str; 2] = ["CreateBucket", "ListBuckets"];

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let identity =
            self.identity(context.credentials().map(|credentials| credentials.access_key.as_str()));
        context.extensions_mut().insert(identity.clone());
        let connection = context.extensions_mut().get::<Connection>().copied();
        let context = &*context;
        let operation = context.s3_op().name();
        if OF_ACCOUNTS.contains(&operation) {
            return match identity {
                Identity::Anonymous => Err(s3_error!(AccessDenied, "Access Denied")),
                _ => Ok(()),
            };
        }
        let (bucket, key) = match context.s3_path() {
            S3Path::Root => return Err(s3_error!(AccessDenied, "Access Denied")),
            S3Path::Bucket { bucket } => (bucket, None),
            S3Path::Object { bucket, key } => (bucket, Some(&**key)),
        };
        let Ok(bucket) = self.gateway.bucket(bucket) else { return Ok(()) }; // The operation will say that there is none.
        let headers = context.headers();
        let facts = Facts::new(headers, context.uri(), connection, &identity);
        self.check_owner(&bucket, headers.get("x-amz-expected-bucket-owner")).await?;
        if ASKED_LATER.contains(&operation) {
            return self.gateway.authorise_later(&identity, &bucket).await;
        }
        let version = facts.query("versionId");
        let version = version.as_deref();
        let question = Question { identity: &identity, operation, bucket: &bucket, key, version, facts };
        self.gateway.authorise(&question).await?;
        self.check_copy_source(&identity, facts).await
    }

    async fn post_object(&self, asked: &mut S3Request<PostObjectInput>) -> S3Result<()> {
        let identity = asked.extensions.get::<Identity>().cloned().unwrap_or(Identity::Anonymous);
        let bucket = self.gateway.bucket(&asked.input.bucket)?;
        let connection = asked.extensions.get::<Connection>().copied();
        let mut facts = Facts::new(&asked.headers, &asked.uri, connection, &identity);
        facts.form_acl = asked.input.acl.as_ref().map(|acl| acl.as_str());
        let key = Some(asked.input.key.as_str());
        let operation = "PostObject";
        let question =
            Question { identity: &identity, operation, bucket: &bucket, key, version: None, facts };
        self.gateway.authorise(&question).await
    }
}

impl Access {
    fn identity(&self, access_key: Option<&str>) -> Identity {
        match access_key {
            None => Identity::Anonymous,
            Some(key) if key == self.root.access_key => Identity::Root,
            Some(key) => {
                self.gateway.accounts.key(key).map_or(Identity::Anonymous, |(_, identity)| identity.clone())
            }
        }
    }

    /// A request may say whose bucket it takes this for.
    async fn check_owner(&self, bucket: &Bucket, expected: Option<&HeaderValue>) -> S3Result<()> {
        let Some(expected) = expected else { return Ok(()) };
        if self.gateway.rules(bucket).await?.owner.as_bytes() == expected.as_bytes() {
            return Ok(());
        }
        Err(s3_error!(AccessDenied, "the bucket belongs to another account than the request expects"))
    }

    /// What is copied has to be readable.
    async fn check_copy_source(&self, identity: &Identity, facts: Facts<'_>) -> S3Result<()> {
        let Some(header) = facts.headers.get("x-amz-copy-source") else { return Ok(()) };
        let text =
            header.to_str().map_err(|_| s3_error!(InvalidArgument, "x-amz-copy-source is not text"))?;
        let Ok(CopySource::Bucket { bucket, key, version_id }) = CopySource::parse(text) else {
            return Ok(());
        };
        let Ok(bucket) = self.gateway.bucket(&bucket) else { return Ok(()) };
        self.check_owner(&bucket, facts.headers.get("x-amz-source-expected-bucket-owner")).await?;
        let question = Question {
            identity,
            operation: "GetObject",
            bucket: &bucket,
            key: Some(&key),
            version: version_id.as_deref(),
            facts,
        };
        self.gateway.authorise(&question).await
    }
}
