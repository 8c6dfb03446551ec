//! The whole configuration: the parts' own, put together.
//!
//! `config/default.toml` is the default. What the file of `--config` and the environment say comes on top; see `sources`.
//! A configuration that is wrong ends the process with code 64 (`EX_USAGE` of sysexits.h) and names the key.

use std::path::{Path, PathBuf};

use relais_model::Secret;
use serde::{Deserialize, Serialize};

mod applications;
mod sources;

pub(crate) use applications::FORGOTTEN_DATABASE;
pub(crate) use sources::load;

/// Exit code of a wrong configuration.
pub(crate) const EXIT_CODE: u8 = 64;

/// What is wrong with the configuration, key first.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misconfigured(pub(crate) String);

impl Misconfigured {
    /// An error of a part that was built from the configuration, with its sources.
    pub(crate) fn from_error(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        Self(format!("{:#}", anyhow::Error::new(error))).into()
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) root_access_key: Option<String>,
    pub(crate) root_secret_key: Option<Secret>,
    pub(crate) secret_key: Option<Secret>,
    pub(crate) secret_keys_before: Vec<Secret>,
    pub(crate) data_file_variables: Vec<String>,
    pub(crate) stores: relais_stores::Config,
    pub(crate) buckets: Vec<relais_proxy::BucketConfig>,
    #[serde(default)]
    pub(crate) uploads: Vec<relais_proxy::api::UploadConfig>,
    pub(crate) proxy: relais_proxy::Config,
    #[serde(default)]
    pub(crate) access: relais_proxy::AccessConfig,
    pub(crate) api: relais_proxy::api::Config,
    pub(crate) accounts: relais_proxy::api::AccountsConfig,
    pub(crate) settle: relais_proxy::SettleConfig,
    pub(crate) database: relais_catalog::Config,
    pub(crate) journal: relais_proxy::JournalConfig,
    pub(crate) events: relais_events::Config,
    pub(crate) sidecars: Sidecars,
    pub(crate) thumbnail: relais_thumbnail::Config,
    pub(crate) transcription: relais_transcription::Config,
    pub(crate) audit: relais_proxy::audit::Config,
    pub(crate) log: Log,
}

/// How sidecars in processes of their own reach the proxy.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sidecars {
    pub(crate) proxy_url: String,
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) filter: String,
    pub(crate) json: bool,
}

/// Shortest secret that other secrets may be derived from.
const SECRET_KEY_BYTES_MIN: usize = 32;

impl Config {
    /// Puts the data folder into the places that name it, and checks what concerns several keys.
    fn complete(mut self) -> Result<Self, Misconfigured> {
        let data_dir = std::path::absolute(&self.data_dir)
            .map_err(|error| Misconfigured(format!("data_dir: {:?}: {error}", self.data_dir)))?;
        let here = data_dir.to_string_lossy();
        self.database.url = self.database.url.replace("{data_dir}", &here);
        let model = self.transcription.model.to_string_lossy().replace("{data_dir}", &here);
        self.transcription.model = Path::new(&model).to_owned();
        self.data_dir = data_dir;
        relais_proxy::check_buckets(&self.buckets, |name| self.stores.contains_key(name))
            .map_err(|error| Misconfigured(error.to_string()))?;
        relais_proxy::api::UploadProfiles::new(&self.uploads)
            .map_err(|error| Misconfigured(error.to_string()))?;
        if self.proxy.tls_certificate_file.is_some() != self.proxy.tls_key_file.is_some() {
            let rule = "proxy.tls_certificate_file, proxy.tls_key_file: set both, or neither";
            return Err(Misconfigured(rule.to_owned()));
        }
        if self.root_access_key.is_some() != self.root_secret_key.is_some() {
            let rule = "root_access_key, root_secret_key: set both (RELAIS_ROOT_ACCESS_KEY, RELAIS_ROOT_SECRET_KEY), or neither";
            return Err(Misconfigured(rule.to_owned()));
        }
        let is_short = |secret: &Secret| secret.expose().len() < SECRET_KEY_BYTES_MIN;
        if self.secret_key.as_ref().is_some_and(is_short) {
            let rule = "secret_key: SECRET_KEY must have 32 bytes or more; `openssl rand -hex 32` makes one";
            return Err(Misconfigured(rule.to_owned()));
        }
        if self.secret_keys_before.iter().any(is_short) {
            let rule = "secret_keys_before: each of them (SECRET_KEY_BEFORE) was a secret_key once, of 32 bytes or more";
            return Err(Misconfigured(rule.to_owned()));
        }
        Ok(self)
    }
}
