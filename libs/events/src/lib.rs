//! Events on their way to subscribers: the record they take, and the buses that carry it.
//!
//! The journal's log has every event. A [`Publisher`] takes them to a place outside: [`publishers`] builds all that are
//! configured, [`RedisStream`] among them. A [`Bus`] hands
//! them to groups of consumers, and has two implementations: [`RedisStream`] where a Redis is configured, and
//! [`EmbeddedBus`], which reads the log itself, where none is. Consumers are the same code on both, and [`contract`] checks
//! that they may be. Nothing here decides *which* mutation becomes an event, nor remembers what is still to be published:
//! that is the journal's. This crate is the only one that speaks to Redis.
#![warn(missing_docs)]

mod bus;
mod buses;
mod config;
pub mod contract;
mod embedded;
mod error;
mod link;
mod minio;
mod record;
mod redis_key;
mod redis_stream;
#[cfg(test)]
mod tests;

pub use bus::{
    Bus, Delivery, GroupName, InvalidGroupName, Notice, Publisher, REDELIVERED_AFTER, Subscription,
    TestNotice,
};
pub use buses::publishers;
pub use config::{BusConfig, Config, Kind, RedisConfig, RuleConfig};
pub use embedded::{EmbeddedBus, EventLog};
pub use error::BusError;
pub use record::{event_from_record, record};
pub use redis_stream::{DEFAULT_BUS, RedisStream};
