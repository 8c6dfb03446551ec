//! Jobs: once, by one, again after a crash, and to an end.

use std::collections::HashSet;
use std::time::Duration;

use relais_catalog::{JobState, NewJob};
use serde_json::json;

use crate::scratch::{Scratch, bucket, key};

crate::on_both![
    a_job_is_unique_by_its_work,
    a_job_is_leased_once_and_tells_its_task,
    the_job_that_is_due_longest_comes_first,
    a_job_comes_back_after_its_lease_as_a_crash,
    a_renewed_job_stays_leased,
    a_retried_job_waits_for_its_delay,
    a_finished_job_is_over,
    a_buried_job_is_over,
    a_worker_that_lost_its_lease_disturbs_nobody,
    workers_of_two_instances_never_share_a_job,
];

const MINUTE: Duration = Duration::from_secs(60);

fn thumbnail(name: &str, etag: &str) -> NewJob {
    NewJob {
        kind: "thumbnail".to_owned(),
        bucket: bucket(),
        key: key(name),
        etag: etag.to_owned(),
        recipe: "200x200-1".to_owned(),
        task: json!({ "content_type": "image/jpeg" }),
    }
}

async fn a_job_is_unique_by_its_work(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let jobs = catalog.jobs();
    let first = jobs.insert(thumbnail("cat.jpg", "e1")).await.unwrap();
    assert!(first.is_some());
    assert_eq!(jobs.insert(thumbnail("cat.jpg", "e1")).await.unwrap(), None);
    let newer = jobs.insert(thumbnail("cat.jpg", "e2")).await.unwrap();
    let recipe = "200x200-2".to_owned();
    assert!(jobs.insert(NewJob { recipe, ..thumbnail("dog.jpg", "e1") }).await.unwrap().is_some());
    assert_eq!(jobs.count("thumbnail", JobState::Queued).await.unwrap(), 3);
    let latest = jobs.latest("thumbnail", &bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!((Some(latest.id), latest.etag.as_str()), (newer, "e2"));
    assert_eq!(jobs.latest("transcription", &bucket(), &key("cat.jpg")).await.unwrap(), None);
}

async fn a_job_is_leased_once_and_tells_its_task(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let jobs = catalog.jobs();
    let id = jobs.insert(thumbnail("cat.jpg", "e1")).await.unwrap().unwrap();
    assert_eq!(jobs.lease("transcription", MINUTE).await.unwrap(), None);
    let job = jobs.lease("thumbnail", MINUTE).await.unwrap().unwrap();
    assert_eq!((job.id, job.state, job.attempts, job.crashes), (id, JobState::Running, 1, 0));
    assert_eq!((job.key, job.task), (key("cat.jpg"), thumbnail("cat.jpg", "e1").task));
    assert_eq!(jobs.lease("thumbnail", MINUTE).await.unwrap(), None);
}

async fn the_job_that_is_due_longest_comes_first(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let jobs = catalog.jobs();
    for name in ["1.jpg", "2.jpg", "3.jpg"] {
        jobs.insert(thumbnail(name, "e1")).await.unwrap();
    }
    for name in ["1.jpg", "2.jpg", "3.jpg"] {
        assert_eq!(jobs.lease("thumbnail", MINUTE).await.unwrap().unwrap().key, key(name));
    }
}

async fn a_job_comes_back_after_its_lease_as_a_crash(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let jobs = catalog.jobs();
    jobs.insert(thumbnail("cat.jpg", "e1")).await.unwrap();
    jobs.lease("thumbnail", Duration::ZERO).await.unwrap().unwrap();
    let again = jobs.lease("thumbnail", MINUTE).await.unwrap().unwrap();
    assert_eq!((again.attempts, again.crashes), (2, 1));
}

async fn a_renewed_job_stays_leased(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let jobs = catalog.jobs();
    let id = jobs.insert(thumbnail("cat.jpg", "e1")).await.unwrap().unwrap();
    assert!(!jobs.renew(id, MINUTE).await.unwrap(), "nobody leased it");
    jobs.lease("thumbnail", Duration::ZERO).await.unwrap().unwrap();
    assert!(jobs.renew(id, MINUTE).await.unwrap());
    assert_eq!(jobs.lease("thumbnail", MINUTE).await.unwrap(), None);
}

async fn a_retried_job_waits_for_its_delay(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let jobs = catalog.jobs();
    let id = jobs.insert(thumbnail("cat.jpg", "e1")).await.unwrap().unwrap();
    jobs.lease("thumbnail", MINUTE).await.unwrap().unwrap();
    jobs.retry(id, "the store is down", Duration::ZERO).await.unwrap();
    let job = jobs.lease("thumbnail", MINUTE).await.unwrap().unwrap();
    assert_eq!((job.attempts, job.crashes, job.error.as_deref()), (2, 0, Some("the store is down")));
    jobs.retry(id, "still down", MINUTE).await.unwrap();
    assert_eq!(jobs.lease("thumbnail", MINUTE).await.unwrap(), None);
    assert_eq!(jobs.count("thumbnail", JobState::Queued).await.unwrap(), 1);
}

async fn a_finished_job_is_over(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let jobs = catalog.jobs();
    let id = jobs.insert(thumbnail("cat.jpg", "e1")).await.unwrap().unwrap();
    jobs.lease("thumbnail", Duration::ZERO).await.unwrap().unwrap();
    jobs.finish(id, json!({ "outputs": 1 })).await.unwrap();
    assert_eq!(jobs.lease("thumbnail", MINUTE).await.unwrap(), None);
    let job = jobs.latest("thumbnail", &bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!((job.state, job.result), (JobState::Done, Some(json!({ "outputs": 1 }))));
    assert_eq!(jobs.insert(thumbnail("cat.jpg", "e1")).await.unwrap(), None);
}

async fn a_buried_job_is_over(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let jobs = catalog.jobs();
    let id = jobs.insert(thumbnail("cat.jpg", "e1")).await.unwrap().unwrap();
    jobs.lease("thumbnail", Duration::ZERO).await.unwrap().unwrap();
    jobs.bury(id, "not a picture").await.unwrap();
    assert_eq!(jobs.lease("thumbnail", MINUTE).await.unwrap(), None);
    let job = jobs.latest("thumbnail", &bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!((job.state, job.error.as_deref()), (JobState::Dead, Some("not a picture")));
    assert_eq!(jobs.count("thumbnail", JobState::Dead).await.unwrap(), 1);
}

async fn a_worker_that_lost_its_lease_disturbs_nobody(scratch: &Scratch) {
    let (slow, fast) = (scratch.migrated().await.jobs(), scratch.connect().await.jobs());
    let id = slow.insert(thumbnail("cat.jpg", "e1")).await.unwrap().unwrap();
    slow.lease("thumbnail", Duration::ZERO).await.unwrap().unwrap();
    fast.lease("thumbnail", MINUTE).await.unwrap().unwrap();
    assert!(!slow.renew(id, MINUTE).await.unwrap());
    slow.retry(id, "too late", Duration::ZERO).await.unwrap();
    slow.bury(id, "too late").await.unwrap();
    assert_eq!(fast.count("thumbnail", JobState::Running).await.unwrap(), 1);
    // A result is a result, whoever brings it; what comes after changes nothing.
    slow.finish(id, json!("slow")).await.unwrap();
    fast.finish(id, json!("fast")).await.unwrap();
    fast.retry(id, "too late", Duration::ZERO).await.unwrap();
    let job = fast.latest("thumbnail", &bucket(), &key("cat.jpg")).await.unwrap().unwrap();
    assert_eq!((job.state, job.result), (JobState::Done, Some(json!("slow"))));
}

async fn workers_of_two_instances_never_share_a_job(scratch: &Scratch) {
    let instances = [scratch.migrated().await.jobs(), scratch.connect().await.jobs()];
    for number in 0..30 {
        instances[0].insert(thumbnail(&format!("{number}.jpg"), "e1")).await.unwrap();
    }
    let workers: Vec<_> = (0..6)
        .map(|number| {
            let jobs = instances[number % 2].clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                while let Some(job) = jobs.lease("thumbnail", MINUTE).await.unwrap() {
                    ids.push(job.id);
                }
                ids
            })
        })
        .collect();
    let mut ids = Vec::new();
    for worker in workers {
        ids.extend(worker.await.unwrap());
    }
    assert_eq!((ids.len(), ids.into_iter().collect::<HashSet<_>>().len()), (30, 30));
}
