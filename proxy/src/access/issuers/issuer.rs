//! An issuer, from its configuration.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use reqwest::Certificate;

use super::super::config::IssuerConfig;
use super::super::token::OWN_ISSUER;
use super::fetch::{Address, LoadError, Source, load_now, url};
use super::jwt::Jwt;
use super::keys::{InvalidKey, VerifyingKey};
use super::refresh::KeptKeySet;
use super::refusal::Refusal;
use super::terms::{Audience, Terms};

/// Somebody whose tokens are taken.
pub(super) struct Issuer {
    /// In the configuration, and before its subjects.
    pub(super) name: String,
    /// In its tokens.
    pub(super) iss: String,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: KeySource,
    pub(super) terms: Terms,
}

/// Where its keys are.
pub(super) enum KeySource {
    /// In the configuration: one of these.
    Fixed(Vec<VerifyingKey>),
    /// In a key set that can change.
    Set(KeptKeySet),
}

/// Why an issuer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// No source of keys, or several.
    #[error(
        "access.issuers: {0}: set exactly one of secret, secret_file, public_key, public_key_file, jwks_file and jwks_url"
    )]
    Keys(String),
    /// A file cannot be read.
    #[error("access.issuers: {issuer}: cannot read {key} = {path:?}")]
    File {
        /// The issuer.
        issuer: String,
        /// Key in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A key of the configuration has a value that cannot be.
    #[error("access.issuers: {issuer}: {key}: {what}")]
    Invalid {
        /// The issuer.
        issuer: String,
        /// Key in the configuration.
        key: &'static str,
        /// What is wrong.
        what: String,
    },
    /// Two issuers that could not be told apart.
    #[error("access.issuers: two have {key} = {value:?}; each needs its own")]
    Twice {
        /// Key in the configuration.
        key: &'static str,
        /// Its value.
        value: String,
    },
}

/// The shortest secret: as long as what HS256 makes of it (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Clocks that differ by more are wrong, and an expiry that is passed over by more is none.
const LEEWAY_SECONDS_MAX: u64 = 600;

/// All that can be pinned. `none` is not among them.
const ALGORITHMS: &str =
    "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA";

impl Issuer {
    pub(super) fn new(config: &IssuerConfig) -> Result<Self, IssuerError> {
        let wrong = |key, what: &str| Err(invalid(config, key, what));
        if config.name.is_empty() || config.name.contains(':') || config.name == OWN_ISSUER {
            return wrong("name", "must be neither empty nor `relais`, and without a colon");
        }
        if config.issuer.is_empty() || config.issuer == OWN_ISSUER {
            return wrong("issuer", "must be neither empty nor `relais`, which signs with SECRET_KEY");
        }
        if config.audience.is_empty() {
            return wrong("audience", "must not be empty: tokens made for others would be taken");
        }
        if config.subject_claim.is_empty() {
            return wrong("subject_claim", "must not be empty");
        }
        if config.leeway_seconds > LEEWAY_SECONDS_MAX {
            return wrong("leeway_seconds", &format!("must not be more than {LEEWAY_SECONDS_MAX}"));
        }
        let algorithms = algorithms(config)?;
        Ok(Self {
            name: config.name.clone(),
            iss: config.issuer.clone(),
            keys: keys(config, &algorithms)?,
            algorithms,
            terms: Terms {
                audience: Audience::Required(config.audience.clone()),
                leeway: Duration::from_secs(config.leeway_seconds),
                subject_claim: config.subject_claim.clone(),
            },
        })
    }

    /// Whether the issuer has signed it.
    pub(super) async fn verify_signature(&self, jwt: &Jwt<'_>) -> Result<(), Refusal> {
        if !self.algorithms.contains(&jwt.algorithm) {
            return Err(Refusal::Algorithm);
        }
        match &self.keys {
            KeySource::Set(set) => set.verify(jwt).await,
            KeySource::Fixed(keys) => {
                let genuine = keys.iter().any(|key| key.verifies(jwt.algorithm, jwt.message, jwt.signature));
                if genuine { Ok(()) } else { Err(Refusal::Signature) }
            }
        }
    }
}

fn algorithms(config: &IssuerConfig) -> Result<Vec<Algorithm>, IssuerError> {
    if config.algorithms.is_empty() {
        return Err(invalid(config, "algorithms", &format!("must name at least one of {ALGORITHMS}")));
    }
    let parsed = config.algorithms.iter().map(|name| {
        Algorithm::from_str(name).map_err(|_| {
            invalid(
                config,
                "algorithms",
                &format!("{name:?} is not one that is known; there are {ALGORITHMS}"),
            )
        })
    });
    parsed.collect()
}

