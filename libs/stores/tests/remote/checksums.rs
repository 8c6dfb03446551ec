//! Checksums on their way to the store: as a header, or behind a body that is sent while it is hashed.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use relais_stores::{Profile, request};
use s3s::dto::{
    ChecksumAlgorithm, Delete, DeleteObjectsInput, ObjectIdentifier, PutObjectInput, StreamingBlob,
    UploadPartInput,
};

use crate::server::{Server, answer, read};
use crate::{store, stream, upload};

/// What they make of `hello world`, computed elsewhere.
const CHECKSUMS: [(&str, &str); 5] = [
    ("CRC32", "DUoRhQ=="),
    ("CRC32C", "yZRlqg=="),
    ("CRC64NVME", "jSnVw/bqjr4="),
    ("SHA1", "Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
    ("SHA256", "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="),
];

fn bodies() -> [StreamingBlob; 2] {
    [StreamingBlob::from_bytes("hello world".into()), stream(["hello ", "world"])]
}

/// A server that remembers the last body, over HTTP and over HTTPS.
async fn servers() -> [(Server, Arc<Mutex<Bytes>>); 2] {
    let handler = |last: Arc<Mutex<Bytes>>| {
        move |_, request| {
            let last = Arc::clone(&last);
            async move {
                *last.lock().unwrap() = read(request).await;
                answer(200, "")
            }
        }
    };
    let (plain, secure) = (Arc::default(), Arc::default());
    [
        (Server::start(handler(Arc::clone(&plain))).await, plain),
        (Server::start_tls(handler(Arc::clone(&secure))).await, secure),
    ]
}

#[tokio::test]
async fn checksum_of_a_streamed_body_follows_it() {
    for (server, last) in servers().await {
        let s3 = store(&server, |config| config.profile = Some(Profile::Aws)).await;
        for (algorithm, value) in CHECKSUMS {
            for body in bodies() {
                let input = PutObjectInput {
                    checksum_algorithm: Some(ChecksumAlgorithm::from(algorithm.to_owned())),
                    ..upload(11, body)
                };
                s3.put_object(request(input)).await.unwrap();
                let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
                let sent = server.log.last().headers;
                assert_eq!(sent["x-amz-trailer"], header);
                assert_eq!(sent["x-amz-decoded-content-length"], "11");
                // Without TLS the SDK signs each chunk, and the trailer.
                let secure = server.url().starts_with("https");
                let kind = if secure { "UNSIGNED-PAYLOAD" } else { "AWS4-HMAC-SHA256-PAYLOAD" };
                assert_eq!(sent["x-amz-content-sha256"], format!("STREAMING-{kind}-TRAILER"));
                let body = last.lock().unwrap().clone();
                assert_eq!(sent["content-length"], body.len().to_string());
                let body = String::from_utf8_lossy(&body);
                assert!(body.contains(&format!("\r\n{header}:{value}\r\n")), "{body:?}");
                assert_ne!(body.contains("\r\nx-amz-trailer-signature:"), secure);
            }
        }
    }
}

#[tokio::test]
async fn checksum_of_a_part_follows_it() {
    let [_, (server, last)] = servers().await;
    let s3 = store(&server, |config| config.profile = Some(Profile::Aws)).await;
    let [_, body] = bodies();
    let input = UploadPartInput {
        bucket: "media".into(),
        key: "k".into(),
        upload_id: "id".into(),
        part_number: 1,
        content_length: Some(11),
        body: Some(body),
        checksum_algorithm: Some(ChecksumAlgorithm::from_static("CRC64NVME")),
        ..Default::default()
    };
    s3.upload_part(request(input)).await.unwrap();
    assert!(last.lock().unwrap().ends_with(b"\r\n0\r\nx-amz-checksum-crc64nvme:jSnVw/bqjr4=\r\n\r\n"));
}

fn with_value(body: StreamingBlob) -> PutObjectInput {
    PutObjectInput { checksum_crc32: Some("DUoRhQ==".to_owned()), ..upload(11, body) }
}

#[tokio::test]
async fn known_checksum_is_a_header_beside_its_algorithm() {
    for (server, last) in servers().await {
        let s3 = store(&server, |config| config.features.checksums = Some(true)).await;
        for body in bodies() {
            s3.put_object(request(with_value(body))).await.unwrap();
            let sent = server.log.last().headers;
            assert_eq!(sent["x-amz-checksum-crc32"], "DUoRhQ==");
            assert_eq!(sent["x-amz-sdk-checksum-algorithm"], "CRC32");
            assert!(sent["authorization"].to_str().unwrap().contains("x-amz-sdk-checksum-algorithm"));
            assert!(!sent.contains_key("x-amz-trailer"));
            assert_eq!(*last.lock().unwrap(), "hello world");
        }
    }
}

#[tokio::test]
async fn checksum_that_cannot_be_sent_is_not_announced() {
    let [(server, last), _] = servers().await;
    for profile in [Profile::R2, Profile::Generic] {
        let s3 = store(&server, |config| config.profile = Some(profile)).await;
        for body in bodies() {
            let input = PutObjectInput {
                checksum_algorithm: Some(ChecksumAlgorithm::from_static("CRC32")),
                ..upload(11, body)
            };
            s3.put_object(request(input)).await.unwrap();
            let sent = server.log.last().headers;
            assert!(
                !sent.contains_key("x-amz-sdk-checksum-algorithm") && !sent.contains_key("x-amz-trailer")
            );
            assert_eq!(*last.lock().unwrap(), "hello world");
        }
    }
}

#[tokio::test]
async fn service_without_checksums_gets_none() {
    let [(server, last), _] = servers().await;
    let s3 = store(&server, |_| ()).await; // Generic.
    let [_, body] = bodies();
    s3.put_object(request(with_value(body))).await.unwrap();
    let sent = server.log.last().headers;
    assert!(!sent.keys().any(|name| name.as_str().contains("checksum")), "{sent:?}");
    assert_eq!(sent["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
    assert_eq!(*last.lock().unwrap(), "hello world");
}

fn bulk_deletion() -> DeleteObjectsInput {
    let object = ObjectIdentifier { key: "k".to_owned(), ..Default::default() };
    let delete = Delete { objects: vec![object], quiet: Some(true) };
    DeleteObjectsInput::builder().bucket("media".to_owned()).delete(delete).build().unwrap()
}

#[tokio::test]
async fn bulk_deletion_is_protected_as_the_service_understands() {
    let handler = |_, request| async {
        read(request).await;
        answer(200, "<DeleteResult/>")
    };
    let server = Server::start(handler).await;
    for (understood, there, not_there) in
        [(true, "x-amz-checksum-crc32", "content-md5"), (false, "content-md5", "x-amz-checksum-crc32")]
    {
        let s3 = store(&server, |config| config.features.checksums = Some(understood)).await;
        s3.delete_objects(request(bulk_deletion())).await.unwrap();
        let sent = server.log.last().headers;
        assert!(sent.contains_key(there) && !sent.contains_key(not_there), "{sent:?}");
        assert_eq!(sent.contains_key("x-amz-sdk-checksum-algorithm"), understood);
        assert!(!sent.contains_key("x-amz-checksum-none"));
    }
}
