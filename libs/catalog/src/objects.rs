//! What is known of each key: the object, its replicas, and whether they have to be settled.
//!
//! Who settles a key claims it (`claim`) and writes down how that went (`record`, `progress`); what is behind, and for how long, is
//! counted in `behind`.

use std::collections::BTreeMap;
use std::mem;

use chrono::{DateTime, Utc};
use relais_model::{BucketName, ObjectFacts, ObjectKey, ReplicaState, Sequencer};
use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::database::{Database, can_be_stored, date};
use crate::entities::object::{Column, Entity, Model};
use crate::entities::{Replicas, journal};
use crate::error::CatalogError;

mod behind;
mod claim;
mod progress;
mod record;

pub use behind::UnsettledStore;
pub use claim::Claimed;
pub use progress::{Attempt, Outcome, Progress, Truth, Twin, Verdict};

/// Keys in one statement. A page of a listing has no more, and SQLite takes 32,766 parameters.
const KEYS_MAX: usize = 1000;

/// One key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObjectRow {
    /// The bucket, as clients see it.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The object; nothing where it was deleted.
    pub object: Option<ObjectFacts>,
    /// Where everybody can read it, if so.
    pub public_url: Option<String>,
    /// The canned ACL.
    pub acl: Option<String>,
    /// Sequencer of the last change.
    pub sequencer: Sequencer,
    /// Replica, as text, to its state.
    pub replicas: BTreeMap<String, ReplicaState>,
    /// Since when a replica is behind; nothing where none is.
    pub behind_since: Option<DateTime<Utc>>,
    /// Whether it was told that a replica is behind for too long.
    pub is_missed: bool,
    /// Whether replicas may have another ACL than the catalog says.
    pub acl_behind: bool,
    /// Replica, as text, to how its last attempts went, where there is something to say.
    pub progress: BTreeMap<String, Progress>,
    /// Who is settling the key, or was and has died.
    pub claim: Option<Uuid>,
}

/// The objects. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Objects {
    database: Database,
}

