//! The log of events and the cursors of its readers.

use std::time::Duration;

use relais_catalog::{EventLog, Owed};
use uuid::Uuid;

use crate::scratch::{Scratch, put, stored, write};

crate::on_both![
    readers_go_on_from_their_own_cursors,
    a_cursor_never_moves_back,
    only_applied_events_are_in_the_log,
    positions_go_on_after_everything_was_pruned,
    a_reader_that_registers_begins_at_the_end_and_stays_where_it_is,
    what_a_reader_is_owed_is_counted,
    news_come_with_what_is_applied,
];

async fn ids(log: &EventLog, group: &str, max: u64) -> Vec<Uuid> {
    log.read(group, max).await.unwrap().into_iter().map(|(_, event)| event.id).collect()
}

async fn readers_go_on_from_their_own_cursors(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let log = catalog.event_log();
    assert!(ids(&log, "thumbnail", 10).await.is_empty());
    let mut order = Vec::new();
    for name in ["1.jpg", "2.jpg", "3.jpg"] {
        order.push(write(&catalog, name, stored("e1")).await.id);
    }
    assert_eq!(ids(&log, "thumbnail", 2).await, order[..2]);
    assert_eq!(ids(&log, "thumbnail", 10).await, order, "nothing was committed");
    let (position, _) = log.read("thumbnail", 2).await.unwrap().pop().unwrap();
    log.commit("thumbnail", position).await.unwrap();
    assert_eq!(ids(&log, "thumbnail", 10).await, order[2..]);
    assert_eq!(ids(&log, "transcription", 10).await, order, "a new group begins at the beginning");
}

async fn a_cursor_never_moves_back(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let log = catalog.event_log();
    for name in ["1.jpg", "2.jpg", "3.jpg"] {
        write(&catalog, name, stored("e1")).await;
    }
    log.commit("thumbnail", 3).await.unwrap();
    log.commit("thumbnail", 1).await.unwrap();
    let event = write(&catalog, "cat.jpg", stored("e1")).await;
    assert_eq!(log.read("thumbnail", 10).await.unwrap(), [(4, event)]);
}

async fn only_applied_events_are_in_the_log(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    catalog.journal().open(put("cat.jpg")).await.unwrap();
    assert_eq!(
        (ids(&catalog.event_log(), "thumbnail", 10).await, catalog.event_log().last().await.unwrap()),
        (vec![], 0)
    );
}

async fn positions_go_on_after_everything_was_pruned(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let (journal, log) = (catalog.journal(), catalog.event_log());
    for name in ["1.jpg", "2.jpg"] {
        write(&catalog, name, stored("e1")).await;
    }
    let (position, _) = log.read("thumbnail", 10).await.unwrap().pop().unwrap();
    log.commit("thumbnail", position).await.unwrap();
    assert_eq!(journal.prune(Duration::ZERO).await.unwrap(), 2);
    let event = write(&catalog, "3.jpg", stored("e1")).await;
    assert_eq!(ids(&log, "thumbnail", 10).await, [event.id], "behind the cursor it would never be read");
}

async fn a_reader_that_registers_begins_at_the_end_and_stays_where_it_is(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let log = catalog.event_log();
    write(&catalog, "before.jpg", stored("e1")).await;
    assert_eq!(log.register("bus:redis").await.unwrap(), 1);
    let after = write(&catalog, "after.jpg", stored("e1")).await;
    assert_eq!(log.register("bus:redis").await.unwrap(), 1);
    assert_eq!(ids(&log, "bus:redis", 10).await, [after.id]);
    assert_eq!(log.readers().await.unwrap(), [("bus:redis".to_owned(), 1)]);
}

async fn what_a_reader_is_owed_is_counted(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let log = catalog.event_log();
    log.register("bus:redis").await.unwrap();
    assert_eq!(log.owed("bus:redis").await.unwrap(), Owed::default());
    let first = write(&catalog, "1.jpg", stored("e1")).await;
    write(&catalog, "2.jpg", stored("e1")).await;
    assert_eq!(log.owed("bus:redis").await.unwrap(), Owed { events: 2, since: Some(first.time) });
    log.commit("bus:redis", 2).await.unwrap();
    assert_eq!(log.owed("bus:redis").await.unwrap(), Owed::default());
}

async fn news_come_with_what_is_applied(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let mut news = catalog.event_log().news();
    catalog.journal().open(put("cat.jpg")).await.unwrap();
    assert!(!news.has_changed().unwrap(), "an intent is no news");
    write(&catalog, "dog.jpg", stored("e1")).await;
    assert!(news.has_changed().unwrap());
    news.mark_unchanged();
    assert!(!news.has_changed().unwrap());
}
