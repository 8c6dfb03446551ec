//! Tokens: taken apart, verified, and held to their terms.

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use futures::FutureExt;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use relais_model::Secret;

use super::{keyring, lines};
use crate::access::config::IssuerConfig;
use crate::access::issuers::{Issuers, TokenError};
use crate::access::token::{OWN_ISSUER, Token};

const OTHER: &str = "other";
const OTHER_SECRET: &str = "the secret of another issuer, long enough";

static ISSUERS: LazyLock<Issuers> = LazyLock::new(|| {
    let other = IssuerConfig {
        name: OTHER.to_owned(),
        issuer: "https://issuer.example".to_owned(),
        audience: "relais-fuzz".to_owned(),
        algorithms: vec!["HS256".to_owned()],
        secret: Some(Secret::from(OTHER_SECRET.to_owned())),
        secret_file: None,
        public_key: None,
        public_key_file: None,
        jwks_file: None,
        jwks_url: None,
        jwks_ca_file: None,
        leeway_seconds: 0,
        subject_claim: "sub".to_owned(),
    };
    Issuers::new(&[other], &keyring()).expect("the issuer is well-formed")
});

/// Lines: header, a path into the claims; then the claims. They are signed by each who can, and by somebody who cannot.
pub fn claims(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        assert!(verify(text).is_err(), "a token that nobody signed");
    }
    let text = String::from_utf8_lossy(input);
    let ([header, path], claims) = lines(&text);
    let own = keyring().current_secret().expose().to_owned();
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        for (issuer, secret) in [(OWN_ISSUER, own.as_str()), (OTHER, OTHER_SECRET)] {
            let jwt = sign(header, claims, secret, algorithm);
            if let Ok(token) = verify(&jwt) {
                assert!(
                    header.contains(&format!("{algorithm:?}")),
                    "signed by another algorithm than it says"
                );
                check(&token, issuer, path);
                check_signature(&jwt);
            }
        }
        let foreign = sign(header, claims, "somebody else's secret, of 32 bytes or more", algorithm);
        assert!(verify(&foreign).is_err(), "a token of somebody else");
    }
}

fn verify(jwt: &str) -> Result<Token, TokenError> {
    ISSUERS.verify(jwt).now_or_never().expect("keys that are configured are not waited for")
}

fn sign(header: &str, claims: &str, secret: &str, algorithm: Algorithm) -> String {
    let message =
        format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).expect("a secret signs anything");
    format!("{message}.{signature}")
}

/// What every token that is taken must be.
fn check(token: &Token, issuer: &str, path: &str) {
    assert_eq!(token.issuer, issuer, "a token of one issuer, signed by another");
    assert!(token.expires_at > Utc::now() - TimeDelta::seconds(61), "an expired token");
    assert!((1..=256).contains(&token.subject.len()) && !token.subject.contains(char::is_control));
    let is_own = issuer == OWN_ISSUER;
    assert_eq!(token.owner().starts_with("other:"), !is_own, "an owner of two issuers");
    let audience = token.claims.values("aud");
    let named = |wanted: &str| audience.iter().flatten().any(|one| one == wanted);
    assert!(if is_own { named(OWN_ISSUER) || audience.is_none() } else { named("relais-fuzz") });
    for path in [path, "app_metadata.tenant"] {
        let (values, found) = (token.claims.values(path), token.claims.at(path));
        assert!(values.is_none() || found.is_some(), "values of a claim that is not there");
        assert!(found.is_none_or(|value| token.claims.has(path, value)));
    }
}

/// A token is good as a whole only.
fn check_signature(jwt: &str) {
    let last = jwt.rfind('.').expect("a token has dots");
    for at in [0, last / 2, last + 1] {
        let other = if jwt.as_bytes()[at] == b'A' { "B" } else { "A" };
        let altered = format!("{}{other}{}", &jwt[..at], &jwt[at + 1..]);
        assert!(verify(&altered).is_err(), "character {at} was changed");
    }
}
