//! The server's side of TLS, by rustls.
//!
//! Certificates are renewed while relais runs: [`Tls`] looks at the files, and new connections get what is there now. Files that
//! do not fit, as while one of the two was replaced, change nothing.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{ClientAuth, Config};

/// How often the files are looked at: a certificate is renewed weeks before it ends.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the two files is missing.
    #[error("proxy.tls_certificate_file and proxy.tls_key_file: set both, or neither")]
    Half,
    /// Clients cannot be asked for certificates, or nobody says whose.
    #[error(
        "proxy.tls_client_auth: it wants proxy.tls_client_ca_file, and that wants it to be \"optional\" or \"required\""
    )]
    Clients,
    /// Something about TLS is set, but TLS is off.
    #[error("proxy.{0} is set, but TLS is off: proxy.tls_certificate_file and proxy.tls_key_file turn it on")]
    Off(&'static str),
    /// A file cannot be read.
    #[error("proxy.{key}: cannot read {path:?}")]
    Unreadable {
        /// Key in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("proxy.{key}: there is no usable {what} in {path:?}")]
    File {
        /// Key in the configuration.
        key: &'static str,
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// An authority's certificate is none.
    #[error("proxy.tls_client_ca_file: a certificate is not usable")]
    Authority(#[source] rustls::Error),
    /// There is no authority.
    #[error("proxy.tls_client_ca_file: its certificates cannot vouch for clients")]
    Authorities(#[from] VerifierBuilderError),
    /// The certificate and the key do not fit.
    #[error("proxy.tls_certificate_file and proxy.tls_key_file do not belong together")]
    Pair(#[source] rustls::Error),
}

/// One of the files, as it was read.
#[derive(Clone, Eq, PartialEq)]
struct File {
    key: &'static str,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Which files there are.
#[derive(Clone, Debug)]
struct Paths {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_auth: ClientAuth,
}

/// What the files held when they were last looked at.
#[derive(Clone, Eq, PartialEq)]
struct Files {
    certificate: File,
    key: File,
    client_ca: Option<File>,
}

/// What accepts TLS connections.
#[derive(Clone)]
pub(crate) struct Tls {
    paths: Paths,
    current: Arc<RwLock<Arc<ServerConfig>>>,
    /// What `current` was first made from.
    begun_with: Arc<Files>,
}

impl Tls {
    /// Nothing where no certificate is configured.
    pub(crate) fn new(config: &Config) -> Result<Option<Self>, TlsError> {
        let (certificate, key) = match (&config.tls_certificate_file, &config.tls_key_file) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) => return off(config).map(|()| None),
            _ => return Err(TlsError::Half),
        };
        if config.tls_client_ca_file.is_some() == (config.tls_client_auth == ClientAuth::None) {
            return Err(TlsError::Clients);
        }
        let (client_ca, client_auth) = (config.tls_client_ca_file.clone(), config.tls_client_auth);
        let paths = Paths { certificate, key, client_ca, client_auth };
        let files = Files::read(&paths)?;
        let current = Arc::new(RwLock::new(files.server(paths.client_auth)?));
        Ok(Some(Self { paths, current, begun_with: Arc::new(files) }))
    }

    /// Shakes hands, with the certificate of this moment.
    pub(crate) async fn accept<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(current).accept(stream).await
    }

    /// Looks at the files for ever. What is wrong with them is logged once.
    pub(crate) async fn reload_when_changed(self) -> Infallible {
        let mut seen = Some((*self.begun_with).clone());
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let paths = self.paths.clone();
            // Not among the requests: a disk may be slow.
            let Ok(read) = tokio::task::spawn_blocking(move || Files::read(&paths)).await else { continue };
            if seen.is_some() && read.as_ref().ok() == seen.as_ref() {
                continue;
            }
            let built = read
                .as_ref()
                .map_err(ToString::to_string)
                .and_then(|files| files.server(self.paths.client_auth).map_err(|error| with_source(&error)));
            let news = seen.is_some() || read.is_ok();
            seen = read.ok();
            match built {
                Ok(server) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = server;
                    tracing::info!("the certificate was read again: new connections get it");
                }
                Err(error) if news => {
                    tracing::error!(error, "the new certificate is not usable: the old one stays");
                }
                Err(_) => {} // Still unreadable.
            }
        }
    }
}

/// Refuses a configuration that believes TLS to be on.
fn off(config: &Config) -> Result<(), TlsError> {
    if config.tls_client_ca_file.is_some() {
        return Err(TlsError::Off("tls_client_ca_file"));
    }
    match config.tls_client_auth {
        ClientAuth::None => Ok(()),
        _ => Err(TlsError::Off("tls_client_auth")),
    }
}

fn with_source(error: &TlsError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl Files {
    fn read(paths: &Paths) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: File::read("tls_certificate_file", &paths.certificate)?,
            key: File::read("tls_key_file", &paths.key)?,
            client_ca: paths
                .client_ca
                .as_deref()
                .map(|path| File::read("tls_client_ca_file", path))
                .transpose()?,
        })
    }

    fn server(&self, client_auth: ClientAuth) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = self.certificate.certificates()?;
        let key = PrivateKeyDer::from_pem_slice(&self.key.bytes)
            .map_err(|source| self.key.without("private key", source))?;
        let builder = match &self.client_ca {
            None => ServerConfig::builder().with_no_client_auth(),
            Some(file) => {
                let mut authorities = RootCertStore::empty();
                for certificate in file.certificates()? {
                    authorities.add(certificate).map_err(TlsError::Authority)?;
                }
                let verifier = WebPkiClientVerifier::builder(Arc::new(authorities));
                let verifier = match client_auth {
                    ClientAuth::Required => verifier.build()?,
                    ClientAuth::None | ClientAuth::Optional => verifier.allow_unauthenticated().build()?,
                };
                ServerConfig::builder().with_client_cert_verifier(verifier)
            }
        };
        let mut server = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(server))
    }
}

impl File {
    fn read(key: &'static str, path: &Path) -> Result<Self, TlsError> {
        let path = path.to_owned();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Self { key, path, bytes }),
            Err(source) => Err(TlsError::Unreadable { key, path, source }),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found = CertificateDer::pem_slice_iter(&self.bytes).collect::<Result<Vec<_>, _>>();
        found.map_err(|source| self.without("certificate", source))
    }

    fn without(&self, what: &'static str, source: rustls::pki_types::pem::Error) -> TlsError {
        TlsError::File { key: self.key, what, path: self.path.clone(), source }
    }
}
