//! Turns events into jobs.
//!
//! An event is acknowledged as soon as its job is in the catalog: what a bus holds back for us stays milliseconds old,
//! while a job may wait for hours and may be done by any instance. The same event twice gives one job.

use std::sync::Arc;

use relais_catalog::{Jobs, NewJob};
use relais_events::{BusError, Delivery, Subscription};
use relais_model::Event;
use tokio::sync::Notify;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::backoff;
use crate::sidecar::Sidecar;

/// Events taken from the bus at once.
const DELIVERIES_MAX: usize = 64;

/// The inbox of one sidecar.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) jobs: Jobs,
    pub(crate) sidecar: Arc<dyn Sidecar>,
    /// Wakes the runner.
    pub(crate) arrived: Arc<Notify>,
}

impl Inbox {
    /// Takes in events until `stop` is cancelled. What is half taken in by then comes again.
    pub(crate) async fn run(&self, mut subscription: Box<dyn Subscription>, stop: &CancellationToken) {
        while let Some(taken) = stop.run_until_cancelled(self.take_in(&mut *subscription)).await {
            if let Err(error) = taken {
                // The subscription itself waits before it tries again.
                tracing::warn!(kind = self.sidecar.kind(), error = chain(&error), "cannot take in events");
            }
        }
    }

    /// Makes jobs of the next events.
    async fn take_in(&self, subscription: &mut dyn Subscription) -> Result<(), BusError> {
        let deliveries = subscription.next(DELIVERIES_MAX).await?;
        for Delivery { event, .. } in &deliveries {
            if let Some(job) = job_for(&*self.sidecar, event) {
                self.insert(job).await;
            }
        }
        subscription.acknowledge(&deliveries).await
    }

    /// Inserts a job, however long the catalog is away.
    async fn insert(&self, job: NewJob) {
        for attempts in 1.. {
            match self.jobs.insert(job.clone()).await {
                Ok(_) => return self.arrived.notify_one(),
                Err(error) => {
                    tracing::warn!(kind = job.kind, error = chain(&error), "cannot record a job");
                    time::sleep(backoff::delay(attempts)).await;
                }
            }
        }
    }
}

/// The job that an event gives, if any.
fn job_for(sidecar: &dyn Sidecar, event: &Event) -> Option<NewJob> {
    let object = event.object.as_ref().filter(|_| event.kind.creates() && event.derived_from.is_none())?;
    sidecar.wants(event).then(|| NewJob {
        kind: sidecar.kind().to_owned(),
        bucket: event.bucket.clone(),
        key: event.key.clone(),
        etag: object.etag.clone(),
        // With the sequencer, one job for each write and not for each content: an object that was deleted together
        // with what was derived from it, and is put again, has its derived objects made again.
        recipe: format!("{}@{}", sidecar.recipe(), event.sequencer),
        task: sidecar.task(event),
    })
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests;
