//! Versions and their ids on each replica.

use relais_catalog::VersionRow;

use crate::scratch::{Scratch, bucket, key, texts};

crate::on_both![
    a_version_is_known_by_bucket_key_and_id,
    recording_again_replaces,
    an_acl_of_a_version_changes_alone,
    a_removed_version_is_unknown,
    an_id_that_cannot_be_is_unknown,
];

async fn a_version_is_known_by_bucket_key_and_id(scratch: &Scratch) {
    let versions = scratch.migrated().await.versions();
    let replicas = texts(&[("aws", "3HL4kqt"), ("spaces:media-1", "null")]);
    versions.record(&bucket(), &key("cat.jpg"), "v1", &replicas, Some("private")).await.unwrap();
    versions.record(&bucket(), &key("cat.jpg"), "v2", &texts(&[]), None).await.unwrap();
    let row = versions.find(&bucket(), &key("cat.jpg"), "v1").await.unwrap();
    assert_eq!(row, Some(VersionRow { replicas, acl: Some("private".to_owned()) }));
    let row = versions.find(&bucket(), &key("cat.jpg"), "v2").await.unwrap();
    assert_eq!(row, Some(VersionRow { replicas: texts(&[]), acl: None }));
    assert_eq!(versions.find(&bucket(), &key("cat.jpg"), "V1").await.unwrap(), None);
    assert_eq!(versions.find(&bucket(), &key("dog.jpg"), "v1").await.unwrap(), None);
    assert_eq!(versions.find(&"other".parse().unwrap(), &key("cat.jpg"), "v1").await.unwrap(), None);
}

async fn recording_again_replaces(scratch: &Scratch) {
    let versions = scratch.migrated().await.versions();
    let (before, after) = (texts(&[("aws", "1"), ("disk", "2")]), texts(&[("aws", "3")]));
    versions.record(&bucket(), &key("cat.jpg"), "v1", &before, Some("private")).await.unwrap();
    versions.record(&bucket(), &key("cat.jpg"), "v1", &after, None).await.unwrap();
    let row = versions.find(&bucket(), &key("cat.jpg"), "v1").await.unwrap();
    assert_eq!(row, Some(VersionRow { replicas: after, acl: None }));
}

async fn an_acl_of_a_version_changes_alone(scratch: &Scratch) {
    let versions = scratch.migrated().await.versions();
    let replicas = texts(&[("aws", "1")]);
    for id in ["v1", "v2"] {
        versions.record(&bucket(), &key("cat.jpg"), id, &replicas, Some("private")).await.unwrap();
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
        versions.record(&bucket(), &key("cat.jpg"), id, &texts(&[]), None).await.unwrap();
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
