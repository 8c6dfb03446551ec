use std::future::{pending, ready};
use std::time::Duration;

use s3s::s3_error;

use super::*;

fn down() -> S3Result<&'static str> {
    Err(s3_error!(ServiceUnavailable, "down"))
}

fn over(required: usize, places: Vec<BoxFuture<'static, S3Result<&'static str>>>) -> FanOut<&'static str> {
    let mut fan = FanOut::new(required);
    for (index, place) in places.into_iter().enumerate() {
        fan.ask(index, place);
    }
    fan
}

fn good() -> BoxFuture<'static, S3Result<&'static str>> {
    ready(Ok("done")).boxed()
}

fn bad() -> BoxFuture<'static, S3Result<&'static str>> {
    ready(down()).boxed()
}

fn silent() -> BoxFuture<'static, S3Result<&'static str>> {
    pending().boxed()
}

fn slow(seconds: u64, outcome: S3Result<&'static str>) -> BoxFuture<'static, S3Result<&'static str>> {
    async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        outcome
    }
    .boxed()
}

#[tokio::test]
async fn a_silent_place_holds_nothing_back_that_others_suffice_for() {
    for places in
        [vec![good(), silent(), good()], vec![good(), good(), silent()], vec![good(), bad(), good()]]
    {
        let mut fan = over(2, places);
        fan.met().await.unwrap();
        assert_eq!(fan.answer().unwrap(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn the_primary_is_always_waited_for() {
    let mut fan = over(2, vec![slow(5, Ok("late")), good(), good()]);
    let begun = tokio::time::Instant::now();
    fan.met().await.unwrap();
    assert_eq!((begun.elapsed().as_secs(), fan.answer().unwrap()), (5, "late"));

    let mut fan = over(2, vec![slow(5, down()), good(), good()]);
    assert_eq!(*fan.met().await.unwrap_err().code(), S3ErrorCode::ServiceUnavailable);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_met_any_more_is_refused_without_waiting_for_the_rest() {
    let mut fan = over(3, vec![good(), bad(), silent()]);
    let error = fan.met().await.unwrap_err();
    let refused = fan.refused(error);
    assert!(refused.in_doubt, "the primary has it");
    let waited = tokio::time::timeout(Duration::from_secs(3600), refused.rest.unwrap()).await;
    assert!(waited.is_err(), "one that is under way may still do it");
}

#[tokio::test]
async fn a_refusal_leaves_no_doubt_only_if_everybody_has_refused() {
    let refusal = || ready(Err(s3_error!(PreconditionFailed, "no"))).boxed();
    let in_doubt = async |places| {
        let mut fan = over(1, places);
        let error = fan.met().await.unwrap_err();
        fan.refused(error).in_doubt
    };
    assert!(!in_doubt(vec![refusal()]).await);
    assert!(!in_doubt(vec![refusal(), refusal()]).await);
    assert!(in_doubt(vec![refusal(), good()]).await, "the other has it");
    assert!(in_doubt(vec![refusal(), silent()]).await, "the other may have it");
    assert!(in_doubt(vec![refusal(), bad()]).await, "nobody knows what an outage hides");
    assert!(in_doubt(vec![bad()]).await);
}

#[tokio::test]
async fn too_few_places_are_an_error_and_not_an_endless_wait() {
    let mut fan = over(2, vec![good()]);
    assert_eq!(*fan.met().await.unwrap_err().code(), S3ErrorCode::ServiceUnavailable);
}

#[tokio::test(start_paused = true)]
async fn who_was_not_waited_for_comes_to_an_end_behind() {
    let mut fan = over(1, vec![good(), good(), slow(5, Ok("late")), slow(6, down())]);
    fan.met().await.unwrap();
    fan.look();
    assert_eq!(fan.done().keys().copied().collect::<Vec<_>>(), [0, 1], "both were there already");
    assert!(!fan.is_over());
    assert_eq!(fan.rest().await.into_iter().collect::<Vec<_>>(), [(0, "done"), (1, "done"), (2, "late")]);
}

#[tokio::test]
async fn a_400_without_a_reason_leaves_a_write_in_doubt() {
    let answered = |mut error: S3Error| {
        error.set_status_code(StatusCode::BAD_REQUEST);
        over(1, vec![ready(Err(error)).boxed()])
    };
    let mut fan = answered(s3_error!(InternalError));
    let refused = fan.primary().await.unwrap_err();
    let refused = fan.refused(refused);
    assert_eq!((refused.error.code(), refused.in_doubt), (&S3ErrorCode::ServiceUnavailable, true));

    let mut fan = answered(s3_error!(InvalidDigest));
    let refused = fan.primary().await.unwrap_err();
    let refused = fan.refused(refused);
    assert_eq!((refused.error.code(), refused.in_doubt), (&S3ErrorCode::InvalidDigest, false));
}
