//! Intents, events, group commit, recovery, the log, pruning.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use relais_catalog::{Announcement, Applied, CatalogError, Config, IntentId, Verdict};
use relais_model::{DerivedFrom, EventKind, ReplicaState};
use uuid::Uuid;

use crate::scratch::{
    Scratch, both, bucket, delete, deleted, facts, key, logged, one_behind, put, settled, states, stored,
    write,
};

crate::on_both![
    an_event_says_what_was_applied,
    any_text_comes_back_as_it_was,
    sequencers_of_a_key_increase_also_over_a_deletion,
    applying_twice_gives_the_same_event_once,
    an_intent_that_was_abandoned_cannot_be_applied,
    abandoning_does_not_undo_what_was_applied,
    overlapping_intents_leave_replicas_pending,
    an_intent_open_beside_an_applied_one_leaves_replicas_pending,
    writes_one_after_the_other_do_not_overlap,
    a_bucket_with_one_replica_has_nothing_to_settle,
    a_replica_that_was_behind_stays_pending,
    concurrent_requests_share_commits,
    concurrent_writers_of_one_key_on_two_instances_get_different_sequencers,
    a_refused_request_does_not_take_others_with_it,
    what_is_acknowledged_is_there_after_a_restart,
    a_doubted_intent_is_returned_until_it_is_decided,
    an_open_intent_of_a_living_instance_is_not_doubtful,
    intents_of_a_dead_instance_become_doubtful_to_one_other,
    the_log_has_the_events_in_the_order_of_their_commits,
    an_announcement_is_in_the_log_once,
    one_instance_leads_at_a_time,
    pruning_keeps_what_is_unsettled_or_owed,
    closing_answers_what_was_asked_before,
];

async fn an_event_says_what_was_applied(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let id = catalog.journal().open(put("a/cat_thumb.jpg")).await.unwrap();
    let derived_from = Some(DerivedFrom { key: key("a/cat.jpg"), etag: "e0".to_owned() });
    let applied = Applied { derived_from: derived_from.clone(), ..stored("e1") };
    let event = catalog.journal().apply(id, applied.clone()).await.unwrap();

    assert_eq!((event.id, event.kind, &event.bucket), (id.0, EventKind::Put, &bucket()));
    assert_eq!((event.key.as_str(), &event.object), ("a/cat_thumb.jpg", &Some(facts("e1"))));
    assert_eq!((&event.derived_from, &event.requester), (&derived_from, &applied.requester));
    assert_eq!(logged(&catalog).await, std::slice::from_ref(&event));

    let row = catalog.objects().find(&bucket(), &event.key).await.unwrap().unwrap();
    assert_eq!((row.sequencer, &row.object, &row.replicas), (event.sequencer, &Some(facts("e1")), &both()));
    assert_eq!((row.public_url, row.acl), (applied.public_url, applied.acl));
}

async fn any_text_comes_back_as_it_was(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let texts = [
        "\"quoted\", 'too'",
        "back\\slash\\u0041",
        "é ü \u{1F600} \u{202E}",
        "\u{1}\t\r\n\u{7f}",
        "null",
        "12",
        "[1]",
        "{}",
        "$1 ?1",
    ];
    for text in texts {
        let mut applied = stored(text);
        applied.object.as_mut().unwrap().content_type = Some(text.to_owned());
        applied.object.as_mut().unwrap().owner = text.to_owned();
        (applied.acl, applied.public_url) = (Some(text.to_owned()), None);
        applied.requester.principal = text.to_owned();
        let event = write(&catalog, text, applied.clone()).await;
        assert_eq!(logged(&catalog).await.last(), Some(&event));
        assert_eq!((&event.object, &event.requester), (&applied.object, &applied.requester));
        // Twice: the first write makes the row, the second changes it.
        for _ in 0..2 {
            let row = catalog.objects().find(&bucket(), &key(text)).await.unwrap().unwrap();
            assert_eq!((&row.object, &row.acl, &row.public_url), (&applied.object, &applied.acl, &None));
            assert_eq!(row.replicas, both());
            write(&catalog, text, stored("e0")).await;
            write(&catalog, text, Applied { requester: stored("").requester, ..applied.clone() }).await;
        }
    }
}

