use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use redis::Value;
use redis::streams::StreamRangeReply;
use relais_model::Event;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::*;
use crate::bus::Delivery;
use crate::config::RedisConfig;
use crate::contract;
use crate::tests::servers::{Server, plain_config as config};

const SOON: Duration = Duration::from_secs(20);

/// A bus that hands out again after less than half a second.
fn hasty(server: &Server, consumer: &str) -> RedisStream {
    let mut bus = RedisStream::connect(&config(&server.url(), 1_000_000), consumer).unwrap();
    bus.redelivered_after = Duration::from_millis(400);
    bus
}

fn group(name: &str) -> GroupName {
    name.parse().unwrap()
}

/// As many events as one likes, all of one shape.
fn many(count: usize) -> Vec<Event> {
    let event = contract::samples().remove(0);
    (0..count).map(|_| Event { id: Uuid::now_v7(), ..event.clone() }).collect()
}

async fn publish(bus: &RedisStream, events: &[Event]) -> Result<(), BusError> {
    let notices: Vec<Notice> = events.iter().cloned().map(Notice::from).collect();
    bus.publish(&notices).await
}

async fn next(subscription: &mut Box<dyn Subscription>, max: usize) -> Vec<Delivery> {
    timeout(SOON, subscription.next(max)).await.expect("an event arrives").unwrap()
}

async fn run<T: redis::FromRedisValue>(bus: &RedisStream, words: &str) -> T {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    bus.partitions[0].link.command(&command).await.unwrap()
}

#[tokio::test]
async fn the_redis_stream_keeps_the_contract() {
    let server = Server::start();
    let bus = hasty(&server, "one");
    contract::check(&bus, &bus, &contract::samples()).await;
}

