//! How a failure of relais itself looks to a client: one table.
//!
//! What a store refuses is passed on as the store said it. The source of an error is logged, never sent.

use relais_catalog::CatalogError;
use relais_model::{ByteSize, InvalidName, Replica};
use s3s::stream::aws_chunked_stream::AwsChunkedStreamError;
use s3s::stream::upload_stream::UploadStreamError;
use s3s::{S3Error, S3ErrorCode};

use crate::access::acl::AclError;
use crate::access::issuers::TokenError;
use crate::access::policy::PolicyError;
use crate::kind::KindError;
use crate::notify::NotificationError;
use crate::observe::RequestId;

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
    #[error("the object is larger than the {limit} that are allowed here")]
    TooLarge { limit: ByteSize },
    #[error(transparent)]
    Kind(#[from] KindError),
    #[error("an upload into this bucket has a part 1: its first bytes are looked at")]
    FirstPartMissing,
    #[error("the metadata of the object is {found} bytes; {limit} are allowed")]
    MetadataTooLarge { found: usize, limit: usize },
    #[error("objects of the type {found:?} are not accepted in this bucket; it takes {accepted}")]
    ContentType { found: String, accepted: String },
    #[error("the body ended after {received} of {declared} bytes")]
    Incomplete { received: u64, declared: u64 },
    #[error("the body is longer than the {declared} bytes that were declared")]
    TooLong { declared: u64 },
    #[error("the {algorithm} of the body is not the one that was sent")]
    Digest { algorithm: &'static str },
    #[error("the checksum that x-amz-trailer announces did not come behind the body")]
    TrailerMissing,
    #[error("a request names one x-amz-checksum- header, not several")]
    TwoDigests,
    #[error("{algorithm} is not base64 of the right length")]
    DigestUnreadable { algorithm: &'static str },
    #[error("the body broke off, or is not what its signature says")]
    Body(#[source] s3s::StdError),
    #[error("others wrote the key before this write was recorded; write it again")]
    Overtaken,
    #[error("replica {replica} did not take the write")]
    ReplicaLost { replica: Replica },
    #[error("the policy is not usable: {0}")]
    Policy(#[source] PolicyError),
    #[error("the ACL is not usable: {0}")]
    Acl(#[source] AclError),
    #[error(transparent)]
    Notification(#[from] NotificationError),
    #[error("what the catalog keeps of a bucket cannot be read")]
    Kept(#[source] serde_json::Error),
    #[error("a store of this bucket cannot do this: {0}")]
    Unable(&'static str),
    #[error("the secret of the access key {0} does not open; SECRET_KEY is another than it was sealed with")]
    KeySealed(String),
    #[error("the upload id is not one of this server")]
    UploadId,
    #[error("too much waits in the journal for a bus or a store that is away; try again later")]
    JournalFull,
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
            Self::ContentType { .. } | Self::Kind(_) => S3ErrorCode::InvalidArgument,
            Self::FirstPartMissing => S3ErrorCode::InvalidPart,
            Self::MetadataTooLarge { .. } => S3ErrorCode::MetadataTooLarge,
            Self::Incomplete { .. } | Self::TooLong { .. } | Self::TrailerMissing => {
                S3ErrorCode::IncompleteBody
            }
            Self::Digest { .. } => S3ErrorCode::BadDigest,
            Self::DigestUnreadable { algorithm: "content-md5" } => S3ErrorCode::InvalidDigest,
            Self::DigestUnreadable { .. } | Self::TwoDigests => S3ErrorCode::InvalidRequest,
            Self::Body(error) => body_code(error),
            Self::Overtaken | Self::ReplicaLost { .. } | Self::Catalog(_) => S3ErrorCode::ServiceUnavailable,
            Self::JournalFull => S3ErrorCode::SlowDown,
            Self::Policy(error) => error.code(),
            Self::Acl(error) => error.code(),
            Self::Notification(error) => error.code(),
            Self::Unable(_) => S3ErrorCode::NotImplemented,
            Self::UploadId => S3ErrorCode::NoSuchUpload,
            Self::Task(_) | Self::Kept(_) | Self::KeySealed(_) => S3ErrorCode::InternalError,
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

/// A store that is out of order is, for a client, a service that is unavailable for now: worth another try. The request's
/// id is the one that the answer's header carries, not one of the store's.
pub(crate) fn as_clients_see(mut error: S3Error, id: Option<RequestId>) -> S3Error {
    let id = id.map(|id| id.to_string());
    if let Some(id) = id.clone().or_else(|| error.request_id().map(|_| String::new())) {
        error.set_request_id(id);
    }
    if relais_stores::is_unsendable(&error) {
        error.set_code(S3ErrorCode::InvalidArgument);
        error.set_message("a store of this bucket cannot be asked for this key; it must not be blank");
        error.set_status_code(http::StatusCode::BAD_REQUEST);
        return error;
    }
    let internal = *error.code() == S3ErrorCode::InternalError && relais_stores::is_outage(&error);
    if !internal || error.source().is_none_or(|source| source.is::<GatewayError>()) {
        return error;
    }
    let message = "a store that the request needs does not answer; try again later";
    tracing::warn!(source = cause(&error), "a store does not answer");
    let mut answer = S3Error::with_message(S3ErrorCode::ServiceUnavailable, message);
    if let Some(id) = id {
        answer.set_request_id(id);
    }
    answer.set_source(Box::new(error));
    answer
}

/// How a token that is not taken looks on the S3 port: the codes of "Error responses" in the Amazon S3 API reference.
pub(crate) fn token_refused(error: &TokenError) -> S3Error {
    let code = match error {
        TokenError::Expired => S3ErrorCode::ExpiredToken,
        TokenError::NotYet | TokenError::Invalid => S3ErrorCode::InvalidToken,
        TokenError::Unavailable => S3ErrorCode::ServiceUnavailable,
    };
    S3Error::with_message(code, error.to_string())
}

/// What lies behind an answer of a store, for the log.
pub(crate) fn cause(error: &S3Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}
