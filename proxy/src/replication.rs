//! What operators do about replicas: see whether they are equal (`diff`), make them so (`repair`), bring a bucket under
//! relais that was filled before (`adopt`).
//!
//! All three walk listings, which are sorted, page by page, so that the number of keys does not matter. Nothing is written
//! to a store here: what differs is marked in the catalog, and the settler settles it, in this process or another. So they
//! may be used while relais serves and clients write.

use relais_catalog::CatalogError;
use relais_model::{BucketName, Replica};
use s3s::S3Error;

use crate::background::chain;
use crate::background::settle::SettleKeyError;
use crate::erase::reason;
use crate::error::GatewayError;

mod adopt;
mod diff;
mod listing;
mod look;
mod merge;
mod repair;
mod replay;
mod status;

pub use adopt::{Adopted, Adopting, Mode};
pub use diff::{Asked, Depth, Difference, Summary};
pub use look::What;
pub use status::{INTENT_EXPECTED, OfBucket, OfJournal, OfReader, OfStore, Reason, Status};

/// Keys worked on at once, as in a bulk deletion.
const KEYS_AT_ONCE: usize = 16;

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplicationError {
    /// The configuration covers no such bucket.
    #[error("bucket {0} is not configured; name one of [[buckets]], or add \"*\"")]
    NoSuchBucket(BucketName),
    /// A store did not answer, or refused.
    #[error("cannot {act} {replica}: {}", reason(.source))]
    Store {
        /// What was tried.
        act: &'static str,
        /// Of whom.
        replica: Replica,
        /// What the store said.
        source: S3Error,
    },
    /// A listing that cannot be compared with others.
    #[error(
        "{replica} lists {key:?} behind {before:?}, which is not the order of S3; its listing cannot be compared"
    )]
    Unsorted {
        /// The replica.
        replica: Replica,
        /// The key that came too late.
        key: String,
        /// The key before it.
        before: String,
    },
    /// The database.
    #[error("{}", chain(.0))]
    Catalog(#[from] CatalogError),
    /// What is kept of the bucket.
    #[error("{}", chain(.0.as_ref()))]
    Kept(s3s::StdError),
}

impl From<GatewayError> for ReplicationError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Catalog(error) => Self::Catalog(error),
            error => Self::Kept(Box::new(error)),
        }
    }
}

impl From<SettleKeyError> for ReplicationError {
    fn from(error: SettleKeyError) -> Self {
        match error {
            SettleKeyError::Catalog(error) => Self::Catalog(error),
            error @ SettleKeyError::Busy => Self::Kept(Box::new(error)),
        }
    }
}

impl ReplicationError {
    fn of(act: &'static str, replica: &Replica) -> impl FnOnce(S3Error) -> Self {
        let replica = replica.clone();
        move |source| Self::Store { act, replica, source }
    }
}
