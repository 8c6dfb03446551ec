//! The folder store: objects as files below one folder, `{path}/{bucket}/{key}`.
//!
//! `s3s_fs::FileSystem` does the work; this wrapper mends what it leaves open: keys that would leave the bucket or meet its
//! own files are refused, a bucket that holds objects cannot be deleted, a deleted object takes its metadata and empty
//! folders with it, and bodies are read in larger pieces. Versions, tags, locks and ACLs are not kept here.
//!
//! A file system cannot hold `a` and `a/b` at once, nor a name of more than 255 bytes; such keys are refused by name.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use relais_model::StoreName;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopySource, CreateBucketInput,
    CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketInput,
    DeleteBucketOutput, DeleteObjectInput, DeleteObjectOutput, ETag, GetBucketLocationInput,
    GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, Object,
    PutObjectInput, PutObjectOutput, Range, StreamingBlob, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::error::OpenError;

mod body;
mod conditions;
mod parts;

use conditions::conditions_of;

/// Longest name of one file: what ext4, xfs and APFS allow.
const FILE_NAME_BYTES_MAX: usize = 255;

/// Longest key: s3s-fs names a metadata file `.bucket-{base64}.object-{base64}.metadata.json` after bucket and key.
const METADATA_NAME_OVERHEAD: usize = ".bucket-.object-.upload-.metadata.json".len() + 36;

pub(crate) struct FolderStore {
    files: FileSystem,
    root: PathBuf,
}

/// The store in that folder, which is made if it is missing.
pub(crate) fn open(store: &StoreName, path: &Path) -> Result<FolderStore, OpenError> {
    let broken = |source| OpenError::Folder { store: store.clone(), path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(broken)?;
    let root = path.canonicalize().map_err(broken)?;
    let files = FileSystem::new(&root).map_err(|error| OpenError::FolderRefused {
        store: store.clone(),
        path: path.to_owned(),
        reason: format!("{error:?}"),
    })?;
    Ok(FolderStore { files, root })
}

impl FolderStore {
    fn object_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join(key)
    }

    /// Refuses keys that are no path below the bucket, or no file name.
    fn check_key(bucket: &str, key: &str) -> S3Result<()> {
        let inner = key.strip_suffix('/').unwrap_or(key);
        let odd = |segment: &str| matches!(segment, "" | "." | "..") || segment.len() > FILE_NAME_BYTES_MAX;
        if inner.split('/').any(odd) || key.contains('\0') {
            return Err(s3_error!(
                InvalidArgument,
                "a folder store cannot keep this key: its parts must not be empty, \".\", \"..\" or longer than 255 bytes"
            ));
        }
        let encoded = |text: &str| text.len().div_ceil(3) * 4;
        if encoded(bucket) + encoded(key) + METADATA_NAME_OVERHEAD > FILE_NAME_BYTES_MAX {
            return Err(s3_error!(KeyTooLongError, "a folder store cannot keep a key of this length"));
        }
        Ok(())
    }

    /// Refuses a key that is the folder of other keys, or is below one that is a file.
    async fn check_place(&self, bucket: &str, key: &str) -> S3Result<()> {
        let path = self.object_path(bucket, key);
        let is_folder = tokio::fs::metadata(&path).await.is_ok_and(|found| found.is_dir());
        if is_folder && !key.ends_with('/') {
            return Err(s3_error!(
                InvalidRequest,
                "a folder store cannot keep this key beside keys that begin with it and a slash"
            ));
        }
        let bucket_path = self.root.join(bucket);
        for parent in path.ancestors().skip(1).take_while(|parent| **parent != bucket_path) {
            if tokio::fs::metadata(parent).await.is_ok_and(|found| found.is_file()) {
                return Err(s3_error!(
                    InvalidRequest,
                    "a folder store cannot keep this key below a key that is an object"
                ));
            }
        }
        Ok(())
    }

    /// Removes what s3s-fs kept beside the object, and the folders that are empty now.
    async fn forget(&self, bucket: &str, key: &str) -> io::Result<()> {
        for kind in ["metadata", "internal"] {
            match tokio::fs::remove_file(self.beside(bucket, key, kind)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let bucket_path = self.root.join(bucket);
        let path = self.object_path(bucket, key);
        for parent in path.ancestors().skip(1).take_while(|parent| **parent != bucket_path) {
            if tokio::fs::remove_dir(parent).await.is_err() {
                break; // Not empty: other keys live here.
            }
        }
        Ok(())
    }

    /// Adds the entity tags that s3s-fs leaves out of listings, from the file where it keeps them.
    async fn tag_listed(&self, bucket: &str, objects: Option<&mut Vec<Object>>) {
        for object in objects.into_iter().flatten() {
            let Some(key) = &object.key else { continue };
            let Ok(kept) = tokio::fs::read(self.beside(bucket, key, "internal")).await else { continue };
            let kept: Option<serde_json::Value> = serde_json::from_slice(&kept).ok();
            let etag = kept.and_then(|kept| kept["e_tag"].as_str().map(str::to_owned));
            object.e_tag = object.e_tag.take().or_else(|| etag.map(ETag::Strong));
        }
    }

    /// Where s3s-fs keeps what is known of an object beside its bytes.
    fn beside(&self, bucket: &str, key: &str, kind: &str) -> PathBuf {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        self.root.join(format!(".bucket-{}.object-{}.{kind}.json", encode(bucket), encode(key)))
    }

    async fn require_bucket(&self, bucket: &str) -> S3Result<()> {
        match tokio::fs::metadata(self.root.join(bucket)).await {
            Ok(found) if found.is_dir() => Ok(()),
            _ => Err(s3_error!(NoSuchBucket)),
        }
    }
}

/// Operations that s3s-fs does well enough, once the key is known to be a path below the bucket.
macro_rules! forward {
    ($($operation:ident($input:ident $(, $key:ident)?) -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for FolderStore {
            $(
                async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    $(Self::check_key(&request.input.bucket, &request.input.$key)?;)?
                    self.files.$operation(request).await
                }
            )*

            async fn abort_multipart_upload(&self, request: S3Request<AbortMultipartUploadInput>) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
                self.files.abort_multipart_upload(request).await.map_err(parts::unknown_upload)
            }

            async fn complete_multipart_upload(&self, request: S3Request<CompleteMultipartUploadInput>) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
                let (bucket, key) = (&request.input.bucket, &request.input.key);
                Self::check_key(bucket, key)?;
                self.check_place(bucket, key).await?;
                parts::check(&self.files, &request.input).await?;
                self.files.complete_multipart_upload(request).await.map_err(parts::unknown_upload)
            }

            async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
                parts::require(&self.root, &request.input.upload_id).await?;
                let mut listed = self.files.list_parts(request).await?;
                listed.output.parts = parts::sorted(listed.output.parts);
                Ok(listed)
            }

            async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
                self.files.upload_part(request).await.map_err(parts::unknown_upload)
            }

            async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
                Self::check_key(&request.input.bucket, &request.input.key)?;
                let conditions = conditions_of!(request.input);
                let response = self.files.head_object(request).await?;
                conditions.check(response.output.e_tag.as_ref(), response.output.last_modified.as_ref())?;
                Ok(response)
            }

            async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
                let bucket = request.input.bucket.clone();
                let mut listed = self.files.list_objects(request).await?;
                self.tag_listed(&bucket, listed.output.contents.as_mut()).await;
                Ok(listed)
            }

            async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
                let bucket = request.input.bucket.clone();
                let mut listed = self.files.list_objects_v2(request).await?;
                self.tag_listed(&bucket, listed.output.contents.as_mut()).await;
                Ok(listed)
            }

            async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
                self.get(request).await
            }

            async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
                let (bucket, key) = (&request.input.bucket, &request.input.key);
                Self::check_key(bucket, key)?;
                self.require_bucket(bucket).await?;
                self.check_place(bucket, key).await?;
                self.files.put_object(request).await
            }

            async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
                let (bucket, key) = (&request.input.bucket, &request.input.key);
                Self::check_key(bucket, key)?;
                if let CopySource::Bucket { bucket, key, .. } = &request.input.copy_source {
                    Self::check_key(bucket, key)?;
                }
                self.check_place(bucket, key).await?;
                self.files.copy_object(request).await
            }

            async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
                self.delete(request).await
            }

            async fn delete_bucket(&self, request: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
                self.require_bucket(&request.input.bucket).await?;
                let path = self.root.join(&request.input.bucket);
                let full = tokio::task::spawn_blocking(move || holds_files(&path)).await.map_err(io::Error::from);
                if full.flatten().map_err(broken)? {
                    return Err(s3_error!(BucketNotEmpty));
                }
                self.files.delete_bucket(request).await
            }
        }
    };
}

