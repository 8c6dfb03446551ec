//! A crash leaves what a write had done up to a point. Each test makes such a state and looks at it as the next process would.

use super::*;
use crate::folder::record::Record;

/// The record of key `k`, as bytes.
fn record_path(fixture: &Fixture) -> std::path::PathBuf {
    fixture.shelf(BUCKET).unwrap().layout.record("k")
}

#[tokio::test]
async fn a_write_that_came_as_far_as_its_record_did_not_happen() {
    let fixture = Fixture::new().await;
    let mut input = put_input("k", "old");
    input.content_type = Some("text/x-old".into());
    fixture.put_object(request(input)).await.unwrap();
    std::fs::copy(fixture.path("k"), fixture.folder.path().join("kept")).unwrap();
    let file = std::fs::File::open(fixture.path("k")).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    fixture.put("k", "the new one").await;
    // The state between the record and the move of the bytes: the record is new, the file is the old one.
    std::fs::rename(fixture.folder.path().join("kept"), fixture.path("k")).unwrap();
    std::fs::File::options().write(true).open(fixture.path("k")).unwrap().set_modified(time).unwrap();
    let fixture = fixture.reopened();
    let head = fixture.try_head("k", None).await.unwrap();
    assert_eq!((head.content_length, head.content_type.as_deref()), (Some(3), Some("text/x-old")));
    assert_eq!(fixture.get("k").await, "old");
    fixture.put("k", "again").await;
    assert_eq!(fixture.get("k").await, "again");
}

#[tokio::test]
async fn a_first_write_that_came_as_far_as_its_record_left_nothing() {
    let fixture = Fixture::new().await;
    fixture.put("k", "bytes").await;
    std::fs::remove_file(fixture.path("k")).unwrap();
    let fixture = fixture.reopened();
    assert_eq!(fixture.try_get("k", None).await, Err(S3ErrorCode::NoSuchKey));
    assert!(fixture.keys().await.is_empty());
    fixture.put("k", "again").await;
    assert_eq!(fixture.get("k").await, "again");
}

#[tokio::test]
async fn a_versioned_write_that_came_as_far_as_its_record_keeps_the_version_before() {
    let fixture = Fixture::versioned().await;
    let first = fixture.put("k", "first").await.version_id;
    fixture.put("k", "second").await;
    let record: Record = serde_json::from_slice(&std::fs::read(record_path(&fixture)).unwrap()).unwrap();
    let hidden = fixture.shelf(BUCKET).unwrap().layout.data(record.versions[1].data().unwrap());
    std::fs::remove_file(fixture.path("k")).unwrap();
    std::fs::hard_link(hidden, fixture.path("k")).unwrap(); // As it was before the move.
    let fixture = fixture.reopened();
    assert_eq!(fixture.get("k").await, "first");
    let id = first.clone().unwrap();
    assert_eq!(fixture.versions().await, [("k".to_owned(), id.clone(), true)]);
    fixture.put("k", "third").await;
    assert_eq!(fixture.try_get("k", Some(&id)).await.unwrap(), "first");
    assert_eq!(fixture.versions().await.len(), 2);
}

#[tokio::test]
async fn a_deletion_that_left_the_record_is_one() {
    let fixture = Fixture::new().await;
    fixture.put("k", "bytes").await;
    let record = std::fs::read(record_path(&fixture)).unwrap();
    fixture.delete("k", None).await;
    std::fs::create_dir_all(record_path(&fixture).parent().unwrap()).unwrap();
    std::fs::write(record_path(&fixture), record).unwrap();
    assert!(fixture.keys().await.is_empty());
    assert_eq!(fixture.try_get("k", None).await, Err(S3ErrorCode::NoSuchKey));
    let input = s3s::dto::DeleteBucketInput { bucket: BUCKET.into(), ..Default::default() };
    fixture.delete_bucket(request(input)).await.unwrap();
    assert!(fixture.files().is_empty());
}

#[tokio::test]
async fn a_delete_marker_that_left_the_file_is_one() {
    let fixture = Fixture::versioned().await;
    let id = fixture.put("k", "bytes").await.version_id.unwrap();
    fixture.delete("k", None).await;
    let record: Record = serde_json::from_slice(&std::fs::read(record_path(&fixture)).unwrap()).unwrap();
    let hidden = fixture.shelf(BUCKET).unwrap().layout.data(record.versions[1].data().unwrap());
    std::fs::hard_link(hidden, fixture.path("k")).unwrap();
    assert_eq!(fixture.try_get("k", None).await, Err(S3ErrorCode::NoSuchKey));
    assert_eq!(fixture.try_get("k", Some(&id)).await.unwrap(), "bytes");
}

#[tokio::test]
async fn old_temporary_files_are_swept_and_young_ones_stay() {
    let fixture = Fixture::new().await;
    let folder = fixture.shelf(BUCKET).unwrap().layout.temporary();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("young"), "x").unwrap();
    let old = std::fs::File::create(folder.join("old")).unwrap();
    old.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 24 * 3600)).unwrap();
    let fixture = fixture.reopened();
    assert_eq!(fixture.files(), [folder.canonicalize().unwrap().join("young").to_str().unwrap()]);
}
