use futures::StreamExt;

use super::*;

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

#[tokio::test]
async fn every_branch_gets_the_whole_body() {
    let (mut tee, branches) = tee(2, 2, 6);
    let reads: Vec<_> = branches.into_iter().map(|branch| tokio::spawn(collect(branch))).collect();
    tee.send(chunk("abc")).await.unwrap();
    tee.finish(0, Some(chunk("def"))).await;
    tee.finish(1, Some(chunk("def"))).await;
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap(), "abcdef");
    }
}

#[tokio::test]
async fn a_branch_that_was_not_finished_ends_with_an_error() {
    let (mut tee, mut branches) = tee(1, 1, 6);
    let read = tokio::spawn(collect(branches.remove(0)));
    tee.send(chunk("abc")).await.unwrap();
    drop(tee);
    assert!(read.await.unwrap().unwrap_err().is::<GivenUp>());
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_stalls_is_left_out_and_the_others_go_on() {
    let (mut tee, mut branches) = tee(2, 1, 100);
    let stalled = branches.remove(1);
    let read = tokio::spawn(collect(branches.remove(0)));
    for _ in 0..10 {
        tee.send(chunk("abc")).await.unwrap();
    }
    tee.finish(0, None).await;
    tee.finish(1, None).await;
    assert_eq!(read.await.unwrap().unwrap(), "abc".repeat(10));
    assert!(collect(stalled).await.is_err());
}

#[tokio::test]
async fn losing_a_required_branch_is_told_at_once() {
    let (mut tee, branches) = tee(2, 1, 100);
    drop(branches);
    assert_eq!(tee.send(chunk("abc")).await, Err(RequiredBranchLost(0)));
}
