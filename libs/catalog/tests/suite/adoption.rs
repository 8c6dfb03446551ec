//! Rows for objects that were there before relais, and what operators see of the catalog.

use std::time::Duration;

use relais_catalog::{FoundObject, Intake};
use relais_model::{DerivedFrom, EventKind, Requester};

use crate::scratch::{
    Scratch, both, bucket, delete, deleted, facts, key, logged, one_behind, put, stored, write,
};

crate::on_both![
    what_is_known_stays_as_it_is,
    an_object_is_told_of_once_and_with_its_row,
    a_mutation_under_way_beats_what_was_found,
    many_objects_are_taken_up_at_once,
    keys_below_a_prefix_are_counted_by_their_own_letters,
    a_key_that_is_being_changed_is_seen,
    only_others_that_are_alive_serve,
    a_time_is_a_place_in_the_log,
];

fn found(name: &str) -> FoundObject {
    let derived_from = Some(DerivedFrom { key: key("source.jpg"), etag: "e0".to_owned() });
    FoundObject { key: key(name), object: facts("found"), public_url: None, derived_from }
}

fn silent() -> Intake {
    Intake { replicas: one_behind(), announced: None }
}

fn announced() -> Intake {
    let requester = Requester {
        principal: "relais".to_owned(),
        source_ip: None,
        request_id: "adopt".to_owned(),
        traceparent: None,
    };
    Intake { announced: Some(requester), ..silent() }
}

async fn what_is_known_stays_as_it_is(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    write(&catalog, "known.jpg", stored("e1")).await;
    write(&catalog, "gone.jpg", deleted()).await;
    let names = ["gone.jpg", "known.jpg", "new.jpg"];
    let known = catalog.adoption().known(&bucket(), &names).await.unwrap();
    assert_eq!((known.len(), known.contains("new.jpg")), (2, false));

    let all: Vec<_> = names.into_iter().map(found).collect();
    assert_eq!(catalog.adoption().add(&bucket(), &all, &silent()).await.unwrap(), 1);
    assert_eq!(catalog.adoption().add(&bucket(), &all, &silent()).await.unwrap(), 0);
    let row = async |name| catalog.objects().find(&bucket(), &key(name)).await.unwrap().unwrap();
    assert_eq!(row("known.jpg").await.object, Some(facts("e1")));
    assert_eq!(row("gone.jpg").await.object, None);
    let new = row("new.jpg").await;
    assert_eq!((new.object, new.replicas), (Some(facts("found")), one_behind()));
    assert!(new.behind_since.is_some());
    let claimed = catalog.objects().claim_unsettled(10, Duration::from_secs(60)).await.unwrap();
    assert_eq!(claimed.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["new.jpg"]);
}

async fn an_object_is_told_of_once_and_with_its_row(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let news = catalog.event_log();
    let all = ["1.jpg", "2.jpg"].map(found);
    assert_eq!(catalog.adoption().add(&bucket(), &all[..1], &silent()).await.unwrap(), 1);
    assert_eq!(logged(&catalog).await, []);
    assert_eq!(catalog.adoption().add(&bucket(), &all, &announced()).await.unwrap(), 1);
    assert_eq!(catalog.adoption().add(&bucket(), &all, &announced()).await.unwrap(), 0);
    let told = logged(&catalog).await;
    let [event] = &told[..] else { panic!("one event: {told:?}") };
    assert_eq!((event.kind, &event.key), (EventKind::Put, &key("2.jpg")));
    assert_eq!(
        (event.object.clone(), event.derived_from.clone()),
        (Some(facts("found")), all[1].derived_from.clone())
    );
    let row = catalog.objects().find(&bucket(), &event.key).await.unwrap().unwrap();
    assert_eq!(event.sequencer, row.sequencer, "the next mutation comes behind it");
    let next = write(&catalog, "2.jpg", stored("e2")).await;
    assert!(next.sequencer > event.sequencer);
    assert_eq!(news.last().await.unwrap(), 2);
}

