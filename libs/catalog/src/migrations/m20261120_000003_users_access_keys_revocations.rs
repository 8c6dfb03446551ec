//! Tables for users, access keys and what is revoked. An application may have made `users` already: that table stays as
//! it is and is only looked at. Names are spelt out, so that this stays what it was when the entities change.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveMigrationName};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer_null, json_null, pk_auto, string_len, string_len_null,
    text, text_null,
};
use sea_orm_migration::sea_query::{ColumnDef, Expr, Index, Table, TableCreateStatement};
use sea_orm_migration::{MigrationTrait, SchemaManager};

#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

/// Addresses and names are no longer in the systems that made this table first.
const TEXT_LENGTH: u32 = 255;

const USERS_COLUMNS: [&str; 13] = [
    "id",
    "email",
    "hashed_password",
    "name",
    "is_active",
    "is_verified",
    "created_at",
    "updated_at",
    "last_login",
    "favorite_voices",
    "history",
    "credits",
    "preferences",
];

/// The first finds users whose address somebody else wrote in capitals, the second serves asking who is inactive, which
/// every instance does all the time.
const USERS_INDEXES: [&str; 2] = [
    "CREATE INDEX IF NOT EXISTS relais_users_by_email ON users (lower(email))",
    "CREATE INDEX IF NOT EXISTS relais_users_inactive ON users (id) WHERE is_active IS NOT TRUE",
];

/// An address belongs to one user, whoever makes them at the same time.
const USERS_UNIQUE: &str = "CREATE UNIQUE INDEX IF NOT EXISTS relais_users_email ON users (email)";

#[expect(elided_lifetimes_in_paths, reason = "async_trait wants the signature spelt as in the trait")]
#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_table("users").await? {
            take_over_users(manager).await?;
        } else {
            manager.create_table(users(manager.get_database_backend())).await?;
        }
        for index in USERS_INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        for table in [access_keys(), revocations(), marks()] {
            manager.create_table(table).await?;
        }
        let first = "INSERT INTO marks (name, number) VALUES ('revocations', 0)";
        manager.get_connection().execute_unprepared(first).await.map(drop)
    }
}

/// Looks whether a table that is there has what relais needs.
async fn take_over_users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut missing = Vec::new();
    for column in USERS_COLUMNS {
        if !manager.has_column("users", column).await? {
            missing.push(column);
        }
    }
    if !missing.is_empty() {
        return Err(DbErr::Migration(format!("the table users lacks the columns {}", missing.join(", "))));
    }
    let unique = manager.get_connection().execute_unprepared(USERS_UNIQUE).await;
    let twice = |error| DbErr::Migration(format!("the table users has an email twice: {error}"));
    unique.map(drop).map_err(twice)
}

fn users(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("users")
        .col(pk_auto("id"))
        .col(string_len("email", TEXT_LENGTH).unique_key())
        .col(string_len("hashed_password", TEXT_LENGTH))
        .col(string_len_null("name", TEXT_LENGTH))
        .col(boolean("is_active").default(true))
        .col(boolean("is_verified").default(false))
        .col(timestamp("created_at", backend).not_null().default(Expr::current_timestamp()))
        .col(timestamp("updated_at", backend).not_null().default(Expr::current_timestamp()))
        .col(timestamp("last_login", backend))
        .col(json_null("favorite_voices").default("[]"))
        .col(json_null("history").default("[]"))
        .col(integer_null("credits"))
        .col(json_null("preferences").default("{}"))
        .to_owned()
}

/// A time that other programs read as one. SQLite has no type for it, but programs that look for this name.
fn timestamp(name: &'static str, backend: DbBackend) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::Postgres => column.timestamp_with_time_zone(),
        _ => column.custom("datetime"),
    };
    column
}

fn access_keys() -> TableCreateStatement {
    Table::create()
        .table("access_keys")
        .col(text("id").primary_key())
        .col(text("name"))
        .col(text("owner"))
        .col(text("sealed_secret"))
        .col(text_null("policy"))
        .col(big_integer("created_at"))
        .col(big_integer_null("revoked_at"))
        .to_owned()
}

fn revocations() -> TableCreateStatement {
    Table::create()
        .table("revocations")
        .col(text("kind"))
        .col(text("value"))
        .col(big_integer("revoked_at"))
        .col(big_integer_null("expires_at"))
        .col(text_null("reason"))
        .primary_key(Index::create().col("kind").col("value"))
        .to_owned()
}

fn marks() -> TableCreateStatement {
    Table::create().table("marks").col(text("name").primary_key()).col(big_integer("number")).to_owned()
}
