//! A close look at one key: what each replica has under it, asked of the stores themselves and not of a listing.
//!
//! The settler compares, and here it is only told apart what it takes for other bytes: those are other ones for certain only
//! if both entity tags are of whole objects. Parts with other boundaries, or encryption, give other tags for the same bytes;
//! then checksums tell, or the bytes themselves.

use aws_lc_rs::digest::{Context, SHA256};
use futures::{StreamExt, try_join};
use relais_model::ObjectKey;
use relais_stores::request;
use s3s::dto::{
    ChecksumMode, ChecksumType, ETag, ETagCondition, GetObjectInput, HeadObjectInput, HeadObjectOutput,
};
use s3s::{S3Error, S3Result};

use super::{Depth, ReplicationError};
use crate::background::settle::{self, Cause, KeyDifference, Repair};
use crate::erase::reason;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::{Bucket, Place};

/// What the settler calls a difference of entity tags.
const BYTES: &str = "bytes";

/// How a replica stands to the primary.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// The primary has the object, the replica has not.
    Missing,
    /// The replica has an object that the primary has not.
    Extra,
    /// Both have it, and these are not the same.
    Different(Vec<&'static str>),
    /// Entity tags tell nothing, and nobody looked at the bytes.
    Unclear,
    /// It could not be looked at, for this reason.
    Unread(String),
}

/// How two objects of one size stand to each other, by what a HEAD tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Bytes {
    Same,
    Different,
    Unclear,
}

impl Gateway {
    /// What differs at a key, by place as the bucket counts them.
    pub(super) async fn look_at(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        depth: Depth,
    ) -> Result<Vec<(usize, What)>, ReplicationError> {
        let compared = self.settle_key(bucket, key, Repair::DryRun).await?;
        let mut differences = Vec::new();
        for (index, place) in bucket.places.iter().enumerate().skip(1) {
            let told = compared.iter().find(|one| one.replica == place.replica);
            let what = match (told.map(what), told) {
                (Some(Some(What::Different(what))), _) => {
                    compare(bucket.primary(), place, key, what, depth).await
                }
                (Some(found), _) => Ok(found),
                (None, _) if depth == Depth::Deep => {
                    compare(bucket.primary(), place, key, Vec::new(), depth).await
                }
                (None, _) => Ok(None),
            };
            match what {
                Ok(None) => {}
                Ok(Some(what)) => differences.push((index, what)),
                Err(error) => differences.push((index, unread(place, error)?)),
            }
        }
        Ok(differences)
    }
}

/// What the settler found at a replica. An ACL is not compared: that one may differ the catalog knows by itself.
fn what(found: &KeyDifference) -> Option<What> {
    match (found.cause, &found.error) {
        (Some(Cause::Missing), _) => Some(What::Missing),
        (Some(Cause::Deleted), _) => Some(What::Extra),
        (Some(Cause::Different), _) => Some(What::Different(found.what.clone())),
        (Some(Cause::Tags), _) => Some(What::Different(vec!["tags"])),
        (None, Some(error)) => Some(What::Unread(error.clone())),
        (Some(Cause::Acl), _) | (None, None) => None,
    }
}

/// An outage ends the walk; what a store refuses of one key, such as one that was encrypted with a client's key, does not.
fn unread(place: &Place, error: S3Error) -> Result<What, ReplicationError> {
    if relais_stores::is_outage(&error) {
        return Err(ReplicationError::of("look at an object of", &place.replica)(error));
    }
    Ok(What::Unread(reason(&error)))
}

/// Makes certain whether bytes differ, of two objects that otherwise differ in `what`.
async fn compare(
    primary: &Place,
    place: &Place,
    key: &ObjectKey,
    mut what: Vec<&'static str>,
    depth: Depth,
) -> S3Result<Option<What>> {
    let differ_by_tag = what.contains(&BYTES);
    let with_checksums = primary.store.features.checksums && place.store.features.checksums;
    let is_decided = !differ_by_tag && (what.contains(&"size") || !with_checksums);
    if is_decided {
        return Ok((!what.is_empty()).then_some(What::Different(what)));
    }
    let (truth, there) = try_join!(head(primary, key), head(place, key))?;
    let (Some(truth), Some(there)) = (truth, there) else {
        return Ok((!what.is_empty()).then_some(What::Different(what))); // It is gone since: the next look will tell.
    };
    what.retain(|one| *one != BYTES);
    let mut unclear = false;
    match bytes(&truth, &there) {
        Bytes::Same => {}
        Bytes::Different => what.insert(0, BYTES),
        Bytes::Unclear if depth == Depth::Listed => unclear = true,
        Bytes::Unclear => {
            if !is_same_content(primary, place, key, &truth, &there).await? {
                what.insert(0, BYTES);
            }
        }
    }
    if what.is_empty() { Ok(unclear.then_some(What::Unclear)) } else { Ok(Some(What::Different(what))) }
}

