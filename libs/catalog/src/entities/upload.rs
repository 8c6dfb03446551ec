//! Table `uploads`: multipart uploads, those that are open and those that were completed.

use sea_orm::entity::prelude::*;

/// One upload.
#[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
#[sea_orm(table_name = "uploads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub upload_id: String,
    pub bucket: String,
    pub key: String,
    pub initiator: String,
    pub began_at: i64,
    pub details: Json,
    /// Both are nothing while the upload is open.
    pub result: Option<Json>,
    pub ended_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