#[tokio::test]
async fn an_entry_has_the_promised_fields() {
    let server = Server::start();
    let bus = hasty(&server, "one").in_region("eu-west-3");
    let event = contract::samples().remove(0);
    publish(&bus, std::slice::from_ref(&event)).await.unwrap();

    let entries: StreamRangeReply = run(&bus, "XRANGE relais:events - +").await;
    let field = |name: &str| entries.ids[0].get::<String>(name).unwrap();
    assert_eq!(entries.ids[0].map.len(), 6);
    assert_eq!(field("id"), event.id.to_string());
    assert_eq!(field("type"), "ObjectCreated:Put");
    assert_eq!(field("bucket"), "media");
    assert_eq!(field("key"), "audio/whatsapp/voice note+1.ogg");
    assert_eq!(field("traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let record: serde_json::Value = serde_json::from_str(&field("record")).unwrap();
    assert_eq!(record["awsRegion"], "eu-west-3");
    assert_eq!(record["s3"]["object"]["key"], "audio/whatsapp/voice+note%2B1.ogg");
}

#[tokio::test]
async fn what_a_dead_consumer_left_undone_goes_to_another() {
    let server = Server::start();
    let (dead, heir) = (hasty(&server, "dead"), hasty(&server, "heir"));
    let events = many(3);
    publish(&dead, &events).await.unwrap();
    let mut subscription = dead.subscribe(&group("g")).await.unwrap();
    let had = next(&mut subscription, 3).await;
    subscription.acknowledge(&had[..1]).await.unwrap();
    drop(subscription);

    let mut subscription = heir.subscribe(&group("g")).await.unwrap();
    let mut again = next(&mut subscription, 9).await;
    if again.len() < 2 {
        again.extend(next(&mut subscription, 9).await);
    }
    assert_eq!(again, had[1..], "the same ids, the same tokens, in order");
}

#[tokio::test]
async fn a_wait_that_is_given_up_leaves_its_read_to_the_next() {
    let server = Server::start();
    let patient = RedisStream::connect(&config(&server.url(), 1_000), "one").unwrap();
    let mut subscription = patient.subscribe(&group("g")).await.unwrap();
    assert!(timeout(Duration::from_millis(100), subscription.next(9)).await.is_err());
    publish(&patient, &many(3)).await.unwrap();

    let start = Instant::now();
    assert_eq!(next(&mut subscription, 1).await.len(), 1);
    assert_eq!(next(&mut subscription, 2).await.len(), 2);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_consumer_that_restarts_finds_at_once_what_it_left_undone() {
    let server = Server::start();
    let url = server.url();
    let patient = || RedisStream::connect(&config(&url, 1_000), "steady").unwrap();
    let before = patient();
    publish(&before, &many(2)).await.unwrap();
    let had = next(&mut before.subscribe(&group("g")).await.unwrap(), 2).await;
    drop(before);

    let start = Instant::now();
    let again = next(&mut patient().subscribe(&group("g")).await.unwrap(), 2).await;
    assert_eq!(again, had);
    assert!(start.elapsed() < REDELIVERED_AFTER / 2, "{:?}", start.elapsed());
}

/// Publishes batch after batch and lets the trimmer think each time that a moment has passed.
async fn publish_much(bus: &RedisStream, count: usize) -> Vec<Event> {
    let events = many(count);
    for batch in events.chunks(50) {
        bus.partitions[0].trimmer.forget_last().await;
        publish(bus, batch).await.unwrap();
    }
    events
}

#[tokio::test]
async fn trimming_never_drops_what_a_group_owes() {
    let server = Server::start();
    let bus = RedisStream::connect(&config(&server.url(), 100), "one").unwrap();
    let mut fast = bus.subscribe(&group("fast")).await.unwrap();
    let mut slow = bus.subscribe(&group("slow")).await.unwrap();
    let events = publish_much(&bus, 1_000).await;
    assert_eq!(run::<u64>(&bus, "XLEN relais:events").await, 1_000, "two groups owe everything");

    let all = next(&mut fast, 1_000).await;
    fast.acknowledge(&all).await.unwrap();
    let some = next(&mut slow, 600).await;
    // All but the 300th: it and everything after it is still owed.
    let done: Vec<_> = some.iter().enumerate().filter(|(n, _)| *n != 300).map(|(_, d)| d.clone()).collect();
    slow.acknowledge(&done).await.unwrap();
    publish_much(&bus, 50).await;

    let length: u64 = run(&bus, "XLEN relais:events").await;
    assert!((750..=1_000).contains(&length), "trimmed up to what is owed, yet {length} are left");
    let owed: StreamRangeReply = run(&bus, &format!("XRANGE relais:events {0} {0}", some[300].token)).await;
    assert_eq!(owed.ids.len(), 1, "what is pending is kept with its payload");
    let unread = next(&mut slow, 400).await;
    assert!(
        unread.iter().map(|d| d.event.id).eq(events[600..].iter().map(|e| e.id)),
        "nothing unread is lost"
    );
}

#[tokio::test]
async fn a_stream_that_nobody_owes_is_trimmed_to_its_length() {
    let server = Server::start();
    let bus = RedisStream::connect(&config(&server.url(), 200), "one").unwrap();
    publish_much(&bus, 1_000).await;
    let length: u64 = run(&bus, "XLEN relais:events").await;
    assert!((200..=320).contains(&length), "about 200 entries stay, yet {length} do");

    let mut newcomer = bus.subscribe(&group("new")).await.unwrap();
    let kept = next(&mut newcomer, 1_000).await;
    assert_eq!(kept.len() as u64, length, "a new group hears of all that is kept");
}

#[tokio::test]
async fn a_waiting_subscriber_survives_a_flush() {
    let server = Server::start();
    let bus = Arc::new(hasty(&server, "one"));
    let mut subscription = bus.subscribe(&group("g")).await.unwrap();
    let waiting = tokio::spawn(async move { timeout(SOON, subscription.next(9)).await });
    sleep(Duration::from_millis(300)).await;

    run::<()>(&bus, "FLUSHALL").await;
    let events = many(1);
    publish(&bus, &events).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().unwrap()[0].event, events[0]);
}

#[tokio::test]
async fn publisher_and_subscriber_recover_when_redis_comes_back() {
    let mut server = Server::start();
    let bus = hasty(&server, "one");
    let mut subscription = bus.subscribe(&group("g")).await.unwrap();
    assert!(timeout(Duration::from_millis(300), subscription.next(1)).await.is_err());

    server.stop();
    let heard = timeout(SOON, subscription.next(1)).await.unwrap().unwrap_err().to_string();
    let address = format!("127.0.0.1:{}", server.port);
    let hint = "see that it runs there and that events.redis_url (REDIS_URL) is right";
    assert_eq!(heard, format!("cannot read events from redis at {address}: {hint}"));
    let events = many(1);
    let told = publish(&bus, &events).await.unwrap_err().to_string();
    assert_eq!(told, format!("cannot publish events to redis at {address}: {hint}"));
    assert!(Bus::ping(&bus).await.is_err());

    server.resume();
    publish(&bus, &events).await.unwrap();
    let start = Instant::now();
    let delivery = loop {
        match timeout(SOON, subscription.next(1)).await.unwrap() {
            Ok(deliveries) => break deliveries,
            Err(_) => assert!(start.elapsed() < SOON, "the subscription never recovers"),
        }
    };
    assert_eq!(delivery[0].event, events[0]);
}

#[tokio::test]
async fn a_redis_that_refuses_writes_takes_nothing_and_says_why() {
    let server = Server::start();
    let bus = hasty(&server, "one");
    let events = many(3);
    for (fault, repair, hint) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "out of memory"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read-only replica"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "not ready yet"),
    ] {
        run::<()>(&bus, fault).await;
        let error = publish(&bus, &events).await.unwrap_err().to_string();
        assert!(error.contains(hint), "{fault}: {error}");
        run::<()>(&bus, repair).await;
        assert_eq!(run::<u64>(&bus, "XLEN relais:events").await, 0, "after {fault}");
    }
    publish(&bus, &events).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_cannot_save_says_so() {
    let server = Server::start_with(&["--save", "3600 1"]);
    let bus = hasty(&server, "one");
    server.lose_folder();
    run::<Value>(&bus, "BGSAVE").await;

    let start = Instant::now();
    let error = loop {
        match publish(&bus, &many(1)).await {
            Ok(()) => assert!(start.elapsed() < SOON, "redis never notices that it cannot save"),
            Err(error) => break error.to_string(),
        }
        sleep(Duration::from_millis(50)).await;
    };
    assert!(error.ends_with("it cannot save to disk and so refuses writes: see its log"), "{error}");
}

#[tokio::test]
async fn what_is_not_an_event_is_skipped_for_good() {
    let server = Server::start();
    let bus = hasty(&server, "one");
    run::<Value>(&bus, "XADD relais:events * hello world").await;
    run::<Value>(&bus, "XADD relais:events * record {}").await;
    let events = many(1);
    publish(&bus, &events).await.unwrap();

    let mut subscription = bus.subscribe(&group("g")).await.unwrap();
    let deliveries = next(&mut subscription, 9).await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0].event, events[0]);
    subscription.acknowledge(&deliveries).await.unwrap();
    let pending: redis::streams::StreamPendingReply = run(&bus, "XPENDING relais:events g").await;
    assert_eq!(pending.count(), 0, "the foreign entries are done with");
}

