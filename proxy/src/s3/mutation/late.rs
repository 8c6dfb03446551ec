//! Writes that end after another instance has decided what became of them.
//!
//! An instance that stands still for longer than its lease is taken for dead: another one looks at the primary and closes its
//! intents. When it goes on, its stores may have the write only now, on top of what others wrote meanwhile. So the primary is
//! looked at once more, and no replica is believed to be equal to it.

use relais_catalog::{Applied, CatalogError, INSTANCE_LEASE, IntentId};
use relais_model::{Event, ReplicaState, Sequencer};
use s3s::dto::ETag;

use super::Mutation;
use crate::background::settle;
use crate::error::GatewayError;

impl Mutation {
    /// Records a write, also one whose intent is no longer ours to decide: that one has no sequencer to go by. After an error
    /// the intent is to be left to recovery, once no store is at the write any more.
    pub(super) async fn record(
        &self,
        id: IntentId,
        applied: Applied,
    ) -> Result<Option<Sequencer>, GatewayError> {
        match self.gateway.journal.apply(id, applied.clone()).await {
            Ok(event) if !self.was_decided_by_others(&event) => Ok(Some(event.sequencer)),
            Ok(_) => self.record_late(applied, true).await.map(|()| None),
            Err(CatalogError::UnknownIntent(_)) => self.record_late(applied, false).await.map(|()| None),
            Err(error) => Err(error.into()),
        }
    }

    /// An intent that is older than the lease may have been decided by others, and then it cannot be doubted any more, though
    /// a store may have the write only now. So that somebody looks, there is another one.
    pub(super) async fn doubt_again_if_late(&self, id: IntentId) {
        if id.opened_at().elapsed().unwrap_or_default() < INSTANCE_LEASE {
            return;
        }
        match self.open_again().await {
            Ok(again) => drop(self.gateway.journal.doubt(again).await), // After an error the journal says it later.
            Err(error) => tracing::warn!(intent = %id.0, %error, "a late intent cannot be doubted again"),
        }
    }

    /// Whoever decides an intent in place of its instance does not know who asked for it.
    fn was_decided_by_others(&self, event: &Event) -> bool {
        event.requester != self.requester
    }

    /// Under a new intent: where the primary still has this write it is recorded as it is; else recovery finds out what is
    /// there. A write that `has_event` counts as done all the same. After an error the new intent is left to recovery when
    /// the mutation is dropped, which [`Self::unrecorded`] keeps until all stores are at their end.
    async fn record_late(&self, mut applied: Applied, has_event: bool) -> Result<(), GatewayError> {
        tracing::warn!(bucket = %self.bucket.name, key = %self.key, "this instance stood still, and another one decided what became of its write");
        let id = self.open_again().await?;
        let found = settle::head(self.bucket.primary(), &self.key).await;
        let etag = found
            .as_ref()
            .map(|head| head.as_ref().and_then(|head| head.e_tag.clone().map(ETag::into_value)));
        if etag.is_ok_and(|etag| etag == applied.object.as_ref().map(|object| object.etag.clone())) {
            applied.replicas.values_mut().for_each(|state| *state = ReplicaState::Pending);
            let recorded = self.gateway.journal.apply(id, applied).await;
            self.gateway.settled_soon.notify_one();
            return Ok(recorded.map(drop)?);
        }
        if !has_event {
            return Err(GatewayError::Overtaken);
        }
        self.doubt(id).await; // Who is still at it is settled afterwards: there is no sequencer to go by.
        Ok(())
    }
}
