use std::collections::HashMap;
use std::sync::Mutex as SyncMutex;

use super::*;
use crate::contract;

/// A log in memory: it knows some events, and the order in which they were appended.
#[derive(Debug, Default)]
struct MemoryLog {
    journal: Vec<Event>,
    state: SyncMutex<Appended>,
}

#[derive(Debug, Default)]
struct Appended {
    order: Vec<Uuid>,
    cursors: HashMap<String, i64>,
    failing: bool,
}

impl MemoryLog {
    fn of(journal: Vec<Event>) -> Arc<Self> {
        Arc::new(Self { journal, ..Self::default() })
    }

    fn fail(&self, failing: bool) {
        self.state.lock().unwrap().failing = failing;
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, ids: &[Uuid]) -> Result<(), BusError> {
        let mut state = self.state.lock().unwrap();
        if state.failing {
            return Err(BusError::Log { act: "append to", source: "disk is gone".into() });
        }
        for id in ids {
            if !state.order.contains(id) {
                state.order.push(*id);
            }
        }
        Ok(())
    }

    async fn read(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, BusError> {
        let state = self.state.lock().unwrap();
        if state.failing {
            return Err(BusError::Log { act: "read", source: "disk is gone".into() });
        }
        let cursor = state.cursors.get(group).copied().unwrap_or(0);
        let event = |id: &Uuid| self.journal.iter().find(|event| event.id == *id).unwrap().clone();
        let rows = state.order.iter().zip(1..).filter(|(_, position)| *position > cursor);
        Ok(rows.map(|(id, position)| (position, event(id))).take(max as usize).collect())
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
    let events = contract::samples();
    contract::check(&hasty(MemoryLog::of(events.clone())), &events).await;
}

#[tokio::test]
async fn what_is_overdue_comes_again_after_the_redelivery_time() {
    let events = contract::samples();
    let bus = hasty(MemoryLog::of(events.clone()));
    bus.publish(&events[..1]).await.unwrap();
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
    let log = MemoryLog::of(events.clone());
    let before = EmbeddedBus::new(log.clone());
    before.publish(&events[..3]).await.unwrap();
    let mut subscription = before.subscribe(&group()).await.unwrap();
    let deliveries = subscription.next(3).await.unwrap();
    // The second stays in hand, so the third, though done with, cannot be passed by the cursor.
    subscription.acknowledge(&[deliveries[0].clone(), deliveries[2].clone()]).await.unwrap();

    let after = EmbeddedBus::new(log);
    let again = after.subscribe(&group()).await.unwrap().next(9).await.unwrap();
    assert_eq!(ids(&again), [events[1].id, events[2].id]);
}

#[tokio::test]
async fn what_another_process_published_is_found_by_the_poll() {
    let events = contract::samples();
    let log = MemoryLog::of(events.clone());
    let mut subscription = hasty(log.clone()).subscribe(&group()).await.unwrap();
    let waiting = tokio::spawn(async move { subscription.next(9).await });
    sleep(Duration::from_millis(100)).await;

    EmbeddedBus::new(log).publish(&events[..1]).await.unwrap();
    assert_eq!(ids(&waiting.await.unwrap().unwrap()), [events[0].id]);
}

#[tokio::test]
async fn a_waiting_subscriber_hears_at_once_and_not_at_the_poll() {
    let events = contract::samples();
    let bus = EmbeddedBus::new(MemoryLog::of(events.clone()));
    let mut subscription = bus.subscribe(&group()).await.unwrap();
    let waiting = tokio::spawn(async move { subscription.next(9).await });
    sleep(Duration::from_millis(100)).await;

    let start = Instant::now();
    bus.publish(&events[..1]).await.unwrap();
    assert_eq!(ids(&waiting.await.unwrap().unwrap()), [events[0].id]);
    assert!(start.elapsed() < POLL / 4, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_subscription_recovers_when_the_log_does() {
    let events = contract::samples();
    let log = MemoryLog::of(events.clone());
    let bus = EmbeddedBus::new(log.clone());
    bus.publish(&events[..1]).await.unwrap();
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
