//! Finds out what became of intents whose end nobody wrote down: a store answered neither yes nor no, or the instance died.
//!
//! The primary is asked. If it has something else than the catalog knows, that is recorded with its event; either way the
//! key is settled, since the other replicas may or may not have taken part.

use relais_catalog::{Applied, Intent, IntentId};
use relais_model::{ObjectFacts, ReplicaState, Requester};
use tokio_util::sync::CancellationToken;

use super::settle::head;
use super::{LOOK_AGAIN, PAUSE_AFTER_FAILURE, wait};
use crate::gateway::Gateway;
use crate::s3::derived_from;
use crate::s3::mutation::facts;

/// Intents looked at in one go.
const BATCH: u64 = 100;

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
    gateway.undecided.hand_over(&gateway.journal).await?;
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
    let (known, kept_acl) = row.map(|row| (row.object, row.acl)).unwrap_or_default();
    let now = found.as_ref().map(|head| facts(head, known.as_ref().map_or(PRINCIPAL, |known| &known.owner)));
    let replicas =
        bucket.places.iter().map(|place| (place.replica.to_string(), ReplicaState::Pending)).collect();
    if is_same(now.as_ref(), known.as_ref()) {
        gateway.objects.mark_unsettled(&intent.bucket, &intent.key, &replicas).await?;
        gateway.journal.abandon(id).await?;
    } else {
        let applied = Applied {
            public_url: now.as_ref().and_then(|_| gateway.public_url(&bucket, &intent.key)),
            kind: None,
            object: now,
            version_id: None,
            acl: kept_acl,
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

fn is_same(now: Option<&ObjectFacts>, known: Option<&ObjectFacts>) -> bool {
    match (now, known) {
        (Some(now), Some(known)) => (now.size, &now.etag) == (known.size, &known.etag),
        (now, known) => now.is_none() && known.is_none(),
    }
}
