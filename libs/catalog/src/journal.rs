//! The record of every mutation, from intent to settled.
//!
//! A mutation is opened before the first store can have it, and applied once its write mode is met; both are on disk
//! when the call returns. Between the two the row says that something may have happened, so that a crash leaves a
//! trace: see [`Journal::doubtful`]. An applied row holds its event, and its place in the log of events
//! ([`EventLog`](crate::EventLog)); it stays until every replica is known to be equal and every reader of the log has
//! passed it. What a mutation did is not looked up here, only written down.

mod append;
mod apply;
mod batch;
#[cfg(any(feature = "without-intents", feature = "without-journal"))]
mod lacking;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use relais_model::{
    BucketName, DerivedFrom, Event, EventKind, ObjectFacts, ObjectKey, ReplicaState, Requester,
};
use sea_orm::sea_query::{Expr, LockBehavior, LockType, Query};
use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::database::{Database, micros};
use crate::entities::{cursor, journal};
use crate::error::CatalogError;
use crate::instance::{self, INSTANCE_LEASE, Instance};
pub(crate) use append::{append as append_to_log, last_position};
use batch::{Message, Overdue, Request, Work, Writer};

/// Requests that may wait for the writer; more callers than that wait to be heard. Twice what one instance serves at
/// a time by default.
const WAITING_REQUESTS_MAX: usize = 1024;

/// Rows that one statement of [`Journal::prune`] removes, so that writers need not wait long for SQLite's lock.
const PRUNED_ROWS_MAX: u64 = 1000;

/// A reader of the log that has committed nothing for so long no longer keeps events from being pruned. A bus that is
/// configured is seen to each hour, whether it can be reached or not.
const READER_FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

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

impl IntentId {
    /// When the intent was opened, by the clock of the instance that did.
    pub fn opened_at(self) -> SystemTime {
        // Ids are of version 7, so they have a time.
        let (seconds, nanos) = self.0.get_timestamp().map_or((0, 0), |timestamp| timestamp.to_unix());
        UNIX_EPOCH + Duration::new(seconds, nanos)
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// What it turned out to be, where that is not what the intent says: a deletion that made a marker.
    pub kind: Option<EventKind>,
    /// The object that is the latest now, if there is one.
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

/// Something that subscribers shall hear of and that is no mutation of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement {
    /// The id of the event. What is announced twice with one id is one event.
    pub id: Uuid,
    /// The bucket, as clients see it.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What there is to hear.
    pub kind: EventKind,
    /// The object that it is about, if there is one.
    pub object: Option<ObjectFacts>,
    /// Whose doing it is.
    pub requester: Requester,
}

/// The journal. Clones are cheap and share one writer.
#[derive(Clone, Debug)]
pub struct Journal {
    database: Database,
    instance: Arc<Instance>,
    requests: mpsc::Sender<Message>,
    batches: Arc<Batches>,
    overdue: Overdue,
    /// Intents whose callers have not had their last word.
    live: Arc<Mutex<HashSet<Uuid>>>,
    news: watch::Sender<()>,
    #[cfg(any(feature = "without-intents", feature = "without-journal"))]
    lacking: lacking::Lacking,
}

/// What group commit has done so far.
#[derive(Debug, Default)]
struct Batches {
    transactions: AtomicU64,
    requests: AtomicU64,
}

/// Has an intent abandoned unless its caller hears that it is open.
struct Unheard<'a> {
    id: Uuid,
    overdue: &'a Overdue,
    heard: bool,
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if !self.heard {
            self.overdue.abandon(self.id);
        }
    }
}

impl Journal {
    pub(crate) fn new(
        database: Database,
        instance: Arc<Instance>,
        news: watch::Sender<()>,
    ) -> (Self, Writer) {
        let (requests, waiting) = mpsc::channel(WAITING_REQUESTS_MAX);
        let journal = Self {
            database,
            instance,
            requests,
            batches: Arc::default(),
            overdue: Overdue::default(),
            live: Arc::default(),
            news,
            #[cfg(any(feature = "without-intents", feature = "without-journal"))]
            lacking: lacking::Lacking::default(),
        };
        let writer = Writer::new(&journal, waiting);
        (journal, writer)
    }

