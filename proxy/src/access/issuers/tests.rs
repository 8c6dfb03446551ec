//! Tokens that are really signed, by keys made here, against issuers as they would be configured.

use std::path::Path;
use std::sync::OnceLock;

use base64::prelude::BASE64_STANDARD;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, crypto, encode};
use serde_json::{Value, json};

use super::super::config::IssuerConfig;
use super::*;

mod algorithms;
mod claims;
mod configuration;
mod hostile;
mod key_sets;
mod server;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OLDER_SECRET: &str = "fedcba9876543210fedcba9876543210";

/// A key that signs, and its public half.
struct Signer {
    key: EncodingKey,
    pem: String,
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

impl Signer {
    fn new_rsa() -> Self {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        use aws_lc_rs::signature::KeyPair as _;

        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).unwrap();
        Self { key, pem: pem("PUBLIC KEY", public.as_ref()) }
    }

    fn new_ec(algorithm: Algorithm) -> Self {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair};

        let signing = match algorithm {
            Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            _ => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        };
        let pair = EcdsaKeyPair::generate(signing).unwrap();
        let private = pair.to_pkcs8v1().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        Self { key: EncodingKey::from_ec_der(private.as_ref()), pem: pem("PUBLIC KEY", public.as_ref()) }
    }

    fn new_ed() -> Self {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

        let pair = Ed25519KeyPair::generate().unwrap();
        let private = pair.to_pkcs8().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        Self { key: EncodingKey::from_ed_der(private.as_ref()), pem: pem("PUBLIC KEY", public.as_ref()) }
    }

    /// A key of the kind that an algorithm wants, made once.
    fn of(algorithm: Algorithm) -> &'static Self {
        static KEYS: [OnceLock<Signer>; 4] = [const { OnceLock::new() }; 4];
        match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => {
                KEYS[usize::from(algorithm == Algorithm::ES256)].get_or_init(|| Self::new_ec(algorithm))
            }
            Algorithm::EdDSA => KEYS[2].get_or_init(Self::new_ed),
            _ => KEYS[3].get_or_init(Self::new_rsa),
        }
    }

    fn sign(&self, algorithm: Algorithm, key_id: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = key_id.map(str::to_owned);
        encode(&header, claims, &self.key).unwrap()
    }

    /// As a key set has it.
    fn jwk(&self, algorithm: Algorithm, key_id: &str) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, algorithm).unwrap()).unwrap();
        jwk["kid"] = key_id.into();
        jwk["use"] = "sig".into();
        jwk
    }
}

fn now() -> i64 {
    Utc::now().timestamp()
}

/// What a good token of the issuer `https://idp.example` says.
fn claims() -> Value {
    json!({ "iss": "https://idp.example", "aud": "relais", "sub": "42", "exp": now() + 600 })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// An issuer without keys so far.
fn idp(algorithms: &[&str]) -> IssuerConfig {
    serde_json::from_value(json!({
        "name": "idp", "issuer": "https://idp.example", "audience": "relais", "algorithms": algorithms
    }))
    .unwrap()
}

fn with_public_key(algorithm: Algorithm) -> IssuerConfig {
    let mut config = idp(&[&format!("{algorithm:?}")]);
    config.public_key = Some(Signer::of(algorithm).pem.clone());
    config
}

fn keyring(before: &[&str]) -> Keyring {
    let before = before.iter().map(|secret| secret.to_string().into());
    Keyring::new(SECRET.to_owned().into(), before)
}

fn secret_key(secret: &str) -> EncodingKey {
    EncodingKey::from_secret(secret.as_bytes())
}

fn issuers(configs: &[IssuerConfig]) -> Issuers {
    Issuers::new(configs, &keyring(&[OLDER_SECRET])).map_err(|error| error.to_string()).unwrap()
}

/// A token of relais's own.
fn own(claims: &Value) -> String {
    encode(&Header::default(), claims, &secret_key(SECRET)).unwrap()
}

/// Signs whatever it is, as bytes.
fn raw(header: &str, claims: &[u8], key: &EncodingKey, algorithm: Algorithm) -> String {
    let base64 = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let message = format!("{}.{}", base64(header.as_bytes()), base64(claims));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

#[track_caller]
fn assert_invalid(result: Result<Token, TokenError>, what: &str) {
    assert!(matches!(result, Err(TokenError::Invalid)), "{what}: {result:?}");
}

fn write(path: &Path, set: &Value) {
    std::fs::write(path, set.to_string()).unwrap();
}
