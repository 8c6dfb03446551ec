//! Write modes over three stores: which of them a write needs, and what a slow, silent or broken one costs.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use relais_model::{EventKind, WriteMode};
use relais_stores::request;
use s3s::dto::*;
use s3s::{S3, S3ErrorCode};

use crate::node::{BUCKET, Body, Node, body_of, copy, create_upload, delete, get, part, put};

const STORES: [&str; 3] = ["first", "second", "third"];

/// Longest that a write may take that waits for nobody.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn three(mode: WriteMode) -> Node {
    Node::start_over(&STORES, mode, true).await
}

/// One that has more chunks than may wait for a store.
fn body_of_many_chunks() -> Body {
    let chunks = (0..20).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789")));
    (StreamingBlob::wrap(futures::stream::iter(chunks)), 200)
}

fn tag(key: &str) -> PutObjectTaggingInput {
    let tag = Tag { key: Some("a".to_owned()), value: Some("1".to_owned()) };
    let tagging = Tagging { tag_set: vec![tag] };
    let input = PutObjectTaggingInput::builder().bucket(BUCKET.into()).key(key.into()).tagging(tagging);
    input.build().unwrap()
}

fn complete(key: &str, upload_id: &str, parts: &[(i32, ETag)]) -> CompleteMultipartUploadInput {
    let parts = parts.iter().map(|(number, etag)| CompletedPart {
        part_number: Some(*number),
        e_tag: Some(etag.clone()),
        ..Default::default()
    });
    CompleteMultipartUploadInput {
        bucket: BUCKET.into(),
        key: key.into(),
        upload_id: upload_id.into(),
        multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts.collect()) }),
        ..Default::default()
    }
}

/// Every kind of mutation, on keys of their own. Each has to succeed; gives how long the longest took.
async fn mutate(node: &Node, name: &str) -> Duration {
    let gateway = &node.gateway;
    let mut longest = Duration::ZERO;
    let mut begun = Instant::now();
    let mut lap = || {
        longest = longest.max(begun.elapsed());
        begun = Instant::now();
    };
    gateway.put_object(put(&format!("{name}/put"), body_of("meow"))).await.unwrap();
    lap();
    gateway.put_object_tagging(request(tag(&format!("{name}/put")))).await.unwrap();
    lap();
    let mut copy = copy(&format!("{name}/put"), BUCKET);
    copy.input.key = format!("{name}/copy");
    gateway.copy_object(copy).await.unwrap();
    lap();
    gateway.delete_object(delete(&format!("{name}/put"))).await.unwrap();
    lap();
    let key = format!("{name}/parts");
    let upload_id =
        gateway.create_multipart_upload(create_upload(&key)).await.unwrap().output.upload_id.unwrap();
    lap();
    let etag = gateway.upload_part(part(&key, &upload_id)).await.unwrap().output.e_tag.unwrap();
    lap();
    gateway.complete_multipart_upload(request(complete(&key, &upload_id, &[(1, etag)]))).await.unwrap();
    lap();
    longest
}