impl Objects {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// What is known of a key, also of a deleted one.
    pub async fn find(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<ObjectRow>, CatalogError> {
        let row = Entity::find_by_id(id(bucket, key)).one(self.database.read()).await;
        let row = row.and_then(|row| row.map(ObjectRow::try_from).transpose());
        row.map_err(|error| self.database.explain(error))
    }

    /// The owners of those of the keys at which an object is known.
    pub async fn owners(
        &self,
        bucket: &BucketName,
        keys: &[&str],
    ) -> Result<BTreeMap<String, String>, CatalogError> {
        let mut owners = BTreeMap::new();
        for keys in keys.chunks(KEYS_MAX) {
            let rows: Vec<(String, String)> = Entity::find()
                .select_only()
                .columns([Column::Key, Column::Owner])
                .filter(Column::Bucket.eq(bucket.as_str()))
                .filter(Column::Key.is_in(keys.iter().copied().filter(|key| can_be_stored(key))))
                .filter(Column::Owner.is_not_null())
                .into_tuple()
                .all(self.database.read())
                .await
                .map_err(|error| self.database.explain(error))?;
            owners.extend(rows);
        }
        Ok(owners)
    }

    /// Objects of an owner, in an order of their own and after the one that is given.
    pub async fn of_owner(
        &self,
        owner: &str,
        after: Option<(&BucketName, &ObjectKey)>,
        limit: u64,
    ) -> Result<Vec<ObjectRow>, CatalogError> {
        if !can_be_stored(owner) {
            return Ok(Vec::new());
        }
        self.page(Column::Owner.eq(owner), after, limit).await
    }

    /// The rows under a condition, in the order of buckets and keys, after one of them.
    async fn page(
        &self,
        condition: impl IntoCondition,
        after: Option<(&BucketName, &ObjectKey)>,
        limit: u64,
    ) -> Result<Vec<ObjectRow>, CatalogError> {
        let mut rows =
            Entity::find().filter(condition).order_by_asc(Column::Bucket).order_by_asc(Column::Key);
        if let Some((bucket, key)) = after {
            let columns = [Column::Bucket, Column::Key].map(|column| Expr::col((Entity, column)));
            let values = [Expr::value(bucket.as_str()), Expr::value(key.as_str())];
            rows = rows.filter(Expr::tuple(columns).gt(Expr::tuple(values)));
        }
        let rows = rows.limit(limit).all(self.database.read()).await;
        let rows = rows.and_then(|rows| rows.into_iter().map(ObjectRow::try_from).collect());
        rows.map_err(|error| self.database.explain(error))
    }

    /// Has a key settled about which nothing is certain. It counts as a change: whoever settles it at this moment has
    /// perhaps looked too early, and is told so by [`Objects::record`]. An unknown key becomes known as deleted.
    pub async fn mark_unsettled(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        replicas: &BTreeMap<String, ReplicaState>,
    ) -> Result<(), CatalogError> {
        self.mark(bucket, key, replicas).await.map_err(|error| self.database.explain(error))
    }

    async fn mark(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        replicas: &BTreeMap<String, ReplicaState>,
    ) -> Result<(), DbErr> {
        let transaction = self.database.begin().await?;
        let mut marked = locked_or_new(&transaction, bucket, key).await?;
        let before = mem::replace(&mut marked.replicas, Replicas(replicas.clone()));
        carry_over(&before, &mut marked.replicas.0);
        marked.sequencer += 1;
        marked.updated_at = self.database.now();
        let unsettled = is_unsettled(&marked.replicas);
        let planned = marked.settle_after.filter(|_| marked.claim.is_some());
        marked.settle_after = unsettled.then(|| planned.unwrap_or(marked.updated_at));
        marked.behind_since = unsettled.then(|| marked.behind_since.unwrap_or(marked.updated_at));
        marked.acl_behind = unsettled;
        marked.waits_for = None;
        save(&transaction, vec![marked]).await?;
        transaction.commit().await
    }

    /// Whether a mutation of the bucket, or of one key of it, was begun and is not known to have ended: its outcome may be
    /// on some stores and not on others.
    pub async fn is_in_flight(
        &self,
        bucket: &BucketName,
        key: Option<&ObjectKey>,
    ) -> Result<bool, CatalogError> {
        let mut intents = journal::Entity::find()
            .select_only()
            .column(journal::Column::Id)
            .filter(journal::Column::SettledAt.is_null())
            .filter(journal::Column::State.ne(journal::State::Applied))
            .filter(journal::Column::Bucket.eq(bucket.as_str()));
        if let Some(key) = key {
            intents = intents.filter(journal::Column::Key.eq(key.as_str()));
        }
        let found = intents.into_tuple::<Uuid>().one(self.database.read()).await;
        found.map(|found| found.is_some()).map_err(|error| self.database.explain(error))
    }

    /// Whether a replica is current for each key of the bucket that is known: of all, or of those that are being settled,
    /// which are few and found by an index. The others can lack a replica that joined the bucket later.
    pub async fn is_whole(
        &self,
        bucket: &BucketName,
        replica: &str,
        settling_only: bool,
    ) -> Result<bool, CatalogError> {
        let mut rows = Entity::find()
            .select_only()
            // As text: PostgreSQL compares no JSON.
            .column_as(Expr::col(Column::Replicas).cast_as("text"), "states")
            .distinct()
            .filter(Column::Bucket.eq(bucket.as_str()));
        if settling_only {
            rows = rows.filter(Column::SettleAfter.is_not_null());
        }
        let states: Vec<String> = rows
            .into_tuple()
            .all(self.database.read())
            .await
            .map_err(|error| self.database.explain(error))?;
        let is_current = |states: &String| {
            let states: Option<Replicas> = serde_json::from_str(states).ok();
            states.is_some_and(|states| states.0.get(replica) == Some(&ReplicaState::Current))
        };
        Ok(states.iter().all(is_current))
    }

    /// How many keys have a replica to be settled.
    pub async fn unsettled_count(&self) -> Result<u64, CatalogError> {
        let unsettled = Entity::find().filter(Column::SettleAfter.is_not_null());
        unsettled.count(self.database.read()).await.map_err(|error| self.database.explain(error))
    }
}

impl TryFrom<Model> for ObjectRow {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        let object = match (row.size, row.etag, row.owner) {
            (Some(size), Some(etag), Some(owner)) => {
                Some(ObjectFacts { size: size.cast_unsigned(), etag, content_type: row.content_type, owner })
            }
            _ => None,
        };
        Ok(Self {
            bucket: row.bucket.parse().map_err(|error| DbErr::Type(format!("row of objects: {error}")))?,
            key: row.key.parse().map_err(|error| DbErr::Type(format!("row of objects: {error}")))?,
            object,
            public_url: row.public_url,
            acl: row.acl,
            sequencer: Sequencer(row.sequencer.cast_unsigned()),
            replicas: row.replicas.0,
            behind_since: row.behind_since.map(date),
            is_missed: row.missed_at.is_some(),
            acl_behind: row.acl_behind,
            progress: row.settling.unwrap_or_default().0,
            claim: row.claim,
        })
    }
}

