//! What the journal has still to write down, though nobody waits for it: callers went away, or the database did.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::scratch::{Scratch, bucket, key, put, stored, write};

crate::on_both![
    an_intent_of_a_caller_that_went_away_is_abandoned,
    more_callers_go_away_than_one_statement_takes,
    the_last_word_on_an_intent_is_written_when_the_database_is_back,
    what_is_open_in_our_name_and_nobody_knows_is_left_to_recovery,
];

async fn an_intent_of_a_caller_that_went_away_is_abandoned(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let journal = catalog.journal();
    for pause in [0, 1, 5, 50] {
        // Polled once: the request is in the channel. It is dropped before, while or after the writer answers it.
        let mut open = pin!(journal.open(put("cat.jpg")));
        assert!(open.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    write(&catalog, "dog.jpg", stored("e1")).await;
    write(&catalog, "dog.jpg", stored("e2")).await;
    write(&catalog, "cat.jpg", stored("e1")).await;
    assert_eq!(
        catalog.objects().unsettled_count().await.unwrap(),
        0,
        "an orphan overlaps with every later write"
    );
}

async fn more_callers_go_away_than_one_statement_takes(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let journal = catalog.journal();
    for _ in 0..70_000 {
        let mut gone = pin!(journal.open(put("gone.jpg")));
        assert!(gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    write(&catalog, "cat.jpg", stored("e1")).await;
    assert!(!catalog.objects().is_in_flight(&bucket(), Some(&key("gone.jpg"))).await.unwrap());
}

async fn the_last_word_on_an_intent_is_written_when_the_database_is_back(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let journal = catalog.journal();
    let doubted = journal.open(put("cat.jpg")).await.unwrap();
    let abandoned = journal.open(put("dog.jpg")).await.unwrap();
    scratch.execute("ALTER TABLE journal RENAME TO gone").await;
    journal.doubt(doubted).await.unwrap_err();
    journal.abandon(abandoned).await.unwrap_err();
    scratch.execute("ALTER TABLE gone RENAME TO journal").await;

    journal.heartbeat().await.unwrap();
    journal.open(put("later.jpg")).await.unwrap(); // Answered after what was overdue.
    assert_eq!(journal.doubtful(10).await.unwrap(), [(doubted, put("cat.jpg"))]);
    write(&catalog, "dog.jpg", stored("e1")).await;
    assert_eq!(catalog.objects().unsettled_count().await.unwrap(), 0, "nothing is open beside it");
}

async fn what_is_open_in_our_name_and_nobody_knows_is_left_to_recovery(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let journal = catalog.journal();
    let known = journal.open(put("dog.jpg")).await.unwrap();
    // A commit that comes true after its caller heard an error and took it back.
    let stray = journal.open(put("cat.jpg")).await.unwrap();
    scratch.execute("CREATE TABLE late AS SELECT * FROM journal WHERE key = 'cat.jpg'").await;
    journal.abandon(stray).await.unwrap();
    scratch.execute("INSERT INTO journal SELECT * FROM late").await;

    journal.heartbeat().await.unwrap();
    assert_eq!(journal.doubtful(10).await.unwrap(), [], "it may still be on its way to its caller");
    scratch.execute("UPDATE journal SET updated_at = updated_at - 3600000000").await;
    journal.heartbeat().await.unwrap();
    assert_eq!(journal.doubtful(10).await.unwrap(), [(stray, put("cat.jpg"))]);
    journal.apply(known, stored("e1")).await.unwrap();
}
