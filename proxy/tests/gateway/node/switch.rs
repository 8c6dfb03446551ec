//! A store that can be switched off: it then answers as one that cannot be reached, or not at all. It can also be slow with
//! reads, and break off their bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use tokio::sync::Notify;

pub(crate) struct Switch {
    store: Arc<dyn S3>,
    down: AtomicBool,
    reads_down: AtomicBool,
    read_delay_millis: AtomicU64,
    read_bytes_max: AtomicUsize,
    reads: AtomicUsize,
    silent: AtomicBool,
    released: Notify,
}

impl Switch {
    pub(crate) fn over(store: Arc<dyn S3>) -> Self {
        Self {
            store,
            down: AtomicBool::new(false),
            reads_down: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            released: Notify::new(),
            read_delay_millis: AtomicU64::new(0),
            read_bytes_max: AtomicUsize::new(usize::MAX),
            reads: AtomicUsize::new(0),
        }
    }

    /// How long each read takes longer.
    pub(crate) fn delay_reads(&self, by: Duration) {
        self.read_delay_millis.store(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    /// After how many bytes each body breaks off.
    pub(crate) fn cut_reads(&self, after: usize) {
        self.read_bytes_max.store(after, Ordering::SeqCst);
    }

    /// Reads that were asked for so far.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    async fn read(&self) -> S3Result<()> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(self.read_delay_millis.load(Ordering::SeqCst))).await;
        if self.reads_down.load(Ordering::SeqCst) {
            return Err(refused());
        }
        self.check().await
    }

    fn cut(&self, body: StreamingBlob) -> StreamingBlob {
        let max = self.read_bytes_max.load(Ordering::SeqCst);
        if max == usize::MAX {
            return body;
        }
        let bytes = body.map(|chunk| chunk.map_err(std::io::Error::other));
        let cut = bytes.map_ok(|chunk| {
            futures::stream::iter(chunk.chunks(1000).map(Bytes::copy_from_slice).map(Ok).collect::<Vec<_>>())
        });
        let mut left = max;
        let cut = cut.try_flatten().map(move |chunk: Result<Bytes, std::io::Error>| {
            let chunk = chunk?;
            left = left.checked_sub(chunk.len()).ok_or(std::io::ErrorKind::ConnectionReset)?;
            Ok::<_, std::io::Error>(chunk)
        });
        StreamingBlob::wrap(cut)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Reads fail, and writes do not.
    pub(crate) fn set_reads_down(&self, down: bool) {
        self.reads_down.store(down, Ordering::SeqCst);
    }

    /// Calls that are made from now on get no answer, and nothing of a body is read, until they are released.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// Lets the calls that wait go on.
    pub(crate) fn release(&self) {
        self.released.notify_waiters();
    }

    async fn check(&self) -> S3Result<()> {
        if self.silent.load(Ordering::SeqCst) {
            self.released.notified().await;
        }
        if self.down.load(Ordering::SeqCst) {
            return Err(refused());
        }
        Ok(())
    }
}

fn refused() -> S3Error {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    S3Error::with_source(S3ErrorCode::InternalError, Box::new(refused))
}

macro_rules! switched {
    ($($operation:ident($input:ident) -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Switch {
            async fn get_object(
                &self,
                request: S3Request<GetObjectInput>,
            ) -> S3Result<S3Response<GetObjectOutput>> {
                self.read().await?;
                let mut answer = self.store.get_object(request).await?;
                answer.output.body = answer.output.body.map(|body| self.cut(body));
                Ok(answer)
            }

            async fn head_object(
                &self,
                request: S3Request<HeadObjectInput>,
            ) -> S3Result<S3Response<HeadObjectOutput>> {
                self.read().await?;
                self.store.head_object(request).await
            }

            $(
                async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    self.check().await?;
                    self.store.$operation(request).await
                }
            )*
        }
    };
}

switched! {
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput;
    copy_object(CopyObjectInput) -> CopyObjectOutput;
    create_bucket(CreateBucketInput) -> CreateBucketOutput;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    list_buckets(ListBucketsInput) -> ListBucketsOutput;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput;
    list_objects(ListObjectsInput) -> ListObjectsOutput;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    list_parts(ListPartsInput) -> ListPartsOutput;
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput;
    put_object(PutObjectInput) -> PutObjectOutput;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput;
    upload_part(UploadPartInput) -> UploadPartOutput;
}
