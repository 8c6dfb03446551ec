//! Whose tokens are genuine.
//!
//! relais's own issuer signs with `SECRET_KEY`; tokens without `iss` that this secret signed are its own too, as applications that
//! share the secret make them.

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use relais_model::Secret;
use serde_json::{Map, Value, json};

use super::token::{Claims, OWN_ISSUER, Token};
use crate::keyring::Keyring;

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
    verifying: DecodingKey,
}

impl Issuers {
    pub(crate) fn new(keyring: &Keyring) -> Self {
        let secret_key = keyring.current_secret().expose().as_bytes();
        Self {
            signing: EncodingKey::from_secret(secret_key),
            verifying: DecodingKey::from_secret(secret_key),
        }
    }

    /// Checks a token, and gives what it says.
    pub(crate) async fn verify(&self, jwt: &str) -> Result<Token, TokenError> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[OWN_ISSUER]);
        validation.set_issuer(&[OWN_ISSUER]);
        validation.validate_nbf = true;
        let claims = decode::<Map<String, Value>>(jwt, &self.verifying, &validation);
        let claims = claims.map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenError::Expired,
            ErrorKind::ImmatureSignature => TokenError::NotYet,
            _ => TokenError::Invalid,
        })?;
        token(OWN_ISSUER, "sub", claims.claims).ok_or(TokenError::Invalid)
    }

    /// Signs a token of relais's own; `iss`, `aud`, `iat` and `exp` are put in.
    pub(crate) fn mint(&self, mut claims: Map<String, Value>, expires_at: DateTime<Utc>) -> Option<String> {
        claims.insert("iss".to_owned(), json!(OWN_ISSUER));
        claims.insert("aud".to_owned(), json!(OWN_ISSUER));
        claims.insert("iat".to_owned(), json!(Utc::now().timestamp()));
        claims.insert("exp".to_owned(), json!(expires_at.timestamp()));
        encode(&Header::default(), &claims, &self.signing).ok()
    }
}

/// Signs a token of relais's own with the current secret; claims must have `sub`. Nothing if they cannot be signed.
pub fn mint_token(
    keyring: &Keyring,
    claims: Map<String, Value>,
    expires_at: DateTime<Utc>,
) -> Option<Secret> {
    Issuers::new(keyring).mint(claims, expires_at).map(Secret::from)
}

fn token(issuer: &str, subject_claim: &str, claims: Map<String, Value>) -> Option<Token> {
    let time = |name: &str| DateTime::from_timestamp(claims.get(name)?.as_f64()? as i64, 0);
    Some(Token {
        issuer: issuer.to_owned(),
        subject: claims.get(subject_claim)?.as_str()?.to_owned(),
        issued_at: time("iat"),
        expires_at: time("exp")?,
        id: claims.get("jti").and_then(Value::as_str).map(str::to_owned),
        claims: Claims(claims),
    })
}
