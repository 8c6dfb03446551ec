//! Connecting and migrating.

use relais_catalog::CatalogError;

use crate::scratch::{Scratch, stored, write};

crate::on_both![
    migrating_is_needed_once,
    two_instances_migrate_at_once,
    a_schema_from_the_future_is_refused,
    a_migrated_catalog_answers,
    tables_that_are_not_there_are_named,
];

async fn migrating_is_needed_once(scratch: &Scratch) {
    let catalog = scratch.connect().await;
    let pending = catalog.pending_migrations().await.unwrap();
    assert!(pending[0].ends_with("first_tables") && pending.is_sorted(), "{pending:?}");
    assert_eq!(catalog.pending_migrations().await.unwrap(), pending, "looking changes nothing");
    assert_eq!(catalog.migrate().await.unwrap(), pending.len());
    assert_eq!(catalog.migrate().await.unwrap(), 0);
    assert_eq!(catalog.pending_migrations().await.unwrap(), Vec::<String>::new());
}

async fn two_instances_migrate_at_once(scratch: &Scratch) {
    let (one, other) = (scratch.connect().await, scratch.connect().await);
    let pending = one.pending_migrations().await.unwrap().len();
    let (first, second) = tokio::join!(one.migrate(), other.migrate());
    assert_eq!(first.unwrap() + second.unwrap(), pending);
    write(&other, "cat.jpg", stored("e1")).await;
}

async fn a_schema_from_the_future_is_refused(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    scratch
        .execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_x', 0)")
        .await;
    let error = catalog.migrate().await.unwrap_err();
    assert!(matches!(error, CatalogError::SchemaTooNew { .. }), "{error:?}");
    assert!(catalog.pending_migrations().await.is_err());
}

async fn a_migrated_catalog_answers(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    catalog.ping().await.unwrap();
    catalog.journal().heartbeat().await.unwrap();
    catalog.close().await.unwrap();
}

async fn tables_that_are_not_there_are_named(scratch: &Scratch) {
    let catalog = scratch.connect().await;
    assert!(catalog.missing_tables().await.unwrap().contains(&"journal"));
    catalog.migrate().await.unwrap();
    assert_eq!(catalog.missing_tables().await.unwrap(), Vec::<&str>::new());
    scratch.execute("DROP TABLE users").await;
    scratch.execute("DROP TABLE access_keys").await;
    assert_eq!(catalog.missing_tables().await.unwrap(), ["access_keys", "users"]);
}
