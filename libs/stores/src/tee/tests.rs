use futures::StreamExt;

use super::*;

/// Longer than any test that does not stall.
const BUDGET: Duration = Duration::from_secs(20);

fn chunk(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn collect(mut branch: Branch) -> Result<String, StdError> {
    let mut text = Vec::new();
    while let Some(chunk) = branch.next().await {
        text.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8(text)?)
}

async fn finish(tee: &mut Tee, index: usize, last: Option<Bytes>) {
    if let Some(feeder) = tee.take(index) {
        feeder.finish(last).await;
    }
}

#[tokio::test]
async fn every_branch_gets_the_whole_body() {
    let (mut tee, branches) = tee(2, 2, 6, BUDGET);
    let reads: Vec<_> = branches.into_iter().map(|branch| tokio::spawn(collect(branch))).collect();
    tee.send(chunk("abc")).await.unwrap();
    finish(&mut tee, 0, Some(chunk("def"))).await;
    finish(&mut tee, 1, Some(chunk("def"))).await;
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap(), "abcdef");
    }
}

#[tokio::test]
async fn a_branch_that_was_not_finished_ends_with_an_error() {
    let (mut tee, mut branches) = tee(1, 1, 6, BUDGET);
    let read = tokio::spawn(collect(branches.remove(0)));
    tee.send(chunk("abc")).await.unwrap();
    drop(tee);
    assert!(read.await.unwrap().unwrap_err().is::<GivenUp>());
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_stalls_is_left_out_and_the_others_go_on() {
    let (mut tee, mut branches) = tee(2, 1, 100, BUDGET);
    let stalled = branches.remove(1);
    let read = tokio::spawn(collect(branches.remove(0)));
    for _ in 0..10 {
        tee.send(chunk("abc")).await.unwrap();
    }
    finish(&mut tee, 0, None).await;
    finish(&mut tee, 1, None).await;
    assert_eq!(read.await.unwrap().unwrap(), "abc".repeat(10));
    assert!(collect(stalled).await.is_err());
}

#[tokio::test]
async fn losing_a_required_branch_is_told_at_once() {
    let (mut tee, branches) = tee(2, 1, 100, BUDGET);
    drop(branches);
    assert_eq!(tee.send(chunk("abc")).await, Err(RequiredBranchLost(0)));
}

#[tokio::test]
async fn any_branch_but_the_first_may_be_lost_while_enough_are_left() {
    let (mut tee, mut branches) = tee(3, 2, 100, BUDGET);
    drop(branches.remove(1));
    tee.send(chunk("abc")).await.unwrap();
    drop(branches.remove(1));
    assert_eq!(tee.send(chunk("abc")).await, Err(RequiredBranchLost(2)));
}

#[tokio::test(start_paused = true)]
async fn branches_that_stall_together_cost_one_budget() {
    let (mut tee, mut branches) = tee(4, 2, 100, BUDGET);
    let stalled = branches.split_off(2);
    let reads: Vec<_> = branches.into_iter().map(|branch| tokio::spawn(collect(branch))).collect();
    let begun = tokio::time::Instant::now();
    for _ in 0..10 {
        tee.send(chunk("abc")).await.unwrap();
    }
    assert!(begun.elapsed() < BUDGET * 2, "{:?}", begun.elapsed());
    for index in 0..2 {
        finish(&mut tee, index, None).await;
    }
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap(), "abc".repeat(10));
    }
    assert!(tee.take(2).is_none() && tee.take(3).is_none());
    drop(stalled);
}