    /// Renews this instance's lease of [`INSTANCE_LEASE`](crate::INSTANCE_LEASE). Without it others take our open
    /// intents for a dead instance's. And leaves to recovery what is open in our name and nobody here knows of.
    pub async fn heartbeat(&self) -> Result<(), CatalogError> {
        self.renew().await.map_err(|error| self.database.explain(error))?;
        self.doubt_strays().await.map_err(|error| self.database.explain(error))?;
        if !self.overdue.is_empty() {
            self.requests.send(Message::CatchUp).await.map_err(|_| CatalogError::Closed)?;
        }
        Ok(())
    }

    async fn renew(&self) -> Result<(), DbErr> {
        self.database.set_clock().await?;
        let now = self.database.now();
        self.instance.renew(self.database.write(), now).await?;
        self.instance.renewed(now);
        Ok(())
    }

    /// A commit that was cut off can come true long after its caller was told that it failed, and has been taken back.
    async fn doubt_strays(&self) -> Result<(), DbErr> {
        use journal::{Column, Entity, State};
        let now = self.database.now();
        let live: Vec<Uuid> = self.live().iter().copied().collect();
        let strays = Entity::update_many()
            .col_expr(Column::State, Expr::value(State::Doubt))
            .filter(Column::Sequencer.is_null())
            .filter(Column::UpdatedAt.lt(now - micros(INSTANCE_LEASE)))
            .filter(Column::State.eq(State::Open))
            .filter(Column::Instance.eq(self.instance.id))
            .filter(Column::Id.is_not_in(live))
            .exec(self.database.write())
            .await?
            .rows_affected;
        if strays > 0 {
            tracing::warn!(
                intents = strays,
                "intents of this instance that it does not know are left to recovery"
            );
        }
        Ok(())
    }

