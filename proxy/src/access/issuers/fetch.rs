//! Where a key set comes from: a file, or an address.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, StatusCode, Url};
use tokio::io::AsyncReadExt;

use super::jwks::KeySet;

/// Where a key set is.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Url(Address),
}

/// An address, and what asks it.
#[derive(Debug)]
pub(super) struct Address {
    url: Url,
    client: Client,
}

/// A key set that was not had. The address is not repeated: what follows its `?` may be a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("cannot read {0:?}")]
    Read(PathBuf, #[source] io::Error),
    #[error("its address cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("its address answers {0}; redirects are not followed")]
    Status(StatusCode),
    #[error("it has more than {KEY_SET_BYTES_MAX} bytes")]
    TooLarge,
    #[error(
        "it is no JSON Web Key Set with a key for signatures: RSA, EC of the curves P-256 and P-384, or Ed25519"
    )]
    Unusable,
}

/// The largest key set. Those of large providers have some ten keys of 2 KiB with their certificates.
pub(super) const KEY_SET_BYTES_MAX: usize = 256 * 1024;

/// For connecting and for the whole of a fetch, which requests wait for: far more than a provider that works needs, and less than
/// clients are patient.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

impl Source {
    pub(super) async fn load(&self) -> Result<KeySet, LoadError> {
        let json = match self {
            Self::File(path) => read(path).await?,
            Self::Url(address) => address.fetch().await?,
        };
        KeySet::parse(&json).ok_or(LoadError::Unusable)
    }
}

/// The set in a file, at the start.
pub(super) fn load_now(path: &Path) -> Result<KeySet, LoadError> {
    let json = std::fs::read(path).map_err(|error| LoadError::Read(path.to_owned(), error))?;
    if json.len() > KEY_SET_BYTES_MAX {
        return Err(LoadError::TooLarge);
    }
    KeySet::parse(&json).ok_or(LoadError::Unusable)
}

async fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |error| LoadError::Read(path.to_owned(), error);
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut json = Vec::new();
    file.take(KEY_SET_BYTES_MAX as u64 + 1).read_to_end(&mut json).await.map_err(unreadable)?;
    if json.len() > KEY_SET_BYTES_MAX { Err(LoadError::TooLarge) } else { Ok(json) }
}

impl Address {
    pub(super) fn new(url: Url, authorities: Vec<Certificate>) -> Result<Self, reqwest::Error> {
        // A second call finds the first one's provider, which is the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("relais/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(FETCH_TIMEOUT)
            .redirect(Policy::none()) // The configuration says whom to trust, not whoever answers there.
            .tls_certs_merge(authorities)
            .build()?;
        Ok(Self { url, client })
    }

    async fn fetch(&self) -> Result<Vec<u8>, LoadError> {
        let unreachable = |error: reqwest::Error| LoadError::Unreachable(error.without_url());
        let mut response = self.client.get(self.url.clone()).send().await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(LoadError::Status(response.status()));
        }
        let mut json = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if json.len() + chunk.len() > KEY_SET_BYTES_MAX {
                return Err(LoadError::TooLarge);
            }
            json.extend_from_slice(&chunk);
        }
        Ok(json)
    }
}

/// The address of a key set; who can change what comes from there can make tokens, so it must be safe on the way.
pub(super) fn url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or a password");
    }
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err("must begin with https://; http:// is taken for 127.0.0.1, [::1] and localhost only"),
    }
}