forward! {
    create_bucket(CreateBucketInput) -> CreateBucketOutput;
    create_multipart_upload(CreateMultipartUploadInput, key) -> CreateMultipartUploadOutput;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    list_buckets(ListBucketsInput) -> ListBucketsOutput;
    upload_part_copy(UploadPartCopyInput, key) -> UploadPartCopyOutput;
}

impl FolderStore {
    async fn get(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &request.input;
        Self::check_key(&input.bucket, &input.key)?;
        self.require_bucket(&input.bucket).await?;
        let path = self.object_path(&input.bucket, &input.key);
        let mut file = tokio::fs::File::open(&path).await.map_err(|_| s3_error!(NoSuchKey))?;
        let found = file.metadata().await.map_err(broken)?;
        if found.is_dir() {
            return Err(s3_error!(NoSuchKey));
        }
        let start = match input.range {
            Some(Range::Int { first, .. }) => first,
            Some(Range::Suffix { length }) => found.len().saturating_sub(length),
            None => 0,
        };
        let conditions = conditions_of!(request.input);
        let mut response = self.files.get_object(request).await?;
        conditions.check(response.output.e_tag.as_ref(), response.output.last_modified.as_ref())?;
        file.seek(io::SeekFrom::Start(start)).await.map_err(broken)?;
        let length =
            response.output.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        response.output.body = Some(StreamingBlob::new(body::FileBody::new(file.take(length), length)));
        Ok(response)
    }

    async fn delete(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        Self::check_key(&bucket, &key)?;
        self.require_bucket(&bucket).await?;
        let is_folder =
            tokio::fs::metadata(self.object_path(&bucket, &key)).await.is_ok_and(|found| found.is_dir());
        if is_folder && !key.ends_with('/') {
            return Ok(S3Response::new(DeleteObjectOutput::default())); // No such object: as S3, nothing to do.
        }
        let response = self.files.delete_object(request).await?;
        self.forget(&bucket, &key).await.map_err(broken)?;
        Ok(response)
    }
}

/// The folder itself does not work: an outage of the store, not the client's fault.
fn broken(error: io::Error) -> S3Error {
    S3Error::with_source(S3ErrorCode::InternalError, Box::new(error))
}

/// Whether a file lies anywhere below a folder.
fn holds_files(folder: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || holds_files(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}
