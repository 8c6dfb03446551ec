//! Settling: claims, leases, and what happens when the key moves on.

use std::time::Duration;

use relais_catalog::{Applied, Attempt, Claimed, Intent, ObjectRow, Objects, Outcome, Truth, Twin, Verdict};
use relais_model::{EventKind, ReplicaState, Sequencer};

use crate::scratch::{
    Scratch, both, bucket, deleted, facts, key, one_behind, put, settled, states, stored, write,
};

crate::on_both![
    an_unsettled_key_is_claimed_by_one_settler_until_its_lease_runs_out,
    settling_makes_replicas_current_and_refreshes_facts,
    settling_a_deletion_leaves_a_tombstone,
    settled_only_when_the_sequencer_did_not_move,
    what_an_undecided_intent_did_is_left_to_recovery,
    a_failure_puts_settling_off_and_is_counted,
    what_has_failed_for_long_is_called_failed_and_tried_again,
    a_new_write_is_tried_at_once_whatever_failed_before,
    one_replica_becomes_current_while_another_fails,
    what_was_written_a_moment_ago_is_left_alone_for_a_while,
    what_waits_for_a_store_is_claimed_by_naming_it,
    a_replica_that_falls_behind_does_not_wait_for_the_store_of_another,
    two_writes_at_once_do_not_shorten_a_settlers_claim,
    a_claim_that_is_renewed_outlasts_its_lease,
    who_has_lost_the_claim_finishes_nothing,
    what_a_late_settler_wrote_is_looked_at_again,
    many_attempts_are_written_down_at_once,
    one_key_is_claimed_by_name,
    what_is_behind_for_too_long_is_found_once,
    a_changed_acl_is_remembered_until_it_is_settled,
    stores_are_paused_and_resumed,
    a_write_does_not_shorten_a_settlers_claim,
    marking_makes_an_unknown_key_known_as_deleted,
    marking_keeps_a_settler_from_finishing_too_early,
    two_settlers_share_the_keys,
];

const MINUTE: Duration = Duration::from_secs(60);

fn behind(etag: &str) -> Applied {
    Applied { replicas: one_behind(), ..stored(etag) }
}

async fn an_unsettled_key_is_claimed_by_one_settler_until_its_lease_runs_out(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    write(&catalog, "dog.jpg", stored("e1")).await;
    let claimed = objects.claim_unsettled(10, Duration::ZERO).await.unwrap();
    assert_eq!(claimed.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["cat.jpg"]);
    // That lease was over at once; this is another claim.
    let again = objects.claim_unsettled(10, MINUTE).await.unwrap();
    assert_ne!(again[0].claim, claimed[0].claim);
    assert_eq!(ObjectRow { claim: claimed[0].claim, ..again[0].clone() }, claimed[0]);
    assert_eq!(objects.claim_unsettled(10, MINUTE).await.unwrap(), []);
    assert_eq!(objects.unsettled_count().await.unwrap(), 1);
}

async fn settling_makes_replicas_current_and_refreshes_facts(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!(settled(&objects, &row, Some(facts("e2"))).await, Verdict::Settled);
    let row = objects.find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!((row.object, row.replicas), (Some(facts("e2")), both()));
    assert_eq!(
        (row.public_url, row.acl),
        (stored("").public_url, stored("").acl),
        "settling knows nothing of these"
    );
    assert_eq!(objects.unsettled_count().await.unwrap(), 0);
}

async fn settling_a_deletion_leaves_a_tombstone(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", stored("e1")).await;
    write(&catalog, "cat.jpg", Applied { replicas: one_behind(), ..deleted() }).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!(settled(&objects, &row, None).await, Verdict::Settled);
    let row = objects.find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!((row.object, row.replicas), (None, both()));
}

async fn settled_only_when_the_sequencer_did_not_move(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    write(&catalog, "cat.jpg", stored("e2")).await;
    assert_eq!(settled(&objects, &row, Some(facts("e1"))).await, Verdict::Moved);
    // The copy of e1 may have landed on top of e2, so the key is due again at once.
    let again = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!((&again.object, &again.replicas), (&Some(facts("e2")), &one_behind()));
    assert_eq!(settled(&objects, &again, Some(facts("e2"))).await, Verdict::Settled);
    assert_eq!(objects.unsettled_count().await.unwrap(), 0);
}