async fn sequencers_of_a_key_increase_also_over_a_deletion(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let mut last = write(&catalog, "cat.jpg", stored("e1")).await;
    // A clock that was ahead, here or on another instance, must not stop the order.
    scratch.execute("UPDATE objects SET sequencer = sequencer + 3600000000").await;
    for applied in [deleted(), stored("e2"), stored("e3")] {
        let event = write(&catalog, "cat.jpg", applied).await;
        assert!(event.sequencer > last.sequencer, "{event:?} after {last:?}");
        last = event;
    }
    write(&catalog, "cat.jpg", deleted()).await;
    let row = catalog.objects().find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert!(row.object.is_none() && row.sequencer > last.sequencer, "{row:?}");
}

async fn applying_twice_gives_the_same_event_once(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let id = catalog.journal().open(put("cat.jpg")).await.unwrap();
    let event = catalog.journal().apply(id, stored("e1")).await.unwrap();
    assert_eq!(catalog.journal().apply(id, stored("e1")).await.unwrap(), event);
    assert_eq!(logged(&catalog).await, [event]);
}

async fn an_intent_that_was_abandoned_cannot_be_applied(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let id = catalog.journal().open(put("cat.jpg")).await.unwrap();
    catalog.journal().abandon(id).await.unwrap();
    let error = catalog.journal().apply(id, stored("e1")).await.unwrap_err();
    assert!(matches!(error, CatalogError::UnknownIntent(IntentId(unknown)) if unknown == id.0), "{error:?}");
    assert_eq!(catalog.objects().find(&bucket(), &key("cat.jpg")).await.unwrap(), None);
}

async fn abandoning_does_not_undo_what_was_applied(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let event = write(&catalog, "cat.jpg", stored("e1")).await;
    catalog.journal().abandon(IntentId(event.id)).await.unwrap();
    catalog.journal().doubt(IntentId(event.id)).await.unwrap();
    assert_eq!(catalog.journal().doubtful(10).await.unwrap(), []);
    assert_eq!(logged(&catalog).await, [event]);
}

async fn overlapping_intents_leave_replicas_pending(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let journal = catalog.journal();
    let first = journal.open(put("cat.jpg")).await.unwrap();
    let second = journal.open(delete("cat.jpg")).await.unwrap();
    journal.apply(first, stored("e1")).await.unwrap();
    // The first is over now; that it was applied in between has to be noticed.
    journal.apply(second, deleted()).await.unwrap();
    let row = catalog.objects().find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert!(row.replicas.values().all(|state| *state == ReplicaState::Pending), "{row:?}");
    assert_eq!(catalog.objects().unsettled_count().await.unwrap(), 1);
}

async fn an_intent_open_beside_an_applied_one_leaves_replicas_pending(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let journal = catalog.journal();
    let open = journal.open(put("cat.jpg")).await.unwrap();
    write(&catalog, "cat.jpg", stored("e1")).await;
    write(&catalog, "dog.jpg", stored("e1")).await;
    journal.abandon(open).await.unwrap();
    let cat = catalog.objects().find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert!(cat.replicas.values().all(|state| *state == ReplicaState::Pending), "{cat:?}");
    let dog = catalog.objects().find(&bucket(), &key("dog.jpg")).await.unwrap().unwrap();
    assert_eq!(dog.replicas, both());
}

async fn writes_one_after_the_other_do_not_overlap(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    for etag in ["e1", "e2", "e3"] {
        write(&catalog, "cat.jpg", stored(etag)).await;
    }
    let row = catalog.objects().find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!(row.replicas, both());
    assert_eq!(catalog.objects().unsettled_count().await.unwrap(), 0);
}

