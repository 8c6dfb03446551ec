//! The record of every mutation, from intent to settled.
//!
//! A mutation is opened before the first store can have it, and applied once its write mode is met; both are on disk
//! when the call returns. Between the two the row says that something may have happened, so that a crash leaves a
//! trace: see [`Journal::doubtful`]. An applied row holds its event until the relay has published it, and stays until
//! every replica is known to be equal. What a mutation did is not looked up here, only written down.

mod apply;
mod batch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use relais_model::{
    BucketName, DerivedFrom, Event, EventKind, ObjectFacts, ObjectKey, ReplicaState, Requester,
};
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query};
use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::database::{Database, micros};
use crate::entities::{StoredEvent, cursor, journal};
use crate::error::CatalogError;
use crate::instance::{self, Instance};
use batch::{Message, Orphans, Request, Work, Writer};

/// Requests that may wait for the writer; more callers than that wait to be heard. Twice what one instance serves at
/// a time by default.
const WAITING_REQUESTS_MAX: usize = 1024;

/// Rows that one statement of [`Journal::prune`] removes, so that writers need not wait long for SQLite's lock.
const PRUNED_ROWS_MAX: u64 = 1000;

/// A group that has committed nothing for so long no longer keeps events from being pruned.
const GROUP_FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is about to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Intent {
    /// The bucket, as clients see it.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What is done to it.
    pub kind: EventKind,
}

/// Names an intent; later the id of its event.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IntentId(pub Uuid);

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// What it turned out to be, where that is not what the intent says: a deletion that made a marker.
    pub kind: Option<EventKind>,
    /// The object; nothing after a deletion.
    pub object: Option<ObjectFacts>,
    /// The version that was made or removed, as clients name it.
    pub version_id: Option<String>,
    /// Where everybody can read it, if so.
    pub public_url: Option<String>,
    /// The canned ACL.
    pub acl: Option<String>,
    /// Every replica of the bucket, as text, and whether it has the object as it is now.
    pub replicas: BTreeMap<String, ReplicaState>,
    /// Set on what a sidecar made.
    pub derived_from: Option<DerivedFrom>,
    /// Who did it.
    pub requester: Requester,
}

/// The journal. Clones are cheap and share one writer.
#[derive(Clone, Debug)]
pub struct Journal {
    database: Database,
    instance: Arc<Instance>,
    requests: mpsc::Sender<Message>,
    batches: Arc<AtomicU64>,
    orphans: Orphans,
}

/// Gives an intent to the orphans unless its caller hears of it.
struct Unheard<'a> {
    id: Uuid,
    orphans: &'a Orphans,
    heard: bool,
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if !self.heard {
            self.orphans.add(self.id);
        }
    }
}

impl Journal {
    pub(crate) fn new(database: Database, instance: Arc<Instance>) -> (Self, Writer) {
        let (requests, waiting) = mpsc::channel(WAITING_REQUESTS_MAX);
        let (batches, orphans) = (Arc::<AtomicU64>::default(), Orphans::default());
        let writer = Writer::new(
            database.clone(),
            Arc::clone(&instance),
            waiting,
            Arc::clone(&batches),
            orphans.clone(),
        );
        (Self { database, instance, requests, batches, orphans }, writer)
    }

    /// Renews this instance's lease of [`INSTANCE_LEASE`](crate::INSTANCE_LEASE). Without it others take our open
    /// intents for a dead instance's.
    pub async fn heartbeat(&self) -> Result<(), CatalogError> {
        self.renew().await.map_err(|error| self.database.explain(error))
    }

    async fn renew(&self) -> Result<(), DbErr> {
        self.database.set_clock().await?;
        let now = self.database.now();
        self.instance.renew(self.database.write(), now).await?;
        self.instance.renewed(now);
        Ok(())
    }

    /// Writes down what is about to be done. If the caller goes away before it has the answer, the intent is abandoned.
    pub async fn open(&self, intent: Intent) -> Result<IntentId, CatalogError> {
        let id = Uuid::now_v7();
        // Declared first, hence dropped after the receiver of the answer: the writer then skips or removes the row.
        let mut unheard = Unheard { id, orphans: &self.orphans, heard: false };
        let answer = self.request(id, Work::Open(intent)).await;
        unheard.heard = true;
        answer?;
        Ok(IntentId(id))
    }

    /// Writes down that it was done, and returns the event, which the relay will find. Asked twice, it returns the same
    /// event. Where another mutation of the key overlapped in time, or a replica was behind before, replicas are marked
    /// for settling, whatever `applied` says, since nobody knows whose bytes came last; a bucket with one replica has
    /// nothing to settle.
    pub async fn apply(&self, id: IntentId, applied: Applied) -> Result<Event, CatalogError> {
        let event = self.request(id.0, Work::Apply(Box::new(applied))).await?;
        event.ok_or(CatalogError::UnknownIntent(id))
    }

    /// Takes an intent back: nothing changed on any store. An applied one stays.
    pub async fn abandon(&self, id: IntentId) -> Result<(), CatalogError> {
        self.request(id.0, Work::Abandon).await.map(drop)
    }

    /// Leaves an intent to recovery: its outcome is unknown.
    pub async fn doubt(&self, id: IntentId) -> Result<(), CatalogError> {
        self.request(id.0, Work::Doubt).await.map(drop)
    }

