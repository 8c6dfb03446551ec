//! Table `jobs`: the sidecars' work.

use sea_orm::entity::prelude::*;

use crate::jobs::JobState;

/// One piece of work.
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub bucket: String,
    pub key: String,
    pub etag: String,
    pub recipe: String,
    pub task: Json,
    pub state: JobState,
    pub attempts: i32,
    pub crashes: i32,
    pub error: Option<String>,
    pub result: Option<Json>,
    /// When a worker may take it: after a delay if queued, after the lease if running; nothing once done or dead.
    pub due_at: Option<i64>,
    pub leased_by: Option<Uuid>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
