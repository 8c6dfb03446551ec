//! How stores fail.

use std::path::PathBuf;

use relais_model::StoreName;
use s3s::{S3Error, S3ErrorCode};

/// Why a configured store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or read.
    #[error("store {store}: cannot use the folder {path}; check that the path exists and may be written")]
    Folder {
        /// The store.
        store: StoreName,
        /// Its folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// s3s-fs refuses the folder.
    #[error("store {store}: cannot use the folder {path}: {reason}")]
    FolderRefused {
        /// The store.
        store: StoreName,
        /// Its folder.
        path: PathBuf,
        /// What s3s-fs said.
        reason: String,
    },
    /// A file that the configuration names cannot be read.
    #[error("store {store}: cannot read {key} = {path:?}")]
    File {
        /// The store.
        store: StoreName,
        /// Key in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// One half of a key pair is missing.
    #[error(
        "store {store}: set both access_key_id and secret_access_key (or secret_access_key_file), or neither and credentials = \"chain\""
    )]
    HalfAKey {
        /// The store.
        store: StoreName,
    },
    /// The certificates to trust are unusable.
    #[error("store {store}: ca_file holds no usable certificate: {reason}")]
    Certificates {
        /// The store.
        store: StoreName,
        /// What the TLS library said.
        reason: String,
    },
}

/// Whether an answer means that the store is not working, rather than that it refuses this request.
///
/// An outage may pass: another replica can answer a read, and a write can be settled later.
pub fn is_outage(error: &S3Error) -> bool {
    match error.status_code().or_else(|| error.code().status_code()) {
        Some(status) => status.is_server_error() && *error.code() != S3ErrorCode::NotImplemented,
        None => true,
    }
}
