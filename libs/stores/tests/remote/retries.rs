//! What is sent again, and what never is.

use futures::StreamExt;
use relais_stores::{is_outage, request};
use s3s::dto::{
    CompleteMultipartUploadInput, CopyObjectInput, CopySource, DeleteObjectInput, ETagCondition,
    GetObjectInput, PutObjectTaggingInput, StreamingBlob, Tag, Tagging,
};
use s3s::{S3, S3Error, S3ErrorCode};

use crate::server::{Server, answer, read};
use crate::{get, put, store, stream};

#[tokio::test]
async fn request_without_a_body_is_sent_again() {
    let server = Server::start(async |number, _| answer(if number < 2 { 503 } else { 200 }, "here")).await;
    let s3 = store(&server, |_| ()).await;
    assert_eq!(get(s3.as_ref()).await.unwrap(), b"here");
    assert_eq!(server.log.requests(), 3);
}

#[tokio::test]
async fn attempts_have_a_limit() {
    let server = Server::start(async |_, _| answer(500, "")).await;
    for attempts in [1, 2] {
        let s3 = store(&server, |config| config.attempts_max = attempts.try_into().unwrap()).await;
        let before = server.log.requests();
        assert!(is_outage(&get(s3.as_ref()).await.unwrap_err()));
        assert_eq!(server.log.requests() - before, attempts as usize);
    }
}

#[tokio::test]
async fn request_that_is_refused_is_not_sent_again() {
    let server = Server::start(async |_, _| answer(403, "<Error><Code>AccessDenied</Code></Error>")).await;
    let s3 = store(&server, |_| ()).await;
    assert_eq!(*get(s3.as_ref()).await.unwrap_err().code(), S3ErrorCode::AccessDenied);
    assert_eq!(server.log.requests(), 1);
}

#[tokio::test]
async fn body_that_is_held_in_memory_is_sent_again() {
    let server = Server::start(async |number, request| {
        let body = read(request).await;
        assert!(body.starts_with(b"<Tagging") && body.ends_with(b"</Tagging>"));
        answer(if number == 0 { 500 } else { 200 }, "")
    })
    .await;
    let s3 = store(&server, |_| ()).await;
    let tag = Tag { key: Some("a".to_owned()), value: Some("1".to_owned()) };
    let input = PutObjectTaggingInput::builder()
        .bucket("media".to_owned())
        .key("k".to_owned())
        .tagging(Tagging { tag_set: vec![tag] })
        .build()
        .unwrap();
    s3.put_object_tagging(request(input)).await.unwrap();
    assert_eq!(server.log.requests(), 2);
}

#[tokio::test]
async fn streamed_body_is_never_sent_again() {
    let server = Server::start(async |_, request| {
        read(request).await;
        answer(503, "<Error><Code>SlowDown</Code></Error>")
    })
    .await;
    let s3 = store(&server, |_| ()).await;
    let error = put(s3.as_ref(), 6, stream(["abc", "def"])).await.unwrap_err();
    assert_eq!((error.code(), server.log.requests()), (&S3ErrorCode::SlowDown, 1));
    // Nor one of which nothing was read yet.
    let server = Server::start(async |_, _| answer(500, "")).await;
    let s3 = store(&server, |_| ()).await;
    assert!(put(s3.as_ref(), 2, StreamingBlob::from_bytes("hi".into())).await.is_err());
    assert_eq!(server.log.requests(), 1);
}

#[tokio::test]
async fn upload_that_its_client_breaks_off_is_not_sent_again() {
    let server = Server::start(async |_, request| answer(200, read(request).await)).await;
    let s3 = store(&server, |_| ()).await;
    let broken = futures::stream::iter([Ok("abc".into()), Err(std::io::Error::other("gone"))]);
    let body = StreamingBlob::wrap(broken.chain(futures::stream::empty()));
    assert!(put(s3.as_ref(), 6, body).await.is_err());
    assert!(server.log.requests() <= 1);
}

/// Answers a request the first time with 500, as if the answer had got lost, and then as one that was done before.
async fn forgetful() -> Server {
    Server::start(async |number, _| match number {
        0 => answer(500, ""),
        _ => answer(412, "<Error><Code>PreconditionFailed</Code></Error>"),
    })
    .await
}

async fn is_sent_once(ask: impl AsyncFn(&dyn S3) -> Result<(), S3Error>) {
    let server = forgetful().await;
    let error = ask(store(&server, |_| ()).await.as_ref()).await.unwrap_err();
    assert!(is_outage(&error), "nobody knows whether it was done: {error:?}");
    assert_eq!(server.log.requests(), 1);
}

#[tokio::test]
async fn a_change_under_a_condition_and_the_end_of_an_upload_are_never_sent_again() {
    is_sent_once(async |s3| {
        let source = CopySource::Bucket { bucket: "media".into(), key: "s".into(), version_id: None };
        let copy = CopyObjectInput::builder().bucket("media".into()).key("k".into()).copy_source(source);
        let copy = copy.if_none_match(Some(ETagCondition::Any)).build().unwrap();
        s3.copy_object(request(copy)).await.map(drop)
    })
    .await;
    is_sent_once(async |s3| {
        let if_match = Some(ETagCondition::Any);
        let delete =
            DeleteObjectInput { bucket: "media".into(), key: "k".into(), if_match, ..Default::default() };
        s3.delete_object(request(delete)).await.map(drop)
    })
    .await;
    is_sent_once(async |s3| {
        let end = CompleteMultipartUploadInput {
            bucket: "media".into(),
            key: "k".into(),
            upload_id: "1".into(),
            ..Default::default()
        };
        let answer = s3.complete_multipart_upload(request(end)).await?.output;
        match answer.future {
            Some(later) => later.await.map(drop),
            None => Ok(()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_read_under_a_condition_is_sent_again() {
    let server = Server::start(async |number, _| answer(if number == 0 { 500 } else { 304 }, "")).await;
    let s3 = store(&server, |_| ()).await;
    let if_none_match = Some(ETagCondition::Any);
    let read =
        GetObjectInput { bucket: "media".into(), key: "k".into(), if_none_match, ..Default::default() };
    assert_eq!(*s3.get_object(request(read)).await.unwrap_err().code(), S3ErrorCode::NotModified);
    assert_eq!(server.log.requests(), 2);
}
