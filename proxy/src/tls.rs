//! The server's side of TLS, by rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::Config;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the two files is missing.
    #[error("proxy.tls_certificate_file and proxy.tls_key_file: set both, or neither")]
    Half,
    /// A file is not what it should be.
    #[error("{key}: cannot read {what} from {path:?}")]
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
    /// The certificate and the key do not fit.
    #[error("proxy.tls_certificate_file and proxy.tls_key_file do not belong together")]
    Pair(#[source] rustls::Error),
}

/// What accepts TLS connections; nothing where no certificate is configured.
pub(crate) fn acceptor(config: &Config) -> Result<Option<TlsAcceptor>, TlsError> {
    let (certificate, key) = match (&config.tls_certificate_file, &config.tls_key_file) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(None),
        _ => return Err(TlsError::Half),
    };
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|source| file_error("proxy.tls_key_file", "a private key", key, source))?;
    let mut server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Pair)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let broken = |source| file_error("proxy.tls_certificate_file", "certificates", path, source);
    CertificateDer::pem_file_iter(path).map_err(broken)?.collect::<Result<_, _>>().map_err(broken)
}

fn file_error(
    key: &'static str,
    what: &'static str,
    path: &Path,
    source: rustls::pki_types::pem::Error,
) -> TlsError {
    TlsError::File { key, what, path: path.to_owned(), source }
}
