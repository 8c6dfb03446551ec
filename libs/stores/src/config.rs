//! What can be set about stores.

use std::collections::BTreeMap;
use std::path::PathBuf;

use relais_model::{Secret, StoreName};
use serde::{Deserialize, Serialize};

/// All stores, by name.
pub type Config = BTreeMap<StoreName, StoreConfig>;

/// One store.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum StoreConfig {
    /// An account at an S3 service.
    S3(RemoteConfig),
    /// A folder on this machine.
    Folder(FolderConfig),
}

/// A folder that keeps objects as files.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    /// Where; relative to the data folder. It is created where it is missing.
    pub path: PathBuf,
}

/// An S3 service and how to reach it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteConfig {
    /// `https://host[:port]`; nothing for AWS, whose endpoint follows from the region.
    pub endpoint: Option<String>,
    /// The region to sign for.
    pub region: String,
    /// Access key; without one the credentials come from AWS's chain.
    pub access_key_id: Option<String>,
    /// Secret of the access key.
    pub secret_access_key: Option<Secret>,
    /// A file that holds the secret, instead of the secret itself.
    pub secret_access_key_file: Option<PathBuf>,
    /// Where credentials come from.
    pub credentials: Option<Credentials>,
    /// Bucket in the path (`true`) or in the host name (`false`). Default: path with an own endpoint, host on AWS.
    pub path_style: Option<bool>,
    /// A file of PEM certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Base of public URLs; default `{endpoint}/{bucket}`.
    pub public_url: Option<String>,
}

/// Where a remote store's credentials come from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Credentials {
    /// `access_key_id` and `secret_access_key`.
    Static,
    /// AWS's order: environment, shared files and profile, web identity, container, instance.
    Chain,
}
