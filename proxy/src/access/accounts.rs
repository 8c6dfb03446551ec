//! The accounts that relais knows, and the access keys that belong to them.
//!
//! So far both stand in the configuration. The root key is an account of its own that may do everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use relais_model::{Identity, Secret};

use super::acl::GranteeName;
use super::config::{AccessConfig, KeyConfig};
use super::rules::ROOT;

/// Why an access key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No secret, or two.
    #[error("access.keys: {0}: set secret_access_key or secret_access_key_file, and not both")]
    Secret(String),
    /// The secret's file cannot be read.
    #[error("access.keys: {key}: cannot read secret_access_key_file = {path:?}")]
    File {
        /// The access key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The same access key twice.
    #[error("access.keys: {0} is configured twice")]
    Twice(String),
    /// A name that relais uses itself.
    #[error("access.keys: {key}: owner: {owner:?} is a name that relais uses itself; choose another")]
    Reserved {
        /// The access key.
        key: String,
        /// The name.
        owner: String,
    },
}

/// Principals that no account may be called.
const RESERVED: [&str; 6] = [ROOT, "anonymous", "relais", "api", "thumbnail", "transcription"];

/// The accounts.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    keys: BTreeMap<String, (Secret, Identity)>,
    display_names: BTreeMap<String, String>,
    emails: BTreeMap<String, String>,
    ids: BTreeSet<String>,
}

impl Accounts {
    pub(crate) fn new(config: &AccessConfig) -> Result<Self, KeyError> {
        let mut accounts = Self::default();
        accounts.ids.insert(ROOT.to_owned());
        for key in &config.keys {
            let (id, owner) = (key.access_key_id.clone(), key.owner.clone());
            if RESERVED.contains(&owner.as_str()) {
                return Err(KeyError::Reserved { key: id, owner });
            }
            let known = (secret(key)?, Identity::Account(owner.clone()));
            if accounts.keys.insert(id.clone(), known).is_some() {
                return Err(KeyError::Twice(id));
            }
            accounts.display_names.extend(key.display_name.clone().map(|name| (owner.clone(), name)));
            accounts.emails.extend(key.email.clone().map(|email| (email, owner.clone())));
            accounts.ids.insert(owner);
        }
        Ok(accounts)
    }

    /// The secret of an access key, and whose it is.
    pub(crate) fn key(&self, access_key: &str) -> Option<&(Secret, Identity)> {
        self.keys.get(access_key)
    }

    /// What is shown beside an account's id.
    pub(crate) fn display_name(&self, id: &str) -> String {
        self.display_names.get(id).map_or(id, String::as_str).to_owned()
    }

    /// The account that a grant names.
    pub(crate) fn resolve(&self, name: &GranteeName<'_>) -> Option<String> {
        match name {
            GranteeName::Id(id) => self.ids.get(*id).cloned(),
            GranteeName::Email(email) => self.emails.get(*email).cloned(),
        }
    }
}

fn secret(key: &KeyConfig) -> Result<Secret, KeyError> {
    match (&key.secret_access_key, &key.secret_access_key_file) {
        (Some(secret), None) => Ok(secret.clone()),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.trim().to_owned().into()),
            Err(source) => Err(KeyError::File { key: key.access_key_id.clone(), path: path.clone(), source }),
        },
        _ => Err(KeyError::Secret(key.access_key_id.clone())),
    }
}