async fn what_an_undecided_intent_did_is_left_to_recovery(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let open = catalog.journal().open(put("cat.jpg")).await.unwrap();
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    settled(&objects, &row, Some(facts("e2"))).await;
    let row = objects.find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!(row.object, Some(facts("e1")), "recovery must see that the primary has something else");

    catalog.journal().abandon(open).await.unwrap();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    settled(&objects, &row, Some(facts("e2"))).await;
    let row = objects.find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!(row.object, Some(facts("e2")));
}

async fn a_failure_puts_settling_off_and_is_counted(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    for attempts in 0..3 {
        let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
        assert_eq!(row.progress.get("aws").map_or(0, |progress| progress.attempts), attempts);
        assert_eq!(record(&objects, &row, failed(Duration::ZERO, false)).await, Verdict::Behind);
    }
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert!(objects.failing_for(&row, "aws") > Duration::ZERO && objects.is_due(&row, "aws"));
    assert_eq!(row.progress["aws"].reason.as_deref(), Some("AccessDenied"));
    record(&objects, &row, failed(MINUTE, false)).await;
    assert_eq!(objects.claim_unsettled(1, MINUTE).await.unwrap(), []);
    let row = find(&objects, "cat.jpg").await;
    assert!(!objects.is_due(&row, "aws"));
    assert_eq!(settled(&objects, &row, Some(facts("e1"))).await, Verdict::Settled);
    let row = find(&objects, "cat.jpg").await;
    assert_eq!((row.progress.len(), row.behind_since), (0, None));
}

async fn what_has_failed_for_long_is_called_failed_and_tried_again(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    record(&objects, &row, failed(Duration::ZERO, true)).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!(row.replicas["aws"], ReplicaState::Failed);
    let lacks = objects.unsettled_by_store().await.unwrap();
    assert_eq!((lacks.len(), lacks[&"aws".parse().unwrap()].failed), (1, 1));
    // An attempt that could not be made changes nothing about that.
    record(&objects, &row, both_with(Attempt::NotYet)).await;
    let row = find(&objects, "cat.jpg").await;
    assert_eq!(row.replicas["aws"], ReplicaState::Failed);
    assert_eq!(settled(&objects, &row, Some(facts("e1"))).await, Verdict::Settled);
    assert_eq!(find(&objects, "cat.jpg").await.replicas, both());
}

