use std::collections::HashMap;
use std::sync::Mutex as SyncMutex;

use uuid::Uuid;

use super::*;
use crate::bus::{Notice, Publisher, TestNotice};
use crate::contract;

/// A log in memory.
#[derive(Debug, Default)]
struct MemoryLog {
    state: SyncMutex<Appended>,
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Appended {
    events: Vec<Event>,
    cursors: HashMap<String, i64>,
    failing: bool,
}

impl MemoryLog {
    fn fail(&self, failing: bool) {
        self.state.lock().unwrap().failing = failing;
    }

    async fn add(&self, events: &[Event]) {
        let notices: Vec<Notice> = events.iter().cloned().map(Notice::from).collect();
        self.publish(&notices).await.unwrap();
    }

    fn check(&self) -> Result<(), BusError> {
        let failing = self.state.lock().unwrap().failing;
        if failing { Err(BusError::Log { act: "read", source: "disk is gone".into() }) } else { Ok(()) }
    }
}

/// What applying a mutation does to the journal's log.
#[async_trait]
impl Publisher for MemoryLog {
    fn name(&self) -> &'static str {
        "embedded"
    }

    async fn publish(&self, notices: &[Notice]) -> Result<(), BusError> {
        let events = notices.iter().map(|notice| notice.event.clone());
        self.state.lock().unwrap().events.extend(events);
        self.news.send_replace(());
        Ok(())
    }

    async fn test(&self, _notice: &TestNotice) -> Result<(), BusError> {
        self.check()
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.check()
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.check()
    }

    async fn read(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, BusError> {
        self.check()?;
        let state = self.state.lock().unwrap();
        let cursor = state.cursors.get(group).copied().unwrap_or(0);
        let rows = (1..).zip(state.events.iter().cloned()).filter(|(position, _)| *position > cursor);
        Ok(rows.take(max as usize).collect())
    }

    async fn commit(&self, group: &str, position: i64) -> Result<(), BusError> {
        self.state.lock().unwrap().cursors.insert(group.to_owned(), position);
        Ok(())
    }
}

/// A bus that hands out again, and polls, after less than half a second.
fn hasty(log: Arc<MemoryLog>) -> EmbeddedBus {
    EmbeddedBus { redelivered_after: Duration::from_millis(400), ..EmbeddedBus::new(log) }
}

fn group() -> GroupName {
    "thumbnail".parse().unwrap()
}

fn ids(deliveries: &[Delivery]) -> Vec<Uuid> {
    deliveries.iter().map(|delivery| delivery.event.id).collect()
}

#[tokio::test]
async fn the_embedded_bus_keeps_the_contract() {
    let log = Arc::new(MemoryLog::default());
    contract::check(log.as_ref(), &hasty(log.clone()), &contract::samples()).await;
}

#[tokio::test]
async fn what_is_overdue_comes_again_after_the_redelivery_time() {
    let events = contract::samples();
    let log = Arc::new(MemoryLog::default());
    let bus = hasty(log.clone());
    log.add(&events[..1]).await;
    let mut subscription = bus.subscribe(&group()).await.unwrap();
    let start = Instant::now();
    let first = subscription.next(1).await.unwrap();

    let again = subscription.next(1).await.unwrap();
    assert_eq!(again, first);
    assert!(start.elapsed() >= bus.redelivered_after, "{:?}", start.elapsed());
}

#[tokio::test]
async fn after_a_restart_what_was_in_hand_comes_again_and_what_was_acknowledged_does_not() {
    let events = contract::samples();
    let log = Arc::new(MemoryLog::default());
    let before = EmbeddedBus::new(log.clone());
    log.add(&events[..3]).await;
    let mut subscription = before.subscribe(&group()).await.unwrap();
    let deliveries = subscription.next(3).await.unwrap();
    // The second stays in hand, so the third, though done with, cannot be passed by the cursor.
    subscription.acknowledge(&[deliveries[0].clone(), deliveries[2].clone()]).await.unwrap();

    let after = EmbeddedBus::new(log);
    let again = after.subscribe(&group()).await.unwrap().next(9).await.unwrap();
    assert_eq!(ids(&again), [events[1].id, events[2].id]);
}

#[tokio::test]
async fn what_another_process_added_is_found_by_the_poll() {
    let events = contract::samples();
    let log = Arc::new(MemoryLog::default());
    let mut subscription = hasty(log.clone()).subscribe(&group()).await.unwrap();
    let waiting = tokio::spawn(async move { subscription.next(9).await });
    sleep(Duration::from_millis(100)).await;

    log.state.lock().unwrap().events.push(events[0].clone());
    assert_eq!(ids(&waiting.await.unwrap().unwrap()), [events[0].id]);
}

#[tokio::test]
async fn a_waiting_subscriber_hears_at_once_and_not_at_the_poll() {
    let events = contract::samples();
    let log = Arc::new(MemoryLog::default());
    let bus = EmbeddedBus::new(log.clone());
    let mut subscription = bus.subscribe(&group()).await.unwrap();
    let waiting = tokio::spawn(async move { subscription.next(9).await });
    sleep(Duration::from_millis(100)).await;

    let start = Instant::now();
    log.add(&events[..1]).await;
    assert_eq!(ids(&waiting.await.unwrap().unwrap()), [events[0].id]);
    assert!(start.elapsed() < POLL / 4, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_subscription_recovers_when_the_log_does() {
    let events = contract::samples();
    let log = Arc::new(MemoryLog::default());
    let bus = EmbeddedBus::new(log.clone());
    log.add(&events[..1]).await;
    let mut subscription = bus.subscribe(&group()).await.unwrap();

    log.fail(true);
    assert!(bus.ping().await.is_err());
    let error = subscription.next(1).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read the journal that serves as event bus");
    let start = Instant::now();
    subscription.next(1).await.unwrap_err();
    assert!(start.elapsed() >= FIRST_WAIT, "it waits before it tries again");

    log.fail(false);
    assert_eq!(ids(&subscription.next(1).await.unwrap()), [events[0].id]);
}
