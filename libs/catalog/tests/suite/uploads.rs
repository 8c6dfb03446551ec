//! Multipart uploads: listed in order and in pages, answered again after completion.

use std::time::Duration;

use chrono::{DateTime, Utc};
use relais_catalog::{Upload, UploadRow, Uploads};
use serde_json::{Value, json};

use crate::scratch::{Scratch, bucket, key};

crate::on_both![
    an_upload_comes_back_as_it_was_begun,
    beginning_twice_changes_nothing,
    a_completed_upload_is_not_listed_and_keeps_its_first_result,
    a_result_of_null_is_a_result,
    pruning_forgets_what_was_completed_long_ago,
    a_removed_upload_is_unknown,
    uploads_come_by_the_bytes_of_the_key_then_by_time_then_by_id,
    a_prefix_is_taken_literally_and_by_case,
    a_page_begins_after_a_key,
    a_page_begins_after_an_upload,
    pages_of_any_size_give_each_upload_once,
    an_upload_that_was_removed_has_its_key_come_once_more,
    texts_that_cannot_be_stored_find_nothing,
];

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 123_456_000).unwrap()
}

fn upload(name: &str, id: &str, second: i64) -> Upload {
    Upload {
        bucket: bucket(),
        key: key(name),
        upload_id: id.to_owned(),
        initiator: "ann".to_owned(),
        began_at: at(second),
        details: json!({"replicas": {"aws": "id there"}, "content_type": null}),
    }
}

async fn begin(uploads: &Uploads, all: &[(&str, &str, i64)]) {
    for (name, id, second) in all {
        uploads.begin(&upload(name, id, *second)).await.unwrap();
    }
}

/// The ids on a page.
async fn ids(
    uploads: &Uploads,
    prefix: &str,
    after: Option<(&str, Option<&str>)>,
    limit: u64,
) -> Vec<String> {
    let page = uploads.list(&bucket(), prefix, after, limit).await.unwrap();
    page.into_iter().map(|upload| upload.upload_id).collect()
}

async fn an_upload_comes_back_as_it_was_begun(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    let begun = upload("a/cat.jpg", "u1", 0);
    uploads.begin(&begun).await.unwrap();
    let row = uploads.find("u1").await.unwrap();
    assert_eq!(row, Some(UploadRow { upload: begun.clone(), result: None }));
    assert_eq!(uploads.list(&bucket(), "", None, 10).await.unwrap(), [begun]);
    assert_eq!(uploads.list(&"other".parse().unwrap(), "", None, 10).await.unwrap(), []);
    assert_eq!(uploads.find("U1").await.unwrap(), None);
}

async fn beginning_twice_changes_nothing(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    begin(&uploads, &[("cat.jpg", "u1", 0), ("cat.jpg", "u1", 1)]).await;
    assert_eq!(uploads.list(&bucket(), "", None, 10).await.unwrap(), [upload("cat.jpg", "u1", 0)]);
}

async fn a_completed_upload_is_not_listed_and_keeps_its_first_result(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    begin(&uploads, &[("cat.jpg", "u1", 0), ("cat.jpg", "u2", 1)]).await;
    assert!(uploads.complete("u1", json!({"etag": "e-2"})).await.unwrap());
    assert!(!uploads.complete("u1", json!({"etag": "other"})).await.unwrap());
    assert!(!uploads.complete("unknown", json!({})).await.unwrap());
    assert_eq!(ids(&uploads, "", None, 10).await, ["u2"]);
    let row = uploads.find("u1").await.unwrap().unwrap();
    assert_eq!(row, UploadRow { upload: upload("cat.jpg", "u1", 0), result: Some(json!({"etag": "e-2"})) });
    // A client may begin with a page after an upload that is over by now.
    assert_eq!(ids(&uploads, "", Some(("cat.jpg", Some("u1"))), 10).await, ["u2"]);
    uploads.begin(&upload("cat.jpg", "u1", 0)).await.unwrap();
    assert!(uploads.find("u1").await.unwrap().unwrap().result.is_some(), "beginning does not open it again");
}

