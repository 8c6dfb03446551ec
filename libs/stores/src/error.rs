//! How stores fail.

use std::path::PathBuf;

use http::StatusCode;
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
    /// Two answers to the question whose credentials to use.
    #[error(
        "store {store}: set either aws_profile or a key (access_key_id, credentials = \"static\"), not both"
    )]
    KeyAndProfile {
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
/// An outage may pass: another replica can answer a read, and a write can be settled later. To be told to slow down is an
/// outage too, whether by 503 or by 429.
pub fn is_outage(error: &S3Error) -> bool {
    if is_unsendable(error) {
        return false;
    }
    match error.status_code().or_else(|| error.code().status_code()) {
        Some(StatusCode::TOO_MANY_REQUESTS) => true,
        Some(status) => status.is_server_error() && *error.code() != S3ErrorCode::NotImplemented,
        None => true,
    }
}

/// Whether the client of a remote store could not even make the request: the AWS SDK takes a key of white space for none.
pub fn is_unsendable(error: &S3Error) -> bool {
    // The SDK's error has a type for each operation, and this text in all of them.
    error.source().is_some_and(|source| source.to_string() == "failed to construct request")
}
