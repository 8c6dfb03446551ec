//! `GetObject` and `HeadObject`.
//!
//! The primary answers. When it is out of order, a replica that the catalog knows to be current does; there being none, the
//! client hears 503 rather than something stale. Who may not list a bucket does not learn which keys are missing.

use relais_model::{ObjectKey, ReplicaState};
use relais_stores::{is_outage, refusal_header, request};
use s3s::dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::customer_key::check_customer_key;
use crate::access::session::Asker;
use crate::error::{GatewayError, cause};
use crate::gateway::{Gateway, key};
use crate::placement::{Bucket, Place};

/// Headers of the answer that the query asks for are s3s's affair; the store is not asked.
macro_rules! without_overrides {
    ($input:expr) => {
        $input.response_cache_control = None;
        $input.response_content_disposition = None;
        $input.response_content_encoding = None;
        $input.response_content_language = None;
        $input.response_content_type = None;
        $input.response_expires = None;
    };
}

/// One of the two reads: ask a place; on an outage ask the next that is current.
macro_rules! read {
    ($method:ident, $input:ident, $output:ident, $operation:ident) => {
        pub(super) async fn $method(&self, mut asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            let bucket = self.bucket(&asked.input.bucket)?;
            let key = key(&asked.input.key)?;
            check_customer_key!(asked.input)?;
            asked.input.expected_bucket_owner = None;
            without_overrides!(asked.input);
            let at = |place: &Place, version_id| $input {
                bucket: place.bucket.to_string(),
                version_id,
                ..asked.input.clone()
            };
            let primary = bucket.primary();
            let version = asked.input.version_id.clone();
            let error = match primary.store.s3.$operation(request(at(primary, version.clone()))).await {
                Ok(answer) => return Ok(S3Response::new(answer.output)),
                Err(error) if is_outage(&error) => error,
                Err(error) => {
                    return Err(self
                        .refused_read(&bucket, &key, Asker::of(&asked.extensions), named(error))
                        .await)
                }
            };
            let ids = self.version_ids(&bucket, &key, version.as_deref()).await?;
            for place in self.current_replicas(&bucket, &key, ids.is_asked(), &error).await? {
                let Some(version) = ids.at(&bucket, place) else { continue };
                match place.store.s3.$operation(request(at(place, version))).await {
                    Err(error) if is_outage(&error) => log_outage(place, &error),
                    answer => return answer.map(|answer| S3Response::new(answer.output)),
                }
            }
            Err(s3_error!(
                error,
                ServiceUnavailable,
                "the primary replica is out of order and no other is known to be current"
            ))
        }
    };
}

impl Gateway {
    read!(get, GetObjectInput, GetObjectOutput, get_object);
    read!(head, HeadObjectInput, HeadObjectOutput, head_object);

    /// The replicas beside the primary that have the key as it was last acknowledged; all of them for a version, which does
    /// not change.
    async fn current_replicas<'a>(
        &self,
        bucket: &'a Bucket,
        key: &ObjectKey,
        of_version: bool,
        outage: &S3Error,
    ) -> Result<Vec<&'a Place>, GatewayError> {
        log_outage(bucket.primary(), outage);
        if bucket.places.len() == 1 || of_version {
            return Ok(bucket.places[1..].iter().collect());
        }
        let Some(row) = self.objects.find(&bucket.name, key).await? else { return Ok(Vec::new()) };
        let current =
            |place: &&Place| row.replicas.get(&place.replica.to_string()) == Some(&ReplicaState::Current);
        Ok(bucket.places[1..].iter().filter(current).collect())
    }

    /// Whether a key is there is something that only who may list the bucket is told.
    async fn refused_read(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        asker: Option<Asker>,
        error: S3Error,
    ) -> S3Error {
        let missing = *error.code() == S3ErrorCode::NoSuchKey;
        let Some(asker) = asker.filter(|_| missing) else { return error };
        match self.may_list(&asker, bucket, key.as_str()).await {
            Ok(true) => error,
            Ok(false) => match super::bucket::head(bucket.primary()).await {
                Ok(()) => s3_error!(AccessDenied, "Access Denied"),
                Err(_) => s3_error!(NoSuchBucket, "there is no such bucket"),
            },
            Err(error) => error,
        }
    }
}

/// The answer to a HEAD has no body to name the error in: 404 is a missing key.
pub(super) fn named(error: S3Error) -> S3Error {
    let status = error.status_code().or_else(|| error.code().status_code());
    let unnamed = !matches!(
        error.code(),
        S3ErrorCode::NoSuchKey | S3ErrorCode::NoSuchBucket | S3ErrorCode::NoSuchVersion
    );
    if status == Some(http::StatusCode::NOT_MODIFIED) {
        return with_headers(error, &KEPT_NOT_MODIFIED);
    }
    if status != Some(http::StatusCode::NOT_FOUND) {
        return error;
    }
    if !unnamed {
        return with_headers(error, &KEPT_MISSING);
    }
    let mut named = with_headers(error, &KEPT_MISSING);
    named.set_code(S3ErrorCode::NoSuchKey);
    named.set_message("there is no object with this key");
    named
}

/// What an answer says beside an error: of the object that was not changed, and of the delete marker that hides one.
const KEPT_NOT_MODIFIED: [&str; 5] =
    ["etag", "last-modified", "cache-control", "expires", "x-amz-version-id"];
const KEPT_MISSING: [&str; 2] = ["x-amz-delete-marker", "x-amz-version-id"];

fn with_headers(mut error: S3Error, kept: &[&'static str]) -> S3Error {
    let mut headers = error.headers().cloned().unwrap_or_default();
    for name in kept.iter().copied() {
        let value = refusal_header(&error, name).and_then(|value| http::HeaderValue::from_str(value).ok());
        if let Some(value) = value {
            headers.insert(http::HeaderName::from_static(name), value);
        }
    }
    if !headers.is_empty() {
        error.set_headers(headers);
    }
    error
}

fn log_outage(place: &Place, error: &S3Error) {
    tracing::warn!(replica = %place.replica, code = error.code().as_str(), source = cause(error), "a replica does not answer");
}
