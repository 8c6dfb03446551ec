//! The accounts that relais knows, and the access keys that belong to them.
//!
//! So far both stand in the configuration. The root key is an account of its own that may do everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use relais_model::{Identity, Secret};

use super::acl::GranteeName;
use super::config::{AccessConfig, KeyConfig};
use super::keys::Holder;
use super::policy::Policy;
use super::rules::ROOT;
use super::temporary;

/// Why an access key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No secret, or two.
    #[error("access.keys: {0}: set secret_access_key or secret_access_key_file, and not both")]
    Secret(String),
    /// The file of the secret, or of the policy, cannot be read.
    #[error("access.keys: {key}: cannot read {path:?}")]
    File {
        /// The access key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Two policies.
    #[error("access.keys: {0}: set policy or policy_file, and not both")]
    Policies(String),
    /// The policy is none.
    #[error("access.keys: {key}: {what}")]
    Policy {
        /// The access key.
        key: String,
        /// What is wrong with its policy.
        what: String,
    },
    /// The same access key twice.
    #[error("access.keys: {0} is configured twice")]
    Twice(String),
    /// A key that looks like a temporary one.
    #[error(
        "access.keys: {0}: access keys of this form are those that relais issues for a time; choose another"
    )]
    Temporary(String),
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
pub(crate) const RESERVED: [&str; 7] =
    [ROOT, "anonymous", "relais", "api", "erase", "thumbnail", "transcription"];

/// The accounts.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    keys: BTreeMap<String, Holder>,
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
            if is_reserved(&owner) {
                return Err(KeyError::Reserved { key: id, owner });
            }
            if temporary::kind(&id).is_some() {
                return Err(KeyError::Temporary(id));
            }
            let identity = Identity::Account(owner.clone());
            let known = Holder { secret: secret(key)?, identity, policy: policy(key)? };
            if accounts.keys.insert(id.clone(), known).is_some() {
                return Err(KeyError::Twice(id));
            }
            accounts.display_names.extend(key.display_name.clone().map(|name| (owner.clone(), name)));
            accounts.emails.extend(key.email.clone().map(|email| (email, owner.clone())));
            accounts.ids.insert(owner);
        }
        Ok(accounts)
    }

    /// Who holds an access key.
    pub(crate) fn key(&self, access_key: &str) -> Option<&Holder> {
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

/// Whether relais uses the name itself, for a principal of its own.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

fn secret(key: &KeyConfig) -> Result<Secret, KeyError> {
    match (&key.secret_access_key, &key.secret_access_key_file) {
        (Some(secret), None) => Ok(secret.clone()),
        (None, Some(path)) => Ok(read(key, path)?.trim().to_owned().into()),
        _ => Err(KeyError::Secret(key.access_key_id.clone())),
    }
}

fn policy(key: &KeyConfig) -> Result<Option<Arc<Policy>>, KeyError> {
    let id = || key.access_key_id.clone();
    let text = match (&key.policy, &key.policy_file) {
        (None, None) => return Ok(None),
        (Some(text), None) => text.clone(),
        (None, Some(path)) => read(key, path)?,
        _ => return Err(KeyError::Policies(id())),
    };
    let policy = Policy::parse_of_role(&text);
    policy
        .map(|policy| Some(Arc::new(policy)))
        .map_err(|error| KeyError::Policy { key: id(), what: error.to_string() })
}

fn read(key: &KeyConfig, path: &Path) -> Result<String, KeyError> {
    std::fs::read_to_string(path).map_err(|source| KeyError::File {
        key: key.access_key_id.clone(),
        path: path.to_owned(),
        source,
    })
}
