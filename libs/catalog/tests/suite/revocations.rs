//! What is revoked, how long that lasts, and how others learn of it.

use chrono::{DateTime, TimeDelta, Utc};
use relais_catalog::{Revocation, RevocationKind, Revocations};

use crate::scratch::Scratch;

crate::on_both![
    what_was_revoked_is_listed_until_it_is_made_valid_again,
    kinds_are_told_apart,
    the_later_time_wins_and_the_longer_life,
    what_expired_is_not_listed_and_is_pruned,
    every_change_and_nothing_else_changes_the_mark,
    another_instance_sees_the_change_and_the_mark,
    of_many_at_once_the_latest_wins,
];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 123_456_000).unwrap()
}

fn subject(owner: &str, revoked_at: DateTime<Utc>) -> Revocation {
    Revocation {
        kind: RevocationKind::Subject,
        value: owner.to_owned(),
        revoked_at,
        expires_at: None,
        reason: Some("left".to_owned()),
    }
}

async fn listed(revocations: &Revocations) -> Vec<Revocation> {
    let mut all = revocations.current().await.unwrap();
    all.sort_by(|one, other| one.value.cmp(&other.value));
    all
}

async fn what_was_revoked_is_listed_until_it_is_made_valid_again(scratch: &Scratch) {
    let revocations = scratch.migrated().await.revocations();
    assert_eq!(listed(&revocations).await, []);
    let (ann, bob) = (subject("ann", at(0)), subject("bob", at(1)));
    for one in [&bob, &ann, &ann] {
        revocations.add(one).await.unwrap();
    }
    assert_eq!(listed(&revocations).await, [ann, bob.clone()]);
    assert!(revocations.remove(RevocationKind::Subject, "ann").await.unwrap());
    assert!(!revocations.remove(RevocationKind::Subject, "ann").await.unwrap());
    assert!(!revocations.remove(RevocationKind::Subject, "ann\0").await.unwrap());
    assert_eq!(listed(&revocations).await, [bob]);
}

async fn kinds_are_told_apart(scratch: &Scratch) {
    let revocations = scratch.migrated().await.revocations();
    let subject = subject("42", at(0));
    let credentials = Revocation { kind: RevocationKind::Credentials, reason: None, ..subject.clone() };
    let token = Revocation { kind: RevocationKind::Token, ..subject.clone() };
    for one in [&subject, &credentials, &token] {
        revocations.add(one).await.unwrap();
    }
    assert_eq!(revocations.current().await.unwrap().len(), 3);
    assert!(revocations.remove(RevocationKind::Credentials, "42").await.unwrap());
    let left = revocations.current().await.unwrap();
    assert!(left.len() == 2 && left.contains(&subject) && left.contains(&token), "{left:?}");
}

async fn the_later_time_wins_and_the_longer_life(scratch: &Scratch) {
    let revocations = scratch.migrated().await.revocations();
    let soon = Utc::now() + TimeDelta::hours(1);
    let late = Revocation { expires_at: Some(at(50)), ..subject("ann", at(10)) };
    let early =
        Revocation { reason: Some("other".to_owned()), expires_at: Some(soon), ..subject("ann", at(5)) };
    for one in [&early, &late, &early] {
        revocations.add(one).await.unwrap();
    }
    assert_eq!(listed(&revocations).await, std::slice::from_ref(&late));
    // What lasts for ever is not shortened by what came later.
    revocations.add(&subject("ann", at(1))).await.unwrap();
    revocations.add(&late).await.unwrap();
    assert_eq!(listed(&revocations).await, [Revocation { expires_at: None, ..late }]);
}

async fn what_expired_is_not_listed_and_is_pruned(scratch: &Scratch) {
    let revocations = scratch.migrated().await.revocations();
    let now = Utc::now();
    let over = Revocation { expires_at: Some(now - TimeDelta::minutes(1)), ..subject("ann", at(0)) };
    let lasting = Revocation { expires_at: Some(now + TimeDelta::minutes(1)), ..subject("bob", at(0)) };
    for one in [&over, &lasting, &subject("carl", at(0))] {
        revocations.add(one).await.unwrap();
    }
    let values = |all: Vec<Revocation>| all.into_iter().map(|one| one.value).collect::<Vec<_>>();
    assert_eq!(values(listed(&revocations).await), ["bob", "carl"]);
    assert_eq!(revocations.prune(now).await.unwrap(), 1);
    assert_eq!(revocations.prune(now).await.unwrap(), 0);
    assert_eq!(values(listed(&revocations).await), ["bob", "carl"]);
    assert_eq!(revocations.prune(now + TimeDelta::minutes(2)).await.unwrap(), 1);
    assert_eq!(values(listed(&revocations).await), ["carl"]);
}

async fn every_change_and_nothing_else_changes_the_mark(scratch: &Scratch) {
    let revocations = scratch.migrated().await.revocations();
    let mut marks = vec![revocations.mark().await.unwrap()];
    let ann = subject("ann", at(0));
    revocations.add(&ann).await.unwrap();
    marks.push(revocations.mark().await.unwrap());
    // The same thing, later: a copy without it would let in what was issued in between.
    revocations.add(&Revocation { revoked_at: at(1), ..ann }).await.unwrap();
    marks.push(revocations.mark().await.unwrap());
    revocations.remove(RevocationKind::Subject, "ann").await.unwrap();
    marks.push(revocations.mark().await.unwrap());
    for (number, mark) in marks.iter().enumerate() {
        assert!(!marks[..number].contains(mark), "{marks:?}");
    }
    revocations.current().await.unwrap();
    revocations.remove(RevocationKind::Subject, "ann").await.unwrap();
    revocations.prune(Utc::now()).await.unwrap();
    assert_eq!(revocations.mark().await.unwrap(), marks[3]);
}

async fn another_instance_sees_the_change_and_the_mark(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await.revocations(), scratch.connect().await.revocations());
    let before = other.mark().await.unwrap();
    assert_eq!(before, one.mark().await.unwrap());
    one.add(&subject("ann", at(0))).await.unwrap();
    assert_ne!(other.mark().await.unwrap(), before);
    assert_eq!(other.current().await.unwrap(), [subject("ann", at(0))]);
}

async fn of_many_at_once_the_latest_wins(scratch: &Scratch) {
    let instances = [scratch.migrated().await.revocations(), scratch.connect().await.revocations()];
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let revocations = instances[usize::from(number % 2 == 0)].clone();
            let seconds = (number * 7) % 40;
            tokio::spawn(async move { revocations.add(&subject("ann", at(seconds))).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(instances[0].current().await.unwrap(), [subject("ann", at(39))]);
}
