//! `GetObjectAttributes`: what the primary says, completed by what its HEAD says.
//!
//! Stores differ in how much they answer here; size, entity tag, date, storage class and checksums are known to HEAD everywhere.

use relais_stores::request;
use s3s::dto::{
    Checksum, ChecksumMode, ETag, GetObjectAttributesInput, GetObjectAttributesOutput,
    GetObjectAttributesParts, HeadObjectInput, HeadObjectOutput, ObjectAttributes, StorageClass,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

use super::failover::Read;
use crate::gateway::{Gateway, key};

impl Gateway {
    pub(super) async fn attributes(
        &self,
        asked: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let bucket = self.bucket(&asked.input.bucket)?;
        let read = Read::object(&bucket, key(&asked.input.key)?, asked.input.version_id.clone());
        let input = asked.input;
        let head = HeadObjectInput {
            bucket: bucket.name.to_string(),
            checksum_mode: Some(ChecksumMode::from_static(ChecksumMode::ENABLED)),
            key: input.key.clone(),
            sse_customer_algorithm: input.sse_customer_algorithm.clone(),
            sse_customer_key: input.sse_customer_key.clone(),
            sse_customer_key_md5: input.sse_customer_key_md5.clone(),
            version_id: input.version_id.clone(),
            ..Default::default()
        };
        let head = self.head(request(head)).await?;
        let wanted = input.object_attributes.clone();
        let own = self.ask(&read, |place, version_id| {
            let (bucket, expected_bucket_owner) = (place.bucket.to_string(), None);
            let input =
                GetObjectAttributesInput { bucket, expected_bucket_owner, version_id, ..input.clone() };
            place.store.s3.get_object_attributes(request(input))
        });
        let own = own.await;
        let own = match own {
            Ok(answer) => answer.output,
            Err(error) if *error.code() == S3ErrorCode::NotImplemented => {
                GetObjectAttributesOutput::default()
            }
            Err(error) => return Err(error),
        };
        // Its headers say whether it may be stale.
        Ok(head.map_output(|head| complete(own, head, &wanted)))
    }
}

fn complete(
    own: GetObjectAttributesOutput,
    head: HeadObjectOutput,
    wanted: &[ObjectAttributes],
) -> GetObjectAttributesOutput {
    // Clients send one header with all of them, or one each.
    let wants = |attribute: &str| {
        wanted.iter().flat_map(|wanted| wanted.as_str().split(',')).any(|wanted| wanted.trim() == attribute)
    };
    let parts = head.e_tag.as_ref().and_then(part_count);
    let counted =
        parts.map(|count| GetObjectAttributesParts { total_parts_count: Some(count), ..Default::default() });
    GetObjectAttributesOutput {
        checksum: own.checksum.or_else(|| checksum_of(&head)).filter(|_| wants(ObjectAttributes::CHECKSUM)),
        e_tag: head.e_tag.filter(|_| wants(ObjectAttributes::ETAG)),
        last_modified: head.last_modified,
        object_parts: own.object_parts.or(counted).filter(|_| wants(ObjectAttributes::OBJECT_PARTS)),
        object_size: head.content_length.filter(|_| wants(ObjectAttributes::OBJECT_SIZE)),
        storage_class: head
            .storage_class
            .or_else(|| Some(StorageClass::from_static(StorageClass::STANDARD)))
            .filter(|_| wants(ObjectAttributes::STORAGE_CLASS)),
        version_id: head.version_id,
        ..Default::default()
    }
}

/// The entity tag of an object that was uploaded in parts ends with their number.
fn part_count(etag: &ETag) -> Option<i32> {
    etag.value().rsplit_once('-')?.1.parse().ok()
}

fn checksum_of(head: &HeadObjectOutput) -> Option<Checksum> {
    let checksum = Checksum {
        checksum_crc32: head.checksum_crc32.clone(),
        checksum_crc32c: head.checksum_crc32c.clone(),
        checksum_crc64nvme: head.checksum_crc64nvme.clone(),
        checksum_md5: head.checksum_md5.clone(),
        checksum_sha1: head.checksum_sha1.clone(),
        checksum_sha256: head.checksum_sha256.clone(),
        checksum_sha512: head.checksum_sha512.clone(),
        checksum_type: head.checksum_type.clone(),
        checksum_xxhash128: head.checksum_xxhash128.clone(),
        checksum_xxhash3: head.checksum_xxhash3.clone(),
        checksum_xxhash64: head.checksum_xxhash64.clone(),
    };
    (checksum != Checksum { checksum_type: checksum.checksum_type.clone(), ..Default::default() })
        .then_some(checksum)
}
