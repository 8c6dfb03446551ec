//! Makes replicas equal to the primary, by state: what is there now is compared and copied, not what was asked for then.
//!
//! So a late older write cannot win and repeats do no harm. After a copy the row is closed only if no other mutation came in
//! between; else the key is looked at again. Objects are copied in one piece, which S3 allows up to 5 GiB.

use std::time::Duration;

use relais_catalog::ObjectRow;
use relais_model::{ObjectFacts, ObjectKey};
use relais_stores::request;
use s3s::dto::{
    DeleteObjectInput, ETag, ETagCondition, GetObjectInput, GetObjectOutput, GetObjectTaggingInput,
    HeadObjectInput, HeadObjectOutput, PutObjectInput, PutObjectTaggingInput, Tag, Tagging,
};
use s3s::{S3Error, S3Result};
use tokio_util::sync::CancellationToken;

use super::{LOOK_AGAIN, PAUSE_AFTER_FAILURE, wait};
use crate::access::acl::Acl;
use crate::error::{GatewayError, cause};
use crate::gateway::Gateway;
use crate::metrics::REPLICAS_SETTLED;
use crate::placement::{Bucket, Place};
use crate::s3::mutation::facts;
use crate::s3::{canned, default_encryption, tagging_header};

/// Keys settled at once.
const CONCURRENCY: u64 = 8;

/// How long a claimed key is left to its settler; a large object takes minutes.
const LEASE: Duration = Duration::from_secs(600);

/// First pause after a failed attempt; doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(2);

/// Longest pause between attempts.
const RETRY_LONGEST: Duration = Duration::from_secs(300);

/// Times that a key which keeps changing is looked at in a row before it waits its turn again.
const ROUNDS: usize = 3;

pub(super) async fn run(gateway: Gateway, stop: CancellationToken) {
    let mut pause = LOOK_AGAIN;
    while wait(&gateway.settled_soon, &stop, pause).await {
        pause = match settle_claimed(&gateway, &stop).await {
            Ok(()) => LOOK_AGAIN,
            Err(error) => {
                tracing::warn!(error = %super::chain(&error), "replicas wait to be settled");
                PAUSE_AFTER_FAILURE
            }
        };
    }
}

/// Settles one key now, as far as its stores allow; if they do not, the loop comes back to it.
pub(crate) async fn key(gateway: &Gateway, bucket: &Bucket, key: &ObjectKey) {
    match gateway.objects.find(&bucket.name, key).await {
        Ok(Some(row)) => settle_row(gateway, row).await,
        Ok(None) => {}
        Err(error) => tracing::warn!(error = %super::chain(&error), "a replica waits to be settled"),
    }
}

async fn settle_claimed(gateway: &Gateway, stop: &CancellationToken) -> Result<(), GatewayError> {
    while !stop.is_cancelled() {
        let rows = gateway.objects.claim_unsettled(CONCURRENCY, LEASE).await?;
        if rows.is_empty() {
            break;
        }
        futures::future::join_all(rows.into_iter().map(|row| settle_row(gateway, row))).await;
    }
    Ok(())
}

async fn settle_row(gateway: &Gateway, row: ObjectRow) {
    let Some(bucket) = gateway.placement.bucket(&row.bucket) else { return };
    if let Err(error) = settle(gateway, &bucket, &row).await {
        let attempts = u32::try_from(row.settle_attempts).unwrap_or(0).min(16);
        let pause = (RETRY_FIRST * 2_u32.pow(attempts)).min(RETRY_LONGEST);
        tracing::warn!(bucket = %row.bucket, key = %row.key, code = error.code().as_str(), source = cause(&error), "cannot settle yet");
        if let Err(error) = gateway.objects.settle_failed(&row, pause).await {
            tracing::warn!(error = %super::chain(&error), "the next attempt comes when the claim runs out");
        }
    }
}

