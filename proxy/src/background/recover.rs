//! Finds out what became of intents whose end nobody wrote down: a store answered neither yes nor no, or the instance died.
//!
//! The primary is asked. If it has something else than the catalog knows, that is recorded with its event; either way the
//! key is settled, since the other replicas may or may not have taken part.

use std::time::{Duration, SystemTime};

use relais_catalog::{Applied, Intent, IntentId};
use relais_model::{EventKind, ObjectFacts, ReplicaState, Requester};
use s3s::dto::HeadObjectOutput;
use tokio_util::sync::CancellationToken;

use super::settle::head;
use super::{LOOK_AGAIN, PAUSE_AFTER_FAILURE, wait};
use crate::gateway::Gateway;
use crate::s3::mutation::facts;
use crate::s3::{derived_from, head_bucket};

/// Intents looked at in one go.
const BATCH: u64 = 100;

/// How far the clocks of a store and of ours may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// The principal of events that nobody asked for by name.
const PRINCIPAL: &str = "relais";

pub(super) async fn run(gateway: Gateway, stop: CancellationToken) {
    let mut pause = LOOK_AGAIN;
    while wait(&gateway.recovered_soon, &stop, pause).await {
        pause = match recover_all(&gateway).await {
            Ok(true) => LOOK_AGAIN,
            Ok(false) => PAUSE_AFTER_FAILURE,
            Err(error) => {
                tracing::warn!(error = %super::chain(error.as_ref()), "intents wait to be recovered");
                PAUSE_AFTER_FAILURE
            }
        };
    }
}

/// Says whether all that were found could be decided.
async fn recover_all(gateway: &Gateway) -> Result<bool, s3s::StdError> {
    let mut all = true;
    for (id, intent) in gateway.journal.doubtful(BATCH).await? {
        if let Err(error) = recover(gateway, id, &intent).await {
            all = false;
            tracing::warn!(bucket = %intent.bucket, key = %intent.key, error = %super::chain(error.as_ref()), "cannot recover yet");
        }
    }
    Ok(all)
}

async fn recover(gateway: &Gateway, id: IntentId, intent: &Intent) -> Result<(), s3s::StdError> {
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
