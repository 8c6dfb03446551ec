//! Keys that signatures are verified with, each for the algorithms of its kind and no others.
//!
//! That a key knows its kind is what keeps the algorithms apart: a public key never serves as a secret, whatever the header says.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, crypto};

/// A key and its kind.
#[derive(Clone, Debug)]
pub(super) struct VerifyingKey {
    kind: Kind,
    key: DecodingKey,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Secret,
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Why a text is not a public key.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum InvalidKey {
    #[error(
        "it holds a private key, which belongs to the issuer alone; `openssl pkey -pubout` gives the public one"
    )]
    Private,
    #[error(
        "it is not a public key in PEM: RSA of 2048 to 8192 bits, EC of the curves P-256 and P-384, or Ed25519"
    )]
    Unusable,
}

impl VerifyingKey {
    pub(super) fn from_secret(secret: &[u8]) -> Self {
        Self { kind: Kind::Secret, key: DecodingKey::from_secret(secret) }
    }

    /// Reads the PEM of a public key (SPKI, or PKCS #1 for RSA).
    pub(super) fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(InvalidKey::Private);
        }
        // Of a certificate the library would take the key without looking at its dates.
        if pem.contains("-----BEGIN CERTIFICATE") {
            return Err(InvalidKey::Unusable);
        }
        let bytes = pem.as_bytes();
        let key = DecodingKey::from_ed_pem(bytes)
            .or_else(|_| DecodingKey::from_ec_pem(bytes))
            .or_else(|_| DecodingKey::from_rsa_pem(bytes))
            .map_err(|_| InvalidKey::Unusable)?;
        let raw = key.try_get_as_bytes().map_err(|_| InvalidKey::Unusable)?;
        let kind = kind_of(&key, raw).ok_or(InvalidKey::Unusable)?;
        Ok(Self { kind, key })
    }

    /// Reads a public key of a key set; nothing if it is of a kind that is not known here. Secrets have no place in a key set.
    pub(super) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => is_strong(&rsa.n, &rsa.e)?,
            AlgorithmParameters::EllipticCurve(ec) => {
                let kind = kind_of(&key, key.try_get_as_bytes().ok()?)?;
                let fits = matches!(
                    (&ec.curve, kind),
                    (EllipticCurve::P256, Kind::P256) | (EllipticCurve::P384, Kind::P384)
                );
                fits.then_some(kind)?
            }
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                kind_of(&key, key.try_get_as_bytes().ok()?)?
            }
            _ => return None,
        };
        Some(Self { kind, key })
    }

    /// Whether a signature by this algorithm can be of this key.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        match self.kind {
            Kind::Secret => matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512),
            Kind::Rsa => matches!(
                algorithm,
                Algorithm::RS256
                    | Algorithm::RS384
                    | Algorithm::RS512
                    | Algorithm::PS256
                    | Algorithm::PS384
                    | Algorithm::PS512
            ),
            Kind::P256 => algorithm == Algorithm::ES256,
            Kind::P384 => algorithm == Algorithm::ES384,
            Kind::Ed25519 => algorithm == Algorithm::EdDSA,
        }
    }

    /// Whether the signature, in base64url, is this key's. Those of secrets are compared in constant time.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        self.fits(algorithm)
            && crypto::verify(signature, message.as_bytes(), &self.key, algorithm).unwrap_or(false)
    }

    /// What it is, for messages.
    pub(super) fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Secret => "a secret",
            Kind::Rsa => "an RSA key",
            Kind::P256 => "an EC key of the curve P-256",
            Kind::P384 => "an EC key of the curve P-384",
            Kind::Ed25519 => "an Ed25519 key",
        }
    }
}

/// The kind of a public key, if it is a key at all: a point on its curve, an RSA modulus of a size that is taken.
fn kind_of(key: &DecodingKey, raw: &[u8]) -> Option<Kind> {
    let is_one = |algorithm: &'static dyn VerificationAlgorithm| ParsedPublicKey::new(algorithm, raw).is_ok();
    match (key.family(), raw.len()) {
        (AlgorithmFamily::Rsa, _) => is_one(&RSA_PKCS1_2048_8192_SHA256).then_some(Kind::Rsa),
        (AlgorithmFamily::Ec, P256_POINT_BYTES) => is_one(&ECDSA_P256_SHA256_FIXED).then_some(Kind::P256),
        (AlgorithmFamily::Ec, P384_POINT_BYTES) => is_one(&ECDSA_P384_SHA384_FIXED).then_some(Kind::P384),
        (AlgorithmFamily::Ed, _) => is_one(&ED25519).then_some(Kind::Ed25519),
        _ => None,
    }
}

/// Whether an RSA key of a key set has a size that is taken; whether it is a key at all shows when it is used.
fn is_strong(modulus: &str, exponent: &str) -> Option<Kind> {
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(modulus).ok()?;
    let exponent = BASE64_URL_SAFE_NO_PAD.decode(exponent).ok()?;
    let leading_zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let fits = RSA_BYTES.contains(&(modulus.len() - leading_zeros)) && !exponent.is_empty();
    fits.then_some(Kind::Rsa)
}

/// Sizes of an RSA modulus: RFC 7518 asks for 2048 bits; beyond 8192 a signature costs too much to check.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Points of the two curves, uncompressed: a byte, and two coordinates.
const P256_POINT_BYTES: usize = 1 + 2 * 32;
const P384_POINT_BYTES: usize = 1 + 2 * 48;
