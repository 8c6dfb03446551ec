//! What a folder does beyond the contract of all stores. Each file is about one thing; here are the hands that all use.

use std::path::Path;

use bytes::Bytes;
use futures::TryStreamExt;
use s3s::dto::{
    BucketVersioningStatus, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CompletedMultipartUpload, CompletedPart, CreateBucketInput, CreateMultipartUploadInput,
    DeleteObjectInput, DeleteObjectOutput, GetObjectInput, HeadObjectInput, HeadObjectOutput,
    ListObjectVersionsInput, ListObjectsV2Input, PutBucketVersioningInput, PutObjectInput, PutObjectOutput,
    StreamingBlob, UploadPartInput, UploadPartOutput, VersioningConfiguration,
};
use s3s::{S3, S3ErrorCode, S3Result};
use tempfile::TempDir;

use super::{FolderStore, open};
use crate::request::request;

mod checksums;
mod conditions;
mod crashes;
mod keys;
mod listings;
mod multipart;
mod objects;
mod tagging;
mod versioning;

const BUCKET: &str = "bucket";

/// A store with one bucket, in a folder that goes away with it.
struct Fixture {
    folder: TempDir,
    store: FolderStore,
}

impl std::ops::Deref for Fixture {
    type Target = FolderStore;

    fn deref(&self) -> &FolderStore {
        &self.store
    }
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&"disk".parse().unwrap(), folder.path()).unwrap();
        let input = CreateBucketInput { bucket: BUCKET.into(), ..Default::default() };
        store.create_bucket(request(input)).await.unwrap();
        Self { folder, store }
    }

    async fn versioned() -> Self {
        let fixture = Self::new().await;
        fixture.set_versioning(BucketVersioningStatus::ENABLED).await;
        fixture
    }

    /// The store as another process would find it.
    fn reopened(self) -> Self {
        let store = open(&"disk".parse().unwrap(), self.folder.path()).unwrap();
        Self { folder: self.folder, store }
    }

    async fn set_versioning(&self, status: &'static str) {
        let status = Some(BucketVersioningStatus::from_static(status));
        let configuration = VersioningConfiguration { status, ..Default::default() };
        let builder = PutBucketVersioningInput::builder().bucket(BUCKET.into());
        let input = builder.versioning_configuration(configuration).build().unwrap();
        self.put_bucket_versioning(request(input)).await.unwrap();
    }

    fn path(&self, key: &str) -> std::path::PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }

    /// Every file below the folder, but for the settings of buckets.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(self.folder.path(), &mut files);
        files.retain(|file| !file.ends_with("settings.json"));
        files.sort();
        files
    }

    async fn put(&self, key: &str, bytes: &str) -> PutObjectOutput {
        self.put_object(request(put_input(key, bytes))).await.unwrap().output
    }

    async fn try_head(&self, key: &str, version_id: Option<&str>) -> S3Result<HeadObjectOutput> {
        let input = HeadObjectInput {
            bucket: BUCKET.into(),
            key: key.into(),
            version_id: version_id.map(Into::into),
            ..Default::default()
        };
        self.head_object(request(input)).await.map(|response| response.output)
    }

    async fn try_get(&self, key: &str, version_id: Option<&str>) -> Result<String, S3ErrorCode> {
        let input = GetObjectInput {
            bucket: BUCKET.into(),
            key: key.into(),
            version_id: version_id.map(Into::into),
            ..Default::default()
        };
        let response = self.get_object(request(input)).await.map_err(|error| error.code().clone())?;
        Ok(text(response.output.body).await)
    }

    async fn get(&self, key: &str) -> String {
        self.try_get(key, None).await.unwrap()
    }

    async fn delete(&self, key: &str, version_id: Option<&str>) -> DeleteObjectOutput {
        let input = DeleteObjectInput {
            bucket: BUCKET.into(),
            key: key.into(),
            version_id: version_id.map(Into::into),
            ..Default::default()
        };
        self.delete_object(request(input)).await.unwrap().output
    }

    async fn keys(&self) -> Vec<String> {
        let input = ListObjectsV2Input { bucket: BUCKET.into(), ..Default::default() };
        let listed = self.list_objects_v2(request(input)).await.unwrap().output;
        listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect()
    }

    /// Key, version id and whether it is the latest; delete markers have a `!` in front of the key.
    async fn versions(&self) -> Vec<(String, String, bool)> {
        let input = ListObjectVersionsInput { bucket: BUCKET.into(), ..Default::default() };
        let listed = self.list_object_versions(request(input)).await.unwrap().output;
        let versions = listed.versions.unwrap_or_default().into_iter();
        let versions =
            versions.map(|found| (found.key.unwrap(), found.version_id.unwrap(), found.is_latest.unwrap()));
        let markers = listed.delete_markers.unwrap_or_default().into_iter();
        let markers = markers.map(|found| {
            (format!("!{}", found.key.unwrap()), found.version_id.unwrap(), found.is_latest.unwrap())
        });
        versions.chain(markers).collect()
    }

    async fn begin(&self, input: CreateMultipartUploadInput) -> String {
        self.create_multipart_upload(request(input)).await.unwrap().output.upload_id.unwrap()
    }

    async fn part(&self, key: &str, upload_id: &str, number: i32, bytes: Vec<u8>) -> UploadPartOutput {
        let input = UploadPartInput {
            bucket: BUCKET.into(),
            key: key.into(),
            upload_id: upload_id.into(),
            part_number: number,
            content_length: i64::try_from(bytes.len()).ok(),
            body: Some(StreamingBlob::from_bytes(bytes.into())),
            ..Default::default()
        };
        self.upload_part(request(input)).await.unwrap().output
    }

    async fn complete(
        &self,
        key: &str,
        upload_id: &str,
        parts: Vec<CompletedPart>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let input = CompleteMultipartUploadInput {
            bucket: BUCKET.into(),
            key: key.into(),
            upload_id: upload_id.into(),
            multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts) }),
            ..Default::default()
        };
        self.complete_multipart_upload(request(input)).await.map(|response| response.output)
    }
}

fn collect(folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path.to_str().unwrap().to_owned());
        }
    }
}

fn put_input(key: &str, bytes: &str) -> PutObjectInput {
    PutObjectInput {
        bucket: BUCKET.into(),
        key: key.into(),
        content_length: i64::try_from(bytes.len()).ok(),
        body: Some(StreamingBlob::from_bytes(Bytes::copy_from_slice(bytes.as_bytes()))),
        ..Default::default()
    }
}

fn upload_input(key: &str) -> CreateMultipartUploadInput {
    CreateMultipartUploadInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() }
}

fn named(number: i32, part: UploadPartOutput) -> CompletedPart {
    CompletedPart { part_number: Some(number), e_tag: part.e_tag, ..Default::default() }
}

async fn text(body: Option<StreamingBlob>) -> String {
    let chunks: Vec<Bytes> = body.unwrap().try_collect().await.unwrap();
    String::from_utf8(chunks.concat()).unwrap()
}

#[tokio::test]
async fn a_folder_keeps_the_contract_of_stores() {
    let fixture = Fixture::new().await;
    crate::contract::run(&fixture.store, "contract").await;
    assert!(fixture.files().is_empty(), "nothing is left behind");
}