async fn a_new_write_is_tried_at_once_whatever_failed_before(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    record(&objects, &row, failed(MINUTE, true)).await;
    write(&catalog, "cat.jpg", behind("e2")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert!(objects.is_due(&row, "aws"));
}

async fn one_replica_becomes_current_while_another_fails(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    let three = [("aws", ReplicaState::Pending), ("b", ReplicaState::Pending), ("c", ReplicaState::Current)];
    write(&catalog, "cat.jpg", Applied { replicas: states(&three), ..stored("e1") }).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    let failed = Attempt::Failed { reason: "InternalError".to_owned(), pause: MINUTE, give_up: false };
    let replicas = [("aws", failed), ("b", current()), ("c", current())];
    let replicas = replicas.map(|(replica, attempt)| (replica.to_owned(), attempt)).into();
    let outcome = Outcome { truth: Truth::Present(facts("e1")), replicas, waits_for: None };
    assert_eq!(record(&objects, &row, outcome).await, Verdict::Behind);
    let row = find(&objects, "cat.jpg").await;
    let three = [("aws", ReplicaState::Pending), ("b", ReplicaState::Current), ("c", ReplicaState::Current)];
    assert_eq!(row.replicas, states(&three));
    assert_eq!(objects.claim_unsettled(1, MINUTE).await.unwrap(), []);
}

async fn what_was_written_a_moment_ago_is_left_alone_for_a_while(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    let twin = Some(Twin { primary: "e1".to_owned(), replica: "e1-2".to_owned() });
    let written = Attempt::Current { written: Some(MINUTE), twin: twin.clone() };
    assert_eq!(record(&objects, &row, both_with(written)).await, Verdict::Settled);
    write(&catalog, "cat.jpg", behind("e2")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert!(!objects.is_due(&row, "aws"), "whatever changed");
    assert_eq!(row.progress["aws"].twin, twin);
    assert_eq!(record(&objects, &row, both_with(Attempt::NotYet)).await, Verdict::Behind);
    assert_eq!(objects.claim_unsettled(1, MINUTE).await.unwrap(), [], "it is due when that is over");
}

async fn what_waits_for_a_store_is_claimed_by_naming_it(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    for (name, stores) in [("1.jpg", "aws"), ("2.jpg", "aws,spaces"), ("3.jpg", "aws")] {
        write(&catalog, name, behind("e1")).await;
        let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
        let waits = Outcome { waits_for: Some(stores.to_owned()), ..both_with(Attempt::Waits) };
        assert_eq!(record(&objects, &row, Outcome { truth: Truth::Unknown, ..waits }).await, Verdict::Behind);
    }
    assert_eq!(objects.waited_for().await.unwrap(), ["aws", "aws,spaces"]);
    assert_eq!(objects.claim_unsettled(10, MINUTE).await.unwrap(), []);
    // A write changes nothing about that.
    write(&catalog, "3.jpg", behind("e2")).await;
    assert_eq!(objects.claim_unsettled(10, MINUTE).await.unwrap(), []);
    let lacks = objects.unsettled_by_store().await.unwrap();
    assert_eq!((lacks[&"aws".parse().unwrap()].keys, lacks[&"aws".parse().unwrap()].waiting), (3, 3));
    let rows = objects.claim_waiting("aws", 10, MINUTE).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["1.jpg", "3.jpg"]);
    assert_eq!(objects.claim_waiting("aws", 10, MINUTE).await.unwrap(), []);
    for row in &rows {
        assert_eq!(settled(&objects, row, Some(facts("e1"))).await, Verdict::Settled);
    }
    assert_eq!(objects.waited_for().await.unwrap(), ["aws,spaces"]);
}

async fn a_replica_that_falls_behind_does_not_wait_for_the_store_of_another(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    let both_behind = states(&[("aws", ReplicaState::Pending), ("spaces:media-1", ReplicaState::Pending)]);
    for name in ["marked.jpg", "written.jpg"] {
        write(&catalog, name, behind("e1")).await;
        let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
        let replicas = row.replicas.keys().map(|replica| (replica.clone(), Attempt::Waits)).collect();
        let waits = Outcome { truth: Truth::Unknown, replicas, waits_for: Some("aws".to_owned()) };
        assert_eq!(record(&objects, &row, waits).await, Verdict::Behind);
    }
    assert_eq!(objects.claim_unsettled(10, MINUTE).await.unwrap(), []);
    objects.mark_unsettled(&bucket(), &key("marked.jpg"), &both_behind).await.unwrap();
    write(&catalog, "written.jpg", Applied { replicas: both_behind, ..stored("e2") }).await;
    let claimed = objects.claim_unsettled(10, MINUTE).await.unwrap();
    assert_eq!(claimed.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["marked.jpg", "written.jpg"]);
}

async fn two_writes_at_once_do_not_shorten_a_settlers_claim(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let (journal, objects) = (catalog.journal(), catalog.objects());
    write(&catalog, "cat.jpg", behind("e1")).await;
    let first = journal.open(put("cat.jpg")).await.unwrap();
    let second = journal.open(put("cat.jpg")).await.unwrap();
    assert_eq!(objects.claim_unsettled(1, MINUTE).await.unwrap().len(), 1);
    let (first, second) =
        tokio::join!(journal.apply(first, behind("e2")), journal.apply(second, behind("e3")));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(objects.claim_unsettled(1, MINUTE).await.unwrap(), []);
}

async fn a_claim_that_is_renewed_outlasts_its_lease(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, Duration::ZERO).await.unwrap().remove(0);
    objects.renew(&[row.claim.unwrap()], MINUTE).await.unwrap();
    assert_eq!(objects.claim_unsettled(1, MINUTE).await.unwrap(), []);
    objects.release(&[row.claim.unwrap()]).await.unwrap();
    let other = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    // Whoever has lost the claim can renew nothing.
    objects.renew(&[row.claim.unwrap()], Duration::ZERO).await.unwrap();
    assert_eq!(objects.claim_unsettled(1, MINUTE).await.unwrap(), []);
    assert_eq!(settled(&objects, &other, Some(facts("e1"))).await, Verdict::Settled);
}

