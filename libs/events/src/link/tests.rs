//! Each topology with real servers, by what a stream makes of it.

use std::collections::{BTreeMap, BTreeSet};

use redis::streams::{StreamPendingReply, StreamRangeReply};
use relais_model::Event;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::*;
use crate::bus::{Bus, Notice, Publisher, Subscription};
use crate::config::Config;
use crate::contract;
use crate::redis_stream::{RedisStream, default_keys};
use crate::tests::servers::{Cluster, Server, Watched, plain_config};

const PATIENCE: Duration = Duration::from_secs(60);

/// Events of so many objects, one after the other.
fn many(count: usize, objects: usize) -> Vec<Event> {
    let sample = contract::samples().remove(0);
    let event = |number: usize| Event {
        id: Uuid::now_v7(),
        key: format!("object-{}", number % objects).parse().unwrap(),
        ..sample.clone()
    };
    (0..count).map(event).collect()
}

/// Publishes as the relay does: again and again until it is done.
async fn publish(bus: &RedisStream, events: &[Event]) -> u32 {
    let notices: Vec<Notice> = events.iter().cloned().map(Notice::from).collect();
    let (start, mut failures) = (Instant::now(), 0);
    while let Err(error) = bus.publish(&notices).await {
        failures += 1;
        assert!(start.elapsed() < PATIENCE, "publishing never succeeds again: {error:?}");
        sleep(Duration::from_millis(100)).await;
    }
    failures
}

fn without_repeats(ids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut seen = BTreeSet::new();
    ids.into_iter().filter(|id| seen.insert(*id)).collect()
}

fn written(folder: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The first of the Sentinels that it names is not there.
fn watched_config(watched: &Watched, folder: &TempDir) -> Config {
    let mut config = plain_config(&format!("redis://:{}@127.0.0.1:1", Watched::PASSWORD), 1_000_000);
    config.redis.sentinel_master = Some("mymaster".to_owned());
    config.redis.nodes = watched.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
    let password = written(folder, "sentinel", &format!("{}\n", Watched::SENTINEL_PASSWORD));
    config.redis.sentinel_password_file = Some(password);
    config
}

#[tokio::test]
async fn a_failover_in_the_middle_loses_nothing_and_keeps_the_order() {
    let (mut watched, folder) = (Watched::start(), TempDir::new().unwrap());
    let config = watched_config(&watched, &folder);
    let bus = RedisStream::connect(&config, "one").unwrap();
    let events = many(2_000, 7);
    let mut failures = 0;
    for (number, batch) in events.chunks(20).enumerate() {
        if number == 40 {
            watched.data[0].stop();
        }
        failures += publish(&bus, batch).await;
    }
    assert!(failures > 0, "the primary died and nobody noticed");

    let link = Link::open(default_keys(), config.redis_url.as_deref().unwrap(), &config.redis).unwrap();
    let entries: StreamRangeReply =
        link.command(redis::cmd("XRANGE").arg("relais:events").arg("-").arg("+")).await.unwrap();
    let ids = entries.ids.iter().map(|entry| entry.get::<String>("id").unwrap().parse().unwrap());
    let expected: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    assert_eq!(without_repeats(ids), expected);
}

#[tokio::test]
async fn a_master_that_the_sentinels_do_not_know_is_named() {
    let (watched, folder) = (Watched::start(), TempDir::new().unwrap());
    let mut config = watched_config(&watched, &folder);
    config.redis.sentinel_master = Some("another".to_owned());
    let error =
        Publisher::ping(&RedisStream::connect(&config, "one").unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("another of 127.0.0.1:1, "), "{error}");
    assert!(error.ends_with("check sentinel_master in [events.redis]"), "{error}");

    let wrong = written(&folder, "wrong", "wrong");
    let config = watched_config(&watched, &folder);
    let redis = RedisConfig { sentinel_password_file: Some(wrong), ..config.redis.clone() };
    let stranger = RedisStream::connect(&Config { redis, ..config }, "one").unwrap();
    let error = Publisher::ping(&stranger).await.unwrap_err().to_string();
    assert!(error.contains("check the user and the password"), "{error}");
}

/// What only the primary has is lost when it dies.
#[tokio::test]
async fn a_delivery_that_no_replica_has_is_not_believed() {
    let primary = Server::start();
    let replica = Server::start_with(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]);
    crate::tests::servers::until("the replica follows", || {
        primary.ask::<String>("INFO replication").is_ok_and(|told| told.contains("state=online"))
    });
    let bus = RedisStream::connect(&plain_config(&primary.url(), 100), "one").unwrap();
    publish(&bus, &many(1, 1)).await;
    assert_eq!(
        replica.ask::<u64>("XLEN relais:events").unwrap(),
        1,
        "it is on the replica when publish returns"
    );

    replica.signal("-STOP");
    let notices = [Notice::from(many(1, 1).remove(0))];
    let error = bus.publish(&notices).await.unwrap_err().to_string();
    assert!(error.ends_with("its replicas lag behind: see whether they are well"), "{error}");
    replica.signal("-CONT");
    assert!(bus.publish(&notices).await.is_ok());
}

