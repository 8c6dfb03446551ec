//! The schema's history, oldest first. A migration that was released never changes; the next one corrects it.

mod m20261120_000001_first_tables;
mod m20261120_000002_buckets_uploads_versions_key_locks;
mod m20261120_000003_users_access_keys_revocations;
mod m20261120_000004_objects_by_owner;
mod m20261121_000005_one_log_of_events;
mod m20261121_000006_settling;
mod m20261121_000007_shorter_commits;

use async_trait::async_trait;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All migrations.
#[derive(Debug)]
pub(crate) struct Migrations;

#[async_trait]
impl MigratorTrait for Migrations {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_first_tables::Migration),
            Box::new(m20261120_000002_buckets_uploads_versions_key_locks::Migration),
            Box::new(m20261120_000003_users_access_keys_revocations::Migration),
            Box::new(m20261120_000004_objects_by_owner::Migration),
            Box::new(m20261121_000005_one_log_of_events::Migration),
            Box::new(m20261121_000006_settling::Migration),
            Box::new(m20261121_000007_shorter_commits::Migration),
        ]
    }
}

/// The tables that are there after all migrations.
pub(crate) const TABLES: [&str; 15] = [
    "access_keys",
    "buckets",
    "cursors",
    "instances",
    "jobs",
    "journal",
    "key_locks",
    "leases",
    "marks",
    "objects",
    "pauses",
    "revocations",
    "uploads",
    "users",
    "versions",
];
