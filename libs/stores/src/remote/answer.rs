//! Answers that get a name here: those without a body, and the one that is ours.
//!
//! S3 names an error in the body of its answer. An answer to HEAD has no body, and neither has 304; the SDK then knows
//! nothing but the status, and what comes out is an `InternalError`. So they get the body that S3 would have sent.

use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::{
    get_object::GetObjectError, get_object_attributes::GetObjectAttributesError,
    get_object_tagging::GetObjectTaggingError, head_object::HeadObjectError,
};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;
use aws_smithy_runtime_api::http::StatusCode;
use hyper::body::Body;
use s3s::S3Error;

/// A header of the answer with which a remote store refused to read an object, such as `x-amz-delete-marker`.
///
/// An [`S3Error`] of a remote store carries code, message and status alone; the rest of the answer is in its source. Errors of
/// other operations, and of other stores, have no headers to show.
pub fn refusal_header<'a>(error: &'a S3Error, name: &str) -> Option<&'a str> {
    macro_rules! answer_to {
        ($source:expr, $($operation:ty)+) => {
            None$(.or_else(|| $source.downcast_ref::<SdkError<$operation, HttpResponse>>()?.raw_response()))+
        };
    }
    let source = error.source()?;
    let answer: Option<&HttpResponse> = answer_to!(
        source, GetObjectError HeadObjectError GetObjectAttributesError GetObjectTaggingError
    );
    answer?.headers().get(name)
}

/// Puts the name of the error into an answer that has none.
pub(super) fn name(mut answer: HttpResponse) -> HttpResponse {
    if let Some(code) = code(answer.status().as_u16())
        && answer.body().is_end_stream()
    {
        let body = error_body(code, &format!("the store answered {} and said no more", answer.status()));
        // The SDK holds a body to the length that is announced.
        answer.headers_mut().insert("content-length", body.len().to_string());
        *answer.body_mut() = SdkBody::from(body);
    }
    answer
}

/// What S3 calls an error of that status; whether bucket or key is missing, 404 alone does not tell.
fn code(status: u16) -> Option<&'static str> {
    Some(match status {
        301 => "PermanentRedirect",
        304 => "NotModified",
        307 => "TemporaryRedirect",
        400 => "InvalidRequest",
        401 | 403 => "AccessDenied",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        409 => "OperationAborted",
        411 => "MissingContentLength",
        412 => "PreconditionFailed",
        416 => "InvalidRange",
        429 => "SlowDown",
        501 => "NotImplemented",
        503 => "ServiceUnavailable",
        _ => return None,
    })
}

/// Marks the answer that the store never gave.
#[derive(Clone, Debug)]
struct QueueFull;

/// The answer to a request that the budget has no room for.
pub(super) fn slow_down() -> HttpResponse {
    let status = StatusCode::try_from(503).expect("503 is a status code");
    let body = error_body("SlowDown", "more requests wait for this store than its budget allows");
    let mut answer = HttpResponse::new(status, SdkBody::from(body));
    answer.add_extension(QueueFull);
    answer
}

fn error_body(code: &str, message: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")
}

/// Keeps the SDK from trying again at once what has just waited in line for as long as it may.
#[derive(Debug)]
pub(super) struct FullQueueIsFinal;

impl ClassifyRetry for FullQueueIsFinal {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let ours = context.response().is_some_and(|answer| answer.extension::<QueueFull>().is_some());
        if ours { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "full queue"
    }

    /// The last word, after what the SDK makes of a 503.
    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
