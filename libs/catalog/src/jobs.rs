//! The sidecars' work: each piece once, taken by one worker at a time, and taken again if that one dies.
//!
//! A job comes due at a time; leasing it moves that time to the end of the lease. So a worker that died needs no
//! cleaning up: its job simply comes due again. When to give up is decided by whoever runs the jobs.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use relais_model::{BucketName, ObjectKey};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, LockBehavior, LockType, OnConflict};
use sea_orm::{
    ColumnTrait, DbErr, DeriveActiveEnum, EntityTrait, EnumIter, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde_json::Value;
use uuid::Uuid;

use crate::database::{Database, date, micros};
use crate::entities::job::{ActiveModel, Column, Entity, Model};
use crate::error::CatalogError;
use crate::instance::Instance;

/// A piece of work to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Which sidecar does it.
    pub kind: String,
    /// The source's bucket.
    pub bucket: BucketName,
    /// The source's key.
    pub key: ObjectKey,
    /// The source's entity tag.
    pub etag: String,
    /// What is done; changes when the output would.
    pub recipe: String,
    /// What the worker is told.
    pub task: Value,
}

/// A piece of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Names it.
    pub id: Uuid,
    /// Which sidecar does it.
    pub kind: String,
    /// The source's bucket.
    pub bucket: BucketName,
    /// The source's key.
    pub key: ObjectKey,
    /// The source's entity tag.
    pub etag: String,
    /// What is done.
    pub recipe: String,
    /// What the worker is told.
    pub task: Value,
    /// How far it is.
    pub state: JobState,
    /// How often it was begun.
    pub attempts: i32,
    /// How often a lease ran out, because the worker or its whole process died.
    pub crashes: i32,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// What the worker said at the end.
    pub result: Option<Value>,
    /// When it was inserted.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum JobState {
    /// Waits for a worker.
    #[sea_orm(string_value = "queued")]
    Queued,
    /// A worker is at it.
    #[sea_orm(string_value = "running")]
    Running,
    /// Done.
    #[sea_orm(string_value = "done")]
    Done,
    /// Given up.
    #[sea_orm(string_value = "dead")]
    Dead,
}

/// The jobs. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Jobs {
    database: Database,
    instance: Arc<Instance>,
}

impl Jobs {
    pub(crate) fn new(database: Database, instance: Arc<Instance>) -> Self {
        Self { database, instance }
    }

    /// Queues a job. Nothing is returned, and nothing done, where the same work on the same source is known already,
    /// whatever became of it.
    pub async fn insert(&self, job: NewJob) -> Result<Option<Uuid>, CatalogError> {
        let (id, now) = (Uuid::now_v7(), self.database.now());
        let row = ActiveModel {
            id: Set(id),
            kind: Set(job.kind),
            bucket: Set(job.bucket.into()),
            key: Set(job.key.into()),
            etag: Set(job.etag),
            recipe: Set(job.recipe),
            task: Set(job.task),
            state: Set(JobState::Queued),
            attempts: Set(0),
            crashes: Set(0),
            due_at: Set(Some(now)),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        let work = [Column::Kind, Column::Bucket, Column::Key, Column::Etag, Column::Recipe];
        let once = OnConflict::columns(work).do_nothing().to_owned();
        let insert = Entity::insert(row).on_conflict(once).exec_without_returning(self.database.write());
        let inserted = insert.await.map_err(|error| self.database.explain(error))?;
        Ok((inserted == 1).then_some(id))
    }

    /// Takes the job that has been due for longest. For the length of the lease nobody else gets it; one that comes
    /// from a lease which ran out counts a crash.
    pub async fn lease(&self, kind: &str, lease: Duration) -> Result<Option<Job>, CatalogError> {
        self.take(kind, lease).await.map_err(|error| self.database.explain(error))
    }

    async fn take(&self, kind: &str, lease: Duration) -> Result<Option<Job>, DbErr> {
        let now = self.database.now();
        let transaction = self.database.begin().await?;
        let due = Entity::find()
            .filter(Column::Kind.eq(kind))
            .filter(Column::DueAt.lte(now))
            .order_by_asc(Column::DueAt)
            .limit(1)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .one(&transaction)
            .await?;
        let Some(mut row) = due else { return Ok(None) };
        row.crashes += i32::from(row.state == JobState::Running);
        row.attempts += 1;
        row.state = JobState::Running;
        row.updated_at = now;
        Entity::update_many()
            .col_expr(Column::State, Expr::value(row.state))
            .col_expr(Column::Attempts, Expr::value(row.attempts))
            .col_expr(Column::Crashes, Expr::value(row.crashes))
            .col_expr(Column::DueAt, Expr::value(now + micros(lease)))
            .col_expr(Column::LeasedBy, Expr::value(self.instance.id))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Id.eq(row.id))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Job::try_from(row).map(Some)
    }