async fn a_bucket_with_one_replica_has_nothing_to_settle(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let journal = catalog.journal();
    let alone = |etag| Applied { replicas: states(&[("disk", ReplicaState::Current)]), ..stored(etag) };
    let first = journal.open(put("cat.jpg")).await.unwrap();
    let second = journal.open(put("cat.jpg")).await.unwrap();
    journal.apply(first, alone("e1")).await.unwrap();
    journal.apply(second, alone("e2")).await.unwrap();
    assert_eq!(catalog.objects().unsettled_count().await.unwrap(), 0);
}

async fn a_replica_that_was_behind_stays_pending(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    write(&catalog, "cat.jpg", Applied { replicas: one_behind(), ..stored("e1") }).await;
    write(&catalog, "cat.jpg", stored("e2")).await;
    let row = catalog.objects().find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!(row.replicas, one_behind(), "a settler may have been writing e1 there while e2 came");
}

async fn concurrent_requests_share_commits(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let before = catalog.journal().batches();
    let writes: Vec<_> = (0..200)
        .map(|number| {
            let catalog = catalog.clone();
            tokio::spawn(async move { write(&catalog, &format!("{number}.jpg"), stored("e1")).await })
        })
        .collect();
    let mut keys = HashSet::new();
    for event in writes {
        keys.insert(event.await.unwrap().key);
    }
    let (requests, batches) = catalog.journal().batches();
    let (requests, batches) = (requests - before.0, batches - before.1);
    assert_eq!((keys.len(), requests), (200, 400));
    assert!(batches <= 100, "400 requests took {batches} commits");
    assert_eq!(logged(&catalog).await.len(), 200);
}

async fn concurrent_writers_of_one_key_on_two_instances_get_different_sequencers(scratch: &Scratch) {
    let catalogs = [scratch.migrated().await, scratch.connect().await];
    let writes: Vec<_> = (0..60)
        .map(|number| {
            let catalog = catalogs[number % 2].clone();
            // A few keys that nobody knew before, so that both instances create them at once.
            tokio::spawn(async move { write(&catalog, &format!("{}.jpg", number % 3), stored("e1")).await })
        })
        .collect();
    let mut sequencers = HashSet::new();
    for event in writes {
        let event = event.await.unwrap();
        assert!(sequencers.insert((event.key.clone(), event.sequencer.0)), "{event:?} comes twice");
    }
    for name in ["0.jpg", "1.jpg", "2.jpg"] {
        let row = catalogs[0].objects().find(&bucket(), &key(name)).await.unwrap().unwrap();
        let last =
            sequencers.iter().filter(|(key, _)| *key == row.key).map(|(_, sequencer)| *sequencer).max();
        assert_eq!(Some(row.sequencer.0), last);
    }
}

async fn a_refused_request_does_not_take_others_with_it(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let mut tasks = Vec::new();
    for number in 0..50 {
        let journal = catalog.journal();
        let id = journal.open(put(&format!("{number}.jpg"))).await.unwrap();
        // PostgreSQL cannot store this text; SQLite can. The others must be served either way.
        let acl = (number == 25).then(|| "nul\0".to_owned());
        let applied = Applied { acl, ..stored("e1") };
        tasks.push(async move { journal.apply(id, applied).await });
    }
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    for (number, task) in tasks.into_iter().enumerate() {
        let result = task.await.unwrap();
        assert!(result.is_ok() || number == 25, "{number}: {result:?}");
    }
}

async fn what_is_acknowledged_is_there_after_a_restart(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let event = write(&catalog, "cat.jpg", stored("e1")).await;
    let open = catalog.journal().open(put("dog.jpg")).await.unwrap();
    catalog.close().await.unwrap();

    let catalog = scratch.connect().await;
    assert_eq!(logged(&catalog).await, [event]);
    // A store may still be at what was open when it was closed, so others wait for the lease to run out.
    assert_eq!(catalog.journal().doubtful(10).await.unwrap(), []);
    scratch.execute("UPDATE instances SET lease_until = 0").await;
    assert_eq!(catalog.journal().doubtful(10).await.unwrap(), [(open, put("dog.jpg"))]);
}

