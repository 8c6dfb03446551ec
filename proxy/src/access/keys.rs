//! Access keys: who holds one, and its secret.
//!
//! The root key and those of the configuration are known from the start; those of `relais key create` are looked up in the
//! catalog, and remembered for a moment. So a key that was revoked is out within [`REMEMBERED`] on every instance.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use relais_model::{Identity, Secret};

use super::policy::Policy;
use crate::error::GatewayError;
use crate::gateway::Gateway;

/// What the secrets of keys in the catalog are sealed for.
pub(crate) const KEY_SECRETS: &str = "access key secret";

/// How long the catalog is not asked again after a key, also after one that it does not know.
const REMEMBERED: Duration = Duration::from_secs(2);

/// Keys that are remembered at once; made-up ones must not fill the memory.
const REMEMBERED_MAX: usize = 10_000;

/// Longest id of a key in the catalog, as of AWS's; longer ones need not be asked after, nor remembered.
const ID_BYTES_MAX: usize = 128;

/// Who holds a key.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) secret: Secret,
    pub(crate) identity: Identity,
    /// What the key may do, if that is less than its account may.
    pub(crate) policy: Option<Arc<Policy>>,
}

/// What the catalog said of keys a moment ago.
#[derive(Debug, Default)]
pub(crate) struct RememberedKeys(Mutex<HashMap<String, (Instant, Option<Holder>)>>);

impl RememberedKeys {
    fn find(&self, access_key: &str) -> Option<Option<Holder>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, holder) = known.get(access_key)?;
        (at.elapsed() < REMEMBERED).then(|| holder.clone())
    }

    fn remember(&self, access_key: &str, holder: Option<Holder>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        }
        if known.len() < REMEMBERED_MAX {
            known.insert(access_key.to_owned(), (Instant::now(), holder));
        }
    }
}

impl Gateway {
    /// The secret that signs with an access key, of whatever kind the key is.
    pub(crate) async fn secret(&self, access_key: &str) -> Result<Option<Secret>, GatewayError> {
        match self.temporary.secret(access_key) {
            Some(secret) => Ok(Some(secret)),
            None => Ok(self.holder(access_key).await?.map(|holder| holder.secret)),
        }
    }

    /// Who holds an access key that is no temporary one.
    pub(crate) async fn holder(&self, access_key: &str) -> Result<Option<Holder>, GatewayError> {
        if let Some(holder) = self.accounts.key(access_key) {
            return Ok(Some(holder.clone()));
        }
        if access_key.len() > ID_BYTES_MAX {
            return Ok(None);
        }
        if let Some(holder) = self.remembered_keys.find(access_key) {
            return Ok(holder);
        }
        let holder = match self.access_keys.find(access_key).await? {
            Some(row) if row.revoked_at.is_none() => Some(self.holder_of(row)?),
            _ => None,
        };
        self.remembered_keys.remember(access_key, holder.clone());
        Ok(holder)
    }

    fn holder_of(&self, row: relais_catalog::AccessKeyRow) -> Result<Holder, GatewayError> {
        let id = row.id;
        let secret = self
            .key_secrets
            .open_with(&row.sealed_secret, &id)
            .and_then(|secret| String::from_utf8(secret).ok());
        let secret = secret.ok_or_else(|| GatewayError::KeySealed(id.clone()))?;
        let policy = row.policy.as_deref().map(Policy::parse_of_role).transpose();
        Ok(Holder {
            secret: secret.into(),
            identity: Identity::Account(row.owner),
            policy: policy.map_err(GatewayError::Policy)?.map(Arc::new),
        })
    }
}
