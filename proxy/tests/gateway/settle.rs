//! Settling: what differs is found, told and made equal; versions, parts, pauses; and what a lost bucket does not do.

use bytes::Bytes;
use relais_model::WriteMode;
use relais_proxy::{Cause, KeyDifference, Repair};
use relais_stores::request;
use s3s::S3;
use s3s::dto::*;

use crate::node::{BUCKET, Node, body_of, create_upload, delete, put};

/// Smallest part before the last one.
const PART_BYTES: usize = 5 << 20;

async fn settle(node: &Node, key: &str, repair: Repair) -> Vec<KeyDifference> {
    let bucket = node.gateway.placement().bucket(&BUCKET.parse().unwrap()).unwrap();
    node.gateway.settle_key(&bucket, &key.parse().unwrap(), repair).await.unwrap()
}

/// In what the second replica differs.
async fn causes(node: &Node, key: &str, repair: Repair) -> Vec<Cause> {
    let found = settle(node, key, repair).await;
    assert!(found.iter().all(|one| one.replica.to_string() == "second" && one.error.is_none()), "{found:?}");
    found.into_iter().filter_map(|one| one.cause).collect()
}

async fn versions_on(node: &Node) {
    let versioning_configuration = VersioningConfiguration {
        status: Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
        ..Default::default()
    };
    let input = PutBucketVersioningInput {
        bucket: BUCKET.into(),
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
        mfa: None,
        versioning_configuration,
    };
    node.gateway.put_bucket_versioning(request(input)).await.unwrap();
}

#[tokio::test]
async fn a_difference_is_told_and_made_equal_only_if_that_is_wanted() {
    let node = Node::start(WriteMode::All).await;
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap();
    assert_eq!(causes(&node, "cat.jpg", Repair::DryRun).await, []);

    let second = node.switch("second");
    second.delete_object(delete("cat.jpg")).await.unwrap();
    assert_eq!(causes(&node, "cat.jpg", Repair::DryRun).await, [Cause::Missing]);
    assert_eq!(node.bytes("second", "cat.jpg"), None, "a dry run changes nothing");
    assert_eq!(causes(&node, "cat.jpg", Repair::Apply).await, [Cause::Missing]);
    assert_eq!(node.bytes("second", "cat.jpg").as_deref(), Some("meow"));

    let mut tampered = put("cat.jpg", body_of("purr"));
    second.put_object(tampered).await.unwrap();
    assert_eq!(causes(&node, "cat.jpg", Repair::Apply).await, [Cause::Different]);
    assert_eq!(node.bytes("second", "cat.jpg").as_deref(), Some("meow"));

    tampered = put("cat.jpg", body_of("meow"));
    tampered.input.tagging = Some("a=1".to_owned());
    second.put_object(tampered).await.unwrap();
    assert_eq!(causes(&node, "cat.jpg", Repair::Apply).await, [Cause::Tags]);
    assert_eq!(node.tags("second", "cat.jpg").await, []);

    // Nobody wrote this through relais, and the primary has none.
    second.put_object(put("ghost.jpg", body_of("boo"))).await.unwrap();
    assert_eq!(causes(&node, "ghost.jpg", Repair::DryRun).await, [Cause::Deleted]);
    assert_eq!(causes(&node, "ghost.jpg", Repair::Apply).await, [Cause::Deleted]);
    assert_eq!(node.bytes("second", "ghost.jpg"), None);
    assert_eq!(causes(&node, "cat.jpg", Repair::DryRun).await, []);
    assert_eq!(node.catalog.objects().unsettled_count().await.unwrap(), 0);
    node.stop().await;
}

#[tokio::test]
async fn nothing_is_deleted_because_the_bucket_of_the_primary_is_lost() {
    let node = Node::start(WriteMode::All).await;
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap();
    let (place, away) = (node.path("first").join(BUCKET), node.path("first").join("away"));
    std::fs::rename(&place, &away).unwrap();
    let found = settle(&node, "cat.jpg", Repair::Apply).await;
    assert!(found[0].error.as_deref().unwrap().contains("NoSuchBucket"), "{found:?}");
    assert_eq!(node.bytes("second", "cat.jpg").as_deref(), Some("meow"));

    // Recovery takes it for no deletion either.
    node.gateway.put_object(put("cat.jpg", body_of("purr"))).await.unwrap_err();
    let asked = node.switch("first").reads();
    node.until("recovery has looked more than once", || node.switch("first").reads() > asked + 1).await;
    assert!(node.bytes("second", "cat.jpg").is_some());
    std::fs::rename(&away, &place).unwrap();
    node.until("both have what the primary has", || {
        node.bytes("second", "cat.jpg").as_deref() == Some("meow")
    })
    .await;
    node.until_settled("cat.jpg").await;
    assert_eq!(causes(&node, "cat.jpg", Repair::Apply).await, []);
    node.stop().await;
}

#[tokio::test]
async fn a_version_that_settling_made_is_known_by_its_id() {
    let node = Node::start(WriteMode::Primary).await;
    versions_on(&node).await;
    node.switch("second").set_down(true);
    let version = node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap().output.version_id;
    node.switch("second").set_down(false);
    node.until_settled("cat.jpg").await;
    assert_eq!(node.bytes("second", "cat.jpg").as_deref(), Some("meow"));
    let (bucket, key) = (BUCKET.parse().unwrap(), "cat.jpg".parse().unwrap());
    let known = node.catalog.versions().find(&bucket, &key, version.as_deref().unwrap()).await.unwrap();
    assert!(known.unwrap().replicas.contains_key("second"));

    let mut gone = delete("cat.jpg");
    gone.input.version_id = version;
    node.gateway.delete_object(gone).await.unwrap();
    node.until_settled("cat.jpg").await;
    assert_eq!((node.versions("first", "cat.jpg").await, node.versions("second", "cat.jpg").await), (0, 0));
    node.stop().await;
}

