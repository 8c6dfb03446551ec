//! What is known of each key: the object, its replicas, and whether they have to be settled.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use relais_model::{BucketName, ObjectFacts, ObjectKey, ReplicaState, Sequencer};
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::database::{Database, can_be_stored, micros};
use crate::entities::object::{Column, Entity, Model};
use crate::entities::{Replicas, journal};
use crate::error::CatalogError;

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
    /// How often settling failed since it last worked.
    pub settle_attempts: i32,
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
        let mut rows = Entity::find()
            .filter(Column::Owner.eq(owner))
            .order_by_asc(Column::Bucket)
            .order_by_asc(Column::Key);
        if let Some((bucket, key)) = after {
            let columns = [Column::Bucket, Column::Key].map(|column| Expr::col((Entity, column)));
            let values = [Expr::value(bucket.as_str()), Expr::value(key.as_str())];
            rows = rows.filter(Expr::tuple(columns).gt(Expr::tuple(values)));
        }
        let rows = rows.limit(limit).all(self.database.read()).await;
        let rows = rows.and_then(|rows| rows.into_iter().map(ObjectRow::try_from).collect());
        rows.map_err(|error| self.database.explain(error))
    }

    /// Changes the canned ACL and nothing else. False where the key is not known, not even as deleted.
    pub async fn set_acl(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        acl: Option<&str>,
    ) -> Result<bool, CatalogError> {
        let updated = Entity::update_many()
            .col_expr(Column::Acl, Expr::value(acl.map(str::to_owned)))
            .col_expr(Column::UpdatedAt, Expr::value(self.database.now()))
            .filter(Column::Bucket.eq(bucket.as_str()))
            .filter(Column::Key.eq(key.as_str()))
            .exec(self.database.write())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(updated.rows_affected == 1)
    }

    /// Keys with a replica to be settled, longest overdue first. For the length of the lease nobody else gets them.
    pub async fn claim_unsettled(&self, limit: u64, lease: Duration) -> Result<Vec<ObjectRow>, CatalogError> {
        self.claim(limit, lease).await.map_err(|error| self.database.explain(error))
    }

    async fn claim(&self, limit: u64, lease: Duration) -> Result<Vec<ObjectRow>, DbErr> {
        let now = self.database.now();
        let transaction = self.database.begin().await?;
        let rows = Entity::find()
            .filter(Column::SettleAfter.lte(now))
            .order_by_asc(Column::SettleAfter)
            .limit(limit)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&transaction)
            .await?;
        for row in &rows {
            Entity::update_many()
                .col_expr(Column::SettleAfter, Expr::value(now + micros(lease)))
                .filter(Column::Bucket.eq(&row.bucket))
                .filter(Column::Key.eq(&row.key))
                .exec(&transaction)
                .await?;
        }
        transaction.commit().await?;
        rows.into_iter().map(ObjectRow::try_from).collect()
    }

    /// Writes down that every replica now equals `facts`, and that the journal's rows up to `row` are settled. Returns
    /// false, and has the replicas settled once more that were behind in `row`, if the key has changed since: what was
    /// just copied may have overwritten something newer.
    pub async fn settled(&self, row: &ObjectRow, facts: Option<ObjectFacts>) -> Result<bool, CatalogError> {
        self.settle(row, facts).await.map_err(|error| self.database.explain(error))
    }

    async fn settle(&self, row: &ObjectRow, facts: Option<ObjectFacts>) -> Result<bool, DbErr> {
        let now = self.database.now();
        let transaction = self.database.begin().await?;
        let locked = Entity::find_by_id(id(&row.bucket, &row.key)).lock_exclusive().one(&transaction).await?;
        let Some(mut current) = locked else { return Ok(false) };
        let unchanged = current.sequencer == row.sequencer.0.cast_signed();
        if unchanged {
            current.replicas.0.values_mut().for_each(|state| *state = ReplicaState::Current);
            current = Model {
                replicas: current.replicas,
                public_url: current.public_url,
                acl: current.acl,
                sequencer: current.sequencer,
                updated_at: now,
                ..self::row(current.bucket, current.key, facts)
            };
            settle_journal(&transaction, row, now).await?;
        } else {
            carry_over(&Replicas(row.replicas.clone()), &mut current.replicas.0);
            current.settle_after = is_unsettled(&current.replicas).then_some(now);
        }
        save(&transaction, current).await?;
        transaction.commit().await?;
        Ok(unchanged)
    }

    /// Puts settling off after it failed.
    pub async fn settle_failed(&self, row: &ObjectRow, retry_after: Duration) -> Result<(), CatalogError> {
        Entity::update_many()
            .col_expr(Column::SettleAfter, Expr::value(self.database.now() + micros(retry_after)))
            .col_expr(Column::SettleAttempts, Expr::col(Column::SettleAttempts).add(1))
            .filter(Column::Bucket.eq(row.bucket.as_str()))
            .filter(Column::Key.eq(row.key.as_str()))
            .filter(Column::SettleAfter.is_not_null())
            .exec(self.database.write())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(())
    }

    /// Has a key settled about which nothing is certain. It counts as a change: whoever settles it at this moment has
    /// perhaps looked too early, and is told so by [`Objects::settled`]. An unknown key becomes known as deleted.
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
        let locked = Entity::find_by_id(id(bucket, key)).lock_exclusive().one(&transaction).await?;
        let mut marked = locked.unwrap_or_else(|| row(bucket.to_string(), key.to_string(), None));
        let before = mem::replace(&mut marked.replicas, Replicas(replicas.clone()));
        carry_over(&before, &mut marked.replicas.0);
        marked.sequencer += 1;
        marked.updated_at = self.database.now();
        marked.settle_after =
            is_unsettled(&marked.replicas).then(|| marked.settle_after.unwrap_or(marked.updated_at));
        save(&transaction, marked).await?;
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
            settle_attempts: row.settle_attempts,
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
        settle_attempts: 0,
        updated_at: 0,
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

fn id(bucket: &BucketName, key: &ObjectKey) -> (String, String) {
    (bucket.to_string(), key.to_string())
}

/// Writes a row, new or not. Where there is one, its ACL and its public url stay as they are.
async fn save(transaction: &DatabaseTransaction, row: Model) -> Result<(), DbErr> {
    let changed = [
        Column::Size,
        Column::Etag,
        Column::ContentType,
        Column::Owner,
        Column::Sequencer,
        Column::Replicas,
        Column::SettleAfter,
        Column::SettleAttempts,
        Column::UpdatedAt,
    ];
    let replace = OnConflict::columns([Column::Bucket, Column::Key]).update_columns(changed).to_owned();
    Entity::insert(row.into_active_model()).on_conflict(replace).exec_without_returning(transaction).await?;
    Ok(())
}

async fn settle_journal(transaction: &DatabaseTransaction, row: &ObjectRow, now: i64) -> Result<(), DbErr> {
    let of_key = Condition::all()
        .add(journal::Column::Bucket.eq(row.bucket.as_str()))
        .add(journal::Column::Key.eq(row.key.as_str()))
        .add(journal::Column::Sequencer.lte(row.sequencer.0.cast_signed()))
        .add(journal::Column::SettledAt.is_null());
    journal::Entity::update_many()
        .col_expr(journal::Column::SettledAt, Expr::value(now))
        .filter(of_key)
        .exec(transaction)
        .await?;
    Ok(())
}
