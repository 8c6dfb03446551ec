//! Reads while the primary is out of order, slow, or dies in the middle: never stale without saying so, never short.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use relais_model::{ReplicaState, WriteMode};
use s3s::dto::*;
use s3s::{S3, S3ErrorCode, S3Request, S3Response, S3Result, StdError};
use tokio::sync::mpsc;

use crate::node::{BUCKET, HEDGED_BUCKET, Node, STALE_BUCKET, body_of};
use relais_stores::request;

fn put(bucket: &str, key: &str, text: &str) -> S3Request<PutObjectInput> {
    let mut request = crate::node::put(key, body_of(text));
    request.input.bucket = bucket.into();
    request
}

/// Writes an object that all replicas have.
async fn settle(node: &Node, bucket: &str, key: &str, text: &str) {
    node.gateway.put_object(put(bucket, key, text)).await.unwrap();
    until_settled(node, bucket, key).await;
}

async fn until_settled(node: &Node, bucket: &str, key: &str) {
    let (bucket, key) = (bucket.parse().unwrap(), key.parse().unwrap());
    let is_settled = async || {
        let row = node.catalog.objects().find(&bucket, &key).await.unwrap();
        row.is_some_and(|row| row.replicas.values().all(|state| *state == ReplicaState::Current))
    };
    node.wait("every replica is current", is_settled).await;
}

/// The second replica misses a change, and then the first goes down.
async fn leave_behind(node: &Node, bucket: &str, key: &str, text: &str) {
    node.switch("second").set_down(true);
    node.gateway.put_object(put(bucket, key, text)).await.unwrap();
    node.switch("first").set_down(true);
    node.switch("second").set_down(false);
}

fn object(bucket: &str, key: &str) -> GetObjectInput {
    GetObjectInput { bucket: bucket.into(), key: key.into(), ..Default::default() }
}

async fn get(node: &Node, input: GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
    node.gateway.get_object(request(input)).await
}

async fn read(answer: S3Response<GetObjectOutput>) -> Result<String, StdError> {
    let chunks: Vec<Bytes> = answer.output.body.unwrap().try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).unwrap())
}

fn code<T>(answer: S3Result<S3Response<T>>) -> S3ErrorCode {
    answer.map(|_| ()).unwrap_err().code().clone()
}

fn is_marked_stale(headers: &http::HeaderMap) -> bool {
    let marks =
        ["x-relais-stale", "warning"].map(|name| headers.get(name).map(|value| value.to_str().unwrap()));
    assert!(
        marks == [None, None] || marks == [Some("true"), Some("110 - \"Response is Stale\"")],
        "{marks:?}"
    );
    marks[0].is_some()
}

#[tokio::test]
async fn reads_of_every_kind_go_on_while_the_primary_is_down() {
    let node = Node::start(WriteMode::All).await;
    settle(&node, BUCKET, "cat.jpg", "meow and purr").await;
    let etag = get(&node, object(BUCKET, "cat.jpg")).await.unwrap().output.e_tag.unwrap();
    node.switch("first").set_down(true);
    for _ in 0..10 {
        let answer = get(&node, object(BUCKET, "cat.jpg")).await.unwrap();
        assert!(!is_marked_stale(&answer.headers));
        assert_eq!(read(answer).await.unwrap(), "meow and purr");
    }
    let range = Some(Range::Int { first: 5, last: Some(7) });
    let part = get(&node, GetObjectInput { range, ..object(BUCKET, "cat.jpg") }).await.unwrap();
    assert_eq!(part.output.content_range.as_deref(), Some("bytes 5-7/13"));
    assert_eq!(read(part).await.unwrap(), "and");
    let if_none_match = Some(ETagCondition::ETag(etag.clone()));
    let unchanged = GetObjectInput { if_none_match, ..object(BUCKET, "cat.jpg") };
    assert_eq!(code(get(&node, unchanged).await), S3ErrorCode::NotModified);
    let if_match = Some(ETagCondition::ETag(ETag::Strong("other".to_owned())));
    let changed = GetObjectInput { if_match, ..object(BUCKET, "cat.jpg") };
    assert_eq!(code(get(&node, changed).await), S3ErrorCode::PreconditionFailed);
    let head = HeadObjectInput { bucket: BUCKET.into(), key: "cat.jpg".into(), ..Default::default() };
    assert_eq!(node.gateway.head_object(request(head)).await.unwrap().output.content_length, Some(13));
    let tags = GetObjectTaggingInput { bucket: BUCKET.into(), key: "cat.jpg".into(), ..Default::default() };
    assert_eq!(node.gateway.get_object_tagging(request(tags)).await.unwrap().output.tag_set, []);
    let copied = node.gateway.copy_object(crate::node::copy("cat.jpg", BUCKET)).await;
    assert_eq!(code(copied), S3ErrorCode::ServiceUnavailable, "a write needs the primary");
    node.stop().await;
}

