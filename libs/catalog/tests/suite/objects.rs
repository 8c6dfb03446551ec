//! Settling: claims, leases, and what happens when the key moves on.

use std::time::Duration;

use relais_catalog::{Applied, ObjectRow};
use relais_model::{ObjectFacts, ReplicaState, Sequencer};

use crate::scratch::{Scratch, both, bucket, deleted, facts, key, one_behind, states, stored, texts, write};

crate::on_both![
    an_unsettled_key_is_claimed_by_one_settler_until_its_lease_runs_out,
    settling_makes_replicas_current_and_refreshes_facts,
    settling_a_deletion_leaves_a_tombstone,
    settled_only_when_the_sequencer_did_not_move,
    a_failure_puts_settling_off_and_is_counted,
    a_write_does_not_shorten_a_settlers_claim,
    marking_makes_an_unknown_key_known_as_deleted,
    marking_keeps_a_settler_from_finishing_too_early,
    two_settlers_share_the_keys,
    an_acl_changes_alone_and_stays_when_the_key_is_settled,
    an_acl_of_an_unknown_key_is_not_set,
    owners_are_those_of_objects,
    owners_of_more_keys_than_one_statement_takes_are_found,
    objects_are_found_by_their_owner_page_by_page,
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
    // That lease was over at once.
    assert_eq!(objects.claim_unsettled(10, MINUTE).await.unwrap(), claimed);
    assert_eq!(objects.claim_unsettled(10, MINUTE).await.unwrap(), []);
    assert_eq!(objects.unsettled_count().await.unwrap(), 1);
}

async fn settling_makes_replicas_current_and_refreshes_facts(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert!(objects.settled(&row, Some(facts("e2"))).await.unwrap());
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
    assert!(objects.settled(&row, None).await.unwrap());
    let row = objects.find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!((row.object, row.replicas), (None, both()));
}

async fn settled_only_when_the_sequencer_did_not_move(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    write(&catalog, "cat.jpg", stored("e2")).await;
    assert!(!objects.settled(&row, Some(facts("e1"))).await.unwrap());
    // The copy of e1 may have landed on top of e2, so the key is due again at once.
    let again = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!((&again.object, &again.replicas), (&Some(facts("e2")), &one_behind()));
    assert!(objects.settled(&again, Some(facts("e2"))).await.unwrap());
    assert_eq!(objects.unsettled_count().await.unwrap(), 0);
}

async fn a_failure_puts_settling_off_and_is_counted(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    for attempts in 0..3 {
        let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
        assert_eq!(row.settle_attempts, attempts);
        objects.settle_failed(&row, Duration::ZERO).await.unwrap();
    }
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    objects.settle_failed(&row, MINUTE).await.unwrap();
    assert_eq!(objects.claim_unsettled(1, MINUTE).await.unwrap(), []);
    assert!(objects.settled(&row, Some(facts("e1"))).await.unwrap());
    let row = objects.find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!(row.settle_attempts, 0);
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
    assert!(objects.settled(&row, None).await.unwrap());
}

async fn marking_keeps_a_settler_from_finishing_too_early(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    let all = states(&[("aws", ReplicaState::Pending), ("spaces:media-1", ReplicaState::Pending)]);
    objects.mark_unsettled(&bucket(), &key("cat.jpg"), &all).await.unwrap();
    assert!(!objects.settled(&row, Some(facts("e1"))).await.unwrap());
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

async fn an_acl_changes_alone_and_stays_when_the_key_is_settled(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let objects = catalog.objects();
    write(&catalog, "cat.jpg", behind("e1")).await;
    write(&catalog, "dog.jpg", stored("e1")).await;
    let before = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert!(objects.set_acl(&bucket(), &key("cat.jpg"), Some("authenticated-read")).await.unwrap());
    let row = objects.find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!(row, ObjectRow { acl: Some("authenticated-read".to_owned()), ..before.clone() });

    // The settler looked before the ACL changed, and that does not matter to it.
    assert!(objects.settled(&before, Some(facts("e2"))).await.unwrap());
    let row = objects.find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!((row.acl.as_deref(), row.object), (Some("authenticated-read"), Some(facts("e2"))));
    objects.mark_unsettled(&bucket(), &key("cat.jpg"), &one_behind()).await.unwrap();
    let row = objects.claim_unsettled(1, MINUTE).await.unwrap().remove(0);
    assert_eq!(row.acl.as_deref(), Some("authenticated-read"));

    assert!(objects.set_acl(&bucket(), &key("cat.jpg"), None).await.unwrap());
    assert!(objects.settled(&row, Some(facts("e2"))).await.unwrap());
    assert_eq!(objects.find(&bucket(), &key("cat.jpg")).await.unwrap().unwrap().acl, None);
    let dog = objects.find(&bucket(), &key("dog.jpg")).await.unwrap().unwrap();
    assert_eq!(dog.acl, stored("").acl);
}

async fn an_acl_of_an_unknown_key_is_not_set(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    assert!(!catalog.objects().set_acl(&bucket(), &key("cat.jpg"), Some("private")).await.unwrap());
    assert_eq!(catalog.objects().find(&bucket(), &key("cat.jpg")).await.unwrap(), None);
}

async fn owners_are_those_of_objects(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let by = |owner: &str| {
        let owner = owner.to_owned();
        Applied { object: Some(ObjectFacts { owner, ..facts("e1") }), ..stored("") }
    };
    for (name, owner) in [("a.jpg", "ann"), ("b.jpg", "bob"), ("c.jpg", "ann"), ("gone.jpg", "bob")] {
        write(&catalog, name, by(owner)).await;
    }
    write(&catalog, "gone.jpg", deleted()).await;
    let asked = ["a.jpg", "b.jpg", "gone.jpg", "unknown.jpg", "nul\0.jpg"];
    let owners = catalog.objects().owners(&bucket(), &asked).await.unwrap();
    assert_eq!(owners, texts(&[("a.jpg", "ann"), ("b.jpg", "bob")]));
    assert_eq!(catalog.objects().owners(&"other".parse().unwrap(), &asked).await.unwrap(), texts(&[]));
    assert_eq!(catalog.objects().owners(&bucket(), &[]).await.unwrap(), texts(&[]));
}

async fn owners_of_more_keys_than_one_statement_takes_are_found(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let names: Vec<String> = (0..40_000).map(|number| format!("{number}.jpg")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in ["0.jpg", "39999.jpg"] {
        write(&catalog, name, stored("e1")).await;
    }
    let owners = catalog.objects().owners(&bucket(), &names).await.unwrap();
    assert_eq!(owners, texts(&[("0.jpg", "root"), ("39999.jpg", "root")]));
}

async fn objects_are_found_by_their_owner_page_by_page(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    for (name, owner) in [("b", "42"), ("a", "42"), ("c", "420"), ("gone", "42"), ("z", "42")] {
        let object = Some(ObjectFacts { owner: owner.to_owned(), ..facts("e1") });
        write(&catalog, name, Applied { object, ..stored("e1") }).await;
    }
    write(&catalog, "gone", deleted()).await;
    let objects = catalog.objects();
    let mut found = Vec::new();
    let mut after: Option<ObjectRow> = None;
    loop {
        let place = after.as_ref().map(|row| (&row.bucket, &row.key));
        let page = objects.of_owner("42", place, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page.into_iter().map(|row| row.key.to_string()));
    }
    assert_eq!(found, ["a", "b", "z"]);
    assert_eq!(objects.of_owner("4", None, 10).await.unwrap(), []);
    assert_eq!(objects.of_owner("4\0", None, 10).await.unwrap(), []);
}
