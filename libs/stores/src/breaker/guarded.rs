//! A store's S3 behind its breaker: every call asks it first and teaches it afterwards.
//!
//! A call that is dropped before its answer teaches nothing. The body of an answer is watched to its end, since a store may die
//! while it sends; the body of a request too, since it may be the client who breaks it off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
#[cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the table names the input and output of every operation of S3"
    )
)]
use s3s::dto::*;
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, StdError};
use tokio::time::Instant;

use super::{Breaker, Lesson, Pass};
use crate::error::{is_outage, is_unsendable};

/// How the AWS SDK calls failures that are not an answer: nothing came, too late, or something that is not S3. Its errors have
/// a type for each operation, and these texts in all of them. Others come of requests that could not be put into its words,
/// which is not the store's fault.
const SILENCE: [&str; 3] = ["dispatch failure", "request has timed out", "response error"];

/// How it calls an answer that says no.
const ANSWER: &str = "service error";

/// A store's S3 behind its breaker.
pub(crate) struct Guarded {
    s3: Arc<dyn S3>,
    breaker: Breaker,
}

/// What counts as an outage, by operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Counted {
    /// Silence, and an answer of 5xx: every service knows this operation, and its requests are much alike.
    AnswersToo,
    /// Silence alone.
    Silence,
}

impl Guarded {
    pub(crate) fn new(s3: Arc<dyn S3>, breaker: Breaker) -> Self {
        Self { s3, breaker }
    }

    async fn ask<T>(
        &self,
        counted: Counted,
        call: impl Future<Output = S3Result<T>>,
    ) -> (Option<Pass>, S3Result<T>) {
        let pass = match self.breaker.enter() {
            Ok(pass) => pass,
            Err(refusal) => return (None, Err(refusal)),
        };
        let answer = call.await;
        self.breaker.learn(pass, lesson(counted, answer.as_ref().err()));
        (Some(pass), answer)
    }

    /// A call with a body of the client.
    async fn send<T>(&self, broke: &AtomicBool, call: impl Future<Output = S3Result<T>>) -> S3Result<T> {
        let pass = self.breaker.enter()?;
        let answer = call.await;
        if answer.is_ok() || !broke.load(Ordering::Relaxed) {
            self.breaker.learn(pass, lesson(Counted::AnswersToo, answer.as_ref().err()));
        }
        answer
    }
}

fn lesson(counted: Counted, error: Option<&S3Error>) -> Lesson {
    let Some(error) = error else { return Lesson::Answered };
    if is_unsendable(error) {
        return Lesson::Nothing;
    }
    if !is_outage(error) {
        return Lesson::Answered;
    }
    let status = error.status_code().map(|status| status.as_u16());
    if *error.code() == S3ErrorCode::SlowDown || matches!(status, Some(429 | 507)) {
        return Lesson::Nothing; // Which may have been said by our own budget.
    }
    let answered = counted == Counted::AnswersToo;
    let counts = match error.source() {
        None => answered,
        Some(source) => match source.downcast_ref::<io::Error>() {
            Some(error) => !is_full(error),
            None => {
                let kind = source.to_string();
                SILENCE.contains(&kind.as_str()) || answered && kind == ANSWER
            }
        },
    };
    if counts { Lesson::Outage } else { Lesson::Nothing }
}

/// A folder that cannot take more can still be read.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// A body with an eye on how it ends.
struct Watched<F> {
    body: StreamingBlob,
    /// When the last piece came, or the body began.
    since: Instant,
    on_error: F,
}

impl<F: Fn(Instant) + Unpin> Stream for Watched<F> {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(context);
        match &next {
            Poll::Ready(Some(Ok(_))) => self.since = Instant::now(),
            Poll::Ready(Some(Err(_))) => (self.on_error)(self.since),
            _ => {}
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.body.size_hint()
    }
}

impl<F: Fn(Instant) + Unpin> ByteStream for Watched<F> {
    fn remaining_length(&self) -> RemainingLength {
        self.body.remaining_length()
    }
}

fn watch(body: StreamingBlob, on_error: impl Fn(Instant) + Send + Sync + Unpin + 'static) -> StreamingBlob {
    StreamingBlob::new(Watched { body, since: Instant::now(), on_error })
}

