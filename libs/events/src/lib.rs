//! Events on their way to subscribers: the record they take, and the buses that carry it.
//!
//! A [`Bus`] is a contract with two implementations: [`RedisStream`] where a Redis is configured, and [`EmbeddedBus`]
//! over the journal where none is. Consumers are the same code on both, and [`contract`] checks that they may be.
//! Nothing here decides *which* mutation becomes an event, nor remembers what is still to be published: that is the
//! journal's. This crate is the only one that speaks to Redis.
#![warn(missing_docs)]

mod bus;
mod config;
pub mod contract;
mod embedded;
mod error;
mod record;
mod redis_stream;

pub use bus::{Bus, Delivery, GroupName, InvalidGroupName, REDELIVERED_AFTER, Subscription};
pub use config::Config;
pub use embedded::{EmbeddedBus, EventLog};
pub use error::BusError;
pub use record::{event_from_record, record};
pub use redis_stream::RedisStream;