async fn a_result_of_null_is_a_result(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    begin(&uploads, &[("cat.jpg", "u1", 0)]).await;
    assert!(uploads.complete("u1", Value::Null).await.unwrap());
    assert_eq!(uploads.find("u1").await.unwrap().unwrap().result, Some(Value::Null));
}

async fn pruning_forgets_what_was_completed_long_ago(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    begin(&uploads, &[("a.jpg", "old", 0), ("a.jpg", "new", 1), ("a.jpg", "open", 2)]).await;
    for id in ["old", "new"] {
        uploads.complete(id, json!({})).await.unwrap();
    }
    scratch.execute("UPDATE uploads SET ended_at = ended_at - 7200000000 WHERE upload_id = 'old'").await;
    assert_eq!(uploads.prune(Duration::from_secs(3600)).await.unwrap(), 1);
    assert_eq!(uploads.find("old").await.unwrap(), None);
    assert!(uploads.find("new").await.unwrap().is_some());
    assert_eq!(uploads.prune(Duration::ZERO).await.unwrap(), 1);
    assert!(uploads.find("open").await.unwrap().is_some());
    assert_eq!(uploads.prune(Duration::MAX).await.unwrap(), 0);
}

async fn a_removed_upload_is_unknown(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    begin(&uploads, &[("a.jpg", "u1", 0), ("a.jpg", "u2", 1)]).await;
    uploads.complete("u2", json!({})).await.unwrap();
    for id in ["u1", "u2", "u2", "unknown"] {
        uploads.remove(id).await.unwrap();
        assert_eq!(uploads.find(id).await.unwrap(), None);
    }
    assert!(ids(&uploads, "", None, 10).await.is_empty());
    assert!(!uploads.complete("u1", json!({})).await.unwrap());
}

async fn uploads_come_by_the_bytes_of_the_key_then_by_time_then_by_id(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    // Languages sort letters before case and accents, and pass over signs; UTF-16 would put the last one earlier.
    let keys = ["B", "Z", "_", "a", "a b", "a-b", "a/b", "aB", "ab", "b", "ä", "\u{ff5e}", "\u{1f600}"];
    for (number, name) in keys.iter().enumerate().rev() {
        uploads.begin(&upload(name, &format!("of {number}"), 9)).await.unwrap();
    }
    begin(&uploads, &[("a", "x", 3), ("a", "C", 5), ("a", "a", 5), ("a", "b", 5), ("a", "_", 5)]).await;
    let mut expected: Vec<String> = (0..keys.len()).map(|number| format!("of {number}")).collect();
    expected.splice(3..3, ["x", "C", "_", "a", "b"].map(str::to_owned));
    assert_eq!(ids(&uploads, "", None, 100).await, expected);
}

async fn a_prefix_is_taken_literally_and_by_case(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    for name in ["100%_a", "100%_b", "100%xa", "1000_a", "100A", "100a", "100a\u{10ffff}", "100b", "é", "É"]
    {
        uploads.begin(&upload(name, name, 0)).await.unwrap();
    }
    assert_eq!(ids(&uploads, "100%_", None, 100).await, ["100%_a", "100%_b"]);
    assert_eq!(ids(&uploads, "100%", None, 100).await, ["100%_a", "100%_b", "100%xa"]);
    assert_eq!(ids(&uploads, "100a", None, 100).await, ["100a", "100a\u{10ffff}"]);
    assert_eq!(ids(&uploads, "100a\u{10ffff}", None, 100).await, ["100a\u{10ffff}"]);
    assert_eq!(ids(&uploads, "é", None, 100).await, ["é"]);
    assert!(ids(&uploads, "%", None, 100).await.is_empty());
    assert_eq!(ids(&uploads, "", None, 100).await.len(), 10);
}