#[tokio::test]
async fn a_test_event_is_on_the_stream_and_no_group_hears_of_it() {
    let server = Server::start();
    let bus = hasty(&server, "one");
    let notice = TestNotice {
        time: chrono::DateTime::UNIX_EPOCH,
        bucket: "media".parse().unwrap(),
        request_id: "5582815E1AEA5ADF".into(),
        host_id: "node".into(),
    };
    bus.test(&notice).await.unwrap();
    let events = many(1);
    publish(&bus, &events).await.unwrap();

    let entries: StreamRangeReply = run(&bus, "XRANGE relais:events - +").await;
    let field = |name: &str| entries.ids[0].get::<String>(name).unwrap();
    assert_eq!((field("type").as_str(), field("bucket").as_str()), ("s3:TestEvent", "media"));
    let record: serde_json::Value = serde_json::from_str(&field("record")).unwrap();
    assert_eq!(record["Event"], "s3:TestEvent");

    let mut subscription = bus.subscribe(&group("g")).await.unwrap();
    let deliveries = next(&mut subscription, 9).await;
    assert_eq!(
        deliveries.iter().map(|one| &one.event).collect::<Vec<_>>(),
        events.iter().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_rule_that_sent_an_event_is_named_in_its_record() {
    let server = Server::start();
    let bus = hasty(&server, "one");
    let event = many(1).remove(0);
    let ruled = Notice { event: event.clone(), rule: Some("thumbnails".to_owned()) };
    bus.publish(&[ruled, Notice::from(event)]).await.unwrap();

    let entries: StreamRangeReply = run(&bus, "XRANGE relais:events - +").await;
    let ids = entries.ids.iter().map(|entry| {
        let record: serde_json::Value =
            serde_json::from_str(&entry.get::<String>("record").unwrap()).unwrap();
        record["s3"]["configurationId"].as_str().unwrap().to_owned()
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["thumbnails", "relais"]);
}

#[tokio::test]
async fn partitions_spread_objects_and_keep_the_events_of_each_in_order() {
    let server = Server::start();
    let partitioned = Config { partitions: 4, ..config(&server.url(), 1_000_000) };
    let bus = RedisStream::connect(&partitioned, "one").unwrap();
    let mut events = many(400);
    for (number, event) in events.iter_mut().enumerate() {
        event.key = format!("object-{}", number % 40).parse().unwrap();
    }
    let mut subscription = bus.subscribe(&group("g")).await.unwrap();
    publish(&bus, &events).await.unwrap();
    for number in 0..4 {
        let length: u64 = run(&bus, &format!("XLEN relais:events:{{{number}}}")).await;
        assert!(length > 0, "partition {number} has its share");
    }

    let mut heard = Vec::new();
    while heard.len() < events.len() {
        let deliveries = next(&mut subscription, 64).await;
        subscription.acknowledge(&deliveries).await.unwrap();
        heard.extend(deliveries.into_iter().map(|one| one.event));
    }
    for number in 0..40 {
        let of = |events: &[Event]| {
            let key = format!("object-{number}");
            let of_it = events.iter().filter(|event| event.key.as_str() == key);
            of_it.map(|event| event.id).collect::<Vec<_>>()
        };
        assert_eq!(of(&heard), of(&events));
    }
    for number in 0..4 {
        let pending: redis::streams::StreamPendingReply =
            run(&bus, &format!("XPENDING relais:events:{{{number}}} g")).await;
        assert_eq!(pending.count(), 0);
    }
}

#[tokio::test]
async fn partitioned_streams_keep_the_contract_for_one_object() {
    let server = Server::start();
    let partitioned = Config { partitions: 3, ..config(&server.url(), 1_000_000) };
    let mut bus = RedisStream::connect(&partitioned, "one").unwrap();
    bus.redelivered_after = Duration::from_millis(400);
    let mut events = contract::samples();
    for event in &mut events {
        event.key = "one".parse().unwrap();
    }
    contract::check(&bus, &bus, &events).await;
}

/// A partition once chosen is for ever: what is on the streams, and other publishers, go by it.
#[test]
fn the_partition_of_an_object_never_changes() {
    let mut event = many(1).remove(0);
    let mut of = |bucket: &str, key: &str| {
        (event.bucket, event.key) = (bucket.parse().unwrap(), key.parse().unwrap());
        partition_of(&event, 16)
    };
    // FNV-1a, 64 bits, of "media/a": 0x3ab389f0906f71df; of "media/b": 0x3ab38af0906f7392.
    assert_eq!((of("media", "a"), of("media", "b")), (15, 2));
}

#[tokio::test]
async fn two_processes_share_a_group_without_repeats() {
    let server = Server::start();
    let url = server.url();
    let bus = |name| RedisStream::connect(&config(&url, 10_000), name).unwrap();
    let (one, other) = (bus("one"), bus("other"));
    let mut subscriptions =
        [one.subscribe(&group("g")).await.unwrap(), other.subscribe(&group("g")).await.unwrap()];
    let events = many(200);
    publish(&one, &events).await.unwrap();

    let mut heard = Vec::new();
    for round in 0..20 {
        let subscription = &mut subscriptions[round % 2];
        let deliveries = next(subscription, 10).await;
        subscription.acknowledge(&deliveries).await.unwrap();
        heard.extend(deliveries.into_iter().map(|delivery| delivery.event.id));
    }
    assert_eq!(heard.len(), 200);
    let distinct: BTreeSet<_> = heard.into_iter().collect();
    assert_eq!(distinct, events.iter().map(|event| event.id).collect());
}

#[tokio::test]
async fn the_password_is_never_told() {
    let server = Server::start_with(&["--requirepass", "swordfish"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port);
    let right = RedisStream::connect(&config(&url("swordfish"), 10), "one").unwrap();
    Bus::ping(&right).await.unwrap();
    assert!(!format!("{right:?}").contains("swordfish"), "{right:?}");

    let wrong = RedisStream::connect(&config(&url("mackerel"), 10), "one").unwrap();
    let error = Bus::ping(&wrong).await.unwrap_err();
    assert!(error.to_string().contains("check the user and the password"), "{error}");
    assert!(!format!("{error:?} {wrong:?}").contains("mackerel"), "{error:?}");

    for unreadable in ["redis://:mackerel@", "http://:mackerel@host", "mackerel"] {
        let error = RedisStream::connect(&config(unreadable, 10), "one").unwrap_err();
        assert!(matches!(error, BusError::InvalidUrl { .. }));
        assert!(!format!("{error:?} {error}").contains("mackerel"), "{error:?}");
    }
    let none = Config { redis_url: None, ..config("", 10) };
    assert!(matches!(RedisStream::connect(&none, "one").unwrap_err(), BusError::NoUrl));
}

#[test]
fn a_server_that_repeats_the_password_is_not_quoted() {
    let bus = Link::open(default_keys(), "redis://:swordfish@localhost", &RedisConfig::default()).unwrap();
    let said = redis::make_extension_error("ERR".into(), Some("unknown command 'AUTH' 'swordfish'".into()));
    let error = bus.failure("ping", &said);
    assert!(!format!("{error:?}").contains("swordfish"), "{error:?}");
    assert!(format!("{error:?}").contains("'AUTH' '***'"), "{error:?}");
}

/// The trusted authorities are the system's, which a process can only learn from its environment: so the test runs
/// itself again with the authority of the server's certificate named there.
#[tokio::test]
async fn a_rediss_url_is_spoken_with_tls() {
    const URL: &str = "RELAIS_TEST_REDISS_URL";
    if let Ok(url) = std::env::var(URL) {
        let bus = RedisStream::connect(&config(&url, 10), "one").unwrap();
        assert!(
            rustls::crypto::CryptoProvider::get_default().is_some(),
            "another part may bring a second provider"
        );
        return publish(&bus, &many(1)).await.unwrap();
    }
    let (server, authority) = Server::start_with_tls();
    let url = format!("rediss://localhost:{}", server.port);

    let stranger = RedisStream::connect(&config(&url, 10), "one").unwrap();
    let error = Bus::ping(&stranger).await.unwrap_err();
    assert!(error.to_string().contains("its certificate is not trusted"), "{error:?}");

    let itself = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "redis_stream::tests::a_rediss_url_is_spoken_with_tls"])
        .env(URL, &url)
        .env("SSL_CERT_FILE", &authority)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&itself.stdout);
    assert!(itself.status.success() && told.contains("1 passed"), "{told}");
}
