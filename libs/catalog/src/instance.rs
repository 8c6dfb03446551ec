//! This process among those that share the catalog: its name, its lease, and the roles it holds.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, OnConflict, Query, SelectStatement};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
};
use uuid::Uuid;

use crate::database::{Database, micros};
use crate::entities::journal::{self, State};
use crate::entities::{instance, job, lease};
use crate::jobs::JobState;

/// How long an instance counts as alive after its last sign of life. Long enough for a slow disk or a restart of the
/// database, short enough that a dead instance's intents are looked at soon.
pub const INSTANCE_LEASE: Duration = Duration::from_secs(15);

/// One running process.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: Uuid,
    /// When the lease was last renewed; 0 before the first time.
    renewed_at: AtomicI64,
}

impl Instance {
    pub(crate) fn new() -> Self {
        Self { id: Uuid::new_v4(), renewed_at: AtomicI64::new(0) }
    }

    /// Whether a third of the lease is used up.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        now - self.renewed_at.load(Ordering::Relaxed) > micros(INSTANCE_LEASE) / 3
    }

    /// Writes a new lease; [`Instance::renewed`] follows once that is committed.
    pub(crate) async fn renew(&self, connection: &impl ConnectionTrait, now: i64) -> Result<(), DbErr> {
        let row = instance::ActiveModel { id: Set(self.id), lease_until: Set(now + micros(INSTANCE_LEASE)) };
        let or_renew =
            OnConflict::column(instance::Column::Id).update_column(instance::Column::LeaseUntil).to_owned();
        instance::Entity::insert(row).on_conflict(or_renew).exec_without_returning(connection).await?;
        Ok(())
    }

    pub(crate) fn renewed(&self, now: i64) {
        self.renewed_at.store(now, Ordering::Relaxed);
    }

    /// Takes or keeps a role that one instance at a time may have.
    pub(crate) async fn lead(
        &self,
        database: &Database,
        role: &str,
        duration: Duration,
    ) -> Result<bool, DbErr> {
        let now = database.now();
        let row = lease::ActiveModel {
            role: Set(role.to_owned()),
            holder: Set(self.id),
            lease_until: Set(now + micros(duration)),
        };
        let ours_or_over = Expr::col((lease::Entity, lease::Column::Holder)).eq(self.id).or(Expr::col((
            lease::Entity,
            lease::Column::LeaseUntil,
        ))
        .lte(now));
        let or_take = OnConflict::column(lease::Column::Role)
            .update_columns([lease::Column::Holder, lease::Column::LeaseUntil])
            .action_cond_where(ours_or_over.into_condition())
            .to_owned();
        let written =
            lease::Entity::insert(row).on_conflict(or_take).exec_without_returning(database.write()).await?;
        Ok(written == 1)
    }

    /// Gives up all roles, the jobs that still run here, and the lease, so that others need not wait for their end. While
    /// an intent is open the lease stays: a store may still be at it, and who looks there too early sees nothing.
    pub(crate) async fn resign(&self, database: &Database) -> Result<(), DbErr> {
        if self.renewed_at.load(Ordering::Relaxed) == 0 {
            return Ok(()); // Never wrote anything; there may not even be tables.
        }
        let transaction = database.begin().await?;
        let holds = lease::Column::Holder.eq(self.id);
        lease::Entity::delete_many().filter(holds).exec(&transaction).await?;
        self.give_jobs_back(&transaction, database.now()).await?;
        let cut_off = journal::Entity::find()
            .filter(journal::Column::Instance.eq(self.id))
            .filter(journal::Column::State.eq(State::Open))
            .count(&transaction)
            .await?;
        if cut_off == 0 {
            instance::Entity::delete_by_id(self.id).exec(&transaction).await?;
        } else {
            tracing::warn!(
                intents = cut_off,
                "mutations were cut off; they are looked at once this instance's lease is over"
            );
        }
        transaction.commit().await
    }

    async fn give_jobs_back(&self, connection: &impl ConnectionTrait, now: i64) -> Result<(), DbErr> {
        job::Entity::update_many()
            .col_expr(job::Column::State, Expr::value(JobState::Queued))
            .col_expr(job::Column::DueAt, Expr::value(now))
            .col_expr(job::Column::LeasedBy, Expr::value(None::<Uuid>))
            .col_expr(job::Column::UpdatedAt, Expr::value(now))
            .filter(job::Column::LeasedBy.eq(self.id))
            .filter(job::Column::State.eq(JobState::Running))
            .exec(connection)
            .await?;
        Ok(())
    }
}

/// The ids of the instances whose lease is good.
pub(crate) fn alive(now: i64) -> SelectStatement {
    Query::select()
        .column(instance::Column::Id)
        .from(instance::Entity)
        .and_where(instance::Column::LeaseUntil.gt(now))
        .to_owned()
}

/// Removes the rows of instances that are dead.
pub(crate) async fn forget_dead(connection: &impl ConnectionTrait, now: i64) -> Result<(), DbErr> {
    let dead = instance::Column::LeaseUntil.lte(now);
    instance::Entity::delete_many().filter(dead).exec(connection).await?;
    Ok(())
}
