//! A token taken apart, with nothing verified yet.
//!
//! Of the header, `alg` and `kid` are read, to choose among keys that are known; `jku`, `x5u`, `jwk` and their like, by which a
//! token would bring its own key, are not looked at.

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::strict;

/// The longest token that is looked at: more than twice what providers make of a user in a hundred groups, and about what HTTP
/// servers take in a header.
pub(super) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A token whose signature nobody has checked.
#[derive(Debug)]
pub(super) struct Jwt<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) claims: Map<String, Value>,
    /// What is signed.
    pub(super) message: &'a str,
    /// Still in base64url.
    pub(super) signature: &'a str,
}

impl<'a> Jwt<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(Refusal::Form)?;
        let (header, claims) = message.split_once('.').ok_or(Refusal::Form)?;
        let header = object(header)?;
        if header.contains_key("crit") {
            return Err(Refusal::Critical);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(Refusal::Form)?;
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(Refusal::Form),
        };
        Ok(Self {
            algorithm: Algorithm::from_str(algorithm).map_err(|_| Refusal::Algorithm)?,
            key_id,
            claims: object(claims)?,
            message,
            signature,
        })
    }
}

/// A dot too many ends here as well: it is no base64url.
fn object(part: &str) -> Result<Map<String, Value>, Refusal> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Form)?;
    strict::object(&json).ok_or(Refusal::Form)
}