async fn settle(gateway: &Gateway, bucket: &Bucket, row: &ObjectRow) -> S3Result<()> {
    let mut row = row.clone();
    for _ in 0..ROUNDS {
        let truth = head(bucket.primary(), &row.key).await?;
        for place in &bucket.places[1..] {
            equalise(bucket, place, &row, truth.as_ref()).await?;
        }
        let owner = row.object.as_ref().map_or("root", |object| object.owner.as_str());
        let found: Option<ObjectFacts> = truth.as_ref().map(|head| facts(head, owner));
        if gateway.objects.settled(&row, found).await.map_err(GatewayError::from)? {
            return Ok(());
        }
        match gateway.objects.find(&row.bucket, &row.key).await.map_err(GatewayError::from)? {
            Some(newer) => row = newer,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Makes one replica equal to what the primary has.
async fn equalise(
    bucket: &Bucket,
    place: &Place,
    row: &ObjectRow,
    truth: Option<&HeadObjectOutput>,
) -> S3Result<()> {
    let key = &row.key;
    let there = head(place, key).await?;
    let with_tags = bucket.primary().store.features.tagging && place.store.features.tagging;
    let tags = match truth {
        Some(_) if with_tags => tags(bucket.primary(), key).await?,
        _ => Vec::new(),
    };
    match (truth, there) {
        (None, None) => return Ok(()),
        (Some(truth), Some(there)) if is_equal(truth, &there) => {
            if !with_tags || self::tags(place, key).await? == tags {
                return Ok(());
            }
            set_tags(place, key, tags).await?;
        }
        (None, Some(_)) => {
            let input = DeleteObjectInput {
                bucket: place.bucket.to_string(),
                key: key.to_string(),
                ..Default::default()
            };
            place.store.s3.delete_object(request(input)).await?;
        }
        (Some(truth), _) => copy(bucket, place, row, truth, &tags).await?,
    }
    metrics::counter!(REPLICAS_SETTLED, "replica" => place.replica.to_string()).increment(1);
    Ok(())
}

/// Reads the primary and writes the replica. The entity tag is asked for, so what is copied is what was compared.
async fn copy(
    bucket: &Bucket,
    place: &Place,
    row: &ObjectRow,
    truth: &HeadObjectOutput,
    tags: &[Tag],
) -> S3Result<()> {
    let (primary, key, features) = (bucket.primary(), &row.key, &place.store.features);
    let input = GetObjectInput {
        bucket: primary.bucket.to_string(),
        key: key.to_string(),
        if_match: truth.e_tag.clone().map(ETagCondition::ETag),
        ..Default::default()
    };
    let read = primary.store.s3.get_object(request(input)).await?.output;
    let acl: Option<Acl> =
        row.acl.as_deref().map(serde_json::from_str).transpose().map_err(GatewayError::Kept)?;
    let mut put = put_of(read);
    put.bucket = place.bucket.to_string();
    put.key = key.to_string();
    put.server_side_encryption = default_encryption(&bucket.config, features);
    put.acl = canned(acl.as_ref(), bucket.is_public(key.as_str())).filter(|_| features.acls);
    put.tagging = tagging_header(tags);
    place.store.s3.put_object(request(put)).await.map(drop)
}

fn put_of(read: GetObjectOutput) -> PutObjectInput {
    PutObjectInput {
        body: read.body,
        cache_control: read.cache_control,
        content_disposition: read.content_disposition,
        content_encoding: read.content_encoding,
        content_language: read.content_language,
        content_length: read.content_length,
        content_type: read.content_type,
        expires: read.expires,
        metadata: read.metadata,
        website_redirect_location: read.website_redirect_location,
        ..Default::default()
    }
}

/// What a place has under a key; nothing if it has none.
pub(crate) async fn head(place: &Place, key: &ObjectKey) -> S3Result<Option<HeadObjectOutput>> {
    head_version(place, key, None).await
}

/// What a place has as a version of a key.
pub(crate) async fn head_version(
    place: &Place,
    key: &ObjectKey,
    version: Option<&str>,
) -> S3Result<Option<HeadObjectOutput>> {
    let input = HeadObjectInput {
        bucket: place.bucket.to_string(),
        key: key.to_string(),
        version_id: version.map(str::to_owned),
        ..Default::default()
    };
    match place.store.s3.head_object(request(input)).await {
        Ok(found) => Ok(Some(found.output)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A HEAD has no body, so a missing key shows as a bare 404. A missing bucket is another matter, but looks the same there;
/// what is then written to it fails and says so.
fn is_missing(error: &S3Error) -> bool {
    let status = error.status_code().or_else(|| error.code().status_code());
    status == Some(http::StatusCode::NOT_FOUND)
}

fn is_equal(one: &HeadObjectOutput, other: &HeadObjectOutput) -> bool {
    let etag = |head: &HeadObjectOutput| head.e_tag.clone().map(ETag::into_value);
    one.content_length == other.content_length
        && etag(one) == etag(other)
        && one.content_type == other.content_type
        && one.content_encoding == other.content_encoding
        && one.content_disposition == other.content_disposition
        && one.content_language == other.content_language
        && one.cache_control == other.cache_control
        && one.expires == other.expires
        && one.metadata.clone().unwrap_or_default() == other.metadata.clone().unwrap_or_default()
}

/// The tags of an object, in the order of their names.
async fn tags(place: &Place, key: &ObjectKey) -> S3Result<Vec<Tag>> {
    let input = GetObjectTaggingInput {
        bucket: place.bucket.to_string(),
        key: key.to_string(),
        ..Default::default()
    };
    let mut tags = place.store.s3.get_object_tagging(request(input)).await?.output.tag_set;
    tags.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(tags)
}

async fn set_tags(place: &Place, key: &ObjectKey, tag_set: Vec<Tag>) -> S3Result<()> {
    let input = PutObjectTaggingInput {
        bucket: place.bucket.to_string(),
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
        key: key.to_string(),
        request_payer: None,
        tagging: Tagging { tag_set },
        version_id: None,
    };
    place.store.s3.put_object_tagging(request(input)).await.map(drop)
}