#[tokio::test]
async fn what_was_deleted_is_missing_at_the_replica_too() {
    let node = Node::start(WriteMode::All).await;
    settle(&node, BUCKET, "cat.jpg", "meow").await;
    node.gateway.delete_object(crate::node::delete("cat.jpg")).await.unwrap();
    until_settled(&node, BUCKET, "cat.jpg").await;
    node.switch("first").set_down(true);
    assert_eq!(code(get(&node, object(BUCKET, "cat.jpg")).await), S3ErrorCode::NoSuchKey);
    node.stop().await;
}

#[tokio::test]
async fn a_primary_that_is_out_of_order_is_not_asked_by_reads_and_found_again_without_them() {
    let node = Node::start(WriteMode::All).await;
    settle(&node, BUCKET, "cat.jpg", "meow").await;
    let placed = node.gateway.placement().bucket(&BUCKET.parse().unwrap()).unwrap();
    let breaker = &placed.primary().store.breaker;
    node.switch("first").set_down(true);
    for _ in 0..5 {
        get(&node, object(BUCKET, "cat.jpg")).await.unwrap();
    }
    assert!(breaker.is_open());
    let asked = node.switch("first").reads();
    for _ in 0..100 {
        assert_eq!(read(get(&node, object(BUCKET, "cat.jpg")).await.unwrap()).await.unwrap(), "meow");
    }
    assert_eq!(node.switch("first").reads(), asked);
    node.switch("first").set_down(false);
    node.until("the primary is found again", || !breaker.is_open()).await;
    get(&node, object(BUCKET, "cat.jpg")).await.unwrap();
    assert_eq!(node.switch("first").reads(), asked + 1);
    node.stop().await;
}

#[tokio::test]
async fn a_stale_answer_is_given_only_where_the_bucket_allows_it_and_says_so() {
    let node = Node::start(WriteMode::Primary).await;
    for bucket in [BUCKET, STALE_BUCKET] {
        settle(&node, bucket, "cat.jpg", "old").await;
    }
    node.switch("second").set_down(true);
    node.gateway.put_object(put(BUCKET, "cat.jpg", "new")).await.unwrap();
    leave_behind(&node, STALE_BUCKET, "cat.jpg", "new").await;
    assert_eq!(code(get(&node, object(BUCKET, "cat.jpg")).await), S3ErrorCode::ServiceUnavailable);
    for _ in 0..10 {
        let answer = match get(&node, object(STALE_BUCKET, "cat.jpg")).await {
            Ok(answer) => answer,
            Err(error) => {
                // The second store's own breaker may be open for a moment.
                assert_eq!(*error.code(), S3ErrorCode::ServiceUnavailable);
                tokio::time::sleep(Duration::from_millis(300)).await;
                continue;
            }
        };
        assert!(is_marked_stale(&answer.headers));
        assert_eq!(read(answer).await.unwrap(), "old");
        let if_match = Some(ETagCondition::ETag(ETag::Strong("other".to_owned())));
        let refused = get(&node, GetObjectInput { if_match, ..object(STALE_BUCKET, "cat.jpg") }).await;
        assert!(is_marked_stale(refused.unwrap_err().headers().unwrap()), "a refusal may be stale too");
        node.stop().await;
        return;
    }
    panic!("nothing was answered");
}

