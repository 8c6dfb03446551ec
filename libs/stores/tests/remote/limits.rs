//! Connections, budget and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use relais_stores::{RemoteConfig, is_outage, request};
use s3s::S3ErrorCode;
use s3s::dto::{GetObjectInput, StreamingBlob};
use tokio::time::sleep;

use crate::server::{Server, answer, read, stalled};
use crate::{get, put, store};

/// One second of silence, and no second attempt.
fn impatient(config: &mut RemoteConfig) {
    config.read_timeout_seconds = 1.try_into().unwrap();
    config.attempts_max = 1.try_into().unwrap();
}

#[tokio::test]
async fn requests_in_a_row_share_a_connection() {
    let server = Server::start(async |_, request| answer(200, read(request).await)).await;
    let secure = Server::start_tls(async |_, request| answer(200, read(request).await)).await;
    for server in [server, secure] {
        let s3 = store(&server, |_| ()).await;
        for _ in 0..10 {
            put(s3.as_ref(), 2, StreamingBlob::from_bytes("hi".into())).await.unwrap();
            get(s3.as_ref()).await.unwrap();
        }
        assert_eq!((server.log.requests(), server.log.connections()), (20, 1));
    }
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_the_budget_allows() {
    let open = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |_, _| {
        let open = Arc::clone(&open);
        async move {
            assert!(open.fetch_add(1, Ordering::SeqCst) < 3);
            sleep(Duration::from_millis(20)).await;
            open.fetch_sub(1, Ordering::SeqCst);
            answer(200, "here")
        }
    })
    .await;
    let s3 = store(&server, |config| config.requests_in_flight_max = 3.try_into().unwrap()).await;
    let answers = join_all((0..30).map(|_| get(s3.as_ref()))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == b"here"));
    assert!(server.log.connections() <= 3);
}

#[tokio::test]
async fn request_is_in_flight_until_its_answer_is_read() {
    // More than what the sockets hold.
    let server = Server::start(async |_, _| answer(200, Bytes::from_static(&[7; 16 << 20]))).await;
    let s3 = store(&server, |config| {
        config.requests_in_flight_max = 1.try_into().unwrap();
        config.queue_timeout_seconds = 1.try_into().unwrap();
    })
    .await;
    let input = GetObjectInput { bucket: "media".into(), key: "k".into(), ..Default::default() };
    let unread = s3.get_object(request(input)).await.unwrap();

    let begun = Instant::now();
    let error = get(s3.as_ref()).await.unwrap_err();
    assert_eq!((error.code(), is_outage(&error)), (&S3ErrorCode::SlowDown, true));
    assert_eq!(error.status_code().unwrap(), 503);
    assert_eq!(begun.elapsed().as_secs(), 1, "it waits once, and is not tried again");
    assert_eq!(server.log.requests(), 1);

    let read = unread.output.body.unwrap().fold(0, async |bytes, chunk| bytes + chunk.unwrap().len()).await;
    assert_eq!(read, 16 << 20);
    assert!(get(s3.as_ref()).await.is_ok());
}

#[tokio::test]
async fn silent_store_is_given_up() {
    let server = Server::start(async |_, _| std::future::pending().await).await;
    let s3 = store(&server, impatient).await;
    let begun = Instant::now();
    assert!(is_outage(&get(s3.as_ref()).await.unwrap_err()));
    assert!(is_outage(&put(s3.as_ref(), 2, StreamingBlob::from_bytes("hi".into())).await.unwrap_err()));
    assert_eq!(begun.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn store_that_takes_nothing_is_given_up() {
    let server = Server::start(async |_, request| {
        let _unread = request;
        std::future::pending().await
    })
    .await;
    let s3 = store(&server, impatient).await;
    let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[7; 1 << 20]));
    let body = StreamingBlob::wrap(futures::stream::repeat_with(chunk).take(64));
    let begun = Instant::now();
    assert!(is_outage(&put(s3.as_ref(), 64 << 20, body).await.unwrap_err()));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn upload_of_a_slow_client_is_not_cut() {
    let server = Server::start(async |_, request| answer(200, read(request).await)).await;
    let s3 = store(&server, impatient).await;
    let body = StreamingBlob::wrap(futures::stream::iter(["abc", "def", "ghi"]).then(async |chunk| {
        sleep(Duration::from_millis(1500)).await;
        Ok::<_, std::io::Error>(chunk.into())
    }));
    put(s3.as_ref(), 9, body).await.unwrap();
}

#[tokio::test]
async fn answer_that_stalls_breaks_off() {
    let server = Server::start(async |_, _| stalled("abc", 6)).await;
    let s3 = store(&server, impatient).await;
    let begun = Instant::now();
    let error = get(s3.as_ref()).await.unwrap_err();
    assert!(format!("{error:?}").contains("Silent(1s)"), "{error:?}");
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test]
async fn answer_is_not_cut_for_a_slow_reader() {
    let server = Server::start(async |_, _| answer(200, Bytes::from_static(&[7; 16 << 20]))).await;
    let s3 = store(&server, impatient).await;
    let input = GetObjectInput { bucket: "media".into(), key: "k".into(), ..Default::default() };
    let mut body = s3.get_object(request(input)).await.unwrap().output.body.unwrap();
    let mut bytes = body.next().await.unwrap().unwrap().len();
    sleep(Duration::from_millis(1500)).await;
    while let Some(chunk) = body.next().await {
        bytes += chunk.unwrap().len();
    }
    assert_eq!(bytes, 16 << 20);
}

#[tokio::test]
async fn requests_a_second_have_a_limit() {
    let server = Server::start(async |_, _| answer(200, "")).await;
    let s3 = store(&server, |config| config.requests_per_second_max = Some(10.try_into().unwrap())).await;
    let begun = Instant::now();
    for answer in join_all((0..11).map(|_| get(s3.as_ref()))).await {
        answer.unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
}
