//! How a failure of relais itself looks to a client: one table.
//!
//! What a store refuses is passed on as the store said it. The source of an error is logged, never sent.

use relais_catalog::CatalogError;
use relais_model::{ByteSize, InvalidName, Replica};
use s3s::stream::aws_chunked_stream::AwsChunkedStreamError;
use s3s::stream::upload_stream::UploadStreamError;
use s3s::{S3Error, S3ErrorCode};

/// Why the gateway cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error("bucket {0} is not configured")]
    NoSuchBucket(String),
    #[error("the key is not usable")]
    Key(#[source] InvalidName),
    #[error("the bucket's name is not usable")]
    BucketName(#[source] InvalidName),
    #[error("the request says nothing of the length of its body")]
    LengthMissing,
    #[error("the object is larger than the {limit} that this bucket allows")]
    TooLarge { limit: ByteSize },
    #[error("objects of the type {found:?} are not accepted in this bucket; it takes {accepted}")]
    ContentType { found: String, accepted: String },
    #[error("the body ended after {received} of {declared} bytes")]
    Incomplete { received: u64, declared: u64 },
    #[error("the body is longer than the {declared} bytes that were declared")]
    TooLong { declared: u64 },
    #[error("the {algorithm} of the body is not the one that was sent")]
    Digest { algorithm: &'static str },
    #[error("{algorithm} is not base64 of the right length")]
    DigestUnreadable { algorithm: &'static str },
    #[error("the body broke off, or is not what its signature says")]
    Body(#[source] s3s::StdError),
    #[error("replica {replica} did not take the write")]
    ReplicaLost { replica: Replica },
    #[error("the upload id is not one of this server")]
    UploadId,
    #[error("the catalog does not work")]
    Catalog(#[from] CatalogError),
    #[error("a task of the gateway ended early")]
    Task(#[from] tokio::task::JoinError),
}

impl GatewayError {
    fn code(&self) -> S3ErrorCode {
        match self {
            Self::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
            Self::Key(_) => S3ErrorCode::KeyTooLongError,
            Self::BucketName(_) => S3ErrorCode::InvalidBucketName,
            Self::LengthMissing => S3ErrorCode::MissingContentLength,
            Self::TooLarge { .. } => S3ErrorCode::EntityTooLarge,
            Self::ContentType { .. } => S3ErrorCode::InvalidArgument,
            Self::Incomplete { .. } | Self::TooLong { .. } => S3ErrorCode::IncompleteBody,
            Self::Digest { .. } => S3ErrorCode::BadDigest,
            Self::DigestUnreadable { .. } => S3ErrorCode::InvalidDigest,
            Self::Body(error) => body_code(error),
            Self::ReplicaLost { .. } | Self::Catalog(_) => S3ErrorCode::ServiceUnavailable,
            Self::UploadId => S3ErrorCode::NoSuchUpload,
            Self::Task(_) => S3ErrorCode::InternalError,
        }
    }
}

/// What s3s found wrong while the body was read: a wrong signature of a chunk, a wrong hash of the whole.
fn body_code(error: &s3s::StdError) -> S3ErrorCode {
    if let Some(error) = error.downcast_ref::<UploadStreamError>() {
        match error {
            UploadStreamError::Underlying(_) => S3ErrorCode::IncompleteBody,
            _ => error.to_s3_error_code(),
        }
    } else if let Some(error) = error.downcast_ref::<AwsChunkedStreamError>() {
        match error {
            AwsChunkedStreamError::Underlying(_) => S3ErrorCode::IncompleteBody,
            _ => error.to_s3_error_code(),
        }
    } else if error.is::<s3s::BodySizeLimitExceeded>() {
        S3ErrorCode::EntityTooLarge
    } else {
        S3ErrorCode::IncompleteBody
    }
}

impl From<GatewayError> for S3Error {
    fn from(error: GatewayError) -> Self {
        if error.code().status_code().is_some_and(|status| status.is_server_error()) {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, source, "relais cannot do what was asked");
        }
        let mut answer = Self::with_message(error.code(), error.to_string());
        answer.set_source(Box::new(error));
        answer
    }
}

/// A store that is out of order is, for a client, a service that is unavailable for now: worth another try.
pub(crate) fn as_clients_see(error: S3Error) -> S3Error {
    let internal = *error.code() == S3ErrorCode::InternalError && relais_stores::is_outage(&error);
    if !internal || error.source().is_none_or(|source| source.is::<GatewayError>()) {
        return error;
    }
    let message = "a store that the request needs does not answer; try again later";
    let mut answer = S3Error::with_message(S3ErrorCode::ServiceUnavailable, message);
    answer.set_source(Box::new(error));
    answer
}

/// What lies behind an answer of a store, for the log.
pub(crate) fn cause(error: &S3Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}