macro_rules! operations {
    ($($counted:ident { $($operation:ident($input:ident) -> $output:ident;)* })*) => {
        #[async_trait::async_trait]
        impl S3 for Guarded {
            async fn get_object(
                &self,
                request: S3Request<GetObjectInput>,
            ) -> S3Result<S3Response<GetObjectOutput>> {
                let (pass, answer) = self.ask(Counted::AnswersToo, self.s3.get_object(request)).await;
                let mut answer = answer?;
                if let (Some(pass), Some(body)) = (pass, answer.output.body.take()) {
                    let breaker = self.breaker.clone();
                    // The head taught that the store answers; that it fell silent since is a lesson of its own.
                    let broke = move |since| breaker.learn(Pass { began: since, ..pass }, Lesson::Outage);
                    answer.output.body = Some(watch(body, broke));
                }
                Ok(answer)
            }

            async fn put_object(
                &self,
                mut request: S3Request<PutObjectInput>,
            ) -> S3Result<S3Response<PutObjectOutput>> {
                let broke = watch_request(&mut request.input.body);
                self.send(&broke, self.s3.put_object(request)).await
            }

            async fn upload_part(
                &self,
                mut request: S3Request<UploadPartInput>,
            ) -> S3Result<S3Response<UploadPartOutput>> {
                let broke = watch_request(&mut request.input.body);
                self.send(&broke, self.s3.upload_part(request)).await
            }

            $($(
                async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    self.ask(Counted::$counted, self.s3.$operation(request)).await.1
                }
            )*)*
        }

        /// The operations, for the test that compares.
        #[cfg(test)]
        const OPERATIONS: &[&str] =
            &["get_object", "put_object", "upload_part", $($(stringify!($operation),)*)*];
    };
}

/// Notes whether the body of a request breaks off.
fn watch_request(body: &mut Option<StreamingBlob>) -> Arc<AtomicBool> {
    let broke = Arc::<AtomicBool>::default();
    if let Some(whole) = body.take() {
        let broke = Arc::clone(&broke);
        *body = Some(watch(whole, move |_| broke.store(true, Ordering::Relaxed)));
    }
    broke
}

