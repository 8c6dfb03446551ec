//! The first tables. Names are spelt out, so that this stays what it was when the entities change.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbErr, DeriveMigrationName};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, integer, json, json_null, text, text_null, uuid, uuid_null,
};
use sea_orm_migration::sea_query::{Index, Table, TableCreateStatement};
use sea_orm_migration::{MigrationTrait, SchemaManager};

#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

/// Each serves one query: overlaps and settling of a key; recovery; the relay; the embedded bus; the settler; a job's
/// uniqueness; leasing; counting. Partial ones stay small, however long the journal gets.
const INDEXES: [&str; 8] = [
    "CREATE INDEX journal_of_key ON journal (bucket, key, sequencer)",
    "CREATE INDEX journal_unapplied ON journal (updated_at) WHERE sequencer IS NULL",
    "CREATE INDEX journal_unpublished ON journal (sequencer) WHERE published_at IS NULL AND sequencer IS NOT NULL",
    "CREATE UNIQUE INDEX journal_position ON journal (position) WHERE position IS NOT NULL",
    "CREATE INDEX objects_unsettled ON objects (settle_after) WHERE settle_after IS NOT NULL",
    "CREATE UNIQUE INDEX jobs_once ON jobs (kind, bucket, key, etag, recipe)",
    "CREATE INDEX jobs_due ON jobs (kind, due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX jobs_state ON jobs (kind, state)",
];

#[expect(elided_lifetimes_in_paths, reason = "async_trait wants the signature spelt as in the trait")]
#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [journal(), objects(), jobs(), instances(), leases(), cursors()] {
            manager.create_table(table).await?;
        }
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}

fn journal() -> TableCreateStatement {
    Table::create()
        .table("journal")
        .col(uuid("id").primary_key())
        .col(text("bucket"))
        .col(text("key"))
        .col(text("kind"))
        .col(text("state"))
        .col(uuid("instance"))
        .col(big_integer("opened_sequencer"))
        .col(big_integer("updated_at"))
        .col(big_integer_null("sequencer"))
        .col(json_null("event"))
        .col(big_integer_null("published_at"))
        .col(big_integer_null("settled_at"))
        .col(big_integer_null("position"))
        .to_owned()
}

fn objects() -> TableCreateStatement {
    Table::create()
        .table("objects")
        .col(text("bucket"))
        .col(text("key"))
        .col(big_integer_null("size"))
        .col(text_null("etag"))
        .col(text_null("content_type"))
        .col(text_null("owner"))
        .col(text_null("public_url"))
        .col(text_null("acl"))
        .col(big_integer("sequencer"))
        .col(json("replicas"))
        .col(big_integer_null("settle_after"))
        .col(integer("settle_attempts"))
        .col(big_integer("updated_at"))
        .primary_key(Index::create().col("bucket").col("key"))
        .to_owned()
}

fn jobs() -> TableCreateStatement {
    Table::create()
        .table("jobs")
        .col(uuid("id").primary_key())
        .col(text("kind"))
        .col(text("bucket"))
        .col(text("key"))
        .col(text("etag"))
        .col(text("recipe"))
        .col(json("task"))
        .col(text("state"))
        .col(integer("attempts"))
        .col(integer("crashes"))
        .col(text_null("error"))
        .col(json_null("result"))
        .col(big_integer_null("due_at"))
        .col(uuid_null("leased_by"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .to_owned()
}

fn instances() -> TableCreateStatement {
    Table::create()
        .table("instances")
        .col(uuid("id").primary_key())
        .col(big_integer("lease_until"))
        .to_owned()
}

fn leases() -> TableCreateStatement {
    Table::create()
        .table("leases")
        .col(text("role").primary_key())
        .col(uuid("holder"))
        .col(big_integer("lease_until"))
        .to_owned()
}

fn cursors() -> TableCreateStatement {
    Table::create()
        .table("cursors")
        .col(text("group_name").primary_key())
        .col(big_integer("position"))
        .col(big_integer("updated_at"))
        .to_owned()
}
