//! The gateway in one process, over folders that can be switched off: what is promised of writes, reads and replicas.
#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod erase;
mod modes;
mod node;
mod reads;
mod settle;
mod surface;

use futures::StreamExt;
use relais_model::{EventKind, ReplicaState, WriteMode};
use relais_stores::contract;
use s3s::{S3, S3ErrorCode};

use node::{BUCKET, Node, body_of, body_that_breaks, get, put};

#[tokio::test]
async fn the_gateway_keeps_the_contract_of_stores() {
    for mode in [WriteMode::Primary, WriteMode::All] {
        let node = Node::start(mode).await;
        contract::run(&node.gateway, "contract").await;
        node.stop().await;
    }
}

#[tokio::test]
async fn an_acknowledged_write_is_on_every_replica_with_mode_all() {
    let node = Node::start(WriteMode::All).await;
    node.gateway.put_object(put("a/cat.jpg", body_of("meow"))).await.unwrap();
    assert_eq!(node.bytes("first", "a/cat.jpg").as_deref(), Some("meow"));
    assert_eq!(node.bytes("second", "a/cat.jpg").as_deref(), Some("meow"));
    node.stop().await;
}

#[tokio::test]
async fn a_write_is_refused_when_a_required_replica_is_down() {
    let node = Node::start(WriteMode::All).await;
    node.switch("second").set_down(true);
    let refused = node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap_err();
    assert_eq!(*refused.code(), S3ErrorCode::ServiceUnavailable);
    node.stop().await;
}

#[tokio::test]
async fn a_write_succeeds_when_another_replica_is_down_and_the_replica_is_settled_when_it_is_back() {
    let node = Node::start(WriteMode::Primary).await;
    node.switch("second").set_down(true);
    let answer = node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap();
    assert_eq!(answer.headers["x-amz-replication-status"], "PENDING");
    assert_eq!(node.bytes("second", "cat.jpg"), None);
    node.switch("second").set_down(false);
    node.until("the second replica has it", || node.bytes("second", "cat.jpg").as_deref() == Some("meow"))
        .await;
    node.until_settled("cat.jpg").await;
    node.stop().await;
}

#[tokio::test]
async fn a_deletion_reaches_a_replica_that_was_down() {
    let node = Node::start(WriteMode::Primary).await;
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap();
    node.until_settled("cat.jpg").await;
    node.switch("second").set_down(true);
    node.gateway.delete_object(node::delete("cat.jpg")).await.unwrap();
    assert_eq!(node.bytes("second", "cat.jpg").as_deref(), Some("meow"), "it was down");
    node.switch("second").set_down(false);
    node.until("it is deleted there too", || node.bytes("second", "cat.jpg").is_none()).await;
    node.stop().await;
}

#[tokio::test]
async fn a_read_fails_over_only_to_a_replica_that_is_current() {
    let node = Node::start(WriteMode::Primary).await;
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap();
    node.until_settled("cat.jpg").await;
    node.switch("first").set_down(true);
    assert_eq!(get(&node.gateway, "cat.jpg").await.unwrap(), "meow");

    node.switch("first").set_down(false);
    node.switch("second").set_down(true);
    node.gateway.put_object(put("cat.jpg", body_of("purr"))).await.unwrap();
    node.switch("first").set_down(true);
    node.switch("second").set_down(false);
    // The second still has "meow": better no answer than a stale one.
    assert_eq!(get(&node.gateway, "cat.jpg").await.unwrap_err(), S3ErrorCode::ServiceUnavailable);
    node.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_and_raises_no_event() {
    for mode in [WriteMode::Primary, WriteMode::All] {
        let node = Node::start(mode).await;
        let refused = node.gateway.put_object(put("cat.jpg", body_that_breaks("me", 4))).await.unwrap_err();
        assert_eq!(*refused.code(), S3ErrorCode::IncompleteBody);
        assert_eq!((node.bytes("first", "cat.jpg"), node.bytes("second", "cat.jpg")), (None, None));
        node.gateway.put_object(put("next", body_of("hi"))).await.unwrap();
        let event = node.next_event().await;
        assert_eq!(event.key.as_str(), "next", "the first event is of the first write that was acknowledged");
        node.stop().await;
    }
}

#[tokio::test]
async fn every_acknowledged_mutation_raises_its_event_in_order() {
    let node = Node::start(WriteMode::All).await;
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap();
    node.gateway.put_object(put("cat.jpg", body_of("purr!"))).await.unwrap();
    node.gateway.delete_object(node::delete("cat.jpg")).await.unwrap();
    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(node.next_event().await);
    }
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Put, EventKind::Put, EventKind::Delete]);
    assert!(events.is_sorted_by(|one, next| one.sequencer < next.sequencer));
    assert_eq!(events[1].object.as_ref().map(|object| object.size), Some(5));
    node.stop().await;
}

