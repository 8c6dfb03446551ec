//! Table `revocations`: what is no longer valid though its signature is.

use sea_orm::entity::prelude::*;

use crate::revocations::RevocationKind;

/// One thing that is no longer valid.
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq)]
#[sea_orm(table_name = "revocations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: RevocationKind,
    #[sea_orm(primary_key, auto_increment = false)]
    pub value: String,
    pub revoked_at: i64,
    pub expires_at: Option<i64>,
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
