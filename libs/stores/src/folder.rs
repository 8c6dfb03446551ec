//! The folder store: objects as files below one folder, `{path}/{bucket}/{key}`, and all that is known of them in the hidden
//! folder `{path}/.relais`.
//!
//! It is S3 as far as a folder can be: objects with metadata, tags, checksums, conditions and versions, uploads in parts,
//! listings. `layout` says where things lie, `shelf` how bytes and metadata change together, `intake` how bodies come in; the
//! other modules are the operations. Files that were put into a bucket's folder by hand are objects without metadata. An
//! object is known by its file's time, so a backup must keep times.
//!
//! One process may write to a folder: conditions and locks are kept within it. Object lock, lifecycle, ACLs, policies and
//! everything else that is not in the table below answer `NotImplemented`; encryption settings are taken and mean nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use relais_model::StoreName;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use crate::error::OpenError;

mod body;
mod buckets;
mod checksum;
mod clock;
mod complete;
mod conditions;
mod copy;
mod delete;
mod disk;
mod intake;
mod layout;
mod listing;
mod locks;
mod page;
mod read;
mod record;
mod settings;
mod shelf;
mod sweep;
mod tagging;
mod tags;
mod upload_listing;
mod uploads;
mod walk;
mod write;

use clock::Clock;
use layout::Layout;
use locks::Locks;
use shelf::Shelf;

/// Longest key of S3.
const KEY_BYTES_MAX: usize = 1024;

pub(crate) struct FolderStore {
    root: PathBuf,
    clock: Arc<Clock>,
    locks: Locks,
}

/// The store in that folder, which is made if it is missing.
pub(crate) fn open(store: &StoreName, path: &Path) -> Result<FolderStore, OpenError> {
    let broken = |source| OpenError::Folder { store: store.clone(), path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(broken)?;
    let root = path.canonicalize().map_err(broken)?;
    sweep::sweep(&root).map_err(broken)?;
    Ok(FolderStore { root, clock: Arc::default(), locks: Locks::new() })
}

impl FolderStore {
    /// A bucket, which may be there or not.
    fn shelf(&self, bucket: &str) -> S3Result<Shelf> {
        if !Layout::is_bucket_name(bucket) {
            return Err(s3_error!(
                InvalidBucketName,
                "a bucket's name begins with a letter or a digit and has no slash"
            ));
        }
        Ok(Shelf { layout: Layout::new(&self.root, bucket), clock: self.clock.clone() })
    }

    /// A bucket that is there.
    async fn bucket(&self, bucket: &str) -> S3Result<Shelf> {
        let shelf = self.shelf(bucket)?;
        blocking(move || shelf.require().map(|()| shelf)).await
    }

    /// A bucket, which may be there or not, for a key that can be.
    fn shelf_for(&self, bucket: &str, key: &str) -> S3Result<Shelf> {
        if key.len() > KEY_BYTES_MAX {
            return Err(s3_error!(KeyTooLongError));
        }
        if key.is_empty() || key.contains('\0') {
            return Err(s3_error!(
                InvalidArgument,
                "a key has at least one character, and none is the null character"
            ));
        }
        self.shelf(bucket)
    }

    /// A bucket that is there, for a key that can be.
    async fn bucket_for(&self, bucket: &str, key: &str) -> S3Result<Shelf> {
        let shelf = self.shelf_for(bucket, key)?;
        blocking(move || shelf.require().map(|()| shelf)).await
    }
}

/// Does something that blocks, in one piece.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> S3Result<T> + Send + 'static) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(S3Error::with_source(S3ErrorCode::InternalError, Box::new(error))),
    }
}

/// The folder itself does not work: an outage of the store, not the client's fault.
fn broken(error: io::Error) -> S3Error {
    S3Error::with_source(S3ErrorCode::InternalError, Box::new(error))
}

/// Which operations there are, and where they are done.
macro_rules! operations {
    ($($operation:ident($input:ident) -> $output:ident = $module:ident::$function:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for FolderStore {
            $(
                async fn $operation(
                    &self,
                    request: S3Request<s3s::dto::$input>,
                ) -> S3Result<S3Response<s3s::dto::$output>> {
                    $module::$function(self, request.input).await.map(S3Response::new)
                }
            )*
        }
    };
}

operations! {
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = uploads::abort;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = complete::complete;
    copy_object(CopyObjectInput) -> CopyObjectOutput = copy::copy;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = buckets::create;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = uploads::create;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = buckets::delete;
    delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput = settings::delete_tags;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = delete::delete;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = tagging::delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = delete::delete_many;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = buckets::location;
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput = settings::tags;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = settings::versioning;
    get_object(GetObjectInput) -> GetObjectOutput = read::get;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput = read::attributes;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = tagging::get;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets::head;
    head_object(HeadObjectInput) -> HeadObjectOutput = read::head;
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets::list;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = upload_listing::uploads_of;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = listing::versions;
    list_objects(ListObjectsInput) -> ListObjectsOutput = listing::objects;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = listing::objects_v2;
    list_parts(ListPartsInput) -> ListPartsOutput = upload_listing::parts;
    put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput = settings::put_tags;
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput = settings::put_versioning;
    put_object(PutObjectInput) -> PutObjectOutput = write::put;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = tagging::put;
    upload_part(UploadPartInput) -> UploadPartOutput = uploads::part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = copy::part;
}

#[cfg(test)]
mod tests;
