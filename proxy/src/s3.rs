//! The S3 operations: one table from operation to how it is done, and a file for each kind that needs more than a row.
//!
//! *own*: a method of the gateway. *primary*: asked of the primary store, with the bucket's name put in place there. *all*:
//! done on every replica (`replicas`). *refused*: answered `NotImplemented` by s3s, with the operation's name. Every
//! operation that s3s knows has its row; `tests/architecture.rs` compares.

#[cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the table names the input and output of every operation of S3"
    )
)]
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::error::as_clients_see;
use crate::gateway::Gateway;
use crate::placement::Place;

pub(crate) mod acl;
mod attributes;
mod bucket;
mod checked;
mod compare;
mod conditions;
mod copy;
mod customer_key;
mod delete;
mod derived;
pub(crate) mod failover;
mod fan_out;
pub(crate) mod hedge;
mod kept;
mod limits;
mod list;
mod logging;
mod multipart;
pub(crate) mod mutation;
mod notification;
mod object_settings;
mod put;
mod read;
mod replicas;
mod replication_status;
mod resume;
mod shown;
mod sums;
mod uploads;
mod versions;
pub(crate) mod write;

pub(crate) use bucket::head as head_bucket;
pub use bucket::make_missing;
pub use compare::{Difference, differences};
pub(crate) use derived::derived_from;
pub(crate) use multipart::AnnouncedBytes;
pub(crate) use object_settings::tagging_header;
pub(crate) use put::{canned, default_encryption};

macro_rules! operations {
    (
        own { $($own:ident($own_input:ident) -> $own_output:ident by $method:ident;)* }
        primary { $($read:ident($read_input:ident) -> $read_output:ident;)* }
        all { $($write:ident($write_input:ident) -> $write_output:ident;)* }
        refused { $($refused:ident;)* } // For readers, and for the test that compares.
    ) => {
        #[async_trait::async_trait]
        impl S3 for Gateway {
            $(
                async fn $own(&self, asked: S3Request<$own_input>) -> S3Result<S3Response<$own_output>> {
                    let id = asked.extensions.get().copied();
                    self.$method(asked).await.map_err(|error| as_clients_see(error, id))
                }
            )*
            $(
                async fn $read(&self, asked: S3Request<$read_input>) -> S3Result<S3Response<$read_output>> {
                    let bucket = self.bucket(&asked.input.bucket)?;
                    let id = asked.extensions.get().copied();
                    let answer = replicas::at!(bucket.primary(), $read, $read_input, asked.input).await;
                    answer.map_err(|error| as_clients_see(error, id))
                }
            )*
            $(
                async fn $write(&self, asked: S3Request<$write_input>) -> S3Result<S3Response<$write_output>> {
                    let bucket = self.bucket(&asked.input.bucket)?;
                    let (id, input) = (asked.extensions.get().copied(), asked.input);
                    let write = move |place: Place| replicas::at!(place, $write, $write_input, input.clone());
                    self.on_every_replica(bucket, replicas::Wait::All, write).await.map_err(|error| as_clients_see(error, id))
                }
            )*
        }
    };
}

