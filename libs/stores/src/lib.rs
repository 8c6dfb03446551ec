//! Stores: the places that keep objects.
//!
//! A store is an [`s3s::S3`]: [`Store`] holds one with its name, [`Stores`] all that the configuration names. The remote
//! store speaks S3 to an account somewhere, the folder store keeps files. [`tee`] feeds one body to several of them.
//! What a store must do is checked on every kind by [`contract`]; [`probe`] asks a configured store the same at run time.
//!
//! Stores know nothing of buckets as clients see them, of the catalog, or of who asks.
#![warn(missing_docs)]

mod breaker;
mod config;
pub mod contract;
mod error;
mod folder;
pub mod probe;
mod profile;
mod remote;
mod request;
mod store;
pub mod tee;

pub use breaker::{Breaker, is_unsent};
pub use config::{Config, Credentials, FolderConfig, RemoteConfig, StoreConfig};
pub use error::{OpenError, is_outage, is_unsendable};
pub use profile::{FeatureOverrides, Features, Profile};
pub use remote::refusal_header;
pub use request::request;
pub use store::{Store, Stores};