async fn a_page_begins_after_a_key(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    begin(&uploads, &[("a", "a1", 0), ("b", "b1", 0), ("b", "b2", 1), ("b/x", "bx", 0), ("c", "c1", 0)])
        .await;
    assert_eq!(ids(&uploads, "", Some(("b", None)), 10).await, ["bx", "c1"]);
    assert_eq!(ids(&uploads, "", Some(("aaa", None)), 2).await, ["b1", "b2"]);
    assert_eq!(ids(&uploads, "b", Some(("a", None)), 10).await, ["b1", "b2", "bx"]);
    assert_eq!(ids(&uploads, "b", Some(("b", None)), 10).await, ["bx"]);
    assert!(ids(&uploads, "b", Some(("c", None)), 10).await.is_empty());
    assert!(ids(&uploads, "", None, 0).await.is_empty());
}

async fn a_page_begins_after_an_upload(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    // The ids of the second key do not follow the times.
    begin(
        &uploads,
        &[("a", "a1", 9), ("b", "z", 1), ("b", "m", 2), ("b", "n", 2), ("b", "a", 3), ("c", "c1", 0)],
    )
    .await;
    let all = ["a1", "z", "m", "n", "a", "c1"];
    assert_eq!(ids(&uploads, "", None, 10).await, all);
    for (place, id) in all.iter().enumerate() {
        let of = uploads.find(id).await.unwrap().unwrap().upload.key;
        assert_eq!(
            ids(&uploads, "", Some((of.as_str(), Some(id))), 10).await,
            all[place + 1..],
            "after {id}"
        );
    }
    assert_eq!(ids(&uploads, "b", Some(("b", Some("n"))), 10).await, ["a"]);
    assert_eq!(ids(&uploads, "b", Some(("a", Some("a1"))), 2).await, ["z", "m"]);
}

async fn pages_of_any_size_give_each_upload_once(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    for number in 0..24_i64 {
        // Four keys; three uploads a second.
        let (name, id) = (format!("p/{}", number % 4), format!("{:02}", (number * 7) % 24));
        uploads.begin(&upload(&name, &id, number / 3)).await.unwrap();
    }
    let all = uploads.list(&bucket(), "p/", None, 100).await.unwrap();
    assert_eq!(all.len(), 24);
    for size in 1..=24 {
        let mut seen: Vec<Upload> = Vec::new();
        loop {
            let after = seen.last().map(|last| (last.key.as_str(), Some(last.upload_id.as_str())));
            let page = uploads.list(&bucket(), "p/", after, size).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, all, "pages of {size}");
    }
}

async fn an_upload_that_was_removed_has_its_key_come_once_more(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    begin(&uploads, &[("a", "a1", 0), ("b", "b1", 0), ("b", "b2", 1), ("b", "b3", 2), ("c", "c1", 0)]).await;
    uploads.remove("b2").await.unwrap();
    assert_eq!(ids(&uploads, "", Some(("b", Some("b2"))), 10).await, ["b1", "b3", "c1"]);
    // So does one that never was of this key, or of this bucket.
    assert_eq!(ids(&uploads, "", Some(("b", Some("c1"))), 10).await, ["b1", "b3", "c1"]);
    uploads.begin(&Upload { bucket: "other".parse().unwrap(), ..upload("b", "b4", 9) }).await.unwrap();
    assert_eq!(ids(&uploads, "", Some(("b", Some("b4"))), 10).await, ["b1", "b3", "c1"]);
}

/// A client may send any text as prefix, marker or id, also one that PostgreSQL refuses.
async fn texts_that_cannot_be_stored_find_nothing(scratch: &Scratch) {
    let uploads = scratch.migrated().await.uploads();
    begin(&uploads, &[("a", "a1", 0), ("ab", "ab1", 0)]).await;
    assert_eq!(uploads.find("a1\0").await.unwrap(), None);
    assert!(!uploads.complete("a1\0", json!({})).await.unwrap());
    uploads.remove("a1\0").await.unwrap();
    assert!(ids(&uploads, "a\0", None, 10).await.is_empty());
    assert_eq!(ids(&uploads, "", Some(("a\0b", None)), 10).await, ["ab1"]);
    assert_eq!(ids(&uploads, "", Some(("a", Some("a1\0"))), 10).await, ["a1", "ab1"]);
    assert_eq!(ids(&uploads, "", Some(("a\0", Some("a1"))), 10).await, ["ab1"]);
}