async fn a_mutation_under_way_beats_what_was_found(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let id = catalog.journal().open(delete("cat.jpg")).await.unwrap();
    assert_eq!(catalog.adoption().add(&bucket(), &[found("cat.jpg")], &silent()).await.unwrap(), 1);
    catalog.journal().apply(id, deleted()).await.unwrap();
    let row = catalog.objects().find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!(row.object, None, "it is deleted, and no replica gets it back");
    assert!(row.replicas.values().all(|state| state.is_behind()), "a settler may have begun to copy it");
}

async fn many_objects_are_taken_up_at_once(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let all: Vec<_> = (0..1_700).map(|number| found(&format!("{number:05}"))).collect();
    let (one, other) = (catalog.adoption(), catalog.adoption());
    let (intake, media) = (announced(), bucket());
    let (first, second) = tokio::join!(one.add(&media, &all, &intake), other.add(&media, &all, &intake));
    assert_eq!(first.unwrap() + second.unwrap(), 1_700);
    let log = catalog.event_log();
    assert_eq!(log.last().await.unwrap(), 1_700, "one event each");
}

async fn keys_below_a_prefix_are_counted_by_their_own_letters(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let names = ["a/1", "a/2", "A/1", "a%/1", "a_/1", "é/1", "ê/1"];
    catalog.adoption().add(&bucket(), &names.map(found), &silent()).await.unwrap();
    let settled = Intake { replicas: both(), announced: None };
    catalog.adoption().add(&bucket(), &[found("a/3")], &settled).await.unwrap();
    let overview = catalog.overview();
    let count = async |prefix| overview.unsettled_below(&bucket(), prefix).await.unwrap();
    for (prefix, expected) in
        [("", 7), ("a", 4), ("a/", 2), ("A", 1), ("a%", 1), ("a_", 1), ("é/", 1), ("b", 0)]
    {
        assert_eq!(count(prefix).await, expected, "{prefix}");
    }
    assert_eq!(overview.unsettled_below(&"other".parse().unwrap(), "").await.unwrap(), 0);
    assert!(!overview.is_settling(&bucket()).await.unwrap());
    catalog.objects().claim_unsettled(1, Duration::from_secs(60)).await.unwrap();
    assert!(overview.is_settling(&bucket()).await.unwrap());
}

async fn a_key_that_is_being_changed_is_seen(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let overview = catalog.overview();
    let state = async || overview.state(&bucket(), &key("cat.jpg")).await.unwrap();
    assert_eq!(state().await, Default::default());
    let id = catalog.journal().open(put("cat.jpg")).await.unwrap();
    assert!(state().await.is_open);
    assert_eq!(overview.intents(Duration::from_secs(60)).await.unwrap().count, 0);
    let old = overview.intents(Duration::ZERO).await.unwrap();
    assert!(old.count == 1 && old.since.is_some());
    let applied = relais_catalog::Applied { replicas: one_behind(), ..stored("e1") };
    catalog.journal().apply(id, applied).await.unwrap();
    let now = state().await;
    assert!(!now.is_open && now.changed_ago.unwrap() < Duration::from_secs(30));
    assert_eq!(now.behind.into_iter().collect::<Vec<_>>(), ["aws"]);
}

async fn only_others_that_are_alive_serve(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await, scratch.connect().await);
    one.journal().heartbeat().await.unwrap();
    assert!(!one.overview().is_served().await.unwrap(), "this is itself");
    assert!(other.overview().is_served().await.unwrap());
    one.close().await.unwrap();
    assert!(!other.overview().is_served().await.unwrap());
}

async fn a_time_is_a_place_in_the_log(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let overview = catalog.overview();
    let before = chrono::Utc::now();
    assert_eq!(overview.position_before(before).await.unwrap(), None);
    write(&catalog, "1.jpg", stored("e1")).await;
    let second = write(&catalog, "2.jpg", stored("e1")).await;
    assert_eq!(overview.position_before(second.time).await.unwrap(), Some(1));
    assert_eq!(overview.position_before(before - Duration::from_secs(3600)).await.unwrap(), Some(0));
    assert_eq!(overview.position_before(second.time + Duration::from_secs(3600)).await.unwrap(), None);
    assert_eq!(overview.journal_rows().await.unwrap(), 2);
}
