//! A member of a consumer group, which reads all partitions of a stream at once.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, select_all};
use tokio::sync::Mutex;

use super::partition::Partition;
use super::reader::{self, Reader};
use crate::bus::{Delivery, GroupName, Subscription};
use crate::error::BusError;
use crate::link::Link;

/// A member of a consumer group.
///
/// A read that Redis has begun cannot be taken back, so a call of `next` that is given up leaves its reads here for
/// the next call to finish.
pub(super) struct RedisSubscription {
    group: GroupName,
    sources: Vec<Source>,
    /// Read for a call with a larger `max` that was given up, or from one partition while another was read too.
    ready: VecDeque<Delivery>,
}

/// One partition of it.
struct Source {
    key: String,
    link: Arc<Link>,
    /// Never contended: the lock lends the reader to the read that is under way.
    reader: Arc<Mutex<Reader>>,
    reading: Option<BoxFuture<'static, Result<Vec<Delivery>, BusError>>>,
}

impl RedisSubscription {
    pub(super) fn new(
        partitions: &[Partition],
        group: &GroupName,
        consumer: &str,
        redelivered_after: Duration,
    ) -> Self {
        let source = |partition: &Partition| {
            let Partition { key, link, .. } = partition;
            let reader = Reader::new(link, key, group, consumer.to_owned(), redelivered_after);
            Source {
                key: key.clone(),
                link: link.clone(),
                reader: Arc::new(Mutex::new(reader)),
                reading: None,
            }
        };
        let sources = partitions.iter().map(source).collect();
        Self { group: group.clone(), sources, ready: VecDeque::new() }
    }
}

impl Source {
    /// The read that is under way, or a new one.
    fn read(&mut self, max: usize) -> &mut BoxFuture<'static, Result<Vec<Delivery>, BusError>> {
        let reader = &self.reader;
        self.reading.get_or_insert_with(|| {
            let reader = reader.clone();
            async move { reader.lock().await.read(max).await }.boxed()
        })
    }
}

#[async_trait]
impl Subscription for RedisSubscription {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let max = max.max(1);
        while self.ready.is_empty() {
            let reads = self.sources.iter_mut().map(|source| source.read(max));
            let (outcome, number, _) = select_all(reads).await;
            self.sources[number].reading = None;
            let deliveries = outcome?;
            self.ready.extend(deliveries.into_iter().map(|delivery| numbered(delivery, number)));
        }
        let count = max.min(self.ready.len());
        Ok(self.ready.drain(..count).collect())
    }

    async fn acknowledge(&mut self, deliveries: &[Delivery]) -> Result<(), BusError> {
        let mut by_source = BTreeMap::<usize, Vec<&str>>::new();
        for delivery in deliveries {
            let (number, id) = source_of(&delivery.token);
            by_source.entry(number).or_default().push(id);
        }
        for (number, ids) in by_source {
            // A token of another stream was not given out by this one: there is nothing to acknowledge.
            let Some(source) = self.sources.get(number) else { continue };
            let (link, key) = (source.link.clone(), source.key.clone()); // A source itself may not be shared: it may be reading.
            let outcome = reader::acknowledge(&link, &key, &self.group, &ids).await;
            outcome.map_err(|error| link.failure("acknowledge events to", &error))?;
        }
        Ok(())
    }
}

/// Puts the partition in front of the token, which is the id of an entry there; for the first one nothing.
fn numbered(delivery: Delivery, number: usize) -> Delivery {
    match number {
        0 => delivery,
        _ => Delivery { token: format!("{number}/{}", delivery.token), ..delivery },
    }
}

fn source_of(token: &str) -> (usize, &str) {
    let numbered = token.split_once('/').and_then(|(number, id)| Some((number.parse().ok()?, id)));
    numbered.unwrap_or((0, token))
}

impl fmt::Debug for RedisSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams: Vec<&str> = self.sources.iter().map(|source| source.key.as_str()).collect();
        f.debug_struct("RedisSubscription")
            .field("streams", &streams)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
