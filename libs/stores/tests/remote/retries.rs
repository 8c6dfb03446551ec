//! What is sent again, and what never is.

use futures::StreamExt;
use s3s::S3ErrorCode;
use s3s::dto::{PutObjectTaggingInput, StreamingBlob, Tag, Tagging};

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
        assert!(relais_stores::is_outage(&get(s3.as_ref()).await.unwrap_err()));
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
    s3.put_object_tagging(relais_stores::request(input)).await.unwrap();
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
