//! The words of relais as types: names, identities, events.
//!
//! Everything else depends on this crate and it depends on nothing of ours. A value of one of these types has been
//! checked once, at the door; whoever holds one checks nothing again. There is no I/O here.
#![warn(missing_docs)]

mod event;
mod identity;
mod name;
mod replica;
mod secret;
mod size;

pub use event::{DerivedFrom, Event, EventKind, ObjectFacts, Sequencer};
pub use identity::{Identity, Requester};
pub use name::{BucketName, InvalidName, ObjectKey, StoreName};
pub use replica::{Replica, ReplicaState, WriteMode};
pub use secret::Secret;
pub use size::{ByteSize, InvalidByteSize};