operations! {
    // Done by relais itself, with the stores' help.
    own {
        // Objects
        copy_object(CopyObjectInput) -> CopyObjectOutput by copy;
        delete_object(DeleteObjectInput) -> DeleteObjectOutput by delete;
        delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput by delete_many;
        get_object(GetObjectInput) -> GetObjectOutput by get_with_status;
        get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput by attributes;
        head_object(HeadObjectInput) -> HeadObjectOutput by head_with_status;
        put_object(PutObjectInput) -> PutObjectOutput by put;
        // Settings of one object
        delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput by remove_tags;
        get_object_acl(GetObjectAclInput) -> GetObjectAclOutput by object_acl;
        get_object_legal_hold(GetObjectLegalHoldInput) -> GetObjectLegalHoldOutput by legal_hold;
        get_object_retention(GetObjectRetentionInput) -> GetObjectRetentionOutput by retention;
        get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput by tags;
        put_object_acl(PutObjectAclInput) -> PutObjectAclOutput by set_object_acl;
        put_object_legal_hold(PutObjectLegalHoldInput) -> PutObjectLegalHoldOutput by set_legal_hold;
        put_object_retention(PutObjectRetentionInput) -> PutObjectRetentionOutput by set_retention;
        put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput by set_tags;
        restore_object(RestoreObjectInput) -> RestoreObjectOutput by restore;
        // Multipart uploads
        abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput by abort_upload;
        complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput by complete_upload;
        create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput by create_upload;
        list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput by list_uploads;
        list_parts(ListPartsInput) -> ListPartsOutput by list_upload_parts;
        upload_part(UploadPartInput) -> UploadPartOutput by put_part;
        upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput by copy_part;
        // Buckets
        create_bucket(CreateBucketInput) -> CreateBucketOutput by make_bucket;
        delete_bucket(DeleteBucketInput) -> DeleteBucketOutput by remove_bucket;
        get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput by bucket_location;
        head_bucket(HeadBucketInput) -> HeadBucketOutput by find_bucket;
        list_buckets(ListBucketsInput) -> ListBucketsOutput by all_buckets;
        list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput by list_versions;
        list_objects(ListObjectsInput) -> ListObjectsOutput by list;
        list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output by list_v2;
        // What relais itself enforces, so the catalog keeps it
        delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput by remove_cors;
        delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput by remove_ownership;
        delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput by remove_policy;
        delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput by remove_access_block;
        get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput by bucket_acl;
        get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput by cors_rules;
        get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput by bucket_notifications;
        get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput by ownership;
        get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput by policy;
        get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput by policy_status;
        get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput by access_block;
        put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput by set_bucket_acl;
        put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput by set_cors;
        put_bucket_notification_configuration(PutBucketNotificationConfigurationInput) -> PutBucketNotificationConfigurationOutput by set_notifications;
        put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput by set_ownership;
        put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput by set_policy;
        put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput by set_access_block;
        // Settings that are looked at first
        put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) -> PutBucketLifecycleConfigurationOutput by set_lifecycle;
        put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput by set_versioning;
        put_object_lock_configuration(PutObjectLockConfigurationInput) -> PutObjectLockConfigurationOutput by set_object_lock;
        // Settings that name another bucket
        get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput by logging;
        put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput by set_logging;
    }
    // Answered by the primary.
    primary {
        get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput;
        get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput) -> GetBucketAnalyticsConfigurationOutput;
        get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput;
        get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput) -> GetBucketIntelligentTieringConfigurationOutput;
        get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput) -> GetBucketInventoryConfigurationOutput;
        get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput;
        get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput) -> GetBucketMetricsConfigurationOutput;
        get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput;
        get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput;
        get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput;
        get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
        get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput;
        get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput;
        get_object_torrent(GetObjectTorrentInput) -> GetObjectTorrentOutput;
        list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput) -> ListBucketAnalyticsConfigurationsOutput;
        list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput) -> ListBucketIntelligentTieringConfigurationsOutput;
        list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput) -> ListBucketInventoryConfigurationsOutput;
        list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput) -> ListBucketMetricsConfigurationsOutput;
        select_object_content(SelectObjectContentInput) -> SelectObjectContentOutput;
    }
    // Done on every replica, the primary first.
    all {
        delete_bucket_analytics_configuration(DeleteBucketAnalyticsConfigurationInput) -> DeleteBucketAnalyticsConfigurationOutput;
        delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput;
        delete_bucket_intelligent_tiering_configuration(DeleteBucketIntelligentTieringConfigurationInput) -> DeleteBucketIntelligentTieringConfigurationOutput;
        delete_bucket_inventory_configuration(DeleteBucketInventoryConfigurationInput) -> DeleteBucketInventoryConfigurationOutput;
        delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput;
        delete_bucket_metrics_configuration(DeleteBucketMetricsConfigurationInput) -> DeleteBucketMetricsConfigurationOutput;
        delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput;
        delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput;
        delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput;
        put_bucket_accelerate_configuration(PutBucketAccelerateConfigurationInput) -> PutBucketAccelerateConfigurationOutput;
        put_bucket_analytics_configuration(PutBucketAnalyticsConfigurationInput) -> PutBucketAnalyticsConfigurationOutput;
        put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput;
        put_bucket_intelligent_tiering_configuration(PutBucketIntelligentTieringConfigurationInput) -> PutBucketIntelligentTieringConfigurationOutput;
        put_bucket_inventory_configuration(PutBucketInventoryConfigurationInput) -> PutBucketInventoryConfigurationOutput;
        put_bucket_metrics_configuration(PutBucketMetricsConfigurationInput) -> PutBucketMetricsConfigurationOutput;
        put_bucket_replication(PutBucketReplicationInput) -> PutBucketReplicationOutput;
        put_bucket_request_payment(PutBucketRequestPaymentInput) -> PutBucketRequestPaymentOutput;
        put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput;
        put_bucket_website(PutBucketWebsiteInput) -> PutBucketWebsiteOutput;
    }
    // `NotImplemented`, by name: what belongs to AWS's own services (metadata tables, directory buckets, Object Lambda,
    // annotations), and MinIO's way to listen to a bucket.
    refused {
        create_bucket_metadata_configuration;
        create_bucket_metadata_table_configuration;
        create_session;
        delete_bucket_metadata_configuration;
        delete_bucket_metadata_table_configuration;
        delete_object_annotation;
        get_bucket_abac;
        get_bucket_metadata_configuration;
        get_bucket_metadata_table_configuration;
        get_object_annotation;
        list_directory_buckets;
        list_object_annotations;
        listen_bucket_notification;
        put_bucket_abac;
        put_object_annotation;
        rename_object;
        update_bucket_metadata_annotation_table_configuration;
        update_bucket_metadata_inventory_table_configuration;
        update_bucket_metadata_journal_table_configuration;
        update_object_encryption;
        write_get_object_response;
    }
}
