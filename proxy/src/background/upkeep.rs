//! Keeps this instance's lease and its locks of keys alive, and the journal small.

use std::time::{Duration, Instant};

use relais_catalog::INSTANCE_LEASE;
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

/// How long a finished row stays in the journal: what the embedded bus can still replay.
const JOURNAL_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long the end of a multipart upload is remembered for clients that ask again.
const COMPLETIONS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How often finished rows are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

pub(super) async fn run(gateway: Gateway, stop: CancellationToken) {
    let mut pruned = Instant::now();
    loop {
        if let Err(error) = gateway.journal.heartbeat().await {
            tracing::warn!(error = %super::chain(&error), "this instance cannot renew its lease");
        }
        if let Err(error) = gateway.key_locks.renew().await {
            tracing::warn!(error = %super::chain(&error), "locks of keys that are being written cannot be prolonged");
        }
        if pruned.elapsed() > PRUNE_EVERY {
            pruned = Instant::now();
            let removed = async {
                gateway.journal.prune(JOURNAL_KEPT).await?;
                gateway.uploads.prune(COMPLETIONS_KEPT).await?;
                gateway.revocations.prune(chrono::Utc::now()).await?;
                gateway.key_locks.prune().await
            };
            if let Err(error) = removed.await {
                tracing::warn!(error = %super::chain(&error), "the catalog keeps its old rows for now");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INSTANCE_LEASE / 3) => {}
        }
    }
}