/// Moves the slot of a key to the next node in the four steps that Redis has for it, and publishes after each.
async fn move_while_publishing(
    cluster: &Cluster,
    key: &str,
    bus: &RedisStream,
    batches: &mut std::slice::Chunks<'_, Event>,
) {
    let (from, slot) = cluster.holder(key);
    let to = (from + 1) % cluster.nodes.len();
    let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
    let id = |server: &Server| server.ask::<String>("CLUSTER MYID").unwrap();
    let steps = [
        (target, format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(source))),
        (source, format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(target))),
        (source, format!("MIGRATE 127.0.0.1 {} {key} 0 5000", target.port)),
        (target, format!("CLUSTER SETSLOT {slot} NODE {}", id(target))),
        (source, format!("CLUSTER SETSLOT {slot} NODE {}", id(target))),
    ];
    for (server, step) in steps {
        server.ask::<()>(&step).unwrap();
        publish(bus, batches.next().unwrap()).await;
    }
    assert_eq!(cluster.holder(key).0, to);
}

#[tokio::test]
async fn a_slot_that_moves_loses_nothing_and_keeps_the_order_of_each_object() {
    let cluster = Cluster::start();
    let mut config = plain_config("redis://127.0.0.1:1", 1_000_000);
    config.redis.nodes = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    config.partitions = 5;
    let bus = RedisStream::connect(&config, "one").unwrap();
    let group = "g".parse().unwrap();
    let mut subscription = bus.subscribe(&group).await.unwrap();
    let events = many(700, 23);

    let reading = tokio::spawn({
        let count = events.len();
        async move { read_all(&mut *subscription, count).await }
    });
    let mut batches = events.chunks(50);
    publish(&bus, batches.next().unwrap()).await;
    move_while_publishing(&cluster, "relais:events:{0}", &bus, &mut batches).await;
    move_while_publishing(&cluster, "relais:events:{3}", &bus, &mut batches).await;
    for batch in batches {
        publish(&bus, batch).await;
    }

    let heard = reading.await.unwrap();
    assert_eq!(by_object(&heard), by_object(&events));
    let mut entries = 0;
    for number in 0..5 {
        let key = format!("relais:events:{{{number}}}");
        let node = &cluster.nodes[cluster.holder(&key).0];
        let length = node.ask::<u64>(&format!("XLEN {key}")).unwrap();
        assert!(length > 0, "{key} has its share");
        entries += length;
        let pending: StreamPendingReply = node.ask(&format!("XPENDING {key} g")).unwrap();
        assert_eq!(pending.count(), 0, "{key}: what was read is acknowledged where it was read");
    }
    assert!(entries >= 700);
}

/// Reads until it has so many, each once, and acknowledges them.
async fn read_all(subscription: &mut dyn Subscription, count: usize) -> Vec<Event> {
    let (mut heard, mut seen, start) = (Vec::new(), BTreeSet::new(), Instant::now());
    while heard.len() < count {
        assert!(start.elapsed() < PATIENCE, "only {} of {count} arrive", heard.len());
        match timeout(PATIENCE, subscription.next(40)).await.expect("an event arrives") {
            Ok(deliveries) => {
                while subscription.acknowledge(&deliveries).await.is_err() {
                    sleep(Duration::from_millis(50)).await;
                }
                heard.extend(
                    deliveries.into_iter().map(|one| one.event).filter(|event| seen.insert(event.id)),
                );
            }
            // The subscription is still good, and waits by itself.
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error:?}"),
        }
    }
    heard
}

fn by_object(events: &[Event]) -> BTreeMap<String, Vec<Uuid>> {
    let mut objects = BTreeMap::<String, Vec<Uuid>>::new();
    for event in events {
        objects.entry(event.key.to_string()).or_default().push(event.id);
    }
    objects
}

