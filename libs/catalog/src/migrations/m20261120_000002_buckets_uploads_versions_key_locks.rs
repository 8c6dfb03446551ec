//! Tables for what clients set on buckets, for multipart uploads, versions and locks of keys. Names are spelt out, so
//! that this stays what it was when the entities change.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveMigrationName};
use sea_orm_migration::schema::{big_integer, big_integer_null, json, json_null, text, text_null, uuid};
use sea_orm_migration::sea_query::{ColumnDef, Index, Table, TableCreateStatement};
use sea_orm_migration::{MigrationTrait, SchemaManager};

#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

/// The first serves listing. It has no upload id, which may be long: few uploads of a key begin in one microsecond,
/// and those are sorted when they are read. The second serves pruning.
const INDEXES: [&str; 2] = [
    "CREATE INDEX uploads_open ON uploads (bucket, key, began_at) WHERE ended_at IS NULL",
    "CREATE INDEX uploads_ended ON uploads (ended_at) WHERE ended_at IS NOT NULL",
];

#[expect(elided_lifetimes_in_paths, reason = "async_trait wants the signature spelt as in the trait")]
#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for table in [buckets(backend), uploads(backend), versions(), key_locks()] {
            manager.create_table(table).await?;
        }
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}

fn buckets(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("buckets")
        .col(byte_ordered("name", backend).primary_key())
        .col(text("owner"))
        .col(big_integer("created_at"))
        .col(json("settings"))
        .to_owned()
}

fn uploads(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("uploads")
        .col(byte_ordered("upload_id", backend).primary_key())
        .col(text("bucket"))
        .col(byte_ordered("key", backend))
        .col(text("initiator"))
        .col(big_integer("began_at"))
        .col(json("details"))
        .col(json_null("result"))
        .col(big_integer_null("ended_at"))
        .to_owned()
}

fn versions() -> TableCreateStatement {
    Table::create()
        .table("versions")
        .col(text("bucket"))
        .col(text("key"))
        .col(text("version_id"))
        .col(json("replicas"))
        .col(text_null("acl"))
        .primary_key(Index::create().col("bucket").col("key").col("version_id"))
        .to_owned()
}

fn key_locks() -> TableCreateStatement {
    Table::create()
        .table("key_locks")
        .col(text("bucket"))
        .col(text("key"))
        .col(uuid("holder"))
        .col(big_integer("lease_until"))
        .primary_key(Index::create().col("bucket").col("key"))
        .to_owned()
}

/// A text that is listed in the order of its bytes, as S3 does. SQLite compares bytes unless told otherwise; a
/// PostgreSQL database may have any language's order.
fn byte_ordered(name: &'static str, backend: DbBackend) -> ColumnDef {
    let mut column = text(name);
    if backend == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}
