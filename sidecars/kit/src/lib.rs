//! What every sidecar shares: from an event to derived objects.
//!
//! A sidecar says which events it wants and what its child process is told; the kit does the rest. The *inbox* turns
//! events into jobs in the catalog and acknowledges them at once. The *runner* leases jobs, runs each in a child
//! process of its own (`PROGRAM worker KIND`) that has neither network nor secrets, and writes what comes back through
//! the gateway, as objects that carry their source in metadata and so never trigger a sidecar again.
//!
//! The kit never looks into an object, and it logs names, sizes and durations, never content.
#![warn(missing_docs)]

mod backoff;
mod config;
mod failure;
mod gateway;
mod inbox;
mod kit;
mod process;
mod runner;
mod sidecar;
mod wire;
mod worker;

pub use config::Config;
pub use gateway::{DERIVED_FROM, RECIPE, SOURCE_ETAG};
pub use kit::{Kit, KitError};
pub use sidecar::{Output, Sidecar, Source, Work, WorkError};
pub use worker::serve_worker;
