use futures::stream;
use s3s::dto::{
    CopyObjectInput, CopySource, DeleteObjectsInput, ListBucketsInput, Metadata, MetadataDirective,
    ObjectIdentifier, Range, StorageClass,
};

use super::*;

fn copy_input(from: &str, to: &str) -> CopyObjectInput {
    let source = CopySource::Bucket { bucket: BUCKET.into(), key: from.into(), version_id: None };
    let builder = CopyObjectInput::builder().bucket(BUCKET.into()).key(to.into()).copy_source(source);
    builder.build().unwrap()
}

#[tokio::test]
async fn bytes_lie_where_a_person_looks_for_them() {
    let fixture = Fixture::new().await;
    fixture.put("photos/a b.txt", "hello").await;
    assert_eq!(std::fs::read_to_string(fixture.path("photos/a b.txt")).unwrap(), "hello");
    fixture.delete("photos/a b.txt", None).await;
    assert!(!fixture.path("photos").exists(), "a folder without objects goes away");
    assert!(fixture.files().is_empty(), "{:?}", fixture.files());
}

#[tokio::test]
async fn headers_and_metadata_come_back_after_a_restart() {
    let fixture = Fixture::new().await;
    let mut input = put_input("k", "x");
    input.content_type = Some("text/x-test".into());
    input.content_encoding = Some("identity".into());
    input.content_language = Some("fr".into());
    input.content_disposition = Some("inline".into());
    input.cache_control = Some("no-cache".into());
    input.expires = Some("Thu, 01 Dec 2033 16:00:00 GMT".into());
    input.website_redirect_location = Some("/elsewhere".into());
    input.storage_class = Some(StorageClass::from_static("STANDARD_IA"));
    input.metadata = Some(Metadata::from([("colour".into(), "blue".into())]));
    fixture.put_object(request(input)).await.unwrap();
    let head = fixture.reopened().try_head("k", None).await.unwrap();
    assert_eq!(head.content_type.as_deref(), Some("text/x-test"));
    assert_eq!(head.content_encoding.as_deref(), Some("identity"));
    assert_eq!(head.content_language.as_deref(), Some("fr"));
    assert_eq!(head.content_disposition.as_deref(), Some("inline"));
    assert_eq!(head.cache_control.as_deref(), Some("no-cache"));
    assert_eq!(head.expires.as_deref(), Some("Thu, 01 Dec 2033 16:00:00 GMT"));
    assert_eq!(head.website_redirect_location.as_deref(), Some("/elsewhere"));
    assert_eq!(head.storage_class.unwrap().as_str(), "STANDARD_IA");
    assert_eq!(head.metadata.unwrap()["colour"], "blue");
    assert_eq!(head.e_tag.unwrap().value(), "9dd4e461268c8034f5c8564e155c67a6", "the MD5 of the bytes");
}

#[tokio::test]
async fn a_body_that_breaks_off_or_has_another_length_leaves_nothing() {
    let fixture = Fixture::new().await;
    for (length, chunks) in [
        (4, vec![Ok(Bytes::from_static(b"ab"))]),
        (1, vec![Ok(Bytes::from_static(b"ab"))]),
        (4, vec![Ok(Bytes::from_static(b"ab")), Err(std::io::Error::other("gone"))]),
    ] {
        let mut input = put_input("k", "");
        input.content_length = Some(length);
        input.body = Some(StreamingBlob::wrap(stream::iter(chunks)));
        let error = fixture.put_object(request(input)).await.unwrap_err();
        assert_eq!(*error.code(), S3ErrorCode::IncompleteBody);
        assert!(fixture.files().is_empty(), "{:?}", fixture.files());
    }
}

#[tokio::test]
async fn ranges_are_answered_or_refused() {
    let fixture = Fixture::new().await;
    fixture.put("k", "0123456789").await;
    fixture.put("empty", "").await;
    let get = async |key: &str, range| {
        let input = GetObjectInput {
            bucket: BUCKET.into(),
            key: key.into(),
            range: Some(range),
            ..Default::default()
        };
        fixture.get_object(request(input)).await.map(|response| response.output)
    };
    let output = get("k", Range::Int { first: 2, last: Some(40) }).await.unwrap();
    assert_eq!(output.content_range.as_deref(), Some("bytes 2-9/10"));
    assert_eq!(output.content_length, Some(8));
    assert_eq!(text(output.body).await, "23456789");
    for (key, range) in [
        ("k", Range::Int { first: 10, last: None }),
        ("empty", Range::Int { first: 0, last: Some(0) }),
        ("k", Range::Suffix { length: 0 }),
    ] {
        assert_eq!(*get(key, range).await.unwrap_err().code(), S3ErrorCode::InvalidRange);
    }
    assert_eq!(fixture.get("empty").await, "");
}

