//! What can be set about stores.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use relais_model::{Secret, StoreName};
use serde::{Deserialize, Serialize};

use crate::profile::{FeatureOverrides, Features, Profile};

/// All stores, by name.
pub type Config = BTreeMap<StoreName, StoreConfig>;

/// One store.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "there are a few of them, and they are read once")]
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
    /// What the service understands; default: what its endpoint says.
    pub profile: Option<Profile>,
    /// Access key; without one the credentials come from AWS's chain.
    pub access_key_id: Option<String>,
    /// Secret of the access key.
    pub secret_access_key: Option<Secret>,
    /// A file that holds the secret, instead of the secret itself.
    pub secret_access_key_file: Option<PathBuf>,
    /// Session token of temporary credentials, beside the key and its secret.
    pub session_token: Option<Secret>,
    /// Where credentials come from.
    pub credentials: Option<Credentials>,
    /// Profile in AWS's shared files whose credentials are taken, and no others.
    pub aws_profile: Option<String>,
    /// Bucket in the path (`true`) or in the host name (`false`). Default: path with an own endpoint, host on AWS.
    pub path_style: Option<bool>,
    /// A file of PEM certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Base of public URLs; default `{endpoint}/{bucket}`.
    pub public_url: Option<String>,
    /// How long a connection may take to be made.
    #[serde(default = "default::connect_timeout_seconds")]
    pub connect_timeout_seconds: NonZeroU32,
    /// How long the service may be silent while it is its turn: to take a piece of a body, to begin or to go on with its answer.
    /// The time that a client takes with its body does not count.
    #[serde(default = "default::read_timeout_seconds")]
    pub read_timeout_seconds: NonZeroU32,
    /// How often a request is sent at most. Only requests whose body can be sent again are; that of an upload cannot.
    #[serde(default = "default::attempts_max")]
    pub attempts_max: NonZeroU32,
    /// Requests that are with the service at once, until their answers are read to the end; further ones wait in line.
    #[serde(default = "default::requests_in_flight_max")]
    pub requests_in_flight_max: NonZeroUsize,
    /// Requests that are begun in a second; unset: any number.
    pub requests_per_second_max: Option<NonZeroU32>,
    /// How long a request may wait in line before it is answered with `SlowDown`.
    #[serde(default = "default::queue_timeout_seconds")]
    pub queue_timeout_seconds: NonZeroU32,
    /// Where the service differs from its profile.
    #[serde(default)]
    pub features: FeatureOverrides,
}

impl RemoteConfig {
    /// A service with nothing set but its region: AWS, credentials from the chain, every other key at its default.
    pub fn in_region(region: String) -> Self {
        Self {
            endpoint: None,
            region,
            profile: None,
            access_key_id: None,
            secret_access_key: None,
            secret_access_key_file: None,
            session_token: None,
            credentials: None,
            aws_profile: None,
            path_style: None,
            ca_file: None,
            public_url: None,
            connect_timeout_seconds: default::connect_timeout_seconds(),
            read_timeout_seconds: default::read_timeout_seconds(),
            attempts_max: default::attempts_max(),
            requests_in_flight_max: default::requests_in_flight_max(),
            requests_per_second_max: None,
            queue_timeout_seconds: default::queue_timeout_seconds(),
            features: FeatureOverrides::default(),
        }
    }

    /// What the service understands: its profile, or the one that its endpoint says, corrected by what is set.
    pub fn effective_features(&self) -> Features {
        self.features.over(self.effective_profile().features())
    }

    /// What kind of service it is: as set, or as its endpoint says.
    pub fn effective_profile(&self) -> Profile {
        self.profile.unwrap_or_else(|| Profile::of_endpoint(self.endpoint.as_deref()))
    }
}

/// Values of keys that are not set; they stand in the comments of `config/default.toml` too.
mod default {
    use std::num::{NonZeroU32, NonZeroUsize};

    /// Clouds answer in tens of milliseconds; after five seconds none will.
    pub(super) const fn connect_timeout_seconds() -> NonZeroU32 {
        NonZeroU32::new(5).expect("5 is not 0")
    }

    /// Completing an upload of 10,000 parts takes AWS tens of seconds.
    pub(super) const fn read_timeout_seconds() -> NonZeroU32 {
        NonZeroU32::new(60).expect("60 is not 0")
    }

    pub(super) const fn attempts_max() -> NonZeroU32 {
        NonZeroU32::new(3).expect("3 is not 0")
    }

    /// A quarter of what the proxy takes at once: a slow store cannot use up every connection and descriptor.
    pub(super) const fn requests_in_flight_max() -> NonZeroUsize {
        NonZeroUsize::new(256).expect("256 is not 0")
    }

    /// Less than the time after which clients give up.
    pub(super) const fn queue_timeout_seconds() -> NonZeroU32 {
        NonZeroU32::new(10).expect("10 is not 0")
    }
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
