//! The proxy: S3 in, stores out.
//!
//! A request passes the layers of `stack`, is read and its signature checked by s3s, asked after by `access`, and
//! reaches the [`Gateway`], which is an `s3s::S3` over the stores. Writes go through the journal (`s3::write`); behind
//! the requests, `background` publishes events, settles replicas and recovers what a dead instance left open.
//!
//! The proxy never looks into objects: what is in a picture or a recording is the sidecars' affair.

mod access;
pub mod api;
pub mod audit;
mod background;
mod checksum;
mod config;
mod cors;
pub mod erase;
mod error;
mod front;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gateway;
mod keyring;
mod kind;
mod limits;
mod made_keys;
mod metrics;
mod notify;
mod observe;
mod password;
mod placement;
pub mod replication;
mod s3;
mod seal;
mod server;
mod stack;
mod sts;
mod tls;
mod unread;

pub use access::RootKey;
pub use access::accounts::KeyError;
pub use access::config::{AccessConfig, IssuerConfig, KeyConfig, RoleConfig};
pub use access::issuers::{IssuerError, mint_token};
pub use access::roles::RoleError;
pub use access::simulate::{SimulateError, Simulated, SimulatedCaller, Simulation, simulate};
pub use access::temporary::token_pair;
pub use background::reader_of_bus;
pub use background::settle::{Cause, KeyDifference, Repair, SettleConfig, SettleKeyError};
pub use config::{
    BucketConfig, ClientAuth, Config, CorsRule, JournalConfig, RateConfig, RatesConfig, WhenFull,
};
pub use gateway::{Gateway, GatewayConfigError, Parts};
pub use keyring::Keyring;
pub use made_keys::{KeySealer, NotSealedByUs, check_owner, check_role_policy, is_temporary_key};
pub use metrics::install as install_metrics;
pub use notify::{Routes, RuleError};
pub use password::{PasswordError, hash as hash_password};
pub use placement::{Bucket, Place, Placement, PlacementError, check as check_buckets};
pub use s3::{Difference, differences, make_missing as make_missing_bucket};
pub use server::{ServeError, Server, serve_api};
pub use sts::client::{CredentialsError, CredentialsRequest, TemporaryCredentials};
