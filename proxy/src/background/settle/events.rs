//! Tells subscribers of replicas that fail, stay behind, or have caught up at last, under the names that AWS has for it.
//!
//! A key is announced before that is written down: again after a crash in between, under the same id, and the log has it once.

use aws_lc_rs::digest::{SHA256, digest};
use futures::future::try_join_all;
use relais_catalog::{Announcement, Attempt, ObjectRow, Outcome};
use relais_model::{EventKind, ReplicaState, Requester};
use uuid::{Builder, Uuid};

use crate::error::GatewayError;
use crate::gateway::Gateway;

/// The principal of what nobody asked for by name.
const PRINCIPAL: &str = "relais";

/// Announces what attempts mean, before they are written down: together, so that they share a commit.
pub(super) async fn announce(
    gateway: &Gateway,
    finished: &[(ObjectRow, Outcome)],
) -> Result<(), GatewayError> {
    let mut news = Vec::new();
    for (row, outcome) in finished {
        for (replica, attempt) in &outcome.replicas {
            let is_new = row.replicas.get(replica) != Some(&ReplicaState::Failed);
            if let Attempt::Failed { give_up: true, reason, .. } = attempt
                && is_new
            {
                tracing::error!(bucket = %row.bucket, key = %row.key, replica, reason, "a replica has failed for long; it is tried again now and then");
                news.push(tell(gateway, row, EventKind::ReplicationFailed, replica));
            }
        }
        let is_current = |attempt: &Attempt| matches!(attempt, Attempt::Current { .. });
        if row.is_missed && outcome.replicas.values().all(is_current) {
            news.push(tell(gateway, row, EventKind::ReplicationAfterThreshold, ""));
        }
    }
    try_join_all(news).await.map(drop)
}

/// Announces keys that are behind for too long.
pub(super) async fn missed(gateway: &Gateway, rows: &[ObjectRow]) -> Result<(), GatewayError> {
    let news = rows.iter().map(|row| tell(gateway, row, EventKind::ReplicationMissedThreshold, ""));
    try_join_all(news).await.map(drop)
}

async fn tell(
    gateway: &Gateway,
    row: &ObjectRow,
    kind: EventKind,
    replica: &str,
) -> Result<(), GatewayError> {
    let announcement = Announcement {
        id: id(row, kind, replica),
        bucket: row.bucket.clone(),
        key: row.key.clone(),
        kind,
        object: row.object.clone(),
        requester: Requester {
            principal: PRINCIPAL.to_owned(),
            source_ip: None,
            request_id: String::new(),
            traceparent: None,
        },
    };
    Ok(gateway.journal.announce(announcement).await?)
}

/// The id of an event that is announced once for each time that the key is behind.
fn id(row: &ObjectRow, kind: EventKind, replica: &str) -> Uuid {
    let since = row.behind_since.map_or(0, |since| since.timestamp_micros());
    // No name holds a zero byte, so no two of these texts are alike.
    let text = [kind.name(), row.bucket.as_str(), row.key.as_str(), replica, &since.to_string()].join("\0");
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}
