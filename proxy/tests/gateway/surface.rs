//! What clients may count on beyond single objects: conditions, versions, tags, uploads.

use std::sync::Arc;

use futures::StreamExt;
use relais_model::{EventKind, WriteMode};
use relais_stores::request;
use s3s::dto::*;
use s3s::{S3, S3ErrorCode};

use crate::node::{BUCKET, Node, body_of, create_upload, delete, get, part, put};

/// Reads the counter, adds one, and writes it if nobody else has meanwhile; says whether it was written.
async fn increment(gateway: &relais_proxy::Gateway) -> bool {
    let head = HeadObjectInput { bucket: BUCKET.into(), key: "counter".into(), ..Default::default() };
    let etag = gateway.head_object(request(head)).await.unwrap().output.e_tag.unwrap();
    let read = GetObjectInput {
        bucket: BUCKET.into(),
        key: "counter".into(),
        if_match: Some(ETagCondition::ETag(etag.clone())),
        ..Default::default()
    };
    let Ok(answer) = gateway.get_object(request(read)).await else { return false };
    let chunks: Vec<_> = answer.output.body.unwrap().collect().await;
    let text: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
    let counted: u32 = String::from_utf8(text).unwrap().parse().unwrap();
    let mut write = put("counter", body_of(&(counted + 1).to_string()));
    write.input.if_match = Some(ETagCondition::ETag(etag));
    match gateway.put_object(write).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(*error.code(), S3ErrorCode::PreconditionFailed);
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_writers_of_one_counter_lose_no_increment() {
    // With a store that decides, and with one that does not honour conditions of writes.
    for conditional in [true, false] {
        let node = Arc::new(Node::start_with(WriteMode::All, conditional).await);
        node.gateway.put_object(put("counter", body_of("0"))).await.unwrap();
        let writers = (0..50).map(|_| {
            let node = Arc::clone(&node);
            tokio::spawn(async move { while !increment(&node.gateway).await {} })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        assert_eq!(get(&node.gateway, "counter").await.unwrap(), "50", "conditional store: {conditional}");
        assert_eq!(node.bytes("second", "counter").as_deref(), Some("50"));
        Arc::into_inner(node).unwrap().stop().await;
    }
}

#[tokio::test]
async fn a_write_under_a_condition_that_fails_leaves_nothing_where_relais_decides() {
    let node = Node::start_with(WriteMode::All, false).await;
    let mut missing = put("key", body_of("1"));
    missing.input.if_match = Some(ETagCondition::ETag(ETag::Strong("no such".into())));
    assert_eq!(*node.gateway.put_object(missing).await.unwrap_err().code(), S3ErrorCode::NoSuchKey);
    node.gateway.put_object(put("key", body_of("1"))).await.unwrap();
    let mut there = put("key", body_of("2"));
    there.input.if_none_match = Some(ETagCondition::Any);
    assert_eq!(*node.gateway.put_object(there).await.unwrap_err().code(), S3ErrorCode::PreconditionFailed);
    assert_eq!(node.bytes("first", "key").as_deref(), Some("1"));
    assert_eq!(node.bytes("second", "key").as_deref(), Some("1"));
    node.stop().await;
}

#[tokio::test]
async fn a_completion_that_is_repeated_gets_the_same_answer() {
    let node = Node::start(WriteMode::All).await;
    let upload_id =
        node.gateway.create_multipart_upload(create_upload("big")).await.unwrap().output.upload_id.unwrap();
    let etag = node.gateway.upload_part(part("big", &upload_id)).await.unwrap().output.e_tag;
    let parts = vec![CompletedPart { e_tag: etag, part_number: Some(1), ..Default::default() }];
    let complete = || {
        request(CompleteMultipartUploadInput {
            bucket: BUCKET.into(),
            key: "big".into(),
            upload_id: upload_id.clone(),
            multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts.clone()) }),
            ..Default::default()
        })
    };
    let first = node.gateway.complete_multipart_upload(complete()).await.unwrap().output;
    let again = node.gateway.complete_multipart_upload(complete()).await.unwrap().output;
    assert!(first.e_tag.is_some());
    assert_eq!((first.e_tag, first.location), (again.e_tag, again.location));
    assert_eq!(node.next_event().await.kind, EventKind::CompleteMultipartUpload);
    node.gateway.put_object(put("next", body_of("hi"))).await.unwrap();
    assert_eq!(node.next_event().await.key.as_str(), "next", "one completion is one event");
    node.stop().await;
}

