//! Table `buckets`: what clients made and set, one row a bucket.

use sea_orm::entity::prelude::*;

use super::Texts;

/// One bucket.
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq)]
#[sea_orm(table_name = "buckets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub owner: String,
    pub created_at: i64,
    /// Name of a setting to what a client sent.
    pub settings: Texts,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