async fn a_doubted_intent_is_returned_until_it_is_decided(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let journal = catalog.journal();
    let id = journal.open(put("cat.jpg")).await.unwrap();
    assert_eq!(journal.doubtful(10).await.unwrap(), []);
    journal.doubt(id).await.unwrap();
    for _ in 0..2 {
        assert_eq!(journal.doubtful(10).await.unwrap(), [(id, put("cat.jpg"))]);
    }
    journal.apply(id, stored("e1")).await.unwrap();
    assert_eq!(journal.doubtful(10).await.unwrap(), []);
}

async fn an_open_intent_of_a_living_instance_is_not_doubtful(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await, scratch.connect().await);
    // Opening is a sign of life, also before the first heartbeat.
    let id = one.journal().open(put("cat.jpg")).await.unwrap();
    one.journal().doubt(id).await.unwrap();
    one.journal().open(put("dog.jpg")).await.unwrap();
    assert_eq!(other.journal().doubtful(10).await.unwrap(), []);
}

async fn intents_of_a_dead_instance_become_doubtful_to_one_other(scratch: &Scratch) {
    let dead = scratch.migrated().await;
    let (second, third) = (scratch.connect().await, scratch.connect().await);
    let open = dead.journal().open(put("cat.jpg")).await.unwrap();
    let doubted = dead.journal().open(delete("dog.jpg")).await.unwrap();
    dead.journal().doubt(doubted).await.unwrap();
    scratch.execute("UPDATE instances SET lease_until = 0").await;
    second.journal().heartbeat().await.unwrap();

    let mut found = second.journal().doubtful(10).await.unwrap();
    found.sort_by_key(|(id, _)| *id);
    assert_eq!(found, [(open, put("cat.jpg")), (doubted, delete("dog.jpg"))]);
    assert_eq!(third.journal().doubtful(10).await.unwrap(), [], "they are the second's now");

    // The dead one was only slow: what it says still counts, and the second hears of it.
    let event = dead.journal().apply(open, stored("e1")).await.unwrap();
    assert_eq!(second.journal().apply(open, stored("e1")).await.unwrap(), event);
}

async fn the_log_has_the_events_in_the_order_of_their_commits(scratch: &Scratch) {
    let catalogs = [scratch.migrated().await, scratch.connect().await];
    let watching = tokio::spawn({
        let log = catalogs[0].event_log();
        // Reads as a bus does, while both instances write: what was passed must not be filled in later.
        async move {
            let (mut read, mut position) = (Vec::new(), 0);
            while read.len() < 120 {
                for (place, event) in log.after(position, 7).await.unwrap() {
                    position = place;
                    read.push(event);
                }
            }
            read
        }
    });
    let writes: Vec<_> = (0..120)
        .map(|number| {
            let catalog = catalogs[number % 2].clone();
            tokio::spawn(async move { write(&catalog, &format!("{}.jpg", number % 5), stored("e1")).await })
        })
        .collect();
    let mut ids = HashSet::new();
    for event in writes {
        ids.insert(event.await.unwrap().id);
    }
    let read = tokio::time::timeout(Duration::from_secs(60), watching).await.unwrap().unwrap();
    assert_eq!(read.iter().map(|event| event.id).collect::<HashSet<_>>(), ids, "each once");
    let mut last = HashMap::new();
    for event in read {
        let before = last.insert(event.key.clone(), event.sequencer);
        assert!(before.is_none_or(|before| before < event.sequencer), "{event:?} after {before:?}");
    }
}

async fn an_announcement_is_in_the_log_once(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let written = write(&catalog, "cat.jpg", stored("e1")).await;
    let announcement = Announcement {
        id: Uuid::now_v7(),
        bucket: bucket(),
        key: key("cat.jpg"),
        kind: EventKind::ReplicationFailed,
        object: Some(facts("e1")),
        requester: written.requester.clone(),
    };
    for _ in 0..2 {
        catalog.journal().announce(announcement.clone()).await.unwrap();
    }
    let next = write(&catalog, "cat.jpg", stored("e2")).await;
    let logged = logged(&catalog).await;
    let ids: Vec<Uuid> = logged.iter().map(|event| event.id).collect();
    assert_eq!(ids, [written.id, announcement.id, next.id]);
    let heard = &logged[1];
    assert_eq!((heard.kind, &heard.object), (EventKind::ReplicationFailed, &Some(facts("e1"))));
    assert!(written.sequencer <= heard.sequencer && heard.sequencer < next.sequencer, "{logged:?}");
}