#[tokio::test]
async fn a_change_under_way_keeps_replicas_from_answering() {
    let node = Node::start(WriteMode::All).await;
    settle(&node, BUCKET, "cat.jpg", "old").await;
    settle(&node, BUCKET, "dog.jpg", "woof").await;
    let (chunks, body) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = futures::stream::unfold(body, async |mut body| Some((body.recv().await?, body)));
    let (_, body) = (chunks.send(Ok(Bytes::from_static(b"ne"))).await, Box::pin(body));
    let body = std::sync::Mutex::new(body);
    let body =
        futures::stream::poll_fn(move |context| body.lock().unwrap().as_mut().poll_next_unpin(context));
    let writing = tokio::spawn({
        let request = crate::node::put("cat.jpg", (StreamingBlob::wrap(body), 3));
        let gateway = node.gateway.clone();
        async move { gateway.put_object(request).await.map(drop) }
    });
    let (bucket, key) = (BUCKET.parse().unwrap(), "cat.jpg".parse().unwrap());
    let objects = node.catalog.objects();
    node.wait("the change is under way", async || objects.is_in_flight(&bucket, Some(&key)).await.unwrap())
        .await;
    node.switch("first").set_down(true);
    assert_eq!(code(get(&node, object(BUCKET, "cat.jpg")).await), S3ErrorCode::ServiceUnavailable);
    assert_eq!(read(get(&node, object(BUCKET, "dog.jpg")).await.unwrap()).await.unwrap(), "woof");
    assert_eq!(code(list(&node, BUCKET, None, None).await), S3ErrorCode::ServiceUnavailable);
    drop(chunks); // The body ends early, so nothing was written.
    assert!(writing.await.unwrap().is_err());
    node.wait("it is over", async || !objects.is_in_flight(&bucket, Some(&key)).await.unwrap()).await;
    assert_eq!(read(get(&node, object(BUCKET, "cat.jpg")).await.unwrap()).await.unwrap(), "old");
    node.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_on_from_a_replica_with_the_same_bytes() {
    let node = Node::start(WriteMode::All).await;
    let text: String = (0..50_000).map(|number| format!("{number} ")).collect();
    settle(&node, BUCKET, "long", &text).await;
    node.switch("first").cut_reads(100_000);
    assert_eq!(read(get(&node, object(BUCKET, "long")).await.unwrap()).await.unwrap(), text);
    let range = Some(Range::Int { first: 10_007, last: Some(250_011) });
    let part = get(&node, GetObjectInput { range, ..object(BUCKET, "long") }).await.unwrap();
    assert_eq!(part.output.content_length, Some(240_005));
    assert_eq!(read(part).await.unwrap(), text[10_007..=250_011]);
    // Both break off, again and again: in the end the client sees it.
    node.switch("first").cut_reads(5000);
    node.switch("second").cut_reads(5000);
    assert!(read(get(&node, object(BUCKET, "long")).await.unwrap()).await.is_err());
    node.stop().await;
}

#[tokio::test]
async fn a_body_never_goes_on_with_other_bytes() {
    let node = Node::start(WriteMode::Primary).await;
    let (old, new) = ("old ".repeat(30_000), "new ".repeat(30_000));
    settle(&node, BUCKET, "long", &old).await;
    // Behind the back of relais, so that the catalog takes it for current.
    node.switch("second").put_object(put(BUCKET, "long", &new)).await.unwrap();
    node.switch("first").cut_reads(50_000);
    let mut body = get(&node, object(BUCKET, "long")).await.unwrap().output.body.unwrap();
    let mut received = Vec::new();
    let mut broke_off = false;
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => received.extend_from_slice(&chunk),
            Err(_) => broke_off = true,
        }
        if broke_off {
            break;
        }
    }
    // The primary itself goes on, up to the number of tries.
    assert!(broke_off || received.len() == old.len());
    assert!(old.as_bytes().starts_with(&received));
    node.stop().await;
}

async fn list(
    node: &Node,
    bucket: &str,
    delimiter: Option<&str>,
    token: Option<String>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = ListObjectsV2Input {
        bucket: bucket.into(),
        continuation_token: token,
        delimiter: delimiter.map(str::to_owned),
        max_keys: Some(3),
        ..Default::default()
    };
    node.gateway.list_objects_v2(request(input)).await
}

fn names(page: &ListObjectsV2Output) -> Vec<String> {
    let keys = page.contents.iter().flatten().filter_map(|object| object.key.clone());
    let prefixes = page.common_prefixes.iter().flatten().filter_map(|common| common.prefix.clone());
    keys.chain(prefixes).collect()
}

