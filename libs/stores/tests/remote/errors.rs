//! Errors keep their sense on the way through the SDK.

use std::net::TcpListener;
use std::path::Path;
use std::time::Instant;

use relais_stores::{RemoteConfig, Store, StoreConfig, is_outage, refusal_header};
use s3s::S3Error;

use crate::server::{Server, answer};
use crate::{get, head, store};

/// What comes of an answer with that status and body.
async fn errors(status: u16, body: &'static str) -> [S3Error; 2] {
    let server = Server::start(move |_, _| async move { answer(status, body) }).await;
    let s3 = store(&server, |config| config.attempts_max = 1.try_into().unwrap()).await;
    [get(s3.as_ref()).await.unwrap_err(), head(s3.as_ref()).await.unwrap_err()]
}

#[tokio::test]
async fn answers_without_a_body_are_named_by_their_status() {
    let named = [
        (301, "PermanentRedirect", false),
        (304, "NotModified", false),
        (403, "AccessDenied", false),
        (404, "NotFound", false),
        (412, "PreconditionFailed", false),
        (416, "InvalidRange", false),
        (429, "SlowDown", true),
        (500, "InternalError", true),
        (501, "NotImplemented", false),
        (502, "InternalError", true),
        (503, "ServiceUnavailable", true),
    ];
    for (status, code, outage) in named {
        for error in errors(status, "").await {
            assert_eq!(error.code().as_str(), code, "{status} {error:?}");
            assert_eq!(error.status_code().unwrap(), status);
            assert_eq!(is_outage(&error), outage, "{status}");
        }
    }
}

#[tokio::test]
async fn names_and_messages_of_the_store_are_kept() {
    let body = "<Error><Code>NoSuchKey</Code><Message>never heard of it</Message></Error>";
    let [error, _] = errors(404, body).await;
    assert_eq!((error.code().as_str(), error.message()), ("NoSuchKey", Some("never heard of it")));
    assert!(!is_outage(&error));
}

#[tokio::test]
async fn headers_of_a_refusal_can_be_asked_for() {
    let server = Server::start(async |_, _| {
        let mut answer = answer(404, "");
        answer.headers_mut().insert("x-amz-delete-marker", "true".parse().unwrap());
        answer
    })
    .await;
    let s3 = store(&server, |_| ()).await;
    for error in [get(s3.as_ref()).await.unwrap_err(), head(s3.as_ref()).await.unwrap_err()] {
        assert_eq!(refusal_header(&error, "x-amz-delete-marker"), Some("true"));
        assert_eq!(refusal_header(&error, "x-amz-version-id"), None);
    }
    assert_eq!(refusal_header(&S3Error::new(s3s::S3ErrorCode::NoSuchKey), "etag"), None);
}

#[tokio::test]
async fn throttling_is_an_outage() {
    for status in [503, 429] {
        let [error, _] = errors(status, "<Error><Code>SlowDown</Code></Error>").await;
        assert_eq!((error.code().as_str(), is_outage(&error)), ("SlowDown", true));
    }
}

#[tokio::test]
async fn page_of_a_broken_gateway_is_an_outage() {
    let [error, _] = errors(502, "<html><body><h1>Bad Gateway</h1><hr></body></html>").await;
    assert!(is_outage(&error));
}

async fn at(address: String) -> S3Error {
    let config = RemoteConfig {
        endpoint: Some(address),
        access_key_id: Some("key".to_owned()),
        secret_access_key: Some("secret".to_owned().into()),
        connect_timeout_seconds: 1.try_into().unwrap(),
        attempts_max: 1.try_into().unwrap(),
        ..RemoteConfig::in_region("local".to_owned())
    };
    let store =
        Store::open(&"gone".parse().unwrap(), &StoreConfig::S3(config), Path::new("/")).await.unwrap();
    get(store.s3.as_ref()).await.unwrap_err()
}

#[tokio::test]
async fn store_that_nobody_is_at_is_an_outage() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(is_outage(&at(address).await));
}

#[tokio::test]
async fn connection_that_is_not_made_in_time_is_an_outage() {
    // It takes connections, and leaves the first message of TLS without an answer.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    assert!(is_outage(&at(format!("https://{}", listener.local_addr().unwrap())).await));
    assert_eq!(begun.elapsed().as_secs(), 1);
}
