//! The contract of stores, on a folder. Remote stores go through the same suite in the end-to-end tests.
#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::path::Path;

use relais_stores::{Config, FolderConfig, StoreConfig, Stores, contract, probe, request};
use s3s::dto::{
    CreateBucketInput, DeleteBucketInput, DeleteObjectInput, GetObjectInput, PutObjectInput, StreamingBlob,
};
use s3s::{S3, S3ErrorCode};

async fn folder(data_dir: &Path) -> Stores {
    let folder = StoreConfig::Folder(FolderConfig { path: "objects".into() });
    let config: Config = [("disk".parse().unwrap(), folder)].into_iter().collect();
    Stores::open(&config, data_dir).await.unwrap()
}

fn put(bucket: &str, key: &str) -> s3s::S3Request<PutObjectInput> {
    request(PutObjectInput {
        bucket: bucket.into(),
        key: key.into(),
        content_length: Some(2),
        body: Some(StreamingBlob::from_bytes("hi".into())),
        ..Default::default()
    })
}

async fn make_bucket(s3: &dyn S3, bucket: &str) {
    s3.create_bucket(request(CreateBucketInput { bucket: bucket.into(), ..Default::default() }))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_folder_keeps_the_contract_of_stores() {
    let data_dir = tempfile::tempdir().unwrap();
    let stores = folder(data_dir.path()).await;
    contract::run(stores.iter().next().unwrap().s3.as_ref(), "contract").await;
    let left: Vec<_> = std::fs::read_dir(data_dir.path().join("objects")).unwrap().collect();
    assert!(left.is_empty(), "nothing is left behind: {left:?}");
}

#[tokio::test]
async fn a_folder_keeps_keys_that_would_leave_the_bucket_inside() {
    let data_dir = tempfile::tempdir().unwrap();
    let stores = folder(data_dir.path()).await;
    let s3 = stores.iter().next().unwrap().s3.clone();
    make_bucket(s3.as_ref(), "inside").await;
    make_bucket(s3.as_ref(), "outside").await;
    for key in ["../outside/secret", "a/../../outside/secret", "/etc/passwd", "a//b", "./a"] {
        s3.put_object(put("inside", key)).await.unwrap();
        let get = GetObjectInput { bucket: "inside".into(), key: key.into(), ..Default::default() };
        assert!(s3.get_object(request(get)).await.is_ok(), "{key}");
        let outside = GetObjectInput { bucket: "outside".into(), key: "secret".into(), ..Default::default() };
        let error = s3.get_object(request(outside)).await.unwrap_err();
        assert_eq!(*error.code(), S3ErrorCode::NoSuchKey, "{key}");
    }
    let below: Vec<_> = std::fs::read_dir(data_dir.path()).unwrap().collect();
    assert_eq!(below.len(), 1, "nothing lies beside the store: {below:?}");
    for bucket in ["inside", "outside"] {
        let visible: Vec<_> =
            std::fs::read_dir(data_dir.path().join("objects").join(bucket)).unwrap().collect();
        assert!(visible.is_empty(), "{visible:?}");
    }
}

#[tokio::test]
async fn a_folder_does_not_delete_a_bucket_with_objects() {
    let data_dir = tempfile::tempdir().unwrap();
    let stores = folder(data_dir.path()).await;
    let s3 = stores.iter().next().unwrap().s3.clone();
    make_bucket(s3.as_ref(), "full").await;
    s3.put_object(put("full", "a/b")).await.unwrap();
    let delete = || request(DeleteBucketInput { bucket: "full".into(), ..Default::default() });
    assert_eq!(*s3.delete_bucket(delete()).await.unwrap_err().code(), S3ErrorCode::BucketNotEmpty);
    let object = DeleteObjectInput { bucket: "full".into(), key: "a/b".into(), ..Default::default() };
    s3.delete_object(request(object)).await.unwrap();
    s3.delete_bucket(delete()).await.unwrap();
}

#[tokio::test]
async fn a_folder_keeps_keys_that_no_file_system_could_hold_together() {
    let data_dir = tempfile::tempdir().unwrap();
    let stores = folder(data_dir.path()).await;
    let s3 = stores.iter().next().unwrap().s3.clone();
    make_bucket(s3.as_ref(), "bucket").await;
    for key in ["a/b", "a", "a/b/c", "a/"] {
        s3.put_object(put("bucket", key)).await.unwrap();
    }
    for key in ["a/b", "a", "a/b/c", "a/"] {
        let get = GetObjectInput { bucket: "bucket".into(), key: key.into(), ..Default::default() };
        assert!(s3.get_object(request(get)).await.is_ok(), "{key}");
    }
}

#[tokio::test]
async fn a_probe_says_what_is_wrong_and_what_to_do() {
    let data_dir = tempfile::tempdir().unwrap();
    let stores = folder(data_dir.path()).await;
    let store = stores.iter().next().unwrap();
    let failed = probe::run(store, &"missing".parse().unwrap()).await.unwrap_err();
    assert_eq!(failed.step, probe::Step::Bucket);
    assert!(failed.to_string().contains("create the bucket or correct its name"), "{failed}");
    make_bucket(store.s3.as_ref(), "there").await;
    probe::run(store, &"there".parse().unwrap()).await.unwrap();
}