async fn who_has_lost_the_claim_finishes_nothing(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let late = objects.claim_unsettled(1, Duration::ZERO).await.unwrap().remove(0);
    let other = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!(settled(&objects, &late, Some(facts("e1"))).await, Verdict::Moved);
    assert_eq!(objects.claim_unsettled(1, MINUTE).await.unwrap(), [], "it is still the other's");
    // The late one has perhaps written after the other looked.
    assert_eq!(settled(&objects, &other, Some(facts("e1"))).await, Verdict::Moved);
    let again = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!(settled(&objects, &again, Some(facts("e1"))).await, Verdict::Settled);
}

async fn what_a_late_settler_wrote_is_looked_at_again(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let late = objects.claim_unsettled(1, Duration::ZERO).await.unwrap().remove(0);
    let other = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!(settled(&objects, &other, Some(facts("e1"))).await, Verdict::Settled);
    assert_eq!(settled(&objects, &late, Some(facts("e1"))).await, Verdict::Moved);
    let again = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!(again.replicas, one_behind());
}

async fn many_attempts_are_written_down_at_once(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    for number in 0..50 {
        write(&catalog, &format!("{number}.jpg"), behind("e1")).await;
    }
    let rows = objects.claim_unsettled(50, MINUTE).await.unwrap();
    write(&catalog, "7.jpg", behind("e2")).await;
    let attempts: Vec<_> = rows.iter().map(|row| (row.clone(), both_with(current()))).collect();
    let verdicts = objects.record(&attempts).await.unwrap();
    let moved: Vec<_> =
        rows.iter().zip(&verdicts).filter(|(_, verdict)| **verdict != Verdict::Settled).collect();
    assert_eq!((moved.len(), moved[0].0.key.as_str(), *moved[0].1), (1, "7.jpg", Verdict::Moved));
    assert_eq!(objects.unsettled_count().await.unwrap(), 1);
}

async fn one_key_is_claimed_by_name(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    let claim = |name: &'static str| {
        let objects = objects.clone();
        async move { objects.claim_key(&bucket(), &key(name), MINUTE).await.unwrap() }
    };
    assert_eq!(claim("cat.jpg").await, Claimed::Unknown);
    write(&catalog, "cat.jpg", stored("e1")).await;
    let Claimed::Ours(row) = claim("cat.jpg").await else { panic!("nobody else has it") };
    assert_eq!(claim("cat.jpg").await, Claimed::Busy);
    assert_eq!(objects.claim_unsettled(10, MINUTE).await.unwrap(), []);
    assert_eq!(settled(&objects, &row, Some(facts("e1"))).await, Verdict::Settled);
    assert_eq!(objects.unsettled_count().await.unwrap(), 0);
}

async fn what_is_behind_for_too_long_is_found_once(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "new.jpg", behind("e1")).await;
    write(&catalog, "old.jpg", behind("e1")).await;
    scratch
        .execute("UPDATE objects SET behind_since = behind_since - 3600000000 WHERE key = 'old.jpg'")
        .await;
    // A later write does not make it younger.
    write(&catalog, "old.jpg", behind("e2")).await;
    let overdue = objects.overdue(MINUTE, 10).await.unwrap();
    assert_eq!(overdue.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["old.jpg"]);
    let lacks = objects.unsettled_by_store().await.unwrap().remove(&"aws".parse().unwrap()).unwrap();
    assert_eq!((lacks.keys, lacks.oldest), (2, overdue[0].behind_since));
    objects.missed(&overdue).await.unwrap();
    assert_eq!(objects.overdue(MINUTE, 10).await.unwrap(), []);
    assert!(find(&objects, "old.jpg").await.is_missed);
    for row in objects.claim_unsettled(10, MINUTE).await.unwrap() {
        settled(&objects, &row, Some(facts("e2"))).await;
    }
    assert!(!find(&objects, "old.jpg").await.is_missed);
}

