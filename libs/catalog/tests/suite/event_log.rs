//! The embedded bus's log and its cursors.

use std::collections::HashSet;
use std::time::Duration;

use relais_catalog::EventLog;
use uuid::Uuid;

use crate::scratch::{Scratch, put, stored, write};

crate::on_both![
    groups_read_in_the_order_of_appending_from_their_own_cursors,
    a_cursor_never_moves_back,
    appending_twice_changes_nothing,
    only_applied_events_are_appended,
    positions_go_on_after_everything_was_pruned,
    two_publishers_give_each_event_one_position,
];

async fn ids(log: &EventLog, group: &str, max: u64) -> Vec<Uuid> {
    log.read(group, max).await.unwrap().into_iter().map(|(_, event)| event.id).collect()
}

async fn groups_read_in_the_order_of_appending_from_their_own_cursors(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let log = catalog.event_log();
    let mut written = Vec::new();
    for name in ["1.jpg", "2.jpg", "3.jpg"] {
        written.push(write(&catalog, name, stored("e1")).await.id);
    }
    let order = [written[2], written[0], written[1]];
    assert!(ids(&log, "thumbnail", 10).await.is_empty());
    log.append(&order[..2]).await.unwrap();
    log.append(&order[2..]).await.unwrap();

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
    log.commit("thumbnail", 7).await.unwrap();
    log.commit("thumbnail", 3).await.unwrap();
    let event = write(&catalog, "cat.jpg", stored("e1")).await;
    log.append(&[event.id]).await.unwrap();
    assert_eq!(log.read("thumbnail", 10).await.unwrap(), [(8, event)]);
}

async fn appending_twice_changes_nothing(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let log = catalog.event_log();
    let first = write(&catalog, "1.jpg", stored("e1")).await.id;
    let second = write(&catalog, "2.jpg", stored("e1")).await.id;
    log.append(&[first]).await.unwrap();
    log.append(&[second, first]).await.unwrap();
    log.append(&[]).await.unwrap();
    assert_eq!(ids(&log, "thumbnail", 10).await, [first, second]);
}

async fn only_applied_events_are_appended(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let open = catalog.journal().open(put("cat.jpg")).await.unwrap();
    catalog.event_log().append(&[open.0, Uuid::now_v7()]).await.unwrap();
    assert!(ids(&catalog.event_log(), "thumbnail", 10).await.is_empty());
}

async fn positions_go_on_after_everything_was_pruned(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let (journal, log) = (catalog.journal(), catalog.event_log());
    for name in ["1.jpg", "2.jpg"] {
        let id = write(&catalog, name, stored("e1")).await.id;
        log.append(&[id]).await.unwrap();
        journal.published(&[id]).await.unwrap();
    }
    let (position, _) = log.read("thumbnail", 10).await.unwrap().pop().unwrap();
    log.commit("thumbnail", position).await.unwrap();
    assert_eq!(journal.prune(Duration::ZERO).await.unwrap(), 2);
    let event = write(&catalog, "3.jpg", stored("e1")).await;
    log.append(&[event.id]).await.unwrap();
    assert_eq!(ids(&log, "thumbnail", 10).await, [event.id], "behind the cursor it would never be read");
}

async fn two_publishers_give_each_event_one_position(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await, scratch.connect().await);
    let mut written = Vec::new();
    for number in 0..20 {
        written.push(write(&one, &format!("{number}.jpg"), stored("e1")).await.id);
    }
    let appends = (0..10).map(|number| {
        let log = if number % 2 == 0 { one.event_log() } else { other.event_log() };
        let ids = written[number..number + 10].to_vec();
        tokio::spawn(async move { log.append(&ids).await })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.unwrap().unwrap();
    }
    let positions: Vec<i64> = one
        .event_log()
        .read("thumbnail", 100)
        .await
        .unwrap()
        .into_iter()
        .map(|(position, _)| position)
        .collect();
    assert_eq!(positions, (1..=19).collect::<Vec<_>>());
    assert_eq!(ids(&one.event_log(), "thumbnail", 100).await.into_iter().collect::<HashSet<_>>().len(), 19);
}
