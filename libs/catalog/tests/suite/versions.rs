//! Versions and their ids on each replica.

use relais_catalog::VersionRow;

use crate::scratch::{Scratch, bucket, key, texts};

crate::on_both![
    a_version_is_known_by_bucket_key_and_id,
    recording_again_replaces,
    an_acl_of_a_version_changes_alone,
    a_removed_version_is_unknown,
    an_id_that_cannot_be_is_unknown,
    keys_are_found_by_the_owner_of_a_version,
    versions_of_before_have_the_owner_that_their_acl_names,
];

async fn a_version_is_known_by_bucket_key_and_id(scratch: &Scratch) {
    let versions = scratch.migrated().await.versions();
    let replicas = texts(&[("aws", "3HL4kqt"), ("spaces:media-1", "null")]);
    versions.record(&bucket(), &key("cat.jpg"), "v1", &replicas, (None, Some("private"))).await.unwrap();
    versions.record(&bucket(), &key("cat.jpg"), "v2", &texts(&[]), (None, None)).await.unwrap();
    let row = versions.find(&bucket(), &key("cat.jpg"), "v1").await.unwrap();
    assert_eq!(row, Some(VersionRow { replicas, acl: Some("private".to_owned()), owner: None }));
    let row = versions.find(&bucket(), &key("cat.jpg"), "v2").await.unwrap();
    assert_eq!(row, Some(VersionRow { replicas: texts(&[]), acl: None, owner: None }));
    assert_eq!(versions.find(&bucket(), &key("cat.jpg"), "V1").await.unwrap(), None);
    assert_eq!(versions.find(&bucket(), &key("dog.jpg"), "v1").await.unwrap(), None);
    assert_eq!(versions.find(&"other".parse().unwrap(), &key("cat.jpg"), "v1").await.unwrap(), None);
}

async fn recording_again_replaces(scratch: &Scratch) {
    let versions = scratch.migrated().await.versions();
    let (before, after) = (texts(&[("aws", "1"), ("disk", "2")]), texts(&[("aws", "3")]));
    versions.record(&bucket(), &key("cat.jpg"), "v1", &before, (None, Some("private"))).await.unwrap();
    versions.record(&bucket(), &key("cat.jpg"), "v1", &after, (None, None)).await.unwrap();
    let row = versions.find(&bucket(), &key("cat.jpg"), "v1").await.unwrap();
    assert_eq!(row, Some(VersionRow { replicas: after, acl: None, owner: None }));
}

async fn an_acl_of_a_version_changes_alone(scratch: &Scratch) {
    let versions = scratch.migrated().await.versions();
    let replicas = texts(&[("aws", "1")]);
    for id in ["v1", "v2"] {
        versions.record(&bucket(), &key("cat.jpg"), id, &replicas, (None, Some("private"))).await.unwrap();
    }
    for acl in [Some("public-read"), None] {
        assert!(versions.set_acl(&bucket(), &key("cat.jpg"), "v1", acl).await.unwrap());
        let row = versions.find(&bucket(), &key("cat.jpg"), "v1").await.unwrap().unwrap();
        assert_eq!((row.acl.as_deref(), &row.replicas), (acl, &replicas));
    }
    let other = versions.find(&bucket(), &key("cat.jpg"), "v2").await.unwrap().unwrap();
    assert_eq!(other.acl.as_deref(), Some("private"));
    assert!(!versions.set_acl(&bucket(), &key("cat.jpg"), "v3", Some("private")).await.unwrap());
    assert_eq!(versions.find(&bucket(), &key("cat.jpg"), "v3").await.unwrap(), None);
}

async fn a_removed_version_is_unknown(scratch: &Scratch) {
    let versions = scratch.migrated().await.versions();
    for id in ["v1", "v2"] {
        versions.record(&bucket(), &key("cat.jpg"), id, &texts(&[]), (None, None)).await.unwrap();
    }
    versions.remove(&bucket(), &key("cat.jpg"), "v1").await.unwrap();
    versions.remove(&bucket(), &key("cat.jpg"), "v1").await.unwrap();
    assert_eq!(versions.find(&bucket(), &key("cat.jpg"), "v1").await.unwrap(), None);
    assert!(versions.find(&bucket(), &key("cat.jpg"), "v2").await.unwrap().is_some());
}

/// A client may send any text as an id, also one that PostgreSQL refuses.
async fn an_id_that_cannot_be_is_unknown(scratch: &Scratch) {
    let versions = scratch.migrated().await.versions();
    assert_eq!(versions.find(&bucket(), &key("cat.jpg"), "v\0").await.unwrap(), None);
    assert!(!versions.set_acl(&bucket(), &key("cat.jpg"), "v\0", None).await.unwrap());
    versions.remove(&bucket(), &key("cat.jpg"), "v\0").await.unwrap();
}

async fn keys_are_found_by_the_owner_of_a_version(scratch: &Scratch) {
    let versions = scratch.migrated().await.versions();
    let record = async |name: &str, id: &str, owner| {
        versions.record(&bucket(), &key(name), id, &texts(&[]), (owner, None)).await.unwrap();
    };
    for (name, id, owner) in [
        ("a", "v1", Some("42")),
        ("a", "v2", Some("42")),
        ("b", "v1", Some("42")),
        ("b", "v2", Some("420")),
        ("c", "v1", Some("420")),
        ("d", "v1", None),
    ] {
        record(name, id, owner).await;
    }
    let found = versions.keys_of("42", None, 1).await.unwrap();
    assert_eq!(found, [(bucket(), key("a"))], "a key comes once, whatever it has of versions");
    let found = versions.keys_of("42", found.last(), 10).await.unwrap();
    assert_eq!(found, [(bucket(), key("b"))]);
    assert_eq!(versions.keys_of("42", found.last(), 10).await.unwrap(), []);
    assert_eq!(versions.keys_of("4", None, 10).await.unwrap(), []);
    assert_eq!(versions.keys_of("4\0", None, 10).await.unwrap(), []);
    let of_key = versions.of_key(&bucket(), &key("b")).await.unwrap();
    let owners: Vec<_> = of_key.iter().map(|(id, row)| (id.as_str(), row.owner.as_deref())).collect();
    assert_eq!(owners, [("v1", Some("42")), ("v2", Some("420"))]);
}

async fn versions_of_before_have_the_owner_that_their_acl_names(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let acl = Some(r#"{"owner":"42","grants":[]}"#);
    catalog.versions().record(&bucket(), &key("a"), "v1", &texts(&[]), (None, acl)).await.unwrap();
    catalog
        .versions()
        .record(&bucket(), &key("b"), "v1", &texts(&[]), (None, Some("private")))
        .await
        .unwrap();
    for undo in [
        "DROP INDEX objects_of_owner",
        "DROP INDEX versions_of_owner",
        "DROP INDEX uploads_of_initiator",
        "ALTER TABLE versions DROP COLUMN owner",
        "DELETE FROM seaql_migrations WHERE version LIKE '%_000004_%'",
    ] {
        scratch.execute(undo).await;
    }
    let catalog = scratch.migrated().await;
    assert_eq!(catalog.versions().keys_of("42", None, 10).await.unwrap(), [(bucket(), key("a"))]);
    let row = catalog.versions().find(&bucket(), &key("b"), "v1").await.unwrap().unwrap();
    assert_eq!(row.owner, None);
}
