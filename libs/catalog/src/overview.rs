//! What operators ask of the catalog, for commands that look at everything. Nothing is changed here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use relais_model::{BucketName, ObjectKey};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use crate::database::{Database, date, micros};
use crate::entities::{instance, journal, object};
use crate::error::CatalogError;
use crate::instance::Instance;

/// The catalog seen by an operator. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Overview {
    database: Database,
    instance: Arc<Instance>,
}

/// How one key stands at this moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeyState {
    /// Whether somebody is changing it.
    pub is_open: bool,
    /// How long ago it changed, if that is known.
    pub changed_ago: Option<Duration>,
    /// The replicas, as text, that are known to be behind.
    pub behind: BTreeSet<String>,
}

/// Things that wait.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Waiting {
    /// How many.
    pub count: u64,
    /// Since when the first of them.
    pub since: Option<DateTime<Utc>>,
}

impl Overview {
    pub(crate) fn new(database: Database, instance: Arc<Instance>) -> Self {
        Self { database, instance }
    }

    /// How a key stands.
    pub async fn state(&self, bucket: &BucketName, key: &ObjectKey) -> Result<KeyState, CatalogError> {
        self.look_at(bucket, key).await.map_err(|error| self.database.explain(error))
    }

    async fn look_at(&self, bucket: &BucketName, key: &ObjectKey) -> Result<KeyState, DbErr> {
        let row = object::Entity::find_by_id((bucket.to_string(), key.to_string()));
        let row = row.one(self.database.read()).await?;
        let open = journal::Entity::find()
            .filter(journal::Column::Bucket.eq(bucket.as_str()))
            .filter(journal::Column::Key.eq(key.as_str()))
            .filter(journal::Column::SettledAt.is_null())
            .filter(journal::Column::State.ne(journal::State::Applied))
            .count(self.database.read())
            .await?;
        let ago = row.as_ref().map(|row| self.database.now() - row.updated_at);
        let changed_ago = ago.map(|ago| Duration::from_micros(u64::try_from(ago).unwrap_or(0)));
        let replicas = row.map(|row| row.replicas.0).unwrap_or_default();
        let behind =
            replicas.into_iter().filter(|(_, state)| state.is_behind()).map(|(name, _)| name).collect();
        Ok(KeyState { is_open: open > 0, changed_ago, behind })
    }

    /// The intents that are open, or in doubt, for longer than this.
    pub async fn intents(&self, older_than: Duration) -> Result<Waiting, CatalogError> {
        self.old_intents(older_than).await.map_err(|error| self.database.explain(error))
    }

    async fn old_intents(&self, older_than: Duration) -> Result<Waiting, DbErr> {
        let old = journal::Entity::find()
            .filter(journal::Column::State.ne(journal::State::Applied))
            .filter(journal::Column::UpdatedAt.lt(self.database.now() - micros(older_than)));
        let count = old.clone().count(self.database.read()).await?;
        let first = old.order_by_asc(journal::Column::UpdatedAt).one(self.database.read()).await?;
        Ok(Waiting { count, since: first.map(|row| date(row.updated_at)) })
    }

    /// How many keys of a bucket have a replica to be settled and begin so.
    pub async fn unsettled_below(&self, bucket: &BucketName, prefix: &str) -> Result<u64, CatalogError> {
        let column = || Expr::col((object::Entity, object::Column::Key));
        let length = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
        // Neither LIKE, which minds no capitals on SQLite, nor an order of text, which on PostgreSQL is the server's.
        let begin =
            Func::cust(Alias::new("substr")).args([column(), Expr::value(1_i32), Expr::value(length)]);
        let unsettled = object::Entity::find()
            .filter(object::Column::SettleAfter.is_not_null())
            .filter(object::Column::Bucket.eq(bucket.as_str()))
            .filter(Expr::expr(begin).eq(prefix));
        unsettled.count(self.database.read()).await.map_err(|error| self.database.explain(error))
    }

    /// Whether somebody is settling a key of a bucket at this moment.
    pub async fn is_settling(&self, bucket: &BucketName) -> Result<bool, CatalogError> {
        let claimed = object::Entity::find()
            .filter(object::Column::Claim.is_not_null())
            .filter(object::Column::SettleAfter.gt(self.database.now()))
            .filter(object::Column::Bucket.eq(bucket.as_str()));
        let one = claimed.one(self.database.read()).await;
        one.map(|one| one.is_some()).map_err(|error| self.database.explain(error))
    }

    /// Whether another instance than this one is alive.
    pub async fn is_served(&self) -> Result<bool, CatalogError> {
        let others = instance::Entity::find()
            .filter(instance::Column::LeaseUntil.gt(self.database.now()))
            .filter(instance::Column::Id.ne(self.instance.id));
        let count = others.count(self.database.read()).await;
        count.map(|count| count > 0).map_err(|error| self.database.explain(error))
    }

    /// How many rows the journal has.
    pub async fn journal_rows(&self) -> Result<u64, CatalogError> {
        let rows = journal::Entity::find().count(self.database.read()).await;
        rows.map_err(|error| self.database.explain(error))
    }

    /// The place in the log before the first event that was applied then or later; nothing where there is none.
    pub async fn position_before(&self, time: DateTime<Utc>) -> Result<Option<i64>, CatalogError> {
        let first = journal::Entity::find()
            .filter(journal::Column::Position.is_not_null())
            .filter(journal::Column::UpdatedAt.gte(time.timestamp_micros()))
            .order_by_asc(journal::Column::Position)
            .one(self.database.read())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(first.and_then(|row| row.position).map(|position| position - 1))
    }
}
