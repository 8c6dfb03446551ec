//! Which event goes to which bus.
//!
//! Two sides decide: the rules of the configuration (`configured`), and what clients have put on a bucket
//! (`notification`). A bus gets an event if either sends it there. The configuration sends everything to a bus that it
//! says nothing about. A relay asks when it takes an event to its bus, so what counts is what is set at that time.
//!
//! Nothing here publishes events, save the test event that a client's settings begin with.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use relais_events::{Config, Notice, Publisher, TestNotice};
use relais_model::{BucketName, Event};

use crate::access::rules::Setting;
use crate::background::chain;
use crate::error::GatewayError;
use crate::gateway::Gateway;

mod arn;
mod configured;
mod keys;
mod names;
mod notification;
mod remembered;

pub use configured::RuleError;
use configured::Rules;
pub(crate) use notification::{NotificationError, Notifications};
pub(crate) use remembered::Remembered;

/// How long a bus has to take a test event, before the client that waits for it is told that it does not.
const TEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The buses that events are taken to, and what the configuration sends there. None by default.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    pub(crate) buses: Vec<Arc<dyn Publisher>>,
    rules: Rules,
}

impl Routes {
    /// Reads the rules of the configuration.
    pub fn new(config: &Config, buses: Vec<Arc<dyn Publisher>>) -> Result<Self, RuleError> {
        let names: Vec<&str> = buses.iter().map(|bus| bus.name()).collect();
        let rules = Rules::new(config, &names)?;
        Ok(Self { buses, rules })
    }
}

impl Gateway {
    /// Those of the events that go to this bus, each with the rule that sends it there.
    pub(crate) async fn notices(&self, bus: &str, events: Vec<Event>) -> Result<Vec<Notice>, GatewayError> {
        let mut notices = Vec::with_capacity(events.len());
        for event in events {
            let notifications = self.notifications_of(&event.bucket).await?;
            if let Some(rule) = sent(&self.routes.rules, &notifications, bus, &event) {
                notices.push(Notice { event, rule });
            }
        }
        Ok(notices)
    }

    /// What clients have put on a bucket, as the catalog had it a moment ago.
    async fn notifications_of(&self, bucket: &BucketName) -> Result<Arc<Notifications>, GatewayError> {
        if let Some(known) = self.notifications.find(bucket) {
            return Ok(known);
        }
        let asked = self.notifications.asked();
        let found = Arc::new(self.kept(bucket, Setting::Notification).await?.unwrap_or_default());
        self.notifications.remember(asked, bucket, &found);
        Ok(found)
    }

    /// Sends the test event of S3 to each bus that the notifications of a bucket name. One that is not there, or does not
    /// take it, is an error.
    pub(crate) async fn test_notifications(
        &self,
        bucket: &BucketName,
        notifications: &Notifications,
        request_id: &str,
    ) -> Result<(), NotificationError> {
        let mut found = Vec::new();
        for (name, arn) in notifications.destinations() {
            let bus = self.routes.buses.iter().find(|bus| bus.name() == name);
            found.push(bus.ok_or_else(|| NotificationError::NoSuchBus { arn: arn.to_owned() })?);
        }
        let notice = TestNotice {
            time: Utc::now(),
            bucket: bucket.clone(),
            request_id: request_id.to_owned(),
            host_id: HOST.to_owned(),
        };
        for bus in found {
            let failure = match tokio::time::timeout(TEST_TIMEOUT, bus.test(&notice)).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => chain(&error),
                Err(_) => "no answer".to_owned(),
            };
            tracing::warn!(bus = bus.name(), error = failure, "the bus does not take a test event");
            return Err(NotificationError::BusAway { bus: bus.name().to_owned() });
        }
        Ok(())
    }
}

/// Whether an event goes to a bus; if so, by which rule, where it is one. A bucket's own rule comes first: its author is the
/// one who looks for it in the record.
fn sent(rules: &Rules, notifications: &Notifications, bus: &str, event: &Event) -> Option<Option<String>> {
    match notifications.matching(bus, event) {
        Some(id) => Some(Some(id.to_owned())),
        None => rules.matching(bus, event),
    }
}

/// What a test event says of where it is from; S3 names a server that means nothing to anybody else.
const HOST: &str = "relais";

#[cfg(test)]
mod tests;