/// What a place has under a key, with checksums where it keeps them.
async fn head(place: &Place, key: &ObjectKey) -> S3Result<Option<HeadObjectOutput>> {
    let mode = place.store.features.checksums.then(|| ChecksumMode::from_static(ChecksumMode::ENABLED));
    let input = HeadObjectInput {
        bucket: place.bucket.to_string(),
        key: key.to_string(),
        checksum_mode: mode,
        ..Default::default()
    };
    match place.store.s3.head_object(request(input)).await {
        Ok(found) => Ok(Some(found.output)),
        Err(error) if settle::is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn bytes(one: &HeadObjectOutput, other: &HeadObjectOutput) -> Bytes {
    if let Some(same) = checksums_agree(one, other) {
        return if same { Bytes::Same } else { Bytes::Different };
    }
    let etag = |head: &HeadObjectOutput| head.e_tag.clone().map(ETag::into_value).unwrap_or_default();
    let (one_tag, other_tag) = (etag(one), etag(other));
    if one_tag == other_tag && !one_tag.is_empty() {
        Bytes::Same
    } else if tells_bytes(one, &one_tag) && tells_bytes(other, &other_tag) {
        Bytes::Different
    } else {
        Bytes::Unclear
    }
}

/// Whether an entity tag is the MD5 of the bytes: 32 hexadecimal digits, of an object that no key service encrypts.
fn tells_bytes(head: &HeadObjectOutput, etag: &str) -> bool {
    let by_kms = head.server_side_encryption.as_ref().is_some_and(|one| one.as_str().starts_with("aws:kms"));
    !by_kms
        && head.sse_customer_algorithm.is_none()
        && etag.len() == 32
        && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether both have a checksum of the whole object by the same algorithm, and it is the same.
fn checksums_agree(one: &HeadObjectOutput, other: &HeadObjectOutput) -> Option<bool> {
    let is_full = |head: &HeadObjectOutput| {
        head.checksum_type.as_ref().is_none_or(|found| found.as_str() == ChecksumType::FULL_OBJECT)
    };
    if !is_full(one) || !is_full(other) {
        return None;
    }
    let sums = |head: &HeadObjectOutput| {
        [
            head.checksum_crc64nvme.clone(),
            head.checksum_sha256.clone(),
            head.checksum_sha1.clone(),
            head.checksum_crc32c.clone(),
            head.checksum_crc32.clone(),
        ]
    };
    let pairs = sums(one).into_iter().zip(sums(other));
    // A composite checksum that does not say so has its number of parts behind a hyphen.
    pairs
        .filter_map(|pair| pair.0.zip(pair.1))
        .find(|(one, _)| !one.contains('-'))
        .map(|(one, other)| one == other)
}

/// Reads both objects at once and compares their hashes.
async fn is_same_content(
    primary: &Place,
    place: &Place,
    key: &ObjectKey,
    truth: &HeadObjectOutput,
    there: &HeadObjectOutput,
) -> S3Result<bool> {
    let (one, other) = try_join!(hash(primary, key, truth), hash(place, key, there))?;
    Ok(one == other)
}

/// The hash of the bytes that the HEAD was of.
async fn hash(place: &Place, key: &ObjectKey, head: &HeadObjectOutput) -> S3Result<Vec<u8>> {
    let input = GetObjectInput {
        bucket: place.bucket.to_string(),
        key: key.to_string(),
        if_match: head.e_tag.clone().map(ETagCondition::ETag),
        ..Default::default()
    };
    let mut digest = Context::new(&SHA256);
    if let Some(mut body) = place.store.s3.get_object(request(input)).await?.output.body {
        while let Some(chunk) = body.next().await {
            digest.update(&chunk.map_err(GatewayError::Body)?);
        }
    }
    Ok(digest.finish().as_ref().to_vec())
}

#[cfg(test)]
mod tests;
