//! What an instance gives back when it ends, and what it keeps for a while.

use std::time::Duration;

use relais_catalog::NewJob;
use serde_json::json;

use crate::scratch::{Scratch, bucket, key, put, stored, write};

crate::on_both![
    an_instance_that_ends_leaves_its_doubts_roles_and_jobs_to_others_at_once,
    an_intent_that_was_cut_off_waits_for_the_end_of_the_lease,
];

const LONG: Duration = Duration::from_secs(3600);

async fn an_instance_that_ends_leaves_its_doubts_roles_and_jobs_to_others_at_once(scratch: &Scratch) {
    let (ending, other) = (scratch.migrated().await, scratch.connect().await);
    let doubted = ending.journal().open(put("cat.jpg")).await.unwrap();
    ending.journal().doubt(doubted).await.unwrap();
    assert!(ending.journal().lead("relay", LONG).await.unwrap());
    let job = NewJob {
        kind: "thumbnail".to_owned(),
        bucket: bucket(),
        key: key("cat.jpg"),
        etag: "e1".to_owned(),
        recipe: "small".to_owned(),
        task: json!({}),
    };
    let job = ending.jobs().insert(job).await.unwrap().unwrap();
    assert!(ending.jobs().lease("thumbnail", LONG).await.unwrap().is_some());
    assert_eq!(other.journal().doubtful(10).await.unwrap(), []);

    ending.close().await.unwrap();
    assert_eq!(other.journal().doubtful(10).await.unwrap(), [(doubted, put("cat.jpg"))]);
    assert!(other.journal().lead("relay", LONG).await.unwrap());
    let again = other.jobs().lease("thumbnail", LONG).await.unwrap().unwrap();
    assert_eq!((again.id, again.crashes), (job, 0));
}

async fn an_intent_that_was_cut_off_waits_for_the_end_of_the_lease(scratch: &Scratch) {
    let (ending, other) = (scratch.migrated().await, scratch.connect().await);
    write(&ending, "dog.jpg", stored("e1")).await;
    let open = ending.journal().open(put("cat.jpg")).await.unwrap();
    ending.close().await.unwrap();
    assert_eq!(other.journal().doubtful(10).await.unwrap(), [], "a store may still be at it");
    scratch.execute("UPDATE instances SET lease_until = 0").await;
    assert_eq!(other.journal().doubtful(10).await.unwrap(), [(open, put("cat.jpg"))]);
}
