//! The contract of [`Bus`] as a check that every implementation must pass.
//!
//! It lives in the library and not in its tests, so that whoever puts something between a bus and its consumers, or a
//! journal below the embedded bus, can run it there too. It panics at the first promise that is not kept.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use relais_model::{DerivedFrom, Event, EventKind, ObjectFacts, Requester, Sequencer};
use tokio::time::timeout;
use uuid::Uuid;

use crate::bus::{Bus, Delivery, GroupName, Notice, Publisher, REDELIVERED_AFTER, Subscription, TestNotice};

/// How many events [`check`] needs.
pub const EVENTS: usize = 8;

/// Checks a bus that nobody else uses and that has no events yet, and what publishes to it.
///
/// # Panics
/// Panics where the bus breaks its contract.
pub async fn check(publisher: &dyn Publisher, bus: &dyn Bus, events: &[Event]) {
    let sides = Sides { publisher, bus };
    assert_eq!(events.len(), EVENTS, "the check needs {EVENTS} events");
    bus.ping().await.expect("a bus in service answers a ping");
    publisher.ping().await.expect("a publisher in service answers a ping");
    publisher.publish(&[]).await.expect("publishing nothing is no error");
    publisher.test(&test_notice()).await.expect("a publisher in service takes a test event");

    every_group_hears_of_everything_in_order(&sides, &events[..4]).await;
    what_is_not_acknowledged_comes_again(&sides, &events[4..5]).await;
    waiting_may_be_cancelled_and_ends_at_once(&sides, &events[5..6]).await;
    the_members_of_a_group_share(&sides, &events[6..8]).await;
    what_is_acknowledged_stays_so(bus).await;
}

/// Events of every shape, for a bus that needs no journal.
pub fn samples() -> Vec<Event> {
    let voice = "audio/whatsapp/voice note+1.ogg";
    let mut derived = sample(EventKind::Put, "images/été_thumb.jpg", 4);
    derived.derived_from = Some(DerivedFrom {
        key: "images/été.png".parse().expect("a short key is valid"),
        etag: "9e107d9d372bb6826bd81d3542a419d6".into(),
    });
    let mut bare = sample(EventKind::Put, voice, 8);
    bare.requester.source_ip = None;
    bare.requester.traceparent = None;
    bare.object.iter_mut().for_each(|object| object.content_type = None);
    vec![
        sample(EventKind::Put, voice, 1),
        sample(EventKind::Post, voice, 2),
        sample(EventKind::CompleteMultipartUpload, "images/été.png", 3),
        derived,
        sample(EventKind::Delete, voice, 5),
        sample(EventKind::Copy, "a&b=c%20?#\u{1f4f7}", 6),
        sample(EventKind::Delete, "images/été.png", 7),
        bare,
    ]
}

/// What no group hears of.
fn test_notice() -> TestNotice {
    TestNotice {
        time: DateTime::UNIX_EPOCH,
        bucket: "media".parse().expect("a short name is valid"),
        request_id: "5582815E1AEA5ADF".into(),
        host_id: "node".into(),
    }
}

fn sample(kind: EventKind, key: &str, sequencer: u64) -> Event {
    Event {
        id: Uuid::now_v7(),
        kind,
        time: Utc.timestamp_nanos(1_767_225_600_123_456_789),
        bucket: "media".parse().expect("a short name is valid"),
        key: key.parse().expect("a short key is valid"),
        sequencer: Sequencer(sequencer),
        object: kind.creates().then(|| ObjectFacts {
            size: 1 << 33,
            etag: "d41d8cd98f00b204e9800998ecf8427e-2".into(),
            content_type: Some("audio/ogg; codecs=opus".into()),
            owner: "alice".into(),
        }),
        version_id: None,
        derived_from: None,
        requester: Requester {
            principal: "alice".into(),
            source_ip: Some("2001:db8::7".into()),
            request_id: "8F2C1D3B4A596877".into(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        },
    }
}

/// Where events go in, and where they come out.
struct Sides<'a> {
    publisher: &'a dyn Publisher,
    bus: &'a dyn Bus,
}

impl Sides<'_> {
    async fn publish(&self, events: &[Event]) {
        let notices: Vec<Notice> = events.iter().cloned().map(Notice::from).collect();
        self.publisher.publish(&notices).await.expect("the bus publishes");
    }
}

