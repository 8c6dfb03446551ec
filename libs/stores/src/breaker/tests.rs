use tokio::time::{advance, sleep};

use super::*;

fn breaker() -> Breaker {
    Breaker::new("disk".parse().unwrap())
}

fn fail(breaker: &Breaker) {
    let pass = breaker.enter().unwrap();
    breaker.learn(pass, Lesson::Outage);
}

fn open(breaker: &Breaker) {
    (0..OUTAGES_MAX).for_each(|_| fail(breaker));
    assert!(breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn outages_in_a_row_open_it_and_an_answer_between_them_does_not_let_them_add_up() {
    let breaker = breaker();
    for _ in 0..3 {
        (1..OUTAGES_MAX).for_each(|_| fail(&breaker));
        assert!(breaker.allows() && breaker.open_since().is_none());
        advance(Duration::from_millis(1)).await;
        breaker.learn(breaker.enter().unwrap(), Lesson::Answered);
    }
    (1..OUTAGES_MAX).for_each(|_| fail(&breaker));
    assert!(!breaker.is_open());
    fail(&breaker);
    assert!(breaker.is_open() && !breaker.allows());
    assert_eq!(breaker.open_since(), Some(Instant::now()));
    let refusal = breaker.clone().enter().unwrap_err();
    assert!(is_unsent(&refusal) && crate::is_outage(&refusal));
    assert_eq!(refusal.status_code().or_else(|| refusal.code().status_code()).unwrap(), 503);
    assert!(refusal.message().unwrap().contains("store disk"), "{refusal:?}");
}

#[tokio::test(start_paused = true)]
async fn one_call_is_let_through_after_the_pause_and_its_answer_closes_it() {
    let breaker = breaker();
    open(&breaker);
    advance(PAUSE_FIRST).await;
    assert!(breaker.allows() && breaker.is_open(), "to look takes nothing");
    assert!(breaker.allows());
    let trial = breaker.enter().unwrap();
    assert!(!breaker.allows() && breaker.enter().is_err(), "one at a time");
    breaker.learn(trial, Lesson::Answered);
    assert!(breaker.allows() && !breaker.is_open() && breaker.open_since().is_none());
    assert!(breaker.enter().is_ok() && breaker.enter().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_pause_doubles_up_to_its_bound() {
    let breaker = breaker();
    open(&breaker);
    let since = breaker.open_since();
    let mut expected = PAUSE_FIRST;
    for _ in 0..10 {
        let begun = Instant::now();
        while !breaker.allows() {
            sleep(Duration::from_millis(1)).await;
        }
        let pause = begun.elapsed();
        let slack = Duration::from_millis(2);
        assert!(pause + slack >= expected / 2 && pause <= expected + slack, "{pause:?} for {expected:?}");
        fail(&breaker);
        expected = (expected * 2).min(PAUSE_MAX);
    }
    assert_eq!(expected, PAUSE_MAX);
    assert_eq!(breaker.open_since(), since, "it was open all the time");
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_hangs_or_was_given_up_holds_nobody_up_for_longer_than_a_pause() {
    let breaker = breaker();
    open(&breaker);
    advance(PAUSE_FIRST).await;
    let _hangs = breaker.enter().unwrap();
    advance(TRIAL_MAX - Duration::from_millis(1)).await;
    assert!(!breaker.allows());
    advance(Duration::from_millis(1)).await;
    breaker.learn(breaker.enter().unwrap(), Lesson::Answered);
    assert!(!breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn calls_of_an_outage_that_is_over_do_not_open_it() {
    let breaker = breaker();
    let hang: Vec<Pass> = (0..100).map(|_| breaker.enter().unwrap()).collect();
    advance(Duration::from_secs(30)).await;
    breaker.learn(breaker.enter().unwrap(), Lesson::Answered);
    advance(Duration::from_secs(30)).await;
    hang.into_iter().for_each(|pass| breaker.learn(pass, Lesson::Outage));
    assert!(!breaker.is_open());
    open(&breaker);
}

#[tokio::test(start_paused = true)]
async fn late_failures_do_not_make_the_pause_longer() {
    let breaker = breaker();
    let hang: Vec<Pass> = (0..100).map(|_| breaker.enter().unwrap()).collect();
    open(&breaker);
    hang.into_iter().for_each(|pass| breaker.learn(pass, Lesson::Outage));
    advance(PAUSE_FIRST).await;
    assert!(breaker.allows());
}