#[tokio::test]
async fn a_listing_goes_on_at_another_replica_and_misses_and_repeats_nothing() {
    let node = Node::start(WriteMode::All).await;
    let mut keys: Vec<String> = (0..10).map(|number| format!("key {number}")).collect();
    keys.extend((0..10).flat_map(|folder| ["a", "b"].map(|name| format!("ké{folder}/{name}"))));
    for key in &keys {
        settle(&node, BUCKET, key, "x").await;
    }
    for (delimiter, count) in [(None, 30), (Some("/"), 20)] {
        let mut seen = Vec::new();
        let mut token = None;
        for number in 0.. {
            // Each page comes from another store than the one before.
            node.switch("first").set_down(number % 2 == 1);
            let page = list(&node, BUCKET, delimiter, token).await.unwrap();
            assert!(!is_marked_stale(&page.headers));
            seen.extend(names(&page.output));
            token = page.output.next_continuation_token;
            assert_eq!(token.is_some(), page.output.is_truncated.unwrap());
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), count, "{seen:?}");
        assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
    }
    node.switch("first").set_down(true);
    let input = ListObjectsInput { bucket: BUCKET.into(), max_keys: Some(3), ..Default::default() };
    let page =
        node.gateway.list_objects(request(ListObjectsInput { marker: Some("key 7".into()), ..input })).await;
    let page: Vec<_> =
        page.unwrap().output.contents.unwrap().into_iter().map(|object| object.key.unwrap()).collect();
    assert_eq!(page, ["key 8", "key 9", "ké0/a"]);
    let versions = ListObjectVersionsInput { bucket: BUCKET.into(), ..Default::default() };
    let versions = node.gateway.list_object_versions(request(versions)).await;
    assert_eq!(code(versions), S3ErrorCode::ServiceUnavailable, "a replica knows not all of them");
    node.stop().await;
}

#[tokio::test]
async fn a_replica_that_lacks_a_key_answers_no_listing_unless_the_bucket_allows_it() {
    for bucket in [BUCKET, STALE_BUCKET] {
        let node = Node::start(WriteMode::Primary).await;
        settle(&node, bucket, "cat.jpg", "meow").await;
        leave_behind(&node, bucket, "dog.jpg", "woof").await;
        let page = list(&node, bucket, None, None).await;
        if bucket == STALE_BUCKET {
            let page = page.unwrap();
            assert!(is_marked_stale(&page.headers));
            assert_eq!(names(&page.output), ["cat.jpg"]);
        } else {
            assert_eq!(code(page), S3ErrorCode::ServiceUnavailable);
        }
        node.stop().await;
    }
}

#[tokio::test]
async fn what_may_be_stale_is_never_copied() {
    let node = Node::start(WriteMode::Primary).await;
    settle(&node, STALE_BUCKET, "cat.jpg", "old").await;
    leave_behind(&node, STALE_BUCKET, "cat.jpg", "new").await;
    let mut copy = crate::node::copy("cat.jpg", BUCKET);
    copy.input.copy_source =
        CopySource::Bucket { bucket: STALE_BUCKET.into(), key: "cat.jpg".into(), version_id: None };
    copy.input.key = "copy.jpg".to_owned();
    node.switch("first").set_down(true);
    assert_eq!(code(node.gateway.copy_object(copy).await), S3ErrorCode::ServiceUnavailable);
    assert_eq!(node.bytes("second", "copy.jpg"), None);
    node.stop().await;
}

#[tokio::test]
async fn a_slow_read_is_overtaken_by_one_of_a_replica_that_is_current() {
    let node = Node::start(WriteMode::Primary).await;
    settle(&node, HEDGED_BUCKET, "cat.jpg", "meow").await;
    settle(&node, BUCKET, "cat.jpg", "meow").await;
    for _ in 0..30 {
        get(&node, object(HEDGED_BUCKET, "cat.jpg")).await.unwrap();
    }
    let asked = node.switch("second").reads();
    get(&node, object(HEDGED_BUCKET, "cat.jpg")).await.unwrap();
    assert!(node.switch("second").reads() <= asked + 1);
    node.switch("first").delay_reads(Duration::from_secs(3));
    let begun = Instant::now();
    assert_eq!(read(get(&node, object(HEDGED_BUCKET, "cat.jpg")).await.unwrap()).await.unwrap(), "meow");
    assert!(begun.elapsed() < Duration::from_secs(2), "the replica answered");
    let begun = Instant::now();
    get(&node, object(BUCKET, "cat.jpg")).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(3), "only where the bucket asks for it");

    node.switch("second").set_down(true);
    node.gateway.put_object(put(HEDGED_BUCKET, "cat.jpg", "purr")).await.unwrap();
    // The second has "meow" until the settler got through to the first, which is slow.
    node.switch("second").set_down(false);
    let answer = get(&node, object(HEDGED_BUCKET, "cat.jpg")).await.unwrap();
    assert_eq!(read(answer).await.unwrap(), "purr");
    node.stop().await;
}
