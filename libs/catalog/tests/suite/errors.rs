//! What operators read when the database is not as it should be.

use std::error::Error;
use std::net::TcpListener;

use relais_catalog::{Catalog, CatalogError, Config};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};

use crate::scratch::{Scratch, put, with_database};

crate::on_both![a_missing_table_asks_for_migrate];

/// The message with all its sources, as it is logged.
fn words(error: &CatalogError) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}

async fn refusal(url: &str) -> CatalogError {
    Catalog::connect(&Config { url: url.to_owned(), connections_max: 2 }).await.unwrap_err()
}

async fn a_missing_table_asks_for_migrate(scratch: &Scratch) {
    let catalog = scratch.connect().await;
    let error = catalog.journal().open(put("cat.jpg")).await.unwrap_err();
    assert!(matches!(error, CatalogError::TableMissing { .. }), "{error:?}");
    assert!(error.to_string().contains("`relais migrate`"), "{error}");
    catalog.close().await.unwrap();
}

#[tokio::test]
async fn settings_that_cannot_be_right_are_named() {
    for (url, word) in [
        ("mysql://localhost/relais", "sqlite://"),
        ("catalog.db", "sqlite://"),
        ("sqlite://catalog.db?mode=nonsense", "mode=rwc"),
        ("sqlite::memory:", "file"),
        ("postgres://app:s3#cret@localhost/relais", "percent-encoded"),
        ("postgres://app:s3cret@localhost/relais?sslmode=nonsense", "percent-encoded"),
    ] {
        let error = refusal(url).await;
        assert!(matches!(error, CatalogError::InvalidConfig { key: "url", .. }), "{url}: {error:?}");
        assert!(words(&error).contains(word) && !words(&error).contains("cret"), "{error}");
    }
    let none = Config { url: "sqlite://catalog.db".to_owned(), connections_max: 0 };
    assert!(Catalog::connect(&none).await.unwrap_err().to_string().contains("connections_max"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_called_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["postgres", "postgresql"] {
        let error = refusal(&format!("{scheme}://app:s3cret@{free}/relais")).await;
        assert!(matches!(error, CatalogError::Unreachable { .. }), "{error:?}");
        let words = words(&error);
        assert!(words.contains(&free.to_string()) && words.contains("\"relais\""), "{words}");
        assert!(!words.contains("s3cret"), "{words}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_database_are_told_apart() {
    let Ok(server) = std::env::var("RELAIS_TEST_POSTGRES_URL") else {
        eprintln!("not run: RELAIS_TEST_POSTGRES_URL is not set");
        return;
    };
    let error = refusal(&with_database(&server, "relais_is_not_here")).await;
    assert!(matches!(error, CatalogError::DatabaseMissing { .. }), "{error:?}");
    assert!(
        error.to_string().contains("\"relais_is_not_here\"") && error.to_string().contains("createdb"),
        "{error}"
    );

    // A role that is not there is refused with the code of a wrong password or of a missing role.
    let (scheme, rest) = server.split_once("://").unwrap();
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let error = refusal(&format!("{scheme}://relais_nobody:s3cret@{place}")).await;
    assert!(matches!(error, CatalogError::AccessDenied { .. }), "{error:?}");
    let words = words(&error);
    assert!(
        words.contains("password") && words.contains("relais_nobody") && !words.contains("s3cret"),
        "{words}"
    );
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/none/catalog.db?mode=rwc", folder.path().display());
    let error = refusal(&url).await;
    assert!(matches!(error, CatalogError::FileUnusable { .. }), "{error:?}");
    assert!(error.to_string().contains("none/catalog.db"), "{error}");
}

/// Takes as long as a writer waits for the lock.
#[tokio::test]
async fn a_locked_file_is_called_locked() {
    let scratch = Scratch::sqlite();
    let catalog = scratch.migrated().await;
    let other = Database::connect(&scratch.config.url).await.unwrap();
    let transaction = other.begin().await.unwrap();
    transaction.execute_unprepared("DELETE FROM leases").await.unwrap();
    let error = catalog.journal().open(put("cat.jpg")).await.unwrap_err();
    assert!(matches!(error, CatalogError::Locked { .. }), "{error:?}");
    transaction.rollback().await.unwrap();
    catalog.journal().open(put("cat.jpg")).await.unwrap();
}
