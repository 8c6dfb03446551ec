//! Who may do what.
//!
//! s3s verifies signatures with the secrets from here and asks [`Access`] before each operation. `identify` tells who asks: by an
//! access key (`accounts`, `keys`), by a token (`issuers`, `bearer`), or by temporary credentials (`temporary`); what those bring
//! is a `session`, by their `roles`. `action` is what an operation needs, `decide` whether it is allowed; `policy` and `acl` are
//! the two languages in which that is said, and `rules` is what the catalog keeps of a bucket. A bulk deletion is asked key by
//! key, where it is done.

use std::sync::Arc;

use http::HeaderValue;
use relais_model::{Identity, Secret};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{CopySource, PostObjectInput, RestoreObjectInput};
use s3s::path::S3Path;
use s3s::{S3Request, S3Result, s3_error};

use crate::gateway::Gateway;
use crate::limits::admit;
use crate::observe::Connection;
use crate::placement::Bucket;
use bearer::Bearer;
use context::Facts;
use decide::Question;
use identify::{Evidence, FormToken};
use session::Asker;

pub(crate) mod accounts;
pub(crate) mod acl;
mod action;
pub(crate) mod bearer;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod decide;
pub(crate) mod document;
pub(crate) mod form;
mod identify;
pub(crate) mod issuers;
pub(crate) mod judge;
pub(crate) mod keys;
mod of_accounts;
pub(crate) mod policy;
mod record;
pub(crate) mod revoked;
pub(crate) mod roles;
pub(crate) mod rules;
pub(crate) mod session;
mod signed;
pub(crate) mod simulate;
pub(crate) mod temporary;
pub(crate) mod token;
pub(crate) mod write_mode;

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
        match self.gateway.secret(access_key).await? {
            Some(secret) => Ok(SecretKey::from(secret.expose())),
            None => Err(s3_error!(InvalidAccessKeyId, "the access key is not known here")),
        }
    }
}

/// Decides each operation, and leaves behind who asked: an [`Asker`] in the request's extensions.
pub(crate) struct Access {
    pub(crate) root: Arc<RootKey>,
    pub(crate) gateway: Gateway,
}

/// Operations that are asked when their body was read: a form names its key there, a bulk deletion its keys.
const ASKED_LATER: [&str; 2] = ["PostObject", "DeleteObjects"];

