//! The S3 operations: one table from operation to how it is done, and a file for each that needs more than a row.
//!
//! *Primary* operations are answered by the primary store, with the bucket's name put in place there and back. What is not
//! in the table answers `NotImplemented`, from s3s.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput, CreateBucketOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketInput, DeleteBucketOutput,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput,
    PutObjectInput, PutObjectOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::error::as_clients_see;
use crate::gateway::Gateway;

mod bucket;
mod copy;
mod delete;
mod derived;
mod limits;
mod list;
mod multipart;
pub(crate) mod mutation;
mod put;
mod read;
pub(crate) mod write;

pub use bucket::make_missing;
pub(crate) use derived::derived_from;

macro_rules! operations {
    ($($operation:ident($input:ident) -> $output:ident by $method:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Gateway {
            $(
                async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    self.$method(request).await.map_err(as_clients_see)
                }
            )*
        }
    };
}

operations! {
    // Objects
    copy_object(CopyObjectInput) -> CopyObjectOutput by copy;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput by delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput by delete_many;
    get_object(GetObjectInput) -> GetObjectOutput by get;
    head_object(HeadObjectInput) -> HeadObjectOutput by head;
    put_object(PutObjectInput) -> PutObjectOutput by put;
    // Multipart uploads
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput by abort_upload;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput by complete_upload;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput by create_upload;
    list_parts(ListPartsInput) -> ListPartsOutput by list_upload_parts;
    upload_part(UploadPartInput) -> UploadPartOutput by put_part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput by copy_part;
    // Buckets
    create_bucket(CreateBucketInput) -> CreateBucketOutput by make_bucket;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput by remove_bucket;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput by bucket_location;
    head_bucket(HeadBucketInput) -> HeadBucketOutput by find_bucket;
    list_buckets(ListBucketsInput) -> ListBucketsOutput by all_buckets;
    list_objects(ListObjectsInput) -> ListObjectsOutput by list;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output by list_v2;
}
