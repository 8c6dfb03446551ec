//! Buses over a single key of Redis that nothing reads back: a channel, and the two formats of MinIO.
//!
//! A batch is one transaction, so what is published again after a failure comes in the same order. A channel keeps nothing:
//! who does not listen just then never hears. The hash keeps the last event of each object that is there; the removal of
//! any version takes the field away, also while other versions are left, until the next event that knows the object. The list
//! keeps all events, until its readers take them away.

use async_trait::async_trait;
use redis::Cmd;
use relais_model::EventKind;
use serde_json::json;

use crate::bus::{Notice, Publisher, TestNotice};
use crate::error::BusError;
use crate::link::Link;
use crate::minio;
use crate::record::{notice_record, test_message};

/// A bus over one key.
#[derive(Debug)]
pub(crate) struct RedisKey {
    pub(crate) name: String,
    pub(crate) format: Format,
    pub(crate) key: String,
    pub(crate) region: String,
    pub(crate) link: Link,
}

/// What becomes of an event there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    /// A message as S3 sends it.
    Channel,
    /// MinIO's hash.
    Namespace,
    /// MinIO's list.
    Access,
}

impl RedisKey {
    /// The command that makes an event known, if there is one.
    fn command(&self, notice: &Notice) -> Option<Cmd> {
        let event = &notice.event;
        let mut command;
        match self.format {
            Format::Channel => {
                let message = json!({ "Records": [notice_record(notice, &self.region)] });
                command = redis::cmd("PUBLISH");
                command.arg(&self.key).arg(message.to_string());
            }
            // As in MinIO, a delete marker is a state of the object like others.
            Format::Namespace if event.kind == EventKind::Delete => {
                command = redis::cmd("HDEL");
                command.arg(&self.key).arg(minio::namespace_field(event));
            }
            // MinIO has the object at hand in each event. What does not know it, such as a change of tags, must not take the
            // place of what does.
            Format::Namespace if event.object.is_none() && event.kind != EventKind::DeleteMarker => {
                return None;
            }
            Format::Namespace => {
                command = redis::cmd("HSET");
                command.arg(&self.key).arg(minio::namespace_field(event));
                command.arg(minio::namespace_value(event, &self.region));
            }
            Format::Access => {
                command = redis::cmd("RPUSH");
                command.arg(&self.key).arg(minio::access_value(event, &self.region));
            }
        }
        Some(command)
    }

    async fn deliver(&self, commands: impl Iterator<Item = Cmd>) -> Result<(), BusError> {
        let mut batch = redis::pipe();
        batch.atomic();
        for command in commands {
            batch.add_command(command).ignore();
        }
        if batch.is_empty() {
            return Ok(());
        }
        let outcome: Result<(), _> = self.link.deliver(&batch).await;
        outcome.map_err(|error| self.link.failure("publish events to", &error))
    }
}

#[async_trait]
impl Publisher for RedisKey {
    fn name(&self) -> &str {
        &self.name
    }

    async fn publish(&self, notices: &[Notice]) -> Result<(), BusError> {
        self.deliver(notices.iter().filter_map(|notice| self.command(notice))).await
    }

    /// MinIO has no test event: its formats only hear that they can be reached.
    async fn test(&self, notice: &TestNotice) -> Result<(), BusError> {
        match self.format {
            Format::Channel => {
                let mut command = redis::cmd("PUBLISH");
                command.arg(&self.key).arg(test_message(notice).to_string());
                self.deliver(std::iter::once(command)).await
            }
            Format::Namespace | Format::Access => self.ping().await,
        }
    }

    /// Asks for the length, where there is one: that tells also whether the key is of the right kind.
    async fn ping(&self) -> Result<(), BusError> {
        let mut command;
        match self.format {
            Format::Channel => command = redis::cmd("PING"),
            Format::Namespace => {
                command = redis::cmd("HLEN");
                command.arg(&self.key);
            }
            Format::Access => {
                command = redis::cmd("LLEN");
                command.arg(&self.key);
            }
        }
        let outcome: Result<redis::Value, _> = self.link.command(&command).await;
        outcome.map(drop).map_err(|error| self.link.failure("ping", &error))
    }
}

#[cfg(test)]
mod tests;