/// Operations whose body names a bucket as the store calls it, and where the store writes with its own rights: for the root key
/// alone, or one account could have another's bucket written to. `PutBucketLogging` is asked where its target is known.
const NAMING_BUCKETS_OF_STORES: [&str; 3] =
    ["PutBucketReplication", "PutBucketInventoryConfiguration", "PutBucketAnalyticsConfiguration"];

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let mut asker = self.asker(context).await?;
        asker.request_id = context.extensions_mut().get().copied();
        asker.put_into(context.extensions_mut());
        admit(context.extensions_mut(), &asker.identity)?;
        let connection = context.extensions_mut().get::<Connection>().copied();
        let named = context.s3_path().get_bucket_name().and_then(|name| self.gateway.bucket(name).ok());
        if let Some(bucket) = named {
            write_mode::take(context, &bucket, &asker)?;
        }
        let context = &*context;
        let facts = Facts::new(context.headers(), context.uri(), connection, &asker);
        let operation = context.s3_op().name();
        if NAMING_BUCKETS_OF_STORES.contains(&operation) && asker.identity != Identity::Root {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        document::check(operation, facts.headers)?;
        if let Some(action) = of_accounts::action_of(operation) {
            let bucket = context.s3_path().get_bucket_name().unwrap_or_default();
            return self.gateway.authorise_account(&asker, (operation, action), bucket, facts).await;
        }
        let (bucket, key) = match context.s3_path() {
            S3Path::Root => return Err(s3_error!(AccessDenied, "Access Denied")),
            S3Path::Bucket { bucket } => (bucket, None),
            S3Path::Object { bucket, key } => (bucket, Some(&**key)),
        };
        let Ok(bucket) = self.gateway.bucket(bucket) else { return Ok(()) }; // The operation will say that there is none.
        self.check_owner(&bucket, facts.headers.get("x-amz-expected-bucket-owner")).await?;
        if ASKED_LATER.contains(&operation) {
            return self.gateway.authorise_later(&asker.identity, &bucket).await;
        }
        let version = facts.query("versionId");
        let version = version.as_deref();
        let question = Question { asker: &asker, operation, bucket: &bucket, key, version, facts };
        self.gateway.authorise(&question).await?;
        self.check_copy_source(&asker, facts).await
    }

    /// A restored object may be written elsewhere, to a bucket as the store calls it and with the store's rights.
    async fn restore_object(&self, asked: &mut S3Request<RestoreObjectInput>) -> S3Result<()> {
        let elsewhere =
            asked.input.restore_request.as_ref().is_some_and(|restore| restore.output_location.is_some());
        match asked.extensions.get() {
            Some(Identity::Root) => Ok(()),
            _ if !elsewhere => Ok(()),
            _ => Err(s3_error!(AccessDenied, "Access Denied")),
        }
    }

    async fn post_object(&self, asked: &mut S3Request<PostObjectInput>) -> S3Result<()> {
        let asker = Asker::of(&asked.extensions);
        let asker = asker.unwrap_or_else(|| Asker::new(Identity::Anonymous, None));
        let bucket = self.gateway.bucket(&asked.input.bucket)?;
        let connection = asked.extensions.get::<Connection>().copied();
        let headers = context::form::headers(&asked.input, &asked.headers)?;
        let facts = Facts::of_form(&headers, &asked.uri, connection, &asker);
        let question = Question {
            asker: &asker,
            operation: "PostObject",
            bucket: &bucket,
            key: Some(asked.input.key.as_str()),
            version: None,
            facts,
        };
        self.gateway.authorise(&question).await
    }
}

impl Access {
    async fn asker(&self, context: &mut S3AccessContext<'_>) -> S3Result<Asker> {
        let extensions = context.extensions_mut();
        let bearer = extensions.remove::<Bearer>().map(|Bearer(session)| session);
        let form_token = extensions.remove::<FormToken>();
        let access_key = context.credentials().map(|credentials| credentials.access_key.clone());
        if access_key.is_some() {
            signed::check(context.headers(), context.uri())?;
        }
        if access_key.as_ref() == Some(&self.root.access_key) && bearer.is_none() {
            return Ok(Asker::new(Identity::Root, None));
        }
        let evidence = Evidence {
            access_key: access_key.as_deref(),
            headers: context.headers(),
            query_token: context::query(context.uri(), "X-Amz-Security-Token"),
            form_token,
            bearer,
        };
        self.gateway.identify(evidence).await
    }

    /// A request may say whose bucket it takes this for.
    async fn check_owner(&self, bucket: &Bucket, expected: Option<&HeaderValue>) -> S3Result<()> {
        let Some(expected) = expected else { return Ok(()) };
        if self.gateway.rules(bucket).await?.owner.as_bytes() == expected.as_bytes() {
            return Ok(());
        }
        // In the words of every refusal: this is asked before anything else, and is no way to find out whose a bucket is.
        Err(s3_error!(AccessDenied, "Access Denied"))
    }

    /// What is copied has to be readable.
    async fn check_copy_source(&self, asker: &Asker, facts: Facts<'_>) -> S3Result<()> {
        let Some(header) = facts.headers.get("x-amz-copy-source") else { return Ok(()) };
        let text =
            header.to_str().map_err(|_| s3_error!(InvalidArgument, "x-amz-copy-source is not text"))?;
        let Ok(CopySource::Bucket { bucket, key, version_id }) = CopySource::parse(text) else {
            return Ok(());
        };
        let Ok(bucket) = self.gateway.bucket(&bucket) else { return Ok(()) };
        self.check_owner(&bucket, facts.headers.get("x-amz-source-expected-bucket-owner")).await?;
        let question = Question {
            asker,
            operation: "GetObject",
            bucket: &bucket,
            key: Some(&key),
            version: version_id.as_deref(),
            facts,
        };
        self.gateway.authorise(&question).await
    }
}