/// A row with nothing but the object itself.
pub(crate) fn row(bucket: String, key: String, object: Option<ObjectFacts>) -> Model {
    let (size, etag, content_type, owner) = match object {
        Some(object) => {
            (Some(object.size.cast_signed()), Some(object.etag), object.content_type, Some(object.owner))
        }
        None => (None, None, None, None),
    };
    Model {
        bucket,
        key,
        size,
        etag,
        content_type,
        owner,
        public_url: None,
        acl: None,
        sequencer: 0,
        replicas: Replicas(BTreeMap::new()),
        settle_after: None,
        updated_at: 0,
        claim: None,
        waits_for: None,
        behind_since: None,
        missed_at: None,
        acl_behind: false,
        settling: None,
    }
}

/// Keeps replicas to be settled that were so before, as long as the bucket still has them.
pub(crate) fn carry_over(before: &Replicas, replicas: &mut BTreeMap<String, ReplicaState>) {
    for (replica, state) in replicas {
        if let Some(before) = before.0.get(replica).filter(|before| before.is_behind()) {
            *state = *before;
        }
    }
}

/// Whether a replica has to be settled.
pub(crate) fn is_unsettled(replicas: &Replicas) -> bool {
    replicas.0.values().any(|state| state.is_behind())
}

/// The row of a key, locked. One that is not there is made first: another transaction may be about to, and then the lock
/// waits for what that one writes.
async fn locked_or_new(
    transaction: &DatabaseTransaction,
    bucket: &BucketName,
    key: &ObjectKey,
) -> Result<Model, DbErr> {
    let find = || Entity::find_by_id(id(bucket, key)).lock_exclusive().one(transaction);
    if let Some(found) = find().await? {
        return Ok(found);
    }
    let new = row(bucket.to_string(), key.to_string(), None).into_active_model();
    let or_leave = OnConflict::columns([Column::Bucket, Column::Key]).do_nothing().to_owned();
    Entity::insert(new).on_conflict(or_leave).exec_without_returning(transaction).await?;
    find().await?.ok_or_else(|| DbErr::RecordNotFound(format!("object {bucket}/{key}")))
}

fn id(bucket: &BucketName, key: &ObjectKey) -> (String, String) {
    (bucket.to_string(), key.to_string())
}

/// Writes rows, new or not. Where there is one, its ACL and its public url stay as they are.
async fn save(transaction: &DatabaseTransaction, rows: Vec<Model>) -> Result<(), DbErr> {
    let changed = [
        Column::Size,
        Column::Etag,
        Column::ContentType,
        Column::Owner,
        Column::Sequencer,
        Column::Replicas,
        Column::SettleAfter,
        Column::UpdatedAt,
        Column::Claim,
        Column::WaitsFor,
        Column::BehindSince,
        Column::MissedAt,
        Column::AclBehind,
        Column::Settling,
    ];
    let replace = OnConflict::columns([Column::Bucket, Column::Key]).update_columns(changed).to_owned();
    Entity::insert_many(rows.into_iter().map(IntoActiveModel::into_active_model))
        .on_conflict(replace)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// A condition that these keys meet, and no others.
fn among<'a>(keys: impl Iterator<Item = (&'a str, &'a str)>) -> Condition {
    let mut buckets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (bucket, key) in keys {
        buckets.entry(bucket).or_default().push(key);
    }
    let of_bucket = |(bucket, keys): (&str, Vec<&str>)| {
        Condition::all().add(Column::Bucket.eq(bucket)).add(Column::Key.is_in(keys))
    };
    buckets.into_iter().map(of_bucket).fold(Condition::any(), Condition::add)
}

/// Locks rows in the order in which all lock them, so that no two wait for each other.
async fn lock_in_order(transaction: &DatabaseTransaction, which: Condition) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(which)
        .order_by_asc(Column::Bucket)
        .order_by_asc(Column::Key)
        .lock_exclusive()
        .all(transaction)
        .await
}
