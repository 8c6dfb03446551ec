//! What every store must do, as one suite that runs on each kind of store and on the gateway itself.
//!
//! It panics at the first broken promise, so it belongs in tests; [`crate::probe`] is its gentle sister for operators.

use bytes::Bytes;
use futures::TryStreamExt;
use s3s::dto::{
    CompleteMultipartUploadInput, CompletedMultipartUpload, CompletedPart, CopyObjectInput, CopySource,
    CreateBucketInput, CreateMultipartUploadInput, DeleteBucketInput, DeleteObjectInput, ETag,
    GetObjectInput, HeadObjectInput, ListObjectsV2Input, Metadata, PutObjectInput, Range, StreamingBlob,
    UploadPartInput,
};
use s3s::{S3, S3ErrorCode};

use crate::request::request;
use crate::tee::tee;

/// Smallest part that S3 takes before the last one.
const PART_BYTES_MIN: usize = 5 << 20;

/// Runs the whole suite in a bucket that it makes and removes.
pub async fn run(store: &dyn S3, bucket: &str) {
    let input = CreateBucketInput { bucket: bucket.to_owned(), ..Default::default() };
    store.create_bucket(request(input)).await.expect("a bucket can be made");
    an_object_comes_back_as_it_was_put(store, bucket).await;
    a_body_that_is_given_up_leaves_nothing(store, bucket).await;
    a_copy_equals_its_source(store, bucket).await;
    a_multipart_upload_becomes_one_object(store, bucket).await;
    a_listing_names_what_is_there(store, bucket).await;
    what_is_deleted_is_gone(store, bucket).await;
    let input = DeleteBucketInput { bucket: bucket.to_owned(), ..Default::default() };
    store.delete_bucket(request(input)).await.expect("an empty bucket can be deleted");
}

async fn an_object_comes_back_as_it_was_put(store: &dyn S3, bucket: &str) {
    let metadata: Metadata = [("colour".to_owned(), "blue".to_owned())].into_iter().collect();
    let mut input = put_input(bucket, "a/b c.txt", b"0123456789");
    input.content_type = Some("text/x-test".to_owned());
    input.metadata = Some(metadata);
    let etag = store.put_object(request(input)).await.expect("an object can be put").output.e_tag;
    assert!(etag.is_some(), "a put answers with an entity tag");

    let head = head(store, bucket, "a/b c.txt").await.expect("the object is there");
    assert_eq!(head.content_length, Some(10));
    assert_eq!(head.content_type.as_deref(), Some("text/x-test"));
    assert_eq!(head.e_tag, etag, "HEAD and PUT agree on the entity tag");
    let kept = head.metadata.and_then(|metadata| metadata.get("colour").cloned());
    assert_eq!(kept.as_deref(), Some("blue"));

    assert_eq!(get(store, bucket, "a/b c.txt", None).await.expect("the object can be read"), "0123456789");
    for (range, expected) in [
        (Range::Int { first: 2, last: Some(4) }, "234"),
        (Range::Int { first: 7, last: None }, "789"),
        (Range::Suffix { length: 2 }, "89"),
    ] {
        assert_eq!(
            get(store, bucket, "a/b c.txt", Some(range)).await.expect("a range can be read"),
            expected
        );
    }
    let missing = get(store, bucket, "missing", None).await.expect_err("nothing is there");
    assert_eq!(missing, S3ErrorCode::NoSuchKey);
}

async fn a_body_that_is_given_up_leaves_nothing(store: &dyn S3, bucket: &str) {
    let (mut tee, mut branches) = tee(1, 1, 8, std::time::Duration::from_secs(20));
    let mut input = put_input(bucket, "given-up", b"");
    input.content_length = Some(8);
    input.body = branches.pop().map(crate::tee::Branch::into_body);
    let give_up = async move {
        let _ = tee.send(Bytes::from_static(b"1234")).await; // The store may have refused already.
        drop(tee);
    };
    let (put, ()) = tokio::join!(store.put_object(request(input)), give_up);
    assert!(put.is_err(), "half a body is not an object");
    assert!(head(store, bucket, "given-up").await.is_err(), "half a body leaves nothing behind");
}

async fn a_copy_equals_its_source(store: &dyn S3, bucket: &str) {
    let source = CopySource::Bucket { bucket: bucket.into(), key: "a/b c.txt".into(), version_id: None };
    let input = CopyObjectInput::builder()
        .bucket(bucket.to_owned())
        .key("copy".to_owned())
        .copy_source(source)
        .build()
        .expect("bucket, key and source are set");
    store.copy_object(request(input)).await.expect("an object can be copied");
    assert_eq!(get(store, bucket, "copy", None).await.expect("the copy can be read"), "0123456789");
    let copied = head(store, bucket, "copy").await.expect("the copy is there");
    assert_eq!(copied.content_type.as_deref(), Some("text/x-test"), "a copy keeps its source's metadata");
}

