//! What is behind: how much, for which store, since when.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use relais_model::{BucketName, ObjectKey, Replica, ReplicaState, StoreName};
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{ObjectRow, Objects, among};
use crate::database::{date, micros};
use crate::entities::object::{Column, Entity};
use crate::error::CatalogError;

/// What a store lacks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UnsettledStore {
    /// Keys that are not known to be equal there.
    pub keys: u64,
    /// Those of them that have failed for so long that somebody should look.
    pub failed: u64,
    /// Those of them that wait for a store which is paused or out of order.
    pub waiting: u64,
    /// Since when the one is behind that is so for longest.
    pub oldest: Option<DateTime<Utc>>,
}

/// States of replicas, what is waited for, how many, since when.
type Group = (String, Option<String>, i64, i64);

impl Objects {
    /// What each store lacks; a store that lacks nothing is not named. One query, whose cost grows with what is unsettled.
    pub async fn unsettled_by_store(&self) -> Result<BTreeMap<StoreName, UnsettledStore>, CatalogError> {
        self.group().await.map_err(|error| self.database.explain(error))
    }

    async fn group(&self) -> Result<BTreeMap<StoreName, UnsettledStore>, DbErr> {
        // PostgreSQL cannot compare JSON; as text it is always written alike, since its keys are sorted.
        let states = || Expr::col(Column::Replicas).cast_as("text");
        let since = Func::coalesce([Expr::col(Column::BehindSince), Expr::col(Column::UpdatedAt)]);
        let groups: Vec<Group> = Entity::find()
            .select_only()
            .expr_as(states(), "states")
            .column(Column::WaitsFor)
            .expr_as(Expr::col(Column::Key).count(), "keys")
            .expr_as(Expr::expr(since).min(), "oldest")
            .filter(Column::SettleAfter.is_not_null())
            .group_by(states())
            .group_by(Column::WaitsFor)
            .into_tuple()
            .all(self.database.read())
            .await?;
        let mut stores: BTreeMap<StoreName, UnsettledStore> = BTreeMap::new();
        for (states, waits_for, keys, oldest) in groups {
            let unreadable = |error: &dyn std::fmt::Display| DbErr::Type(format!("row of objects: {error}"));
            let states: BTreeMap<String, ReplicaState> =
                serde_json::from_str(&states).map_err(|error| unreadable(&error))?;
            for (replica, state) in states.into_iter().filter(|(_, state)| state.is_behind()) {
                let replica: Replica = replica.parse().map_err(|error| unreadable(&error))?;
                let keys = keys.cast_unsigned();
                let store = stores.entry(replica.store).or_default();
                store.keys += keys;
                store.failed += if state == ReplicaState::Failed { keys } else { 0 };
                store.waiting += if waits_for.is_some() { keys } else { 0 };
                store.oldest =
                    Some(store.oldest.map_or_else(|| date(oldest), |known| Ord::min(known, date(oldest))));
            }
        }
        Ok(stores)
    }

    /// Keys that have to be settled, in an order of their own and after the one that is given.
    pub async fn unsettled(
        &self,
        after: Option<(&BucketName, &ObjectKey)>,
        limit: u64,
    ) -> Result<Vec<ObjectRow>, CatalogError> {
        self.page(Column::SettleAfter.is_not_null(), after, limit).await
    }

    /// Keys that have been behind for longer than that, of which that was not told yet; those first that are so for longest.
    pub async fn overdue(&self, threshold: Duration, limit: u64) -> Result<Vec<ObjectRow>, CatalogError> {
        let rows = Entity::find()
            .filter(Column::SettleAfter.is_not_null())
            .filter(Column::MissedAt.is_null())
            .filter(Column::BehindSince.lte(self.database.now() - micros(threshold)))
            .order_by_asc(Column::BehindSince)
            .limit(limit)
            .all(self.database.read())
            .await;
        let rows = rows.and_then(|rows| rows.into_iter().map(ObjectRow::try_from).collect());
        rows.map_err(|error| self.database.explain(error))
    }

    /// Writes down that it was told that these keys are behind for too long. Those that have caught up are left alone.
    pub async fn missed(&self, rows: &[ObjectRow]) -> Result<(), CatalogError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.set_missed(rows).await.map_err(|error| self.database.explain(error))
    }

    async fn set_missed(&self, rows: &[ObjectRow]) -> Result<(), DbErr> {
        let these = || among(rows.iter().map(|row| (row.bucket.as_str(), row.key.as_str())));
        let transaction = self.database.begin().await?;
        super::lock_in_order(&transaction, these()).await?;
        Entity::update_many()
            .col_expr(Column::MissedAt, Expr::value(self.database.now()))
            .filter(these())
            .filter(Column::SettleAfter.is_not_null())
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }
}
