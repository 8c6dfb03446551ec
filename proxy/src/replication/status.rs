//! How replicas and buses stand, by what the catalog knows. What only a running relais knows, such as which store is out of
//! order at this moment, its metrics tell.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use relais_catalog::{ObjectRow, Waiting};
use relais_model::{BucketName, Replica, ReplicaState, StoreName};
use serde::Serialize;

use super::ReplicationError;
use crate::gateway::Gateway;

/// Rows read from the catalog at a time.
const ROWS: u64 = 500;

/// Reasons that are told for each store.
const REASONS_MAX: usize = 5;

/// An intent that is open for longer belongs to a large upload, or to something that hangs: a dead instance's are looked at
/// within 30 seconds.
pub const INTENT_EXPECTED: Duration = Duration::from_secs(300);

/// What the names of buses among the readers of the log begin with.
const BUS: &str = "bus:";

/// How everything stands.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Every store that is configured, or that some key waits for.
    pub stores: BTreeMap<StoreName, OfStore>,
    /// What the journal holds.
    pub journal: OfJournal,
    /// Who reads the log of events.
    pub readers: Vec<OfReader>,
}

/// One store.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OfStore {
    /// Keys that are not known to be equal there.
    pub unsettled: u64,
    /// Those that have failed for so long that somebody should look.
    pub failed: u64,
    /// Since when the one is behind that is so for longest.
    pub oldest: Option<DateTime<Utc>>,
    /// Since when it is paused.
    pub paused: Option<DateTime<Utc>>,
    /// The same for each bucket that lacks something there.
    pub buckets: BTreeMap<BucketName, OfBucket>,
    /// Why keys could not be settled, the last ones that were met.
    pub reasons: VecDeque<Reason>,
}

/// One bucket on one store.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OfBucket {
    /// Keys that are not known to be equal there.
    pub unsettled: u64,
    /// Those that have failed for so long that somebody should look.
    pub failed: u64,
    /// Since when the one is behind that is so for longest.
    pub oldest: Option<DateTime<Utc>>,
}

/// Why a key could not be settled.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: String,
    /// Attempts that failed since one last worked.
    pub attempts: u32,
    /// In short.
    pub reason: String,
}

/// The journal.
#[derive(Clone, Debug, Serialize)]
pub struct OfJournal {
    /// Its rows: also those that are done and kept for a while.
    pub rows: u64,
    /// Intents that are open for longer than they should be.
    pub old_intents: u64,
    /// Since when the first of them.
    pub old_intents_since: Option<DateTime<Utc>>,
}

/// A reader of the log of events.
#[derive(Clone, Debug, Serialize)]
pub struct OfReader {
    /// Its name.
    pub name: String,
    /// Whether it is a bus that events are taken to, and not a group of the embedded one.
    pub is_bus: bool,
    /// Events that it has not got.
    pub owed: u64,
    /// When the first of them was applied.
    pub since: Option<DateTime<Utc>>,
}

impl Gateway {
    /// How everything stands. Reads every unsettled row, page by page.
    pub async fn replication_status(&self) -> Result<Status, ReplicationError> {
        let mut stores: BTreeMap<StoreName, OfStore> = BTreeMap::new();
        stores.extend(self.desk.stores().map(|store| (store.name.clone(), OfStore::default())));
        let mut last: Option<ObjectRow> = None;
        loop {
            let after = last.as_ref().map(|row| (&row.bucket, &row.key));
            let rows = self.objects.unsettled(after, ROWS).await?;
            for row in &rows {
                count(&mut stores, row);
            }
            match rows.into_iter().next_back() {
                Some(row) => last = Some(row),
                None => break,
            }
        }
        for (store, since) in self.settling.paused().await? {
            stores.entry(store).or_default().paused = Some(since);
        }
        let Waiting { count, since } = self.overview.intents(INTENT_EXPECTED).await?;
        let rows = self.overview.journal_rows().await?;
        let journal = OfJournal { rows, old_intents: count, old_intents_since: since };
        Ok(Status { stores, journal, readers: self.readers().await? })
    }

    async fn readers(&self) -> Result<Vec<OfReader>, ReplicationError> {
        let mut readers = Vec::new();
        for (reader, _) in self.log.readers().await? {
            let owed = self.log.owed(&reader).await?;
            let bus = reader.strip_prefix(BUS).map(str::to_owned);
            readers.push(OfReader {
                is_bus: bus.is_some(),
                name: bus.unwrap_or(reader),
                owed: owed.events,
                since: owed.since,
            });
        }
        Ok(readers)
    }

    /// Has every instance leave a store alone.
    pub async fn pause_store(&self, store: &StoreName) -> Result<(), ReplicationError> {
        Ok(self.settling.pause(store).await?)
    }

    /// Has every instance go on with a store; says whether it was paused.
    pub async fn resume_store(&self, store: &StoreName) -> Result<bool, ReplicationError> {
        Ok(self.settling.resume(store).await?)
    }
}

fn count(stores: &mut BTreeMap<StoreName, OfStore>, row: &ObjectRow) {
    for (name, state) in row.replicas.iter().filter(|(_, state)| state.is_behind()) {
        let Ok(replica) = name.parse::<Replica>() else { continue };
        let store = stores.entry(replica.store).or_default();
        let failed = u64::from(*state == ReplicaState::Failed);
        store.unsettled += 1;
        store.failed += failed;
        store.oldest = earlier(store.oldest, row.behind_since);
        let bucket = store.buckets.entry(row.bucket.clone()).or_default();
        bucket.unsettled += 1;
        bucket.failed += failed;
        bucket.oldest = earlier(bucket.oldest, row.behind_since);
        let progress = row.progress.get(name);
        if let Some(reason) = progress.and_then(|progress| progress.reason.clone()) {
            let attempts = progress.map_or(0, |progress| progress.attempts);
            store.reasons.push_back(Reason {
                bucket: row.bucket.clone(),
                key: row.key.to_string(),
                attempts,
                reason,
            });
            if store.reasons.len() > REASONS_MAX {
                store.reasons.pop_front();
            }
        }
    }
}

fn earlier(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    one.into_iter().chain(other).min()
}