#[tokio::test]
async fn a_deletion_where_versions_are_kept_is_a_marker_on_the_replica_too() {
    let node = Node::start(WriteMode::Primary).await;
    versions_on(&node).await;
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap();
    node.until_settled("cat.jpg").await;
    node.switch("second").set_down(true);
    let marker = node.gateway.delete_object(delete("cat.jpg")).await.unwrap().output.version_id.unwrap();
    node.switch("second").set_down(false);
    node.until_settled("cat.jpg").await;
    assert_eq!((node.bytes("second", "cat.jpg"), node.versions("second", "cat.jpg").await), (None, 1));
    let (bucket, key) = (BUCKET.parse().unwrap(), "cat.jpg".parse().unwrap());
    let known = node.catalog.versions().find(&bucket, &key, &marker).await.unwrap().unwrap();
    assert!(known.replicas.contains_key("second"), "{known:?}");
    node.stop().await;
}

async fn upload(node: &Node, key: &str, sizes: &[usize]) -> ETag {
    let created = node.gateway.create_multipart_upload(create_upload(key)).await.unwrap();
    let upload_id = created.output.upload_id.unwrap();
    let mut parts = Vec::new();
    for (number, size) in (1..).zip(sizes) {
        let body = Bytes::from(vec![b'a' + u8::try_from(number).unwrap(); *size]);
        let input = UploadPartInput {
            body: Some(StreamingBlob::from_bytes(body)),
            bucket: BUCKET.into(),
            content_length: i64::try_from(*size).ok(),
            key: key.into(),
            part_number: number,
            upload_id: upload_id.clone(),
            ..Default::default()
        };
        let e_tag = node.gateway.upload_part(request(input)).await.unwrap().output.e_tag;
        parts.push(CompletedPart { e_tag, part_number: Some(number), ..Default::default() });
    }
    let input = CompleteMultipartUploadInput {
        bucket: BUCKET.into(),
        key: key.into(),
        multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts) }),
        upload_id,
        ..Default::default()
    };
    node.gateway.complete_multipart_upload(request(input)).await.unwrap().output.e_tag.unwrap()
}

#[tokio::test]
async fn a_copy_has_the_parts_of_the_primary_and_so_its_entity_tag() {
    let node = Node::start(WriteMode::Primary).await;
    node.switch("second").set_down(true);
    // Equal parts, and such as nobody would guess.
    let same = upload(&node, "same", &[PART_BYTES, PART_BYTES, 7]).await;
    let odd = upload(&node, "odd", &[PART_BYTES + 3, PART_BYTES, PART_BYTES + 1, 1]).await;
    node.switch("second").set_down(false);
    for (key, etag) in [("same", same), ("odd", odd)] {
        node.until_settled(key).await;
        let head = HeadObjectInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() };
        let there = node.switch("second").head_object(request(head)).await.unwrap().output;
        assert_eq!(there.e_tag, Some(etag), "{key}");
        assert_eq!(node.bytes("first", key), node.bytes("second", key));
    }
    let list = ListMultipartUploadsInput { bucket: BUCKET.into(), ..Default::default() };
    let left = node.switch("second").list_multipart_uploads(request(list)).await.unwrap().output;
    assert!(left.uploads.unwrap_or_default().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn nothing_is_settled_to_a_paused_store() {
    let node = Node::start(WriteMode::Primary).await;
    let store = "second".parse().unwrap();
    node.catalog.settling().pause(&store).await.unwrap();
    // Longer than it takes until a pause is read.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    node.switch("second").set_down(true);
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap();
    node.switch("second").set_down(false);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(node.bytes("second", "cat.jpg"), None);
    let lacks = node.catalog.objects().unsettled_by_store().await.unwrap().remove(&store).unwrap();
    assert_eq!((lacks.keys, lacks.waiting, lacks.failed), (1, 1, 0));
    node.catalog.settling().resume(&store).await.unwrap();
    node.until_settled("cat.jpg").await;
    assert_eq!(node.bytes("second", "cat.jpg").as_deref(), Some("meow"));
    node.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_store_out_of_order_comes_when_it_is_back() {
    let node = Node::start(WriteMode::Primary).await;
    node.switch("second").set_down(true);
    for number in 0..60 {
        node.gateway.put_object(put(&format!("{number}"), body_of("meow"))).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let lacks = node.catalog.objects().unsettled_by_store().await.unwrap();
    let lacks = &lacks[&"second".parse().unwrap()];
    assert_eq!((lacks.keys, lacks.failed), (60, 0));
    assert!(lacks.waiting > 50, "{lacks:?}");
    node.switch("second").set_down(false);
    let begun = std::time::Instant::now();
    for number in 0..60 {
        node.until_settled(&format!("{number}")).await;
    }
    assert!(begun.elapsed().as_secs() < 8, "the breaker's longest pause is three seconds: {begun:?}");
    node.stop().await;
}