#[tokio::test]
async fn a_quorum_is_met_by_whichever_other_replica_is_there() {
    let node = three(WriteMode::Quorum).await;
    for (lost, there) in [("second", "third"), ("third", "second")] {
        node.switch(lost).set_down(true);
        mutate(&node, lost).await;
        for store in ["first", there] {
            assert_eq!(node.bytes(store, &format!("{lost}/put")), None, "{store}");
            assert_eq!(node.bytes(store, &format!("{lost}/copy")).as_deref(), Some("meow"), "{store}");
            assert_eq!(node.bytes(store, &format!("{lost}/parts")).as_deref(), Some("part"), "{store}");
        }
        node.switch(lost).set_down(false);
        for key in ["put", "copy", "parts"] {
            node.until_settled(&format!("{lost}/{key}")).await;
        }
        assert_eq!(node.bytes(lost, &format!("{lost}/parts")).as_deref(), Some("part"));
        assert_eq!(node.tags(lost, &format!("{lost}/copy")).await.len(), 1);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_quorum_is_refused_without_the_primary_and_with_nobody_beside_it() {
    for lost in [&["first"][..], &["second", "third"]] {
        let node = three(WriteMode::Quorum).await;
        lost.iter().for_each(|store| node.switch(store).set_down(true));
        let refused = node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap_err();
        assert_eq!(*refused.code(), S3ErrorCode::ServiceUnavailable, "{lost:?}");
        lost.iter().for_each(|store| node.switch(store).set_down(false));
        // Whether it came to the primary decides whether it was.
        let primary = node.bytes("first", "cat.jpg");
        assert_eq!(primary.is_some(), !lost.contains(&"first"));
        node.until("it is everywhere or nowhere", || {
            STORES.iter().all(|store| node.bytes(store, "cat.jpg") == primary)
        })
        .await;
        node.until_settled("cat.jpg").await;
        node.gateway.put_object(put("cat.jpg", body_of("purr"))).await.unwrap();
        node.until_settled("cat.jpg").await;
        for store in STORES {
            assert_eq!(node.bytes(store, "cat.jpg").as_deref(), Some("purr"), "{lost:?} {store}");
        }
        node.stop().await;
    }
}

#[tokio::test]
async fn a_silent_replica_holds_back_no_write_whose_mode_is_met() {
    for mode in [WriteMode::Primary, WriteMode::Quorum] {
        let node = three(mode).await;
        node.switch("second").set_silent(true);
        let longest = mutate(&node, "a").await;
        // The beginning of an upload waits a moment for replicas that it can do without.
        assert!(longest < AT_ONCE + Duration::from_secs(2), "{mode:?}: {longest:?}");
        let begun = Instant::now();
        let answer = node.gateway.put_object(put("b", body_of("meow"))).await.unwrap();
        assert!(begun.elapsed() < AT_ONCE, "{mode:?}: {:?}", begun.elapsed());
        assert_eq!(answer.headers["x-amz-replication-status"], "PENDING");
        node.switch("second").set_silent(false);
        node.switch("second").release();
        for key in ["a/put", "a/copy", "a/parts", "b"] {
            node.until_settled(key).await;
        }
        assert_eq!(node.bytes("second", "b").as_deref(), Some("meow"));
        node.stop().await;
    }
}

#[tokio::test]
async fn a_replica_that_takes_nothing_of_a_body_is_dropped_after_its_budget() {
    for (mode, taken) in [(WriteMode::Quorum, true), (WriteMode::All, false)] {
        let node = three(mode).await;
        node.switch("third").set_silent(true);
        let begun = Instant::now();
        let written = node.gateway.put_object(put("k", body_of_many_chunks())).await;
        // The budget is two seconds here.
        assert!(begun.elapsed() < Duration::from_secs(4), "{mode:?}: {:?}", begun.elapsed());
        assert_eq!(written.is_ok(), taken, "{mode:?}");
        for store in ["first", "second"] {
            assert_eq!(node.bytes(store, "k").is_some(), taken, "{mode:?} {store}");
        }
        node.switch("third").set_silent(false);
        node.switch("third").release();
        node.stop().await;
    }
}

#[tokio::test]
async fn a_late_replica_does_not_keep_what_is_older() {
    let node = three(WriteMode::Primary).await;
    node.switch("third").set_silent(true);
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap();
    node.switch("third").set_silent(false);
    node.gateway.put_object(put("cat.jpg", body_of("purr"))).await.unwrap();
    node.until_settled("cat.jpg").await;
    assert_eq!(node.bytes("third", "cat.jpg").as_deref(), Some("purr"));
    node.switch("third").release();
    // Now the first write arrives there; whether it is seen in between is a matter of luck.
    tokio::time::sleep(Duration::from_millis(300)).await;
    node.until("it has the newer again", || node.bytes("third", "cat.jpg").as_deref() == Some("purr")).await;
    node.until_settled("cat.jpg").await;
    assert_eq!(node.bytes("third", "cat.jpg").as_deref(), Some("purr"));
    node.stop().await;
}

#[tokio::test]
async fn what_is_not_recorded_is_looked_at_when_every_replica_is_at_its_end() {
    let node = three(WriteMode::Primary).await;
    node.gateway.put_object(put("source", body_of("meow"))).await.unwrap();
    node.until_settled("source").await;
    node.switch("third").set_silent(true);
    node.switch("first").set_reads_down(true);
    let mut to_copy = copy("source", BUCKET);
    to_copy.input.key = "cat.jpg".to_owned();
    node.gateway.copy_object(to_copy).await.unwrap_err();
    assert_eq!(node.bytes("first", "cat.jpg").as_deref(), Some("meow"), "done, and not recorded");
    node.switch("first").set_reads_down(false);
    node.switch("third").set_silent(false);
    // Time enough for recovery, which must not take what it sees now for the end.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (bucket, key) = (BUCKET.parse().unwrap(), "cat.jpg".parse().unwrap());
    assert!(node.catalog.objects().is_in_flight(&bucket, Some(&key)).await.unwrap());

    node.gateway.put_object(put("cat.jpg", body_of("purr"))).await.unwrap();
    node.until("it is there", || node.bytes("third", "cat.jpg").as_deref() == Some("purr")).await;
    node.switch("third").release();
    let is_decided = || async { !node.catalog.objects().is_in_flight(&bucket, Some(&key)).await.unwrap() };
    node.wait("it is decided", is_decided).await;
    node.until_settled("cat.jpg").await;
    assert_eq!(node.bytes("third", "cat.jpg").as_deref(), Some("purr"), "the late copy is not kept");
    node.stop().await;
}

#[tokio::test]
async fn a_copy_whose_source_changes_on_the_way_is_made_equal() {
    let node = Node::start(WriteMode::All).await;
    let typed = |text: &str, content_type: &str| {
        let mut put = put("source", body_of(text));
        put.input.content_type = Some(content_type.to_owned());
        node.gateway.put_object(put)
    };
    let second = async |key: &str| {
        let input = HeadObjectInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() };
        let head = node.switch("second").head_object(request(input)).await.unwrap().output;
        (node.bytes("second", key), head.content_type)
    };
    // Other bytes, and the same bytes with another type, which the entity tag does not show.
    for (text, content_type) in [("purr", "image/jpeg"), ("meow", "image/png")] {
        typed("meow", "image/jpeg").await.unwrap();
        node.until_settled("source").await;
        node.switch("second").set_silent(true);
        let mut to_copy = copy("source", BUCKET);
        to_copy.input.key = format!("copy/{text}");
        let key = to_copy.input.key.clone();
        let meanwhile = async {
            node.until("the primary has copied", || node.bytes("first", &key).is_some()).await;
            node.switch("second").set_silent(false);
            typed(text, content_type).await.unwrap();
            node.switch("second").release();
        };
        let (copied, ()) = tokio::join!(node.gateway.copy_object(to_copy), meanwhile);
        assert_eq!(copied.unwrap().headers["x-amz-replication-status"], "PENDING");
        node.until_settled(&key).await;
        assert_eq!(second(&key).await, (Some("meow".to_owned()), Some("image/jpeg".to_owned())));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_copy_of_what_stays_as_it_is_needs_no_settling() {
    let node = Node::start(WriteMode::All).await;
    node.gateway.put_object(put("source", body_of("meow"))).await.unwrap();
    let mut to_copy = copy("source", BUCKET);
    to_copy.input.key = "copy".to_owned();
    let copied = node.gateway.copy_object(to_copy).await.unwrap();
    assert_eq!(copied.headers["x-amz-replication-status"], "COMPLETED");
    let mut to_itself = copy("source", BUCKET);
    to_itself.input.metadata_directive = Some(MetadataDirective::from_static(MetadataDirective::REPLACE));
    let copied = node.gateway.copy_object(to_itself).await.unwrap();
    assert_eq!(copied.headers["x-amz-replication-status"], "COMPLETED");
    node.stop().await;
}

#[tokio::test]
async fn an_upload_ends_only_where_enough_replicas_have_every_part() {
    let node = three(WriteMode::Quorum).await;
    let created = node.gateway.create_multipart_upload(create_upload("k")).await.unwrap();
    let upload_id = created.output.upload_id.unwrap();
    let upload = async |number, lost| {
        node.switch(lost).set_down(true);
        // A last part may be small; here the first is the only one that has a second behind it.
        let mut part = part("k", &upload_id);
        let body = "x".repeat(5 << 20);
        (part.input.part_number, part.input.content_length) = (number, Some(5 << 20));
        part.input.body = Some(body_of(&body).0);
        let written = node.gateway.upload_part(part).await.unwrap();
        node.switch(lost).set_down(false);
        (number, written.output.e_tag.unwrap())
    };
    let parts = [upload(1, "second").await, upload(2, "third").await];
    let end = || node.gateway.complete_multipart_upload(request(complete("k", &upload_id, &parts)));
    assert_eq!(*end().await.unwrap_err().code(), S3ErrorCode::InvalidPart);
    assert_eq!(node.bytes("first", "k"), None, "the primary has not made an object of its own");
    upload(2, "second").await;
    end().await.unwrap();
    assert_eq!(node.bytes("third", "k").map(|body| body.len()), Some(10 << 20));
    node.until_settled("k").await;
    assert_eq!(node.bytes("second", "k").map(|body| body.len()), Some(10 << 20));
    node.stop().await;
}

#[tokio::test]
async fn events_name_the_version_that_was_made_or_removed() {
    let node = three(WriteMode::All).await;
    let configuration = VersioningConfiguration {
        status: Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
        ..Default::default()
    };
    let input = PutBucketVersioningInput::builder().bucket(BUCKET.into());
    let input = input.versioning_configuration(configuration).build().unwrap();
    node.gateway.put_bucket_versioning(request(input)).await.unwrap();

    let written = node.gateway.put_object(put("k", body_of("meow"))).await.unwrap().output.version_id;
    let mut to_copy = copy("k", BUCKET);
    to_copy.input.key = "copy".to_owned();
    let copied = node.gateway.copy_object(to_copy).await.unwrap().output.version_id;
    let marker = node.gateway.delete_object(delete("k")).await.unwrap().output.version_id;
    let mut of_version = delete("k");
    of_version.input.version_id.clone_from(&written);
    node.gateway.delete_object(of_version).await.unwrap();
    let wanted = [
        (EventKind::Put, written.clone()),
        (EventKind::Copy, copied),
        (EventKind::DeleteMarker, marker),
        (EventKind::Delete, written),
    ];
    for (kind, version) in wanted {
        let event = node.next_event().await;
        assert!(version.is_some(), "{kind:?}");
        assert_eq!((event.kind, event.version_id), (kind, version));
    }
    node.stop().await;
}

#[tokio::test]
async fn reads_say_how_the_replicas_stand() {
    let node = three(WriteMode::Primary).await;
    let head = || {
        let input = HeadObjectInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
        node.gateway.head_object(request(input))
    };
    node.switch("third").set_down(true);
    node.gateway.put_object(put("k", body_of("meow"))).await.unwrap();
    let answer = head().await.unwrap();
    assert_eq!(answer.headers["x-amz-replication-status"], "PENDING");
    assert!(!answer.headers.contains_key("x-relais-replicas"), "nobody said who asks");
    node.switch("third").set_down(false);
    node.until_settled("k").await;
    assert_eq!(head().await.unwrap().headers["x-amz-replication-status"], "COMPLETED");
    assert_eq!(get(&node.gateway, "k").await.unwrap(), "meow");
    let writes = (0..3).map(|_| node.gateway.put_object(put("k", body_of("purr"))));
    let outcomes: Vec<_> = futures::stream::iter(writes).buffer_unordered(3).collect().await;
    assert!(outcomes.iter().all(Result::is_ok));
    node.stop().await;
}