#[tokio::test]
async fn uploads_are_listed_with_the_ids_that_clients_hold() {
    let node = Node::start(WriteMode::All).await;
    let mut ids = Vec::new();
    for key in ["a/1", "a/2", "b"] {
        let created = node.gateway.create_multipart_upload(create_upload(key)).await.unwrap();
        ids.push((key.to_owned(), created.output.upload_id.unwrap()));
    }
    let list = |delimiter: Option<&str>, key_marker: Option<String>, max_uploads| ListMultipartUploadsInput {
        bucket: BUCKET.into(),
        delimiter: delimiter.map(str::to_owned),
        key_marker,
        max_uploads,
        ..Default::default()
    };
    let all = node.gateway.list_multipart_uploads(request(list(None, None, None))).await.unwrap().output;
    let found: Vec<_> =
        all.uploads.unwrap().into_iter().map(|one| (one.key.unwrap(), one.upload_id.unwrap())).collect();
    assert_eq!(found, ids);

    let first =
        node.gateway.list_multipart_uploads(request(list(Some("/"), None, Some(1)))).await.unwrap().output;
    assert_eq!(first.common_prefixes.unwrap()[0].prefix.as_deref(), Some("a/"));
    assert_eq!(first.is_truncated, Some(true));
    let rest = list(Some("/"), first.next_key_marker, None);
    let rest = node.gateway.list_multipart_uploads(request(rest)).await.unwrap().output;
    assert!(rest.common_prefixes.unwrap().is_empty(), "a prefix is named once");
    assert_eq!(rest.uploads.unwrap().len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn a_version_is_deleted_on_every_replica() {
    let node = Node::start(WriteMode::All).await;
    let enabled = BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED);
    let versioning = PutBucketVersioningInput {
        bucket: BUCKET.into(),
        versioning_configuration: VersioningConfiguration { status: Some(enabled), ..Default::default() },
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
        mfa: None,
    };
    node.gateway.put_bucket_versioning(request(versioning)).await.unwrap();
    let old = node.gateway.put_object(put("key", body_of("old"))).await.unwrap().output.version_id;
    node.gateway.put_object(put("key", body_of("new"))).await.unwrap();
    assert_eq!(node.versions("second", "key").await, 2);
    let mut gone = delete("key");
    gone.input.version_id = old;
    node.gateway.delete_object(gone).await.unwrap();
    assert_eq!((node.versions("first", "key").await, node.versions("second", "key").await), (1, 1));
    assert_eq!(get(&node.gateway, "key").await.unwrap(), "new");
    node.stop().await;
}

#[tokio::test]
async fn tags_reach_a_replica_that_was_down() {
    let node = Node::start(WriteMode::Primary).await;
    node.gateway.put_object(put("key", body_of("value"))).await.unwrap();
    node.until_settled("key").await;
    node.switch("second").set_down(true);
    let tag = Tag { key: Some("colour".into()), value: Some("blue".into()) };
    let tagging = PutObjectTaggingInput {
        bucket: BUCKET.into(),
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
        key: "key".into(),
        request_payer: None,
        tagging: Tagging { tag_set: vec![tag.clone()] },
        version_id: None,
    };
    node.gateway.put_object_tagging(request(tagging)).await.unwrap();
    node.switch("second").set_down(false);
    node.until_settled("key").await;
    assert_eq!(node.tags("second", "key").await, [tag]);
    assert_eq!(node.next_event().await.kind, EventKind::Put);
    assert_eq!(node.next_event().await.kind, EventKind::PutTags);
    node.stop().await;
}
