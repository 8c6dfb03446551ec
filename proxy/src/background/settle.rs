//! Makes replicas equal to the primary, by state: what is there now is compared and copied, not what was asked for then.
//!
//! So a late older write cannot win and repeats do no harm. After a copy a key is done only if no other mutation came in
//! between; else it is looked at again. `queue` keeps settlers at work on what the catalog knows to be behind, `report` settles
//! one key on demand, `watch` counts. One attempt is `key`: it looks at both sides (`side`, `shown`), and `replica` does what
//! is to be done, by a copy in one piece (`whole`) or by ranges (`ranges`, `parts`). `desk` holds the bounds.

use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

mod config;
mod desk;
mod events;
mod key;
mod look;
mod parts;
mod queue;
mod ranges;
mod replica;
mod report;
mod shown;
mod side;
mod versions;
mod watch;
mod whole;

pub use config::SettleConfig;
pub(crate) use desk::Desk;
pub(crate) use look::{head, head_version, is_missing};
pub use replica::{Cause, KeyDifference};
pub(crate) use report::key;
pub use report::{Repair, SettleKeyError};

pub(crate) async fn run(gateway: Gateway, stop: CancellationToken) {
    // Before anything is copied to a store that is paused.
    watch::heed_pauses(&gateway).await;
    tokio::join!(queue::run(gateway.clone(), stop.clone()), watch::run(gateway, stop));
}