async fn every_group_hears_of_everything_in_order(sides: &Sides<'_>, events: &[Event]) {
    let mut early = join(sides.bus, "early").await;
    sides.publish(events).await;
    let mut late = join(sides.bus, "late").await;
    for subscription in [&mut early, &mut late] {
        let deliveries = collect(subscription.as_mut(), events.len()).await;
        assert_eq!(heard(&deliveries), events, "each group hears of each event, whole and in order");
        subscription.acknowledge(&deliveries).await.expect("the bus takes an acknowledgement");
    }
}

async fn what_is_not_acknowledged_comes_again(sides: &Sides<'_>, event: &[Event]) {
    sides.publish(event).await;
    let mut dying = join(sides.bus, "early").await;
    assert_eq!(heard(&collect(dying.as_mut(), 1).await), event, "what was acknowledged does not come again");
    drop(dying);

    let mut heir = join(sides.bus, "early").await;
    let again = collect(heir.as_mut(), 1).await;
    assert_eq!(heard(&again), event, "what a member left undone goes to another, with the same id");
    heir.acknowledge(&again).await.expect("the bus takes an acknowledgement");
}

async fn waiting_may_be_cancelled_and_ends_at_once(sides: &Sides<'_>, event: &[Event]) {
    let mut subscription = join(sides.bus, "early").await;
    for _ in 0..3 {
        let nothing = timeout(Duration::from_millis(50), subscription.next(5)).await;
        assert!(nothing.is_err(), "next waits while there is nothing: {nothing:?}");
    }
    sides.publish(event).await;
    let soon = timeout(HEARD_WITHIN, subscription.next(5)).await;
    let deliveries = soon.expect("a subscriber hears at once").expect("the bus delivers");
    assert_eq!(heard(&deliveries), event, "a wait that was given up loses nothing");
    subscription.acknowledge(&deliveries).await.expect("the bus takes an acknowledgement");
}

async fn the_members_of_a_group_share(sides: &Sides<'_>, events: &[Event]) {
    sides.publish(events).await;
    let (mut one, mut other) = (join(sides.bus, "early").await, join(sides.bus, "early").await);
    let first = timeout(PATIENCE, one.next(1)).await.expect("there is an event").expect("the bus delivers");
    assert_eq!(first.len(), 1, "next gives no more than it was asked for");
    let second =
        timeout(PATIENCE, other.next(5)).await.expect("there is an event").expect("the bus delivers");

    let ids: BTreeSet<_> = first.iter().chain(&second).map(|delivery| delivery.event.id).collect();
    let published: BTreeSet<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, published, "each event goes to one member");
    other.acknowledge(&second).await.expect("acknowledgements need not come in order");
    one.acknowledge(&first).await.expect("the bus takes an acknowledgement");
}

async fn what_is_acknowledged_stays_so(bus: &dyn Bus) {
    let mut subscription = join(bus, "early").await;
    let nothing = timeout(Duration::from_millis(500), subscription.next(5)).await;
    assert!(nothing.is_err(), "all is acknowledged, yet there is {nothing:?}");
}

async fn join(bus: &dyn Bus, group: &str) -> Box<dyn Subscription> {
    let group: GroupName = group.parse().expect("a short name is valid");
    bus.subscribe(&group).await.expect("a group can be joined")
}

/// Waits for that many events, in however many deliveries.
async fn collect(subscription: &mut dyn Subscription, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < count {
        let more = timeout(PATIENCE, subscription.next(count - deliveries.len())).await;
        deliveries.extend(more.expect("an event arrives in time").expect("the bus delivers"));
    }
    deliveries
}

fn heard(deliveries: &[Delivery]) -> Vec<Event> {
    deliveries.iter().map(|delivery| delivery.event.clone()).collect()
}

/// Three times the redelivery time: one to run out, one to be noticed, one for a slow machine.
const PATIENCE: Duration = Duration::from_secs(3 * REDELIVERED_AFTER.as_secs());

/// Far less than any poll, far more than a wake-up takes on a busy machine.
const HEARD_WITHIN: Duration = Duration::from_millis(900);
