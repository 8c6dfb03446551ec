//! Finds out what became of intents whose end nobody wrote down: a store answered neither yes nor no, or the instance died.
//!
//! The primary is asked. If it has something else than the catalog knows, that is recorded with its event; either way the
//! key is settled, since the other replicas may or may not have taken part.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use relais_catalog::{Applied, Intent, IntentId};
use relais_model::{EventKind, ObjectFacts, ReplicaState, Requester};
use s3s::dto::HeadObjectOutput;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::settle::head;
use super::{LOOK_AGAIN, PAUSE_AFTER_FAILURE, wait};
use crate::gateway::Gateway;
use crate::s3::mutation::facts;
use crate::s3::{derived_from, head_bucket};

/// Intents looked at in one go.
const BATCH: u64 = 100;

/// For so long nothing must be to be seen of a mutation before it counts as not done.
const UNSEEN_FOR: Duration = Duration::from_secs(5);

/// Intents whose time runs at once; further ones are looked at when these are decided.
const UNSEEN_MAX: usize = 10_000;

/// How far the clocks of a store and of ours may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// The principal of events that nobody asked for by name.
const PRINCIPAL: &str = "relais";

pub(super) async fn run(gateway: Gateway, stop: CancellationToken) {
    let mut recovery = Recovery { gateway: gateway.clone(), unseen: HashMap::new() };
    let mut pause = LOOK_AGAIN;
    while wait(&gateway.recovered_soon, &stop, pause).await {
        pause = match recovery.recover_all().await {
            Ok(true) => LOOK_AGAIN,
            Ok(false) => PAUSE_AFTER_FAILURE,
            Err(error) => {
                tracing::warn!(error = %super::chain(error.as_ref()), "intents wait to be recovered");
                PAUSE_AFTER_FAILURE
            }
        };
    }
}

struct Recovery {
    gateway: Gateway,
    /// Intents of which nothing was to be seen, and when that was first.
    unseen: HashMap<IntentId, Instant>,
}

impl Recovery {
    /// Says whether all that were found could be looked at.
    async fn recover_all(&mut self) -> Result<bool, s3s::StdError> {
        let mut all = true;
        let doubtful = self.gateway.journal.doubtful(BATCH).await?;
        if (doubtful.len() as u64) < BATCH {
            self.unseen.retain(|unseen, _| doubtful.iter().any(|(id, _)| id == unseen));
        }
        for (id, intent) in doubtful {
            if let Err(error) = self.recover(id, &intent).await {
                all = false;
                tracing::warn!(bucket = %intent.bucket, key = %intent.key, error = %super::chain(error.as_ref()), "cannot recover yet");
            }
        }
        Ok(all)
    }

    async fn recover(&mut self, id: IntentId, intent: &Intent) -> Result<(), s3s::StdError> {
        let gateway = self.gateway.clone();
        let Some(bucket) = gateway.placement.bucket(&intent.bucket) else {
            return Ok(gateway.journal.abandon(id).await?); // The bucket left the configuration.
        };
        let found = head(bucket.primary(), &intent.key).await?;
        let row = gateway.objects.find(&intent.bucket, &intent.key).await?;
        if found.is_none() && row.as_ref().is_some_and(|row| row.object.is_some()) {
            head_bucket(bucket.primary()).await?; // A bucket that somebody lost is no reason to delete anything.
        }
        let (known, kept_acl) = row.map(|row| (row.object, row.acl)).unwrap_or_default();
        let is_same = is_same(found.as_ref(), known.as_ref());
        // Who wrote what is new, and under which ACL, is not known here: it is nobody's but the bucket's owner's until somebody
        // says otherwise. What it replaced may have been public.
        let (owner, acl) = match known {
            Some(known) if is_same => (known.owner, kept_acl),
            _ => (gateway.rules(&bucket).await?.owner, None),
        };
        let now = found.as_ref().map(|head| facts(head, &owner));
        let replicas =
            bucket.places.iter().map(|place| (place.replica.to_string(), ReplicaState::Pending)).collect();
        if is_same && !found.as_ref().is_some_and(|head| may_be_new(id, intent.kind, head)) {
            if !self.is_unseen_for_long(id) {
                return Ok(());
            }
            gateway.objects.mark_unsettled(&intent.bucket, &intent.key, &replicas).await?;
            gateway.journal.abandon(id).await?;
        } else {
            let applied = Applied {
                public_url: now.as_ref().and_then(|_| gateway.public_url(&bucket, &intent.key)),
                kind: None,
                object: now,
                version_id: None,
                acl,
                replicas,
                derived_from: derived_from(found.and_then(|head| head.metadata).as_ref()),
                requester: Requester {
                    principal: PRINCIPAL.to_owned(),
                    source_ip: None,
                    request_id: id.0.to_string(),
                    traceparent: None,
                },
            };
            gateway.journal.apply(id, applied).await?;
        }
        gateway.settled_soon.notify_one();
        Ok(())
    }

    /// A store may still be at a request when the connection is gone and somebody looks. So that nothing is to be seen counts
    /// only when it stays so.
    fn is_unseen_for_long(&mut self, id: IntentId) -> bool {
        if self.unseen.len() >= UNSEEN_MAX && !self.unseen.contains_key(&id) {
            return false;
        }
        self.unseen.entry(id).or_insert_with(Instant::now).elapsed() >= UNSEEN_FOR
    }
}

/// Whether a mutation that left size and entity tag as they were may have been done: tags leave no trace that could be
/// compared, and the same bytes can come again with other metadata. An event too many is allowed.
fn may_be_new(id: IntentId, kind: EventKind, head: &HeadObjectOutput) -> bool {
    match kind {
        EventKind::PutTags | EventKind::DeleteTags => true,
        kind if kind.creates() => {
            let modified =
                head.last_modified.clone().map(|at| SystemTime::from(time::OffsetDateTime::from(at)));
            modified.is_none_or(|modified| modified + CLOCKS_DIFFER >= id.opened_at())
        }
        _ => false,
    }
}

/// Whether the primary has what the catalog says.
fn is_same(found: Option<&HeadObjectOutput>, known: Option<&ObjectFacts>) -> bool {
    match (found, known) {
        (Some(found), Some(known)) => {
            let now = facts(found, &known.owner);
            (now.size, &now.etag) == (known.size, &known.etag)
        }
        (found, known) => found.is_none() && known.is_none(),
    }
}