async fn a_multipart_upload_becomes_one_object(store: &dyn S3, bucket: &str) {
    let (key, first, second) = ("multipart", vec![b'1'; PART_BYTES_MIN], b"22".to_vec());
    let input = CreateMultipartUploadInput { bucket: bucket.into(), key: key.into(), ..Default::default() };
    let created = store.create_multipart_upload(request(input)).await.expect("an upload can be begun");
    let upload_id = created.output.upload_id.expect("an upload has an id");
    let mut parts = Vec::new();
    for (part_number, bytes) in (1..).zip([first, second]) {
        let input = UploadPartInput {
            bucket: bucket.into(),
            key: key.into(),
            upload_id: upload_id.clone(),
            part_number,
            content_length: i64::try_from(bytes.len()).ok(),
            body: Some(StreamingBlob::from_bytes(bytes.into())),
            ..Default::default()
        };
        let part = store.upload_part(request(input)).await.expect("a part can be uploaded");
        parts.push(CompletedPart {
            e_tag: part.output.e_tag,
            part_number: Some(part_number),
            ..Default::default()
        });
    }
    let input = CompleteMultipartUploadInput {
        bucket: bucket.into(),
        key: key.into(),
        upload_id,
        multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts) }),
        ..Default::default()
    };
    let completed =
        store.complete_multipart_upload(request(input)).await.expect("an upload can be completed");
    let etag = match completed.output.future {
        Some(later) => later.await.expect("an upload can be completed").e_tag,
        None => completed.output.e_tag,
    };
    let etag = etag.map(ETag::into_value).expect("a completed upload has an entity tag");
    assert!(etag.ends_with("-2"), "the entity tag names two parts: {etag}");
    let head = head(store, bucket, key).await.expect("the object is there");
    assert_eq!(head.content_length, i64::try_from(PART_BYTES_MIN + 2).ok());
}

async fn a_listing_names_what_is_there(store: &dyn S3, bucket: &str) {
    let list = |delimiter: Option<&str>| ListObjectsV2Input {
        bucket: bucket.to_owned(),
        delimiter: delimiter.map(str::to_owned),
        ..Default::default()
    };
    let all = store.list_objects_v2(request(list(None))).await.expect("a bucket can be listed").output;
    let keys: Vec<_> = all.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect();
    assert_eq!(keys, ["a/b c.txt", "copy", "multipart"], "and not what was given up");
    let top = store.list_objects_v2(request(list(Some("/")))).await.expect("a bucket can be listed").output;
    let prefixes: Vec<_> =
        top.common_prefixes.unwrap_or_default().into_iter().filter_map(|p| p.prefix).collect();
    assert_eq!(prefixes, ["a/"]);
}

async fn what_is_deleted_is_gone(store: &dyn S3, bucket: &str) {
    for key in ["a/b c.txt", "copy", "multipart", "never-there"] {
        let input = DeleteObjectInput { bucket: bucket.into(), key: key.into(), ..Default::default() };
        store
            .delete_object(request(input))
            .await
            .expect("an object can be deleted, also when it is not there");
        assert!(head(store, bucket, key).await.is_err(), "{key} is gone");
    }
}

fn put_input(bucket: &str, key: &str, bytes: &'static [u8]) -> PutObjectInput {
    PutObjectInput {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        content_length: i64::try_from(bytes.len()).ok(),
        body: Some(StreamingBlob::from_bytes(Bytes::from_static(bytes))),
        ..Default::default()
    }
}

async fn head(store: &dyn S3, bucket: &str, key: &str) -> Result<s3s::dto::HeadObjectOutput, S3ErrorCode> {
    let input = HeadObjectInput { bucket: bucket.into(), key: key.into(), ..Default::default() };
    store
        .head_object(request(input))
        .await
        .map(|response| response.output)
        .map_err(|error| error.code().clone())
}

async fn get(store: &dyn S3, bucket: &str, key: &str, range: Option<Range>) -> Result<String, S3ErrorCode> {
    let input = GetObjectInput { bucket: bucket.into(), key: key.into(), range, ..Default::default() };
    let response = store.get_object(request(input)).await.map_err(|error| error.code().clone())?;
    let body = response.output.body.expect("an object has a body");
    let chunks: Vec<Bytes> = body.try_collect().await.expect("the body can be read");
    Ok(String::from_utf8(chunks.concat()).expect("the body is text"))
}
