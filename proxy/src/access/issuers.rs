//! Whose tokens are genuine.
//!
//! A token names its issuer in `iss`; that is read before anything is known to be true, and everything else is then held against
//! that one issuer: its keys, the algorithms pinned for it, its audience. relais is an issuer itself, with `SECRET_KEY`; tokens
//! without `iss` are its own too, as applications that share the secret make them.
//!
//! `jwt` takes a token apart, `terms` is what it must say, `keys` and `jwks` verify signatures, `issuer` reads the configuration.
//! What a token allows is not decided here but by `roles`. No token, and nothing out of one, is logged.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use relais_model::Secret;
use serde_json::{Map, Value, json};

use super::config::IssuerConfig;
use super::token::{OWN_ISSUER, Token};
use crate::keyring::Keyring;
use issuer::{Issuer, KeySource};
use jwt::Jwt;
use keys::VerifyingKey;
use refusal::Refusal;
use terms::{Audience, Terms};

mod fetch;
mod issuer;
mod jwks;
mod jwt;
mod keys;
mod refresh;
mod refusal;
mod strict;
mod terms;

pub use issuer::IssuerError;

/// Why a token is not taken. None of these repeats any of the token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is not one of an issuer that is known here, or not as its issuer made it")]
    Invalid,
    /// Whether it is genuine cannot be told now; it may be later.
    #[error("the keys of the token's issuer cannot be had at the moment")]
    Unavailable,
}

/// Everybody whose tokens are taken.
pub(crate) struct Issuers {
    signing: EncodingKey,
    own: Issuer,
    others: Vec<Issuer>,
}

/// How far clocks may differ, for relais's own tokens: what [`IssuerConfig::leeway_seconds`] is for others unless set.
const OWN_LEEWAY: Duration = Duration::from_secs(60);

/// What an application that shares `SECRET_KEY` may sign with.
const OWN_ALGORITHMS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

impl Issuers {
    /// Reads keys from the configuration and its files; nothing is fetched. relais signs with the current secret; tokens that an
    /// earlier one signed stay genuine as long as it is configured.
    pub(crate) fn new(configs: &[IssuerConfig], keyring: &Keyring) -> Result<Self, IssuerError> {
        let mut others: Vec<Issuer> = Vec::new();
        for config in configs {
            if others.iter().any(|other| other.name == config.name) {
                return Err(IssuerError::Twice { key: "name", value: config.name.clone() });
            }
            if others.iter().any(|other| other.iss == config.issuer) {
                return Err(IssuerError::Twice { key: "issuer", value: config.issuer.clone() });
            }
            others.push(Issuer::new(config)?);
        }
        Ok(Self {
            signing: EncodingKey::from_secret(keyring.current_secret().expose().as_bytes()),
            own: own_issuer(keyring),
            others,
        })
    }

    /// Checks a token, and gives what it says.
    pub(crate) async fn verify(&self, jwt: &str) -> Result<Token, TokenError> {
        let refused = |issuer: &str, refusal: Refusal| {
            tracing::info!(issuer, reason = %refusal, "token refused");
            TokenError::from(refusal)
        };
        let jwt = Jwt::parse(jwt).map_err(|refusal| refused("", refusal))?;
        let issuer = self.of(&jwt).map_err(|refusal| refused("", refusal))?;
        issuer.verify_signature(&jwt).await.map_err(|refusal| refused(&issuer.name, refusal))?;
        let token = issuer.terms.token(&issuer.name, jwt.claims, Utc::now());
        let token = token.and_then(|token| self.keep_apart(token));
        token.map_err(|refusal| refused(&issuer.name, refusal))
    }

    /// Signs a token of relais's own; `iss`, `aud`, `iat` and `exp` are put in.
    pub(crate) fn mint(&self, mut claims: Map<String, Value>, expires_at: DateTime<Utc>) -> Option<String> {
        claims.insert("iss".to_owned(), json!(OWN_ISSUER));
        claims.insert("aud".to_owned(), json!(OWN_ISSUER));
        claims.insert("iat".to_owned(), json!(Utc::now().timestamp()));
        claims.insert("exp".to_owned(), json!(expires_at.timestamp()));
        encode(&Header::default(), &claims, &self.signing).ok()
    }

    /// The issuer that a token says it is of.
    fn of(&self, jwt: &Jwt<'_>) -> Result<&Issuer, Refusal> {
        match jwt.claims.get("iss") {
            None => Ok(&self.own),
            Some(Value::String(iss)) if *iss == self.own.iss => Ok(&self.own),
            Some(Value::String(iss)) => {
                self.others.iter().find(|other| other.iss == *iss).ok_or(Refusal::UnknownIssuer)
            }
            Some(_) => Err(Refusal::UnknownIssuer),
        }
    }

    /// Who shares `SECRET_KEY` may name any account, but neither relais's own principals nor the accounts of another issuer,
    /// which are called `NAME:SUBJECT`.
    fn keep_apart(&self, token: Token) -> Result<Token, Refusal> {
        if token.issuer != OWN_ISSUER {
            return Ok(token);
        }
        let of_another = token
            .subject
            .split_once(':')
            .is_some_and(|(name, _)| self.others.iter().any(|other| other.name == name));
        if of_another || super::accounts::is_reserved(&token.subject) {
            return Err(Refusal::ReservedSubject);
        }
        Ok(token)
    }
}

/// Signs a token of relais's own with the current secret; claims must have `sub`. Nothing if they cannot be signed.
pub fn mint_token(
    keyring: &Keyring,
    claims: Map<String, Value>,
    expires_at: DateTime<Utc>,
) -> Option<Secret> {
    Issuers::new(&[], keyring).ok()?.mint(claims, expires_at).map(Secret::from)
}

fn own_issuer(keyring: &Keyring) -> Issuer {
    let keys = keyring.secrets().map(|secret| VerifyingKey::from_secret(secret.expose().as_bytes()));
    Issuer {
        name: OWN_ISSUER.to_owned(),
        iss: OWN_ISSUER.to_owned(),
        algorithms: OWN_ALGORITHMS.to_vec(),
        keys: KeySource::Fixed(keys.collect()),
        terms: Terms {
            audience: Audience::IfPresent(OWN_ISSUER.to_owned()),
            leeway: OWN_LEEWAY,
            subject_claim: "sub".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