async fn one_instance_leads_at_a_time(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await, scratch.connect().await);
    let minute = Duration::from_secs(60);
    assert!(one.journal().lead("relay", minute).await.unwrap());
    assert!(one.journal().lead("relay", minute).await.unwrap(), "a leader may prolong");
    assert!(!other.journal().lead("relay", minute).await.unwrap());
    assert!(other.journal().lead("settler", minute).await.unwrap());
    scratch.execute("UPDATE leases SET lease_until = 0").await;
    assert!(other.journal().lead("relay", minute).await.unwrap());
    assert!(!one.journal().lead("relay", minute).await.unwrap());
    // An orderly end frees the role at once.
    other.journal().heartbeat().await.unwrap();
    other.close().await.unwrap();
    assert!(one.journal().lead("relay", minute).await.unwrap());
}

async fn pruning_keeps_what_is_unsettled_or_owed(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let (journal, log) = (catalog.journal(), catalog.event_log());
    log.register("bus:redis").await.unwrap();
    write(&catalog, "done.jpg", stored("e1")).await;
    write(&catalog, "cat.jpg", Applied { replicas: one_behind(), ..stored("e1") }).await;
    write(&catalog, "owed.jpg", stored("e1")).await;
    let read = log.read("thumbnail", 3).await.unwrap();
    log.commit("thumbnail", read[2].0).await.unwrap();
    log.commit("bus:redis", read[1].0).await.unwrap();

    assert_eq!(journal.prune(Duration::from_secs(60)).await.unwrap(), 0, "nothing is so old");
    assert_eq!(journal.prune(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(log.after(0, 10).await.unwrap().len(), 2);

    let row = catalog.objects().find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!(settled(&catalog.objects(), &row, Some(facts("e1"))).await, Verdict::Settled);
    assert_eq!(journal.prune(Duration::ZERO).await.unwrap(), 1, "the bus is owed the other");
    log.commit("bus:redis", read[2].0).await.unwrap();
    assert_eq!(journal.prune(Duration::ZERO).await.unwrap(), 1);
}

async fn closing_answers_what_was_asked_before(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let journal = catalog.journal();
    let opened: Vec<_> = (0..50)
        .map(|number| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.open(put(&format!("{number}.jpg"))).await })
        })
        .collect();
    let clone = catalog.clone();
    catalog.close().await.unwrap();
    for result in opened {
        // Asked before: done. Asked too late: refused. Never left without an answer.
        let result = result.await.unwrap();
        assert!(matches!(result, Ok(_) | Err(CatalogError::Closed)), "{result:?}");
    }
    assert!(matches!(journal.open(put("late.jpg")).await, Err(CatalogError::Closed)));
    assert!(matches!(clone.ping().await, Err(CatalogError::Closed)));
    clone.close().await.unwrap();
}

/// What a crash of this process would leave behind is enough.
#[tokio::test]
async fn acknowledged_writes_are_in_the_files() {
    let scratch = Scratch::sqlite();
    let catalog = scratch.migrated().await;
    write(&catalog, "cat.jpg", stored("e1")).await;
    let file = scratch.config.url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc").to_owned();
    let copy = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{file}{suffix}"), copy.path().join(format!("catalog.db{suffix}"))).unwrap();
    }
    let url = format!("sqlite://{}?mode=rwc", copy.path().join("catalog.db").display());
    let copied = relais_catalog::Catalog::connect(&Config { url, connections_max: 1 }).await.unwrap();
    assert_eq!(logged(&copied).await.len(), 1);
}