operations! {
    AnswersToo {
        delete_object(DeleteObjectInput) -> DeleteObjectOutput;
        delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
        head_bucket(HeadBucketInput) -> HeadBucketOutput;
        head_object(HeadObjectInput) -> HeadObjectOutput;
        list_buckets(ListBucketsInput) -> ListBucketsOutput;
        list_objects(ListObjectsInput) -> ListObjectsOutput;
        list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    }
    Silence {
        abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
        complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput;
        copy_object(CopyObjectInput) -> CopyObjectOutput;
        create_bucket(CreateBucketInput) -> CreateBucketOutput;
        create_bucket_metadata_configuration(CreateBucketMetadataConfigurationInput) -> CreateBucketMetadataConfigurationOutput;
        create_bucket_metadata_table_configuration(CreateBucketMetadataTableConfigurationInput) -> CreateBucketMetadataTableConfigurationOutput;
        create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
        create_session(CreateSessionInput) -> CreateSessionOutput;
        delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
        delete_bucket_analytics_configuration(DeleteBucketAnalyticsConfigurationInput) -> DeleteBucketAnalyticsConfigurationOutput;
        delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput;
        delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput;
        delete_bucket_intelligent_tiering_configuration(DeleteBucketIntelligentTieringConfigurationInput) -> DeleteBucketIntelligentTieringConfigurationOutput;
        delete_bucket_inventory_configuration(DeleteBucketInventoryConfigurationInput) -> DeleteBucketInventoryConfigurationOutput;
        delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput;
        delete_bucket_metadata_configuration(DeleteBucketMetadataConfigurationInput) -> DeleteBucketMetadataConfigurationOutput;
        delete_bucket_metadata_table_configuration(DeleteBucketMetadataTableConfigurationInput) -> DeleteBucketMetadataTableConfigurationOutput;
        delete_bucket_metrics_configuration(DeleteBucketMetricsConfigurationInput) -> DeleteBucketMetricsConfigurationOutput;
        delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput;
        delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput;
        delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput;
        delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput;
        delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput;
        delete_object_annotation(DeleteObjectAnnotationInput) -> DeleteObjectAnnotationOutput;
        delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput;
        delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput;
        get_bucket_abac(GetBucketAbacInput) -> GetBucketAbacOutput;
        get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput;
        get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput;
        get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput) -> GetBucketAnalyticsConfigurationOutput;
        get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput;
        get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput;
        get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput) -> GetBucketIntelligentTieringConfigurationOutput;
        get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput) -> GetBucketInventoryConfigurationOutput;
        get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput;
        get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
        get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput;
        get_bucket_metadata_configuration(GetBucketMetadataConfigurationInput) -> GetBucketMetadataConfigurationOutput;
        get_bucket_metadata_table_configuration(GetBucketMetadataTableConfigurationInput) -> GetBucketMetadataTableConfigurationOutput;
        get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput) -> GetBucketMetricsConfigurationOutput;
        get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput;
        get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput;
        get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput;
        get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput;
        get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput;
        get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput;
        get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput;
        get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
        get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput;
        get_object_acl(GetObjectAclInput) -> GetObjectAclOutput;
        get_object_annotation(GetObjectAnnotationInput) -> GetObjectAnnotationOutput;
        get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput;
        get_object_legal_hold(GetObjectLegalHoldInput) -> GetObjectLegalHoldOutput;
        get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput;
        get_object_retention(GetObjectRetentionInput) -> GetObjectRetentionOutput;
        get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput;
        get_object_torrent(GetObjectTorrentInput) -> GetObjectTorrentOutput;
        get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput;
        list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput) -> ListBucketAnalyticsConfigurationsOutput;
        list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput) -> ListBucketIntelligentTieringConfigurationsOutput;
        list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput) -> ListBucketInventoryConfigurationsOutput;
        list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput) -> ListBucketMetricsConfigurationsOutput;
        list_directory_buckets(ListDirectoryBucketsInput) -> ListDirectoryBucketsOutput;
        list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
        list_object_annotations(ListObjectAnnotationsInput) -> ListObjectAnnotationsOutput;
        list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput;
        list_parts(ListPartsInput) -> ListPartsOutput;
        put_bucket_abac(PutBucketAbacInput) -> PutBucketAbacOutput;
        put_bucket_accelerate_configuration(PutBucketAccelerateConfigurationInput) -> PutBucketAccelerateConfigurationOutput;
        put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput;
        put_bucket_analytics_configuration(PutBucketAnalyticsConfigurationInput) -> PutBucketAnalyticsConfigurationOutput;
        put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput;
        put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput;
        put_bucket_intelligent_tiering_configuration(PutBucketIntelligentTieringConfigurationInput) -> PutBucketIntelligentTieringConfigurationOutput;
        put_bucket_inventory_configuration(PutBucketInventoryConfigurationInput) -> PutBucketInventoryConfigurationOutput;
        put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) -> PutBucketLifecycleConfigurationOutput;
        put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput;
        put_bucket_metrics_configuration(PutBucketMetricsConfigurationInput) -> PutBucketMetricsConfigurationOutput;
        put_bucket_notification_configuration(PutBucketNotificationConfigurationInput) -> PutBucketNotificationConfigurationOutput;
        put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput;
        put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput;
        put_bucket_replication(PutBucketReplicationInput) -> PutBucketReplicationOutput;
        put_bucket_request_payment(PutBucketRequestPaymentInput) -> PutBucketRequestPaymentOutput;
        put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput;
        put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput;
        put_bucket_website(PutBucketWebsiteInput) -> PutBucketWebsiteOutput;
        put_object_acl(PutObjectAclInput) -> PutObjectAclOutput;
        put_object_annotation(PutObjectAnnotationInput) -> PutObjectAnnotationOutput;
        put_object_legal_hold(PutObjectLegalHoldInput) -> PutObjectLegalHoldOutput;
        put_object_lock_configuration(PutObjectLockConfigurationInput) -> PutObjectLockConfigurationOutput;
        put_object_retention(PutObjectRetentionInput) -> PutObjectRetentionOutput;
        put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput;
        put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput;
        rename_object(RenameObjectInput) -> RenameObjectOutput;
        restore_object(RestoreObjectInput) -> RestoreObjectOutput;
        select_object_content(SelectObjectContentInput) -> SelectObjectContentOutput;
        update_bucket_metadata_annotation_table_configuration(UpdateBucketMetadataAnnotationTableConfigurationInput) -> UpdateBucketMetadataAnnotationTableConfigurationOutput;
        update_bucket_metadata_inventory_table_configuration(UpdateBucketMetadataInventoryTableConfigurationInput) -> UpdateBucketMetadataInventoryTableConfigurationOutput;
        update_bucket_metadata_journal_table_configuration(UpdateBucketMetadataJournalTableConfigurationInput) -> UpdateBucketMetadataJournalTableConfigurationOutput;
        update_object_encryption(UpdateObjectEncryptionInput) -> UpdateObjectEncryptionOutput;
        upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
        write_get_object_response(WriteGetObjectResponseInput) -> WriteGetObjectResponseOutput;
    }
}

#[cfg(test)]
mod tests;