#[tokio::test]
async fn a_bus_over_a_cluster_keeps_the_contract() {
    let cluster = Cluster::start();
    // Any node will do: it names the one that has the key.
    let (holder, _) = cluster.holder("relais:events");
    let other = &cluster.nodes[(holder + 1) % 3];
    let mut bus = RedisStream::connect(&plain_config(&other.url(), 1_000_000), "one").unwrap();
    bus.redelivered_after = Duration::from_millis(400);
    contract::check(&bus, &bus, &contract::samples()).await;
    let entries = contract::EVENTS as u64 + 1; // The test event is there, too.
    assert_eq!(cluster.nodes[holder].ask::<u64>("XLEN relais:events").unwrap(), entries);
}

/// All that docs/OPERATIONS.md says a user needs, and no more.
const RIGHTS: &str = "+multi +exec +role +wait +xadd +xlen +xtrim +xinfo|groups +xpending \
    +xgroup|create +xreadgroup +xautoclaim +xack";

#[tokio::test]
async fn a_user_of_its_own_needs_few_rights() {
    let (server, folder) = (Server::start(), TempDir::new().unwrap());
    let rights = format!("ACL SETUSER relais on >swordfish ~relais:events -@all {RIGHTS}").replace("  ", " ");
    server.ask::<()>(&rights).unwrap();
    let mut config = plain_config(&server.url(), 10);
    config.redis.username = Some("relais".to_owned());
    config.redis.password_file = Some(written(&folder, "password", "swordfish\n"));
    let bus = RedisStream::connect(&config, "one").unwrap();
    publish(&bus, &many(50, 1)).await;
    let mut subscription = bus.subscribe(&"g".parse().unwrap()).await.unwrap();
    read_all(&mut *subscription, 5).await; // Of what the trimming has left.
    Publisher::ping(&bus).await.unwrap();

    let in_url = plain_config(&format!("redis://relais:swordfish@127.0.0.1:{}", server.port), 10);
    publish(&RedisStream::connect(&in_url, "one").unwrap(), &many(1, 1)).await;

    server.ask::<()>("ACL SETUSER relais -xadd").unwrap();
    let refused = bus.publish(&[Notice::from(many(1, 1).remove(0))]).await.unwrap_err().to_string();
    assert!(refused.contains("its user may not do this to this key"), "{refused}");
}

#[tokio::test]
async fn a_user_who_may_not_ask_for_replicas_still_publishes() {
    let server = Server::start();
    let replica = Server::start_with(&["--replicaof", &format!("127.0.0.1 {}", server.port)]);
    for forbidden in ["role", "wait"] {
        server.ask::<()>(&format!("ACL SETUSER relais on >swordfish ~* +@all -{forbidden}")).unwrap();
        let config = plain_config(&format!("redis://relais:swordfish@127.0.0.1:{}", server.port), 10);
        let bus = RedisStream::connect(&config, "one").unwrap();
        bus.publish(&[Notice::from(many(1, 1).remove(0))]).await.unwrap();
    }
    drop(replica);
}

#[tokio::test]
async fn an_authority_and_a_certificate_may_be_files() {
    let (server, authority) = Server::start_with_tls_for("yes");
    let mut config = plain_config(&format!("rediss://localhost:{}", server.port), 10);
    config.redis.ca_file = Some(authority.clone());
    let stranger = RedisStream::connect(&config, "one").unwrap();
    Publisher::ping(&stranger).await.unwrap_err();

    config.redis.key_file = Some(authority.with_file_name("key.pem"));
    config.redis.certificate_file = Some(authority);
    let bus = RedisStream::connect(&config, "one").unwrap();
    publish(&bus, &many(3, 1)).await;
    Publisher::ping(&bus).await.unwrap();
}

/// A batch is one round trip, whatever is in it.
#[tokio::test]
async fn a_full_batch_takes_milliseconds() {
    let server = Server::start();
    let bus = RedisStream::connect(&plain_config(&server.url(), 1_000_000), "one").unwrap();
    publish(&bus, &many(1, 1)).await;
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let events = many(500, 50);
        let start = Instant::now();
        publish(&bus, &events).await;
        fastest = fastest.min(start.elapsed());
    }
    // Not optimised and on a busy machine; one round trip each would take ten times as long.
    assert!(fastest < Duration::from_millis(150), "{fastest:?}");
    println!("500 events: {fastest:?}");
}