    async fn request(&self, id: Uuid, work: Work) -> Result<Option<Event>, CatalogError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Request(Request { id, work, reply });
        self.requests.send(message).await.map_err(|_| CatalogError::Closed)?;
        answer.await.map_err(|_| CatalogError::Closed)?
    }

    /// Lets the writer finish what it was asked, and then end.
    pub(crate) async fn stop(&self) {
        // It fails where the writer has ended already.
        let _ = self.requests.send(Message::Stop).await;
    }

    /// How many transactions the requests so far have taken: with concurrent requests far fewer than those.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// The intents whose outcome is unknown: this instance's doubted ones, and whatever dead instances left. They are
    /// this instance's from now on, to be applied or abandoned; until then they are returned again, those first that
    /// have waited longest.
    pub async fn doubtful(&self, limit: u64) -> Result<Vec<(IntentId, Intent)>, CatalogError> {
        self.claim_doubtful(limit).await.map_err(|error| self.database.explain(error))
    }

    async fn claim_doubtful(&self, limit: u64) -> Result<Vec<(IntentId, Intent)>, DbErr> {
        use journal::{Column, Entity, State};
        let (us, now) = (self.instance.id, self.database.now());
        let ours = Condition::all().add(Column::Instance.eq(us)).add(Column::State.eq(State::Doubt));
        let left = Condition::all()
            .add(Column::Instance.ne(us))
            .add(Column::Instance.not_in_subquery(instance::alive(now)));
        let transaction = self.database.begin().await?;
        let rows = Entity::find()
            .filter(Column::Sequencer.is_null())
            .filter(Condition::any().add(ours).add(left))
            .order_by_asc(Column::UpdatedAt)
            .limit(limit)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&transaction)
            .await?;
        Entity::update_many()
            .col_expr(Column::Instance, Expr::value(us))
            .col_expr(Column::State, Expr::value(State::Doubt))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Id.is_in(rows.iter().map(|row| row.id)))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        rows.into_iter().map(|row| Ok((IntentId(row.id), row.try_into()?))).collect()
    }

    /// The events that no bus is known to have, in the order of their sequencers.
    pub async fn unpublished(&self, limit: u64) -> Result<Vec<Event>, CatalogError> {
        let rows = journal::Entity::find()
            .filter(journal::Column::PublishedAt.is_null())
            .filter(journal::Column::Sequencer.is_not_null())
            .order_by_asc(journal::Column::Sequencer)
            .limit(limit)
            .all(self.database.read())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(rows.into_iter().filter_map(|row| row.event).map(|StoredEvent(event)| event).collect())
    }

    /// Writes down that every bus has these events.
    pub async fn published(&self, ids: &[Uuid]) -> Result<(), CatalogError> {
        journal::Entity::update_many()
            .col_expr(journal::Column::PublishedAt, Expr::value(self.database.now()))
            .filter(journal::Column::Id.is_in(ids.iter().copied()))
            .filter(journal::Column::Sequencer.is_not_null())
            .filter(journal::Column::PublishedAt.is_null())
            .exec(self.database.write())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(())
    }

    /// Takes or keeps a role for the length of the lease. False while another instance has it.
    pub async fn lead(&self, role: &str, lease: Duration) -> Result<bool, CatalogError> {
        self.instance.lead(&self.database, role, lease).await.map_err(|error| self.database.explain(error))
    }

    /// Removes what was published and settled longer ago than that and is not owed to a group of the embedded log any
    /// more. Returns how many rows that were.
    pub async fn prune(&self, older_than: Duration) -> Result<u64, CatalogError> {
        self.remove_done(older_than).await.map_err(|error| self.database.explain(error))
    }

    async fn remove_done(&self, older_than: Duration) -> Result<u64, DbErr> {
        use journal::Column;
        let now = self.database.now();
        let before = now - micros(older_than);
        let owed_from = Query::select()
            .expr(cursor::Column::Position.min())
            .from(cursor::Entity)
            .and_where(cursor::Column::UpdatedAt.gt(now - micros(GROUP_FORGOTTEN_AFTER)))
            .to_owned();
        // Without groups the minimum is nothing, and nobody is owed anything.
        let read_by_all = Expr::col(Column::Position).lte(Expr::expr(owed_from.clone()).if_null(i64::MAX));
        let done = Query::select()
            .column(Column::Id)
            .from(journal::Entity)
            .and_where(Column::PublishedAt.lte(before))
            .and_where(Column::SettledAt.lte(before))
            .cond_where(Condition::any().add(Column::Position.is_null()).add(read_by_all))
            .limit(PRUNED_ROWS_MAX)
            .to_owned();
        instance::forget_dead(self.database.write(), now).await?;
        let mut removed = 0;
        loop {
            let rows = journal::Entity::delete_many()
                .filter(Column::Id.in_subquery(done.clone()))
                .exec(self.database.write())
                .await?
                .rows_affected;
            removed += rows;
            if rows < PRUNED_ROWS_MAX {
                return Ok(removed);
            }
        }
    }
}

impl TryFrom<journal::Model> for Intent {
    type Error = DbErr;

    fn try_from(row: journal::Model) -> Result<Self, DbErr> {
        let unreadable =
            |error: &dyn std::fmt::Display| DbErr::Type(format!("journal row {}: {error}", row.id));
        Ok(Self {
            bucket: row.bucket.parse().map_err(|error| unreadable(&error))?,
            key: row.key.parse().map_err(|error| unreadable(&error))?,
            kind: EventKind::of_name(&row.kind).ok_or_else(|| unreadable(&"unknown kind"))?,
        })
    }
}
