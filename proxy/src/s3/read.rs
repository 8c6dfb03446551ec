//! `GetObject` and `HeadObject`.
//!
//! The primary answers, or who may stand in for it (`failover`); a body that breaks off goes on from another (`resume`). Who may not list a bucket does not learn which keys are missing.

use relais_model::ObjectKey;
use relais_stores::{is_outage, refusal_header, request};
use s3s::dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::customer_key::check_customer_key;
use super::failover::{Answer, Read};
use super::resume::resumable;
use crate::access::session::Asker;
use crate::gateway::{Gateway, key};
use crate::placement::Bucket;

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

/// One of the two reads: for clients, and for what becomes part of a new object and so must not be stale.
macro_rules! read {
    ($method:ident, $current:ident, $asked_as:ident, $input:ident, $output:ident, $operation:ident, $finish:expr) => {
        pub(super) async fn $method(&self, asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            self.$asked_as(asked, true).await
        }

        /// The same, but an answer that may be stale is none.
        pub(super) async fn $current(&self, asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            self.$asked_as(asked, false).await
        }

        async fn $asked_as(
            &self,
            mut asked: S3Request<$input>,
            may_be_stale: bool,
        ) -> S3Result<S3Response<$output>> {
            let bucket = self.bucket(&asked.input.bucket)?;
            let key = key(&asked.input.key)?;
            check_customer_key!(asked.input)?;
            asked.input.expected_bucket_owner = None;
            without_overrides!(asked.input);
            let mut read = Read::object(&bucket, key.clone(), asked.input.version_id.clone());
            read.may_be_stale &= may_be_stale;
            let answer = self.ask(&read, |place, version_id| {
                let bucket = place.bucket.to_string();
                let input = $input { bucket, version_id, ..asked.input.clone() };
                place.store.s3.$operation(request(input))
            });
            match answer.await {
                Ok(mut answer) => {
                    $finish(self, &bucket, key, asked.input, &mut answer);
                    Ok(answer.into_response())
                }
                Err(error) if is_outage(&error) => Err(error),
                Err(error) => {
                    let asker = Asker::of(&asked.extensions);
                    Err(self.refused_read(&bucket, &key, asker, named(error)).await)
                }
            }
        }
    };
}

impl Gateway {
    read!(get, get_current, get_for, GetObjectInput, GetObjectOutput, get_object, |gateway,
                                                                                   bucket,
                                                                                   key,
                                                                                   asked,
                                                                                   answer: &mut Answer<
        GetObjectOutput,
    >| {
        resumable(gateway, bucket, key, answer.place, asked, &mut answer.output);
    });
    read!(head, head_current, head_for, HeadObjectInput, HeadObjectOutput, head_object, |_,
                                                                                         _,
                                                                                         _,
                                                                                         _,
                                                                                         _: &mut Answer<
        HeadObjectOutput,
    >| {});

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
                // Another replica said that the key is missing, and it has the bucket.
                Err(outage) if is_outage(&outage) => s3_error!(AccessDenied, "Access Denied"),
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
