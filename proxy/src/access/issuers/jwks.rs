//! A JSON Web Key Set (RFC 7517): the keys that an issuer publishes.
//!
//! A key of a kind that is not known here, or not for signatures, is passed over, as the RFC asks; it must not take the others
//! with it.

use std::str::FromStr;

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

use super::jwt::Jwt;
use super::keys::VerifyingKey;
use super::refusal::Refusal;

/// The keys of a set that signatures can be verified with.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<PublishedKey>);

#[derive(Debug)]
struct PublishedKey {
    id: Option<String>,
    /// The one algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    key: VerifyingKey,
}

/// What a set says about a token's signature.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Judgement {
    Genuine,
    Refused(Refusal),
    /// The key may be of a newer set.
    Unknown(Refusal),
}

impl KeySet {
    /// Reads a set; one without a single key that can be used is none.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }

        let document: Document = serde_json::from_slice(json).ok()?;
        let keys: Vec<_> = document.keys.iter().filter_map(PublishedKey::new).collect();
        if keys.is_empty() { None } else { Some(Self(keys)) }
    }

    pub(super) fn judge(&self, jwt: &Jwt<'_>) -> Judgement {
        match &jwt.key_id {
            Some(id) => self.judge_by_id(jwt, id),
            None => self.judge_alone(jwt),
        }
    }

    fn judge_by_id(&self, jwt: &Jwt<'_>, id: &str) -> Judgement {
        let mut named = self.0.iter().filter(|key| key.id.as_deref() == Some(id)).peekable();
        if named.peek().is_none() {
            return Judgement::Unknown(Refusal::NoKey);
        }
        let mut fitting = named.filter(|key| key.fits(jwt.algorithm)).peekable();
        if fitting.peek().is_none() {
            return Judgement::Refused(Refusal::NoKey);
        }
        if fitting.any(|key| key.verifies(jwt)) {
            Judgement::Genuine
        } else {
            Judgement::Refused(Refusal::Signature)
        }
    }

    /// A token without `kid` leaves no choice only where exactly one key fits.
    fn judge_alone(&self, jwt: &Jwt<'_>) -> Judgement {
        let mut fitting = self.0.iter().filter(|key| key.fits(jwt.algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) if key.verifies(jwt) => Judgement::Genuine,
            (Some(_), None) => Judgement::Unknown(Refusal::Signature),
            (None, _) => Judgement::Unknown(Refusal::NoKey),
            (Some(_), Some(_)) => Judgement::Refused(Refusal::NoKey),
        }
    }
}

impl PublishedKey {
    fn new(value: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(value).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let operations = jwk.common.key_operations.as_ref();
        if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        let algorithm = match jwk.common.key_algorithm {
            Some(algorithm) => Some(Algorithm::from_str(&algorithm.to_string()).ok()?),
            None => None,
        };
        let key = VerifyingKey::from_jwk(&jwk)?;
        Some(Self { id: jwk.common.key_id, algorithm, key })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm) && self.key.fits(algorithm)
    }

    fn verifies(&self, jwt: &Jwt<'_>) -> bool {
        self.key.verifies(jwt.algorithm, jwt.message, jwt.signature)
    }
}