#[tokio::test]
async fn a_reader_keeps_the_object_that_it_began_with() {
    let fixture = Fixture::new().await;
    fixture.put("k", &"a".repeat(1 << 20)).await;
    let input = GetObjectInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    let body = fixture.get_object(request(input)).await.unwrap().output.body;
    fixture.put("k", &"b".repeat(1 << 20)).await;
    assert_eq!(text(body).await, "a".repeat(1 << 20));
    fixture.delete("k", None).await;
}

#[tokio::test]
async fn readers_never_see_bytes_and_metadata_of_two_objects() {
    let fixture = Fixture::new().await;
    let store = std::sync::Arc::new(fixture.store);
    let write = async |number: usize| {
        let mut input = put_input("k", &number.to_string().repeat(number % 7 + 1));
        input.metadata = Some(Metadata::from([("bytes".into(), number.to_string().repeat(number % 7 + 1))]));
        store.put_object(request(input)).await.unwrap();
    };
    write(0).await;
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            for _ in 0..300 {
                let input = GetObjectInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
                let output = store.get_object(request(input)).await.unwrap().output;
                let expected = output.metadata.unwrap()["bytes"].clone();
                assert_eq!(text(output.body).await, expected);
            }
        }
    });
    let mut number = 0;
    while !reader.is_finished() {
        number += 1;
        write(number).await;
    }
    reader.await.unwrap();
}

#[tokio::test]
async fn a_copy_follows_its_directives() {
    let fixture = Fixture::new().await;
    let mut input = put_input("from", "bytes");
    input.content_type = Some("text/x-a".into());
    input.tagging = Some("a=1".into());
    fixture.put_object(request(input)).await.unwrap();
    fixture.copy_object(request(copy_input("from", "kept"))).await.unwrap();
    let kept = fixture.try_head("kept", None).await.unwrap();
    assert_eq!((kept.content_type.as_deref(), kept.tag_count), (Some("text/x-a"), Some(1)));
    let mut input = copy_input("from", "replaced");
    input.metadata_directive = Some(MetadataDirective::from_static(MetadataDirective::REPLACE));
    input.content_type = Some("text/x-b".into());
    fixture.copy_object(request(input)).await.unwrap();
    let replaced = fixture.try_head("replaced", None).await.unwrap();
    assert_eq!((replaced.content_type.as_deref(), replaced.tag_count), (Some("text/x-b"), Some(1)));
    assert_eq!(fixture.get("replaced").await, "bytes");

    let error = fixture.copy_object(request(copy_input("from", "from"))).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::InvalidRequest, "a copy onto itself must change something");
    let mut input = copy_input("from", "from");
    input.metadata_directive = Some(MetadataDirective::from_static(MetadataDirective::REPLACE));
    fixture.copy_object(request(input)).await.unwrap();
    assert_eq!(fixture.try_head("from", None).await.unwrap().content_type, None);
    let error = fixture.copy_object(request(copy_input("missing", "x"))).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::NoSuchKey);
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let fixture = Fixture::new().await;
    fixture.put("a", "1").await;
    fixture.put("b", "2").await;
    let objects = ["a", "never"].map(|key| ObjectIdentifier { key: key.into(), ..Default::default() });
    let delete = s3s::dto::Delete { objects: objects.into(), quiet: None };
    let input = DeleteObjectsInput::builder().bucket(BUCKET.into()).delete(delete).build().unwrap();
    let output = fixture.delete_objects(request(input)).await.unwrap().output;
    let deleted: Vec<_> = output.deleted.unwrap().into_iter().filter_map(|deleted| deleted.key).collect();
    assert_eq!(deleted, ["a", "never"]);
    assert_eq!(fixture.keys().await, ["b"]);
}

#[tokio::test]
async fn buckets_are_folders() {
    let fixture = Fixture::new().await;
    std::fs::create_dir(fixture.folder.path().join("by-hand")).unwrap();
    let listed = fixture.list_buckets(request(ListBucketsInput::default())).await.unwrap().output;
    let names: Vec<_> = listed.buckets.unwrap().into_iter().filter_map(|bucket| bucket.name).collect();
    assert_eq!(names, [BUCKET, "by-hand"], "and not the hidden folder");
    let input = CreateBucketInput { bucket: BUCKET.into(), ..Default::default() };
    let error = fixture.create_bucket(request(input)).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::BucketAlreadyOwnedByYou);
    for name in [".relais", "../x", "a/b", ""] {
        let input = CreateBucketInput { bucket: name.into(), ..Default::default() };
        assert_eq!(
            *fixture.create_bucket(request(input)).await.unwrap_err().code(),
            S3ErrorCode::InvalidBucketName
        );
    }
}