async fn a_changed_acl_is_remembered_until_it_is_settled(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    assert!(!find(&objects, "cat.jpg").await.acl_behind, "a write brings its own");
    let id = catalog.journal().open(Intent { kind: EventKind::PutAcl, ..put("cat.jpg") }).await.unwrap();
    catalog.journal().apply(id, behind("e1")).await.unwrap();
    write(&catalog, "cat.jpg", behind("e2")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert!(row.acl_behind);
    settled(&objects, &row, Some(facts("e2"))).await;
    assert!(!find(&objects, "cat.jpg").await.acl_behind);
}

async fn stores_are_paused_and_resumed(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await, scratch.connect().await);
    let store = "aws".parse().unwrap();
    assert!(one.settling().paused().await.unwrap().is_empty());
    one.settling().pause(&store).await.unwrap();
    let since = other.settling().paused().await.unwrap();
    one.settling().pause(&store).await.unwrap();
    assert_eq!((since.len(), other.settling().paused().await.unwrap()), (1, since));
    assert!(other.settling().resume(&store).await.unwrap());
    assert!(!one.settling().resume(&store).await.unwrap());
    assert!(one.settling().paused().await.unwrap().is_empty());
}

fn current() -> Attempt {
    Attempt::Current { written: None, twin: None }
}

/// An attempt at the replica that is behind; the other is current.
fn both_with(aws: Attempt) -> Outcome {
    let replicas = [("aws".to_owned(), aws), ("spaces:media-1".to_owned(), current())].into();
    Outcome { truth: Truth::Present(facts("e1")), replicas, waits_for: None }
}

fn failed(pause: Duration, give_up: bool) -> Outcome {
    both_with(Attempt::Failed { reason: "AccessDenied".to_owned(), pause, give_up })
}

async fn record(objects: &Objects, row: &ObjectRow, outcome: Outcome) -> Verdict {
    objects.record(&[(row.clone(), outcome)]).await.unwrap()[0]
}

async fn find(objects: &Objects, name: &str) -> ObjectRow {
    objects.find(&bucket(), &key(name)).await.unwrap().unwrap()
}

async fn a_write_does_not_shorten_a_settlers_claim(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    write(&catalog, "cat.jpg", behind("e1")).await;
    catalog.objects().claim_unsettled(1, MINUTE).await.unwrap();
    write(&catalog, "cat.jpg", behind("e2")).await;
    assert_eq!(catalog.objects().claim_unsettled(1, MINUTE).await.unwrap(), []);
}

async fn marking_makes_an_unknown_key_known_as_deleted(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    objects.mark_unsettled(&bucket(), &key("ghost.jpg"), &one_behind()).await.unwrap();
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!((row.key.as_str(), &row.object, &row.replicas), ("ghost.jpg", &None, &one_behind()));
    assert!(row.sequencer > Sequencer(0));
    assert_eq!(settled(&objects, &row, None).await, Verdict::Settled);
}

async fn marking_keeps_a_settler_from_finishing_too_early(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    let all = states(&[("aws", ReplicaState::Pending), ("spaces:media-1", ReplicaState::Pending)]);
    objects.mark_unsettled(&bucket(), &key("cat.jpg"), &all).await.unwrap();
    assert_eq!(settled(&objects, &row, Some(facts("e1"))).await, Verdict::Moved);
    let again = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!((again.replicas, again.object), (all, Some(facts("e1"))));
}

async fn two_settlers_share_the_keys(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await, scratch.connect().await);
    for number in 0..20 {
        write(&one, &format!("{number}.jpg"), behind("e1")).await;
    }
    let (one, other) = (one.objects(), other.objects());
    let (mine, theirs) = tokio::join!(one.claim_unsettled(20, MINUTE), other.claim_unsettled(20, MINUTE));
    let mut keys: Vec<_> = mine.unwrap().into_iter().chain(theirs.unwrap()).map(|row| row.key).collect();
    // With rows skipped because the other looked at them, a second round may be needed.
    keys.extend(one.claim_unsettled(20, MINUTE).await.unwrap().into_iter().map(|row| row.key));
    keys.sort();
    let claimed = keys.len();
    keys.dedup();
    assert_eq!((claimed, keys.len()), (20, 20));
}
