//! Locks of keys: one holder at a time, also when a holder never comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use relais_catalog::KeyLocks;

use crate::scratch::{Scratch, bucket, key};

crate::on_both![
    a_lock_is_had_by_one_until_it_is_released,
    keys_and_buckets_are_locked_apart,
    of_many_tasks_on_two_instances_one_holds_a_lock,
    of_many_that_find_a_lapsed_lock_one_takes_it_over,
    a_lapsed_lock_is_taken_over_and_cannot_be_released_by_its_first_holder,
    a_lock_that_is_renewed_outlives_its_lease_and_one_that_was_dropped_does_not,
    a_lock_that_was_taken_over_cannot_be_renewed,
    pruning_forgets_lapsed_locks_only,
];

const MINUTE: Duration = Duration::from_secs(60);

/// Taken and lapsed at once.
const OVER: Duration = Duration::ZERO;

async fn a_lock_is_had_by_one_until_it_is_released(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await.key_locks(), scratch.connect().await.key_locks());
    let lock = one.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().unwrap();
    for locks in [&one, &other] {
        assert!(locks.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().is_none());
    }
    one.release(lock).await.unwrap();
    assert!(other.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().is_some());
}

async fn keys_and_buckets_are_locked_apart(scratch: &Scratch) {
    let locks = scratch.migrated().await.key_locks();
    let cat = locks.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().unwrap();
    assert!(locks.acquire(&bucket(), &key("dog.jpg"), MINUTE).await.unwrap().is_some());
    assert!(locks.acquire(&"other".parse().unwrap(), &key("cat.jpg"), MINUTE).await.unwrap().is_some());
    locks.release(cat).await.unwrap();
    assert!(locks.acquire(&bucket(), &key("dog.jpg"), MINUTE).await.unwrap().is_none());
    assert!(locks.acquire(&"other".parse().unwrap(), &key("cat.jpg"), MINUTE).await.unwrap().is_none());
}

async fn of_many_tasks_on_two_instances_one_holds_a_lock(scratch: &Scratch) {
    let instances = [scratch.migrated().await.key_locks(), scratch.connect().await.key_locks()];
    let inside = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..40)
        .map(|number| tokio::spawn(enter_once(instances[number % 2].clone(), Arc::clone(&inside))))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(instances[0].acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().is_some());
}

async fn enter_once(locks: KeyLocks, inside: Arc<AtomicUsize>) {
    loop {
        if let Some(lock) = locks.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap() {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two holders");
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1, "two holders");
            return locks.release(lock).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn of_many_that_find_a_lapsed_lock_one_takes_it_over(scratch: &Scratch) {
    let instances = [scratch.migrated().await.key_locks(), scratch.connect().await.key_locks()];
    let _lapsed = instances[0].acquire(&bucket(), &key("cat.jpg"), OVER).await.unwrap().unwrap();
    // The instances' clocks may differ by as much as it takes to ask the database for its own.
    scratch.execute("UPDATE key_locks SET lease_until = lease_until - 10000000").await;
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let locks = instances[number % 2].clone();
            tokio::spawn(async move { locks.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        taken += usize::from(task.await.unwrap().is_some());
    }
    assert_eq!(taken, 1);
}

async fn a_lapsed_lock_is_taken_over_and_cannot_be_released_by_its_first_holder(scratch: &Scratch) {
    let locks = scratch.migrated().await.key_locks();
    let first = locks.acquire(&bucket(), &key("cat.jpg"), OVER).await.unwrap().unwrap();
    let second = locks.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().unwrap();
    locks.release(first).await.unwrap();
    assert!(locks.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().is_none(), "the second has it");
    locks.release(second).await.unwrap();
    assert!(locks.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().is_some());
}

/// Lets every lease run out.
async fn time_passes(scratch: &Scratch) {
    scratch.execute("UPDATE key_locks SET lease_until = lease_until - 120000000").await;
}

async fn a_lock_that_is_renewed_outlives_its_lease_and_one_that_was_dropped_does_not(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let (one, other) = (catalog.key_locks(), scratch.connect().await.key_locks());
    let held = one.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().unwrap();
    drop(one.acquire(&bucket(), &key("dog.jpg"), MINUTE).await.unwrap().unwrap());
    time_passes(scratch).await;
    catalog.key_locks().renew().await.unwrap(); // Another handle of the same instance.
    assert!(other.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().is_none());
    assert!(other.acquire(&bucket(), &key("dog.jpg"), MINUTE).await.unwrap().is_some());
    one.release(held).await.unwrap();
    one.renew().await.unwrap();
    assert!(other.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().is_some());
}

async fn a_lock_that_was_taken_over_cannot_be_renewed(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await.key_locks(), scratch.connect().await.key_locks());
    let _lost = one.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().unwrap();
    time_passes(scratch).await;
    let taken = other.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().unwrap();
    one.renew().await.unwrap();
    other.release(taken).await.unwrap();
    assert!(one.acquire(&bucket(), &key("cat.jpg"), MINUTE).await.unwrap().is_some(), "the second had it");
}

async fn pruning_forgets_lapsed_locks_only(scratch: &Scratch) {
    let locks = scratch.migrated().await.key_locks();
    let _lapsed = locks.acquire(&bucket(), &key("cat.jpg"), OVER).await.unwrap().unwrap();
    let _held = locks.acquire(&bucket(), &key("dog.jpg"), MINUTE).await.unwrap().unwrap();
    assert_eq!(locks.prune().await.unwrap(), 1);
    assert_eq!(locks.prune().await.unwrap(), 0);
    assert!(locks.acquire(&bucket(), &key("dog.jpg"), MINUTE).await.unwrap().is_none());
}
