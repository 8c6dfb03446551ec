//! Table `users`: the accounts of an application, which reads and writes it too and may have made it.
//!
//! So its columns may be somewhat narrower or wider than here; `users` reads and writes them by casts.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One user. What relais always writes may still be missing in a row of somebody else.
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub email: String,
    pub hashed_password: String,
    pub name: Option<String>,
    pub is_active: Option<bool>,
    pub is_verified: Option<bool>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    pub last_login: Option<DateTime<Utc>>,
    pub favorite_voices: Option<Json>,
    pub history: Option<Json>,
    pub credits: Option<i64>,
    pub preferences: Option<Json>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
