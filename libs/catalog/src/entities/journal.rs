//! Table `journal`: one row a mutation.

use sea_orm::entity::prelude::*;
use serde::Serialize;

use super::StoredEvent;

/// One mutation, from intent to settled.
#[derive(Clone, Debug, DeriveEntityModel, PartialEq, Serialize)]
#[sea_orm(table_name = "journal")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub bucket: String,
    pub key: String,
    /// The event's name, as in S3.
    pub kind: String,
    pub state: State,
    /// The instance that answers for this intent.
    pub instance: Uuid,
    /// Sequencer of the key when the intent was opened; 0 where the key was unknown.
    pub opened_sequencer: i64,
    /// When state or instance changed.
    pub updated_at: i64,
    /// From here on: nothing until applied.
    pub sequencer: Option<i64>,
    pub event: Option<StoredEvent>,
    pub settled_at: Option<i64>,
    /// Place in the log of events, in the order of commits.
    pub position: Option<i64>,
}

/// How far a mutation is known to have come.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// Its instance is at it.
    #[sea_orm(string_value = "open")]
    Open,
    /// Nobody knows: the primary has to be looked at.
    #[sea_orm(string_value = "doubt")]
    Doubt,
    /// Done and acknowledged.
    #[sea_orm(string_value = "applied")]
    Applied,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