#[tokio::test]
async fn a_write_in_doubt_is_recovered_with_its_event() {
    let node = Node::start(WriteMode::All).await;
    node.switch("second").set_down(true);
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap_err();
    // The primary took it: seen whole, so it is told of and settled, although the client heard 503.
    assert_eq!(node.bytes("first", "cat.jpg").as_deref(), Some("meow"));
    node.switch("second").set_down(false);
    assert_eq!(node.next_event().await.key.as_str(), "cat.jpg");
    node.until("the second replica has it", || node.bytes("second", "cat.jpg").is_some()).await;
    node.stop().await;
}

#[tokio::test]
async fn what_a_store_does_after_recovery_has_looked_is_told_of_too() {
    let node = Node::start(WriteMode::Primary).await;
    node.switch("first").set_down(true);
    node.gateway.put_object(put("cat.jpg", body_of("meow"))).await.unwrap_err();
    node.switch("first").set_down(false);
    let asked = node.switch("first").reads();
    node.until("recovery has looked", || node.switch("first").reads() > asked).await;
    // The connection broke, and the store was at it still.
    std::fs::write(node.path("first").join(BUCKET).join("cat.jpg"), "meow").unwrap();
    assert_eq!(node.next_event().await.key.as_str(), "cat.jpg");
    node.until("the second replica has it", || node.bytes("second", "cat.jpg").is_some()).await;
    node.stop().await;
}

#[tokio::test]
async fn a_conditional_write_that_the_primary_refuses_reaches_no_replica() {
    let node = Node::start(WriteMode::All).await;
    node.gateway.put_object(put("counter", body_of("1"))).await.unwrap();
    let mut request = put("counter", body_of("2"));
    request.input.if_none_match = Some(s3s::dto::ETagCondition::Any);
    let refused = node.gateway.put_object(request).await.unwrap_err();
    assert_eq!(*refused.code(), S3ErrorCode::PreconditionFailed);
    assert_eq!(node.bytes("first", "counter").as_deref(), Some("1"));
    assert_eq!(node.bytes("second", "counter").as_deref(), Some("1"));
    node.stop().await;
}

#[tokio::test]
async fn concurrent_writers_of_one_key_end_with_equal_replicas() {
    let node = Node::start(WriteMode::All).await;
    let writes =
        (0..40).map(|number| node.gateway.put_object(put("key", body_of(&format!("value {number}")))));
    let outcomes: Vec<_> = futures::stream::iter(writes).buffer_unordered(8).collect().await;
    assert!(outcomes.iter().all(Result::is_ok));
    node.until_settled("key").await;
    assert_eq!(node.bytes("first", "key"), node.bytes("second", "key"));
    let row = node
        .catalog
        .objects()
        .find(&BUCKET.parse().unwrap(), &"key".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(row.replicas.values().all(|state| *state == ReplicaState::Current));
    node.stop().await;
}

#[tokio::test]
async fn an_upload_id_of_another_key_or_maker_is_none() {
    let node = Node::start(WriteMode::All).await;
    let created = node.gateway.create_multipart_upload(node::create_upload("mine")).await.unwrap();
    let upload_id = created.output.upload_id.unwrap();
    for (key, id) in [("other", upload_id.as_str()), ("mine", "AAAA"), ("mine", &upload_id[1..])] {
        let refused = node.gateway.upload_part(node::part(key, id)).await.unwrap_err();
        assert_eq!(*refused.code(), S3ErrorCode::NoSuchUpload, "{key} {id}");
    }
    node.gateway.upload_part(node::part("mine", &upload_id)).await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn a_copy_into_a_bucket_with_limits_is_measured() {
    let node = Node::start(WriteMode::All).await;
    node.gateway.put_object(put("cat.jpg", body_of("meow, and much more than ten bytes"))).await.unwrap();
    let refused = node.gateway.copy_object(node::copy("cat.jpg", node::SMALL_BUCKET)).await.unwrap_err();
    assert_eq!(*refused.code(), S3ErrorCode::EntityTooLarge);
    node.gateway.put_object(put("kitten.jpg", body_of("mew"))).await.unwrap();
    node.gateway.copy_object(node::copy("kitten.jpg", node::SMALL_BUCKET)).await.unwrap();
    node.stop().await;
}
