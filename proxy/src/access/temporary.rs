//! Temporary credentials, of which nothing is kept.
//!
//! The access key id names the secret of the [`Keyring`] from which its secret access key is derived. What the credentials give,
//! and until when, is sealed in their session token, which opens only beside the id that it was made for. So every instance with
//! the same `SECRET_KEY` knows the credentials that another one issued. A pair of the kind [`Kind::TokenPair`] proves nothing
//! by itself: its holder sends a JWT as session token. What is revoked is not known here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use chrono::{DateTime, Utc};
use relais_model::{ByteSize, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::token::Token;
use crate::keyring::{ID_CHARACTERS, KEY_ID_LENGTH, Keyring, id_text};
use crate::seal::Sealer;

/// What temporary credentials stand for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Grant {
    /// For whom; it ends when the credentials end.
    pub(crate) token: Token,
    /// A policy that allows nothing by itself, and without which nothing is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) narrowed_to: Option<String>,
    /// Largest object that they write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object_bytes_max: Option<ByteSize>,
    /// Media types that they write; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) content_types: Vec<String>,
}

/// Credentials as a client gets them.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Secret,
    pub(crate) expires_at: DateTime<Utc>,
}

/// What goes with an access key id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A session token of ours.
    Sts,
    /// A JWT in the place of the session token.
    TokenPair,
}

/// Why a session token opens nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the session token does not belong to the access key, or relais did not issue it")]
    NotOurs,
    #[error("the session token has expired")]
    Expired,
}

/// Issues temporary credentials, and knows them again.
pub(crate) struct TemporaryKeys {
    keyring: Keyring,
    sealer: Sealer,
}

/// What the access key ids of each kind begin with. AWS's own begin with an A.
const STS_PREFIX: &str = "RSTS";
const PAIR_PREFIX: &str = "RJWT";

/// Length of the prefixes.
const PREFIX_LENGTH: usize = 4;

/// Random characters of an id: a hundred bits, so that no two are the same and none is guessed.
const RANDOM_LENGTH: usize = 20;

/// Bytes of a secret access key: 40 characters of base64, as AWS's are.
const SECRET_BYTES: usize = 30;

impl TemporaryKeys {
    pub(crate) fn new(keyring: &Keyring) -> Self {
        Self { keyring: keyring.clone(), sealer: keyring.sealer("session token") }
    }

    /// Makes credentials that give what the grant says, until its token ends.
    pub(crate) fn issue(&self, grant: &Grant) -> Issued {
        let (access_key_id, secret_access_key) = self.make(STS_PREFIX);
        let plain = serde_json::to_vec(grant).expect("a grant is text, numbers and JSON, with text as keys");
        let session_token = Secret::from(self.sealer.seal_with(&plain, &access_key_id));
        Issued { access_key_id, secret_access_key, session_token, expires_at: grant.token.expires_at }
    }

    /// Makes an access key whose holder sends a JWT as session token.
    pub(crate) fn make_token_pair(&self) -> (String, Secret) {
        self.make(PAIR_PREFIX)
    }

    /// The secret of an access key that was made here or on another instance; whether anything goes with it, it does not say.
    pub(crate) fn secret(&self, access_key_id: &str) -> Option<Secret> {
        kind(access_key_id)?;
        let key = self.keyring.key(access_key_id.get(PREFIX_LENGTH..)?.get(..KEY_ID_LENGTH)?)?;
        let derived = key.derive::<SECRET_BYTES>(&[b"secret access key ", access_key_id.as_bytes()]);
        Some(Secret::from(BASE64_STANDARD_NO_PAD.encode(derived)))
    }

    /// What credentials give, if their session token is the one that was issued with their access key.
    pub(crate) fn open(&self, access_key_id: &str, session_token: &str) -> Result<Grant, OpenError> {
        if kind(access_key_id) != Some(Kind::Sts) {
            return Err(OpenError::NotOurs);
        }
        let plain = self.sealer.open_with(session_token, access_key_id).ok_or(OpenError::NotOurs)?;
        let grant: Grant = serde_json::from_slice(&plain).map_err(|_| OpenError::NotOurs)?;
        if grant.token.expires_at <= Utc::now() {
            return Err(OpenError::Expired);
        }
        Ok(grant)
    }

    fn make(&self, prefix: &str) -> (String, Secret) {
        let random: [u8; RANDOM_LENGTH] = rand::random();
        let id = format!("{prefix}{}{}", self.keyring.current().id, id_text(&random));
        let secret = self.secret(&id).expect("the id was just made in this form, of a key that is here");
        (id, secret)
    }
}

/// Which kind of access key has such an id; nothing for one that was not made here.
pub(crate) fn kind(access_key_id: &str) -> Option<Kind> {
    let (prefix, rest) = access_key_id.split_at_checked(PREFIX_LENGTH)?;
    let is_ours =
        rest.len() == KEY_ID_LENGTH + RANDOM_LENGTH && rest.bytes().all(|byte| ID_CHARACTERS.contains(&byte));
    match prefix {
        STS_PREFIX if is_ours => Some(Kind::Sts),
        PAIR_PREFIX if is_ours => Some(Kind::TokenPair),
        _ => None,
    }
}

/// A pair for signing with a JWT as session token, in JSON. This shows the secret.
pub fn token_pair(keyring: &Keyring) -> String {
    let (id, secret) = TemporaryKeys::new(keyring).make_token_pair();
    json!({ "access_key_id": id, "secret_access_key": secret.expose() }).to_string()
}

#[cfg(test)]
mod tests;