    /// Prolongs this instance's lease of a job. False where the job is not this instance's any more: stop working.
    pub async fn renew(&self, id: Uuid, lease: Duration) -> Result<bool, CatalogError> {
        let due_at = self.database.now() + micros(lease);
        let changes = ActiveModel { due_at: Set(Some(due_at)), ..Default::default() };
        Ok(self.update_ours(id, changes).await? == 1)
    }

    /// Writes down the result. Taken from whoever brings it first, also after its lease: the work is the same.
    pub async fn finish(&self, id: Uuid, result: Value) -> Result<(), CatalogError> {
        let changes = ActiveModel {
            state: Set(JobState::Done),
            result: Set(Some(result)),
            error: Set(None),
            due_at: Set(None),
            leased_by: Set(None),
            updated_at: Set(self.database.now()),
            ..Default::default()
        };
        Entity::update_many()
            .set(changes)
            .filter(Column::Id.eq(id))
            .filter(Column::State.ne(JobState::Done))
            .exec(self.database.write())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(())
    }

    /// Puts a job of this instance back after a failure that may pass, due after the delay.
    pub async fn retry(&self, id: Uuid, error: &str, delay: Duration) -> Result<(), CatalogError> {
        let now = self.database.now();
        let changes = ActiveModel {
            state: Set(JobState::Queued),
            error: Set(Some(error.to_owned())),
            due_at: Set(Some(now + micros(delay))),
            leased_by: Set(None),
            updated_at: Set(now),
            ..Default::default()
        };
        self.update_ours(id, changes).await.map(drop)
    }

    /// Gives up on a job of this instance.
    pub async fn bury(&self, id: Uuid, error: &str) -> Result<(), CatalogError> {
        let changes = ActiveModel {
            state: Set(JobState::Dead),
            error: Set(Some(error.to_owned())),
            due_at: Set(None),
            leased_by: Set(None),
            updated_at: Set(self.database.now()),
            ..Default::default()
        };
        self.update_ours(id, changes).await.map(drop)
    }

    /// Changes a job if it runs here; otherwise its lease ran out and another's work must not be disturbed.
    async fn update_ours(&self, id: Uuid, changes: ActiveModel) -> Result<u64, CatalogError> {
        let updated = Entity::update_many()
            .set(changes)
            .filter(Column::Id.eq(id))
            .filter(Column::State.eq(JobState::Running))
            .filter(Column::LeasedBy.eq(self.instance.id))
            .exec(self.database.write())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(updated.rows_affected)
    }

    /// The last job for an object.
    pub async fn latest(
        &self,
        kind: &str,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<Job>, CatalogError> {
        let row = Entity::find()
            .filter(Column::Kind.eq(kind))
            .filter(Column::Bucket.eq(bucket.as_str()))
            .filter(Column::Key.eq(key.as_str()))
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .one(self.database.read())
            .await;
        let job = row.and_then(|row| row.map(Job::try_from).transpose());
        job.map_err(|error| self.database.explain(error))
    }

    /// How many jobs of a kind are in a state.
    pub async fn count(&self, kind: &str, state: JobState) -> Result<u64, CatalogError> {
        let rows = Entity::find().filter(Column::Kind.eq(kind)).filter(Column::State.eq(state));
        rows.count(self.database.read()).await.map_err(|error| self.database.explain(error))
    }
}

impl TryFrom<Model> for Job {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.id,
            kind: row.kind,
            bucket: row.bucket.parse().map_err(|error| DbErr::Type(format!("job {}: {error}", row.id)))?,
            key: row.key.parse().map_err(|error| DbErr::Type(format!("job {}: {error}", row.id)))?,
            etag: row.etag,
            recipe: row.recipe,
            task: row.task,
            state: row.state,
            attempts: row.attempts,
            crashes: row.crashes,
            error: row.error,
            result: row.result,
            created_at: date(row.created_at),
            updated_at: date(row.updated_at),
        })
    }
}
