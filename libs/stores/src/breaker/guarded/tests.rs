use std::sync::Mutex;

use futures::StreamExt;
use http::StatusCode;

use super::*;
use crate::request;
use crate::store::Store;

/// Answers what it is told to; reads the bodies that it is sent.
#[derive(Default)]
struct Scripted {
    error: Mutex<Option<fn() -> S3Error>>,
    calls: std::sync::atomic::AtomicUsize,
}

impl Scripted {
    fn answer<T: Default>(&self) -> S3Result<S3Response<T>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match *self.error.lock().unwrap() {
            Some(error) => Err(error()),
            None => Ok(S3Response::new(T::default())),
        }
    }
}

#[async_trait::async_trait]
impl S3 for Scripted {
    async fn head_object(&self, _: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.answer()
    }

    async fn get_bucket_website(
        &self,
        _: S3Request<GetBucketWebsiteInput>,
    ) -> S3Result<S3Response<GetBucketWebsiteOutput>> {
        self.answer()
    }

    async fn get_object(&self, _: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let mut answer = self.answer::<GetObjectOutput>()?;
        answer.output.body = Some(body_that_breaks());
        Ok(answer)
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut body = request.input.body.unwrap();
        while let Some(chunk) = body.next().await {
            chunk.map_err(|_| refused())?;
        }
        self.answer()
    }
}

fn body_that_breaks() -> StreamingBlob {
    let chunks = [Ok(Bytes::from_static(b"me")), Err(io::Error::other("gone"))];
    StreamingBlob::wrap(futures::stream::iter(chunks))
}

fn refused() -> S3Error {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    S3Error::with_source(S3ErrorCode::InternalError, Box::new(refused))
}

fn with_status(code: S3ErrorCode, status: u16) -> S3Error {
    let mut error = S3Error::new(code);
    error.set_status_code(StatusCode::from_u16(status).unwrap());
    error
}

fn scripted(error: Option<fn() -> S3Error>) -> (Store, Arc<Scripted>) {
    let scripted = Arc::new(Scripted { error: Mutex::new(error), ..Default::default() });
    (Store::over("disk".parse().unwrap(), scripted.clone()), scripted)
}

/// More calls than open a breaker.
const CALLS: usize = 8;

async fn opens(error: fn() -> S3Error) -> bool {
    let (store, _) = scripted(Some(error));
    for _ in 0..CALLS {
        store.s3.head_object(request(HeadObjectInput::default())).await.unwrap_err();
    }
    store.breaker.is_open()
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_left_alone_until_it_does() {
    let (store, scripted) = scripted(Some(refused));
    let head = || store.s3.head_object(request(HeadObjectInput::default()));
    for _ in 0..100 {
        head().await.unwrap_err();
    }
    assert!(store.clone().breaker.is_open());
    assert!(scripted.calls.load(Ordering::SeqCst) < 10, "the others were refused");
    assert!(super::super::is_unsent(&head().await.unwrap_err()));
    *scripted.error.lock().unwrap() = None;
    let begun = std::time::Instant::now();
    while head().await.is_err() {
        assert!(begun.elapsed().as_secs() < 10, "a trial is due every few seconds");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(!store.breaker.is_open());
}

#[tokio::test]
async fn what_counts_is_silence_and_answers_of_5xx() {
    assert!(opens(refused).await);
    assert!(opens(|| with_status(S3ErrorCode::InternalError, 500)).await);
    assert!(opens(|| with_status(S3ErrorCode::ServiceUnavailable, 503)).await);
    assert!(opens(|| with_status(S3ErrorCode::InternalError, 502)).await);
}

#[tokio::test]
async fn refusals_and_full_stores_do_not_count() {
    assert!(!opens(|| with_status(S3ErrorCode::NoSuchKey, 404)).await);
    assert!(!opens(|| with_status(S3ErrorCode::AccessDenied, 403)).await);
    assert!(!opens(|| with_status(S3ErrorCode::NotImplemented, 501)).await);
    assert!(!opens(|| with_status(S3ErrorCode::SlowDown, 503)).await);
    assert!(!opens(|| with_status(S3ErrorCode::InternalError, 507)).await);
    let full = || {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        S3Error::with_source(S3ErrorCode::InternalError, Box::new(full))
    };
    assert!(!opens(full).await);
    // A header of the client that s3s-aws cannot put into the SDK's words.
    let untranslated = || S3Error::internal_error(std::fmt::Error);
    assert!(is_outage(&untranslated()) && !opens(untranslated).await);
}

#[tokio::test]
async fn an_odd_request_that_a_service_answers_with_500_does_not_shut_it_to_all() {
    let (store, scripted) = scripted(Some(|| with_status(S3ErrorCode::InternalError, 500)));
    let website = || store.s3.get_bucket_website(request(GetBucketWebsiteInput::default()));
    for _ in 0..CALLS {
        website().await.unwrap_err();
    }
    assert!(!store.breaker.is_open());
    *scripted.error.lock().unwrap() = Some(refused);
    for _ in 0..CALLS {
        website().await.unwrap_err();
    }
    assert!(store.breaker.is_open());
}

#[tokio::test]
async fn a_body_that_the_client_breaks_off_does_not_count_and_a_silent_store_does() {
    let (store, scripted) = scripted(None);
    let put = |body| {
        let input = PutObjectInput { body: Some(body), ..Default::default() };
        store.s3.put_object(request(input))
    };
    for _ in 0..CALLS {
        put(body_that_breaks()).await.unwrap_err();
    }
    assert!(!store.breaker.is_open());
    *scripted.error.lock().unwrap() = Some(refused);
    for _ in 0..CALLS {
        put(StreamingBlob::from_bytes("meow".into())).await.unwrap_err();
    }
    assert!(store.breaker.is_open());
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts() {
    let (store, _) = scripted(None);
    let mut bodies = Vec::new();
    for _ in 0..CALLS {
        let answer = store.s3.get_object(request(GetObjectInput::default())).await.unwrap();
        bodies.push(answer.output.body.unwrap());
    }
    for body in bodies {
        assert!(body.collect::<Vec<_>>().await.last().unwrap().is_err());
        if store.breaker.is_open() {
            return;
        }
    }
    panic!("a store that breaks off {CALLS} answers in a row is out of order");
}

#[test]
fn every_operation_passes_by_the_breaker() {
    let table = include_str!("../../../../../proxy/src/s3.rs");
    let rows = table.split("\noperations! {\n").nth(1).unwrap();
    let (done, _refused) = rows.split_once("\n    refused {").unwrap();
    let asked = done.lines().filter_map(|line| line.trim().split_once('(').map(|(name, _)| name));
    let asked: Vec<&str> = asked
        .filter(|name| name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte == b'2'))
        .collect();
    assert!(asked.len() > 80, "{asked:?}");
    for name in asked {
        assert!(OPERATIONS.contains(&name), "{name} would be answered with NotImplemented");
    }
}
