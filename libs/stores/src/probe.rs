//! Asks a store whether it does what relais needs of it: put, get, a range, a multipart upload, delete.
//!
//! Used by `relais check`. The first thing that fails ends the probe, since what follows would only repeat it; the object
//! that the probe wrote is removed in any case.

use std::fmt;

use bytes::Bytes;
use futures::TryStreamExt;
use relais_model::BucketName;
use s3s::dto::{
    AbortMultipartUploadInput, CreateMultipartUploadInput, DeleteObjectInput, GetObjectInput,
    HeadBucketInput, PutObjectInput, Range, StreamingBlob,
};
use s3s::{S3, S3Error, S3ErrorCode};

use crate::request::request;
use crate::store::Store;

/// Where the probe writes: beside what applications keep, never on it.
const PROBE_KEY: &str = "relais-check/probe";
const PROBE_BYTES: &[u8] = b"relais was here and cleans up after itself";

/// What the probe was doing when it failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Find the bucket.
    Bucket,
    /// Write an object.
    Put,
    /// Read it back.
    Get,
    /// Read a part of it.
    Range,
    /// Begin and abort a multipart upload.
    Multipart,
    /// Delete the object.
    Delete,
}

/// What is wrong with a store, in words.
#[derive(Debug, thiserror::Error)]
#[error("store {store}, bucket {bucket}: {step} failed: {reason}; {fix}")]
pub struct Failed {
    /// The store.
    pub store: String,
    /// The bucket there.
    pub bucket: String,
    /// What failed.
    pub step: Step,
    /// What the store said.
    pub reason: String,
    /// What to do.
    pub fix: &'static str,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bucket => "finding the bucket",
            Self::Put => "the upload",
            Self::Get => "the download",
            Self::Range => "reading a range",
            Self::Multipart => "a multipart upload",
            Self::Delete => "the deletion",
        })
    }
}

/// Probes one bucket of a store.
pub async fn run(store: &Store, bucket: &BucketName) -> Result<(), Failed> {
    let s3 = store.s3.as_ref();
    let outcome = steps(s3, bucket.as_str()).await;
    let deleted = delete(s3, bucket.as_str()).await;
    outcome.and_then(|()| deleted.map_err(|error| (Step::Delete, error))).map_err(|(step, error)| Failed {
        store: store.name.to_string(),
        bucket: bucket.to_string(),
        step,
        reason: reason(&error),
        fix: fix(step, &error),
    })
}

async fn steps(s3: &dyn S3, bucket: &str) -> Result<(), (Step, S3Error)> {
    let at = |step| move |error| (step, error);
    let input = HeadBucketInput { bucket: bucket.into(), ..Default::default() };
    s3.head_bucket(request(input)).await.map_err(at(Step::Bucket))?;
    let input = PutObjectInput {
        bucket: bucket.into(),
        key: PROBE_KEY.into(),
        content_length: i64::try_from(PROBE_BYTES.len()).ok(),
        body: Some(StreamingBlob::from_bytes(Bytes::from_static(PROBE_BYTES))),
        ..Default::default()
    };
    s3.put_object(request(input)).await.map_err(at(Step::Put))?;
    read(s3, bucket, None, PROBE_BYTES).await.map_err(at(Step::Get))?;
    let range = Range::Int { first: 7, last: Some(9) };
    read(s3, bucket, Some(range), &PROBE_BYTES[7..10]).await.map_err(at(Step::Range))?;
    multipart(s3, bucket).await.map_err(at(Step::Multipart))
}

async fn read(s3: &dyn S3, bucket: &str, range: Option<Range>, expected: &[u8]) -> Result<(), S3Error> {
    let input = GetObjectInput { bucket: bucket.into(), key: PROBE_KEY.into(), range, ..Default::default() };
    let body = s3.get_object(request(input)).await?.output.body;
    let body = body.ok_or_else(|| s3s::s3_error!(InternalError, "the answer had no body"))?;
    let chunks: Vec<Bytes> = body.try_collect().await.map_err(|error| {
        S3Error::with_message(S3ErrorCode::InternalError, format!("the answer broke off: {error}"))
    })?;
    if chunks.concat() == expected {
        Ok(())
    } else {
        Err(s3s::s3_error!(InternalError, "other bytes came back than were written"))
    }
}

async fn multipart(s3: &dyn S3, bucket: &str) -> Result<(), S3Error> {
    let input =
        CreateMultipartUploadInput { bucket: bucket.into(), key: PROBE_KEY.into(), ..Default::default() };
    let upload_id = s3.create_multipart_upload(request(input)).await?.output.upload_id;
    let upload_id = upload_id.ok_or_else(|| s3s::s3_error!(InternalError, "the upload has no id"))?;
    let input = AbortMultipartUploadInput {
        bucket: bucket.into(),
        key: PROBE_KEY.into(),
        upload_id,
        ..Default::default()
    };
    s3.abort_multipart_upload(request(input)).await.map(drop)
}

async fn delete(s3: &dyn S3, bucket: &str) -> Result<(), S3Error> {
    let input = DeleteObjectInput { bucket: bucket.into(), key: PROBE_KEY.into(), ..Default::default() };
    s3.delete_object(request(input)).await.map(drop)
}

fn reason(error: &S3Error) -> String {
    let mut reason = match error.message() {
        Some(message) => format!("{} ({message})", error.code().as_str()),
        None => error.code().as_str().to_owned(),
    };
    let mut source = error.source().map(|source| source as &dyn std::error::Error);
    while let Some(error) = source {
        reason.push_str(": ");
        reason.push_str(&error.to_string());
        source = error.source();
    }
    reason
}

fn fix(step: Step, error: &S3Error) -> &'static str {
    match (error.code().as_str(), error.status_code().map(|status| status.as_u16())) {
        ("InvalidAccessKeyId", _) => "check the access key: the store does not know it",
        ("SignatureDoesNotMatch", _) => "check the secret key: it does not belong to the access key",
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
        | (_, Some(301)) => "check the region: the bucket is in another one",
        ("NoSuchBucket", _) => "create the bucket or correct its name",
        (_, Some(404)) if step == Step::Bucket => "create the bucket or correct its name",
        ("AccessDenied", _) | (_, Some(403)) => {
            "the key may not do this: allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on the bucket"
        }
        ("RequestTimeTooSkewed", _) => "set the clock of this machine",
        ("NotImplemented", _) => "the store cannot do this; use another store or another profile",
        _ => "check the endpoint, the network and the credentials",
    }
}
