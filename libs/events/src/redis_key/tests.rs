use chrono::{TimeZone, Utc};
use futures::StreamExt;
use relais_model::{Event, ObjectFacts};
use serde_json::Value;

use super::*;
use crate::config::RedisConfig;
use crate::contract;
use crate::redis_stream::default_keys;
use crate::tests::servers::Server;

fn bus(server: &Server, format: Format) -> RedisKey {
    let link = Link::open(default_keys(), &server.url(), &RedisConfig::default()).unwrap();
    RedisKey { name: "test".into(), format, key: "minio".into(), region: "eu-west-3".into(), link }
}

async fn run<T: redis::FromRedisValue>(bus: &RedisKey, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    bus.link.command(&command).await.unwrap()
}

fn notices(events: &[Event]) -> Vec<Notice> {
    events.iter().cloned().map(Notice::from).collect()
}

fn test_notice() -> TestNotice {
    TestNotice {
        time: Utc.timestamp_nanos(1_413_215_822_089_000_000),
        bucket: "media".parse().unwrap(),
        request_id: "5582815E1AEA5ADF".into(),
        host_id: "node".into(),
    }
}

/// The same key put, put again, tagged, deleted; and another one that stays.
fn life() -> Vec<Event> {
    let samples = contract::samples();
    let with = |kind: EventKind, object: Option<ObjectFacts>| Event { kind, object, ..samples[0].clone() };
    let object = samples[0].object.clone();
    vec![
        samples[0].clone(),
        with(EventKind::Copy, object.map(|object| ObjectFacts { size: 7, ..object })),
        with(EventKind::PutTags, None),
        samples[2].clone(),
    ]
}

#[tokio::test]
async fn the_hash_has_the_last_event_of_each_object_that_is_there() {
    let server = Server::start();
    let bus = bus(&server, Format::Namespace);
    let events = life();
    bus.publish(&notices(&events)).await.unwrap();
    let field = "media/audio/whatsapp/voice note+1.ogg";
    let held: String = run(&bus, &["HGET", "minio", field]).await;
    assert_eq!(
        held,
        minio::namespace_value(&events[1], "eu-west-3"),
        "a change of tags does not take its place"
    );

    let removed = Event { kind: EventKind::Delete, object: None, ..events[0].clone() };
    bus.publish(&notices(&[removed])).await.unwrap();
    let fields: Vec<String> = run(&bus, &["HKEYS", "minio"]).await;
    assert_eq!(fields, ["media/images/été.png"]);

    let marker = Event { kind: EventKind::DeleteMarker, object: None, ..events[0].clone() };
    bus.publish(&notices(std::slice::from_ref(&marker))).await.unwrap();
    let held: String = run(&bus, &["HGET", "minio", field]).await;
    assert_eq!(held, minio::namespace_value(&marker, "eu-west-3"));
}

#[tokio::test]
async fn the_list_has_every_event_in_order() {
    let server = Server::start();
    let bus = bus(&server, Format::Access);
    let events = contract::samples();
    bus.publish(&notices(&events)).await.unwrap();
    let held: Vec<String> = run(&bus, &["LRANGE", "minio", "0", "-1"]).await;
    let expected: Vec<String> = events.iter().map(|event| minio::access_value(event, "eu-west-3")).collect();
    assert_eq!(held, expected);
}

#[tokio::test]
async fn who_listens_to_the_channel_hears_what_s3_sends() {
    let server = Server::start();
    let bus = bus(&server, Format::Channel);
    let client = redis::Client::open(server.url()).unwrap();
    let mut listening = client.get_async_pubsub().await.unwrap();
    listening.subscribe("minio").await.unwrap();

    let events = contract::samples();
    let mut all = notices(&events);
    all[0].rule = Some("thumbnails".to_owned());
    bus.publish(&all).await.unwrap();
    bus.test(&test_notice()).await.unwrap();

    let mut messages = listening.on_message();
    for notice in &all {
        let message: String = messages.next().await.unwrap().get_payload().unwrap();
        let message: Value = serde_json::from_str(&message).unwrap();
        assert_eq!(message, json!({ "Records": [notice_record(notice, "eu-west-3")] }));
        let id = notice.rule.as_deref().unwrap_or("relais");
        assert_eq!(message["Records"][0]["s3"]["configurationId"], id);
    }
    let message: String = messages.next().await.unwrap().get_payload().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&message).unwrap(),
        json!({
            "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2014-10-13T15:57:02.089Z", "Bucket": "media",
            "RequestId": "5582815E1AEA5ADF", "HostId": "node",
        })
    );
}

#[tokio::test]
async fn a_key_of_another_kind_is_noticed_and_left_alone() {
    let server = Server::start();
    for format in [Format::Namespace, Format::Access] {
        let bus = bus(&server, format);
        run::<()>(&bus, &["SET", "minio", "mine"]).await;
        for outcome in [
            bus.ping().await,
            bus.test(&test_notice()).await,
            bus.publish(&notices(&contract::samples())).await,
        ] {
            let error = outcome.unwrap_err().to_string();
            assert!(error.ends_with("the key of the bus holds something else: choose another"), "{error}");
        }
        assert_eq!(run::<String>(&bus, &["GET", "minio"]).await, "mine");
    }
}
