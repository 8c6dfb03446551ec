//! The contracts between the journal's log, the buses to which its events are taken, and those who consume them.
//!
//! The words: a *group* is one reader of everything, such as all copies of a sidecar together; a *subscription* is one
//! member of it. What these traits promise is checked for every implementation by [`crate::contract::check`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use relais_model::{BucketName, Event};

use crate::error::BusError;

/// Time after which an event that was handed out and not acknowledged is handed out again. Longer than any inbox needs
/// to write down what it got, short enough that the work of a consumer that died is soon another's.
pub const REDELIVERED_AFTER: Duration = Duration::from_secs(30);

/// An event on its way to a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The event.
    pub event: Event,
    /// The id of the rule that sends it there; nothing where the bus gets everything.
    pub rule: Option<String>,
}

impl From<Event> for Notice {
    fn from(event: Event) -> Self {
        Self { event, rule: None }
    }
}

/// What S3 sends to a place that a bucket's notifications shall go to from now on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TestNotice {
    /// When the notifications were configured.
    pub time: DateTime<Utc>,
    /// The bucket whose notifications go there.
    pub bucket: BucketName,
    /// The id of the request that configured it.
    pub request_id: String,
    /// What S3 names `HostId`: the server that took the request.
    pub host_id: String,
}

/// A bus that events are taken to.
///
/// # Contract
/// - After `publish` returned, the bus has the events, also after a crash, as far as it keeps any. When it failed, the same
///   events may be published again; subscribers may then hear twice of some, with the same id.
/// - Subscribers hear of the events in the order in which they were published; so the events of one key arrive in the
///   order of their sequencers, if they were published so.
#[async_trait]
pub trait Publisher: fmt::Debug + Send + Sync + 'static {
    /// Its name in the configuration, in metrics and in logs.
    fn name(&self) -> &str;

    /// Makes the events known, in this order.
    async fn publish(&self, notices: &[Notice]) -> Result<(), BusError>;

    /// Sends the test event of S3, where the bus has a form for it; an error says that events would not arrive. It is no
    /// event: groups do not hear of it.
    async fn test(&self, notice: &TestNotice) -> Result<(), BusError>;

    /// Tells whether the bus can be reached now.
    async fn ping(&self) -> Result<(), BusError>;
}

/// A bus that groups of consumers read.
///
/// # Contract
/// - Every group hears of every event, in the order in which they were published. Only what is handed out *again* may come
///   late.
/// - A group that is new hears of everything that the bus still keeps.
/// - No event that a group has not acknowledged is dropped to make room.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Joins a group, which is made if it is new.
    async fn subscribe(&self, group: &GroupName) -> Result<Box<dyn Subscription>, BusError>;

    /// Tells whether the bus can be reached now.
    async fn ping(&self) -> Result<(), BusError>;
}

/// One member of a group.
///
/// # Contract
/// - An event goes to one member of the group, and to a member again when [`REDELIVERED_AFTER`] has passed without an
///   acknowledgement, whatever became of the one who had it.
/// - An acknowledged event is not handed out again, save that a crash may undo the latest acknowledgements.
/// - After an error the subscription is still good: the next call waits by itself, longer each time up to a bound, and
///   then tries anew.
#[async_trait]
pub trait Subscription: fmt::Debug + Send {
    /// Waits for events and gives at least one and at most `max` of them. Cancel safe: what arrives while nobody waits
    /// is given to the next call.
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError>;

    /// Declares the events done with, for the whole group. They need not be in order, nor all of what was handed out.
    async fn acknowledge(&mut self, deliveries: &[Delivery]) -> Result<(), BusError>;
}

/// An event as it was handed to a subscriber.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The event; its id is the same each time it is delivered.
    pub event: Event,
    /// What the bus needs for the acknowledgement.
    pub token: String,
}

/// The name of a group: 1 to 64 letters, digits, `-`, `_` or `.`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GroupName(Box<str>);

/// A group name that breaks the rules.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("group name {0:?} must have 1 to 64 letters, digits, hyphens, underscores or dots")]
pub struct InvalidGroupName(String);

impl GroupName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = InvalidGroupName;

    fn from_str(name: &str) -> Result<Self, InvalidGroupName> {
        let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if (1..=64).contains(&name.len()) && name.bytes().all(ok) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidGroupName(name.to_owned()))
        }
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_names_are_short_and_plain() {
        for name in ["thumbnail", "a", "team_1.audit-log"] {
            assert_eq!(name.parse::<GroupName>().unwrap().as_str(), name);
        }
        for name in ["", "two words", "naïve", &"x".repeat(65)] {
            assert!(name.parse::<GroupName>().is_err(), "{name}");
        }
    }
}