    fn live(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what is about to be done. If the caller goes away before it has the answer, the intent is abandoned.
    pub async fn open(&self, intent: Intent) -> Result<IntentId, CatalogError> {
        #[cfg(any(feature = "without-intents", feature = "without-journal"))]
        return Ok(self.lacking.remember(intent));
        #[cfg(not(any(feature = "without-intents", feature = "without-journal")))]
        self.open_durably(intent).await
    }

    #[cfg_attr(feature = "without-journal", expect(dead_code, reason = "that is what it is without"))]
    async fn open_durably(&self, intent: Intent) -> Result<IntentId, CatalogError> {
        let id = Uuid::now_v7();
        // Declared first, hence dropped after the receiver of the answer: the writer then skips or removes the row.
        let mut unheard = Unheard { id, overdue: &self.overdue, heard: false };
        // After an error it may be there all the same: a connection can break between a commit and its answer.
        self.request(id, Work::Open(intent)).await?;
        self.live().insert(id);
        unheard.heard = true;
        Ok(IntentId(id))
    }

    /// Writes down that it was done, and returns the event, which is in the log then. Asked twice, it returns the same
    /// event. Where another mutation of the key overlapped in time, or a replica was behind before, replicas are marked
    /// for settling, whatever `applied` says, since nobody knows whose bytes came last; a bucket with one replica has
    /// nothing to settle.
    pub async fn apply(&self, id: IntentId, applied: Applied) -> Result<Event, CatalogError> {
        #[cfg(feature = "without-journal")]
        return self.lacking.made_up(id, &applied);
        #[cfg(not(feature = "without-journal"))]
        {
            #[cfg(feature = "without-intents")]
            let id = self.open_late(id).await?;
            let event = self.request(id.0, Work::Apply(Box::new(applied))).await?;
            self.live().remove(&id.0);
            event.ok_or(CatalogError::UnknownIntent(id))
        }
    }

    /// Puts an event into the log that no mutation brings. It is there when this returns, once for each id.
    pub async fn announce(&self, announcement: Announcement) -> Result<(), CatalogError> {
        self.request(announcement.id, Work::Announce(Box::new(announcement))).await.map(drop)
    }

    /// Takes an intent back: nothing changed on any store. An applied one stays. After an error it is written down later.
    pub async fn abandon(&self, id: IntentId) -> Result<(), CatalogError> {
        let abandoned = self.request(id.0, Work::Abandon).await.map(drop);
        self.live().remove(&id.0);
        abandoned.inspect_err(|_| self.overdue.abandon(id.0))
    }

    /// Leaves an intent to recovery: its outcome is unknown. After an error that is written down later.
    pub async fn doubt(&self, id: IntentId) -> Result<(), CatalogError> {
        let doubted = self.request(id.0, Work::Doubt).await.map(drop);
        self.live().remove(&id.0);
        doubted.inspect_err(|_| self.overdue.doubt(id.0))
    }

    /// Leaves an intent to recovery on which nobody will have a last word any more, and nothing where one was had.
    pub fn leave(&self, id: IntentId) {
        if self.live().remove(&id.0) {
            self.overdue.doubt(id.0);
        }
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

    /// How many requests this instance has written down so far, and how many transactions that took: with concurrent
    /// requests far fewer.
    pub fn batches(&self) -> (u64, u64) {
        let Batches { requests, transactions } = self.batches.as_ref();
        (requests.load(Ordering::Relaxed), transactions.load(Ordering::Relaxed))
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

    /// Takes or keeps a role for the length of the lease. False while another instance has it.
    pub async fn lead(&self, role: &str, lease: Duration) -> Result<bool, CatalogError> {
        self.instance.lead(&self.database, role, lease).await.map_err(|error| self.database.explain(error))
    }

    /// Removes what was applied and settled longer ago than that and is not owed to a reader of the log any more. Returns
    /// how many rows that were.
    pub async fn prune(&self, older_than: Duration) -> Result<u64, CatalogError> {
        self.remove_done(older_than).await.map_err(|error| self.database.explain(error))
    }

    async fn remove_done(&self, older_than: Duration) -> Result<u64, DbErr> {
        use journal::Column;
        let now = self.database.now();
        let before = now - micros(older_than);
        let Some(bound) = self.last_done_with(now, before).await? else { return Ok(0) };
        let done = Query::select()
            .column(Column::Id)
            .from(journal::Entity)
            .and_where(Column::Position.lte(bound))
            .and_where(Column::SettledAt.lte(before))
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

    /// The last place in the log up to which everything is old enough and owed to nobody. The log is read up to there, and not
    /// beyond.
    async fn last_done_with(&self, now: i64, before: i64) -> Result<Option<i64>, DbErr> {
        use journal::Column;
        let first_to_stay: Option<i64> = journal::Entity::find()
            .select_only()
            .column(Column::Position)
            .filter(Column::Position.is_not_null())
            .filter(Column::UpdatedAt.gt(before))
            .order_by_asc(Column::Position)
            .limit(1)
            .into_tuple()
            .one(self.database.read())
            .await?;
        let last = match first_to_stay {
            Some(position) => position - 1,
            None => last_position(self.database.read()).await?,
        };
        let read_by_all: Option<Option<i64>> = cursor::Entity::find()
            .select_only()
            .expr(cursor::Column::Position.min())
            .filter(cursor::Column::UpdatedAt.gt(now - micros(READER_FORGOTTEN_AFTER)))
            .into_tuple()
            .one(self.database.read())
            .await?;
        // Without readers nobody is owed anything.
        let last = read_by_all.flatten().map_or(last, |position| Ord::min(last, position));
        Ok((last > 0).then_some(last))
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