fn keys(config: &IssuerConfig, algorithms: &[Algorithm]) -> Result<KeySource, IssuerError> {
    let file = |key, path: &Path| text(config, key, path);
    let public = || check_public(config, algorithms);
    if config.jwks_ca_file.is_some() && config.jwks_url.is_none() {
        return Err(invalid(config, "jwks_ca_file", "goes with jwks_url only"));
    }
    let sources = (
        (&config.secret, &config.secret_file),
        (&config.public_key, &config.public_key_file),
        (&config.jwks_file, &config.jwks_url),
    );
    match sources {
        ((Some(text), None), (None, None), (None, None)) => {
            secret(config, "secret", text.expose().as_bytes(), algorithms)
        }
        ((None, Some(path)), (None, None), (None, None)) => {
            let text = file("secret_file", path)?;
            secret(config, "secret_file", text.trim().as_bytes(), algorithms)
        }
        ((None, None), (Some(pem), None), (None, None)) => {
            public()?;
            public_key(config, "public_key", pem, algorithms)
        }
        ((None, None), (None, Some(path)), (None, None)) => {
            public()?;
            public_key(config, "public_key_file", &file("public_key_file", path)?, algorithms)
        }
        ((None, None), (None, None), (Some(path), None)) => {
            public()?;
            key_set_in(config, path)
        }
        ((None, None), (None, None), (None, Some(text))) => {
            public()?;
            key_set_at(config, text)
        }
        _ => Err(IssuerError::Keys(config.name.clone())),
    }
}

fn secret(
    config: &IssuerConfig,
    key: &'static str,
    secret: &[u8],
    algorithms: &[Algorithm],
) -> Result<KeySource, IssuerError> {
    if secret.len() < SECRET_BYTES_MIN {
        let what = format!("must have {SECRET_BYTES_MIN} bytes or more; `openssl rand -hex 32` makes one");
        return Err(invalid(config, key, &what));
    }
    fixed(config, key, VerifyingKey::from_secret(secret), algorithms)
}

/// Whoever takes a public key for a secret lets everybody sign who has read it.
fn check_public(config: &IssuerConfig, algorithms: &[Algorithm]) -> Result<(), IssuerError> {
    match algorithms.iter().find(|algorithm| algorithm.family() == AlgorithmFamily::Hmac) {
        None => Ok(()),
        Some(algorithm) => {
            let what = format!("{algorithm:?} goes with secret or secret_file, never with public keys");
            Err(invalid(config, "algorithms", &what))
        }
    }
}

fn public_key(
    config: &IssuerConfig,
    key: &'static str,
    pem: &str,
    algorithms: &[Algorithm],
) -> Result<KeySource, IssuerError> {
    let parsed = VerifyingKey::from_pem(pem);
    let parsed = parsed.map_err(|error: InvalidKey| invalid(config, key, &error.to_string()))?;
    fixed(config, key, parsed, algorithms)
}

/// Each algorithm must be one of the key's, or it is there by mistake.
fn fixed(
    config: &IssuerConfig,
    key: &'static str,
    verifying: VerifyingKey,
    algorithms: &[Algorithm],
) -> Result<KeySource, IssuerError> {
    match algorithms.iter().find(|algorithm| !verifying.fits(**algorithm)) {
        None => Ok(KeySource::Fixed(vec![verifying])),
        Some(algorithm) => {
            let what = format!("{algorithm:?} does not go with {key}, which is {}", verifying.describe());
            Err(invalid(config, "algorithms", &what))
        }
    }
}

fn key_set_in(config: &IssuerConfig, path: &Path) -> Result<KeySource, IssuerError> {
    let set = load_now(path).map_err(|error| match error {
        LoadError::Read(path, source) => {
            IssuerError::File { issuer: config.name.clone(), key: "jwks_file", path, source }
        }
        other => invalid(config, "jwks_file", &other.to_string()),
    })?;
    let source = Source::File(path.to_owned());
    Ok(KeySource::Set(KeptKeySet::new(&config.name, source, Some(set))))
}

fn key_set_at(config: &IssuerConfig, text: &str) -> Result<KeySource, IssuerError> {
    let url = url(text).map_err(|what| invalid(config, "jwks_url", what))?;
    let authorities = match &config.jwks_ca_file {
        None => Vec::new(),
        Some(path) => authorities(config, path)?,
    };
    let address = Address::new(url, authorities);
    let address = address.map_err(|error| invalid(config, "jwks_url", &crate::background::chain(&error)))?;
    Ok(KeySource::Set(KeptKeySet::new(&config.name, Source::Url(address), None)))
}

fn authorities(config: &IssuerConfig, path: &Path) -> Result<Vec<Certificate>, IssuerError> {
    let pem = text(config, "jwks_ca_file", path)?;
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(invalid(config, "jwks_ca_file", "holds no certificates in PEM")),
    }
}

fn text(config: &IssuerConfig, key: &'static str, path: &Path) -> Result<String, IssuerError> {
    std::fs::read_to_string(path).map_err(|source| IssuerError::File {
        issuer: config.name.clone(),
        key,
        path: path.to_owned(),
        source,
    })
}

fn invalid(config: &IssuerConfig, key: &'static str, what: &str) -> IssuerError {
    IssuerError::Invalid { issuer: config.name.clone(), key, what: what.to_owned() }
}
