//! What relais itself keeps of a bucket and enforces: owner, ACL, policy, CORS, public access block, ownership of objects.
//!
//! A bucket that nobody made through relais has no row in the catalog; it belongs to the root key and is private.

use relais_catalog::BucketRow;
use relais_model::BucketName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::acl::Acl;
use super::policy::Policy;
use crate::config::CorsRule;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::Bucket;

/// Owner of what was not made by anybody that relais knows.
pub(crate) const ROOT: &str = "root";

/// Names of the settings in a bucket's row. A policy is kept as it was sent, the others as JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Setting {
    Acl,
    Policy,
    Cors,
    AccessBlock,
    Ownership,
    Notification,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::Policy => "policy",
            Self::Cors => "cors",
            Self::AccessBlock => "public_access_block",
            Self::Ownership => "ownership",
            Self::Notification => "notification",
        }
    }
}

/// The four switches that keep a bucket from becoming public by mistake. See "Blocking public access to your Amazon S3
/// storage" in the Amazon S3 user guide.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct AccessBlock {
    pub(crate) block_acls: bool,
    pub(crate) ignore_acls: bool,
    pub(crate) block_policy: bool,
    pub(crate) restrict: bool,
}

/// Who owns objects that others write, and whether ACLs mean anything. Named as S3 names them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Ownership {
    BucketOwnerEnforced,
    BucketOwnerPreferred,
    ObjectWriter,
}

/// The rules of one bucket.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) owner: String,
    /// The ACL as it was set; see [`Self::acl`].
    pub(crate) kept_acl: Option<Acl>,
    /// The policy and its text.
    pub(crate) policy: Option<(Policy, String)>,
    pub(crate) cors: Option<Vec<CorsRule>>,
    pub(crate) access_block: Option<AccessBlock>,
    pub(crate) ownership: Option<Ownership>,
}

impl Rules {
    /// The bucket's ACL; a private one where none was set.
    pub(crate) fn acl(&self) -> Acl {
        self.kept_acl.clone().unwrap_or_else(|| Acl::private(&self.owner))
    }

    /// The public access block; all off where none was set.
    pub(crate) fn block(&self) -> AccessBlock {
        self.access_block.unwrap_or_default()
    }

    /// Whether ACLs are switched off, so that the bucket's owner owns all objects.
    pub(crate) fn acls_are_off(&self) -> bool {
        self.ownership == Some(Ownership::BucketOwnerEnforced)
    }

    /// By what the catalog keeps.
    pub(super) fn of(row: Option<BucketRow>) -> Result<Self, GatewayError> {
        let Some(row) = row else {
            let owner = ROOT.to_owned();
            return Ok(Self {
                owner,
                kept_acl: None,
                policy: None,
                cors: None,
                access_block: None,
                ownership: None,
            });
        };
        let text = |setting: Setting| row.settings.get(setting.name()).map(String::as_str);
        let policy = text(Setting::Policy)
            .map(|text| Ok((Policy::parse(text)?, text.to_owned())))
            .transpose()
            .map_err(GatewayError::Policy)?;
        Ok(Self {
            kept_acl: json(text(Setting::Acl))?,
            policy,
            cors: json(text(Setting::Cors))?,
            access_block: json(text(Setting::AccessBlock))?,
            ownership: json(text(Setting::Ownership))?,
            owner: row.owner,
        })
    }
}

fn json<T: DeserializeOwned>(text: Option<&str>) -> Result<Option<T>, GatewayError> {
    text.map(serde_json::from_str).transpose().map_err(GatewayError::Kept)
}

impl Gateway {
    /// The rules of a bucket, as the catalog has them now.
    pub(crate) async fn rules(&self, bucket: &Bucket) -> Result<Rules, GatewayError> {
        Rules::of(self.buckets.find(&bucket.name).await?)
    }

    /// A setting that is kept as JSON, by itself.
    pub(crate) async fn kept<T: DeserializeOwned>(
        &self,
        bucket: &BucketName,
        setting: Setting,
    ) -> Result<Option<T>, GatewayError> {
        let row = self.buckets.find(bucket).await?;
        json(row.as_ref().and_then(|row| row.settings.get(setting.name())).map(String::as_str))
    }

    /// Keeps a setting of a bucket as JSON, or forgets it.
    pub(crate) async fn keep<T: Serialize + Sync>(
        &self,
        bucket: &Bucket,
        setting: Setting,
        value: Option<&T>,
    ) -> Result<(), GatewayError> {
        let text = value.map(serde_json::to_string).transpose().map_err(GatewayError::Kept)?;
        self.keep_text(bucket, setting, text.as_deref()).await
    }

    /// Keeps a setting of a bucket as it is, or forgets it.
    pub(crate) async fn keep_text(
        &self,
        bucket: &Bucket,
        setting: Setting,
        text: Option<&str>,
    ) -> Result<(), GatewayError> {
        Ok(self.buckets.set(&bucket.name, ROOT, setting.name(), text).await?)
    }
}
