//! Why there is no slot, and how that looks to a client.

use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use relais_model::ByteSize;
use s3s::S3Error;

use super::layout::Unfilled;
use super::presign::PresignError;
use crate::api::problem;
use crate::error::cause;

/// Why there is no slot.
#[derive(Debug)]
pub(super) enum Refusal {
    Expired,
    NoSuchProfile,
    NoSuchUpload,
    Body(JsonRejection),
    /// Something that was asked is missing or wrong.
    Asked(String),
    Unfilled(Unfilled),
    TooLarge(ByteSize),
    /// The content type, and those that are taken.
    ContentType(String, Vec<String>),
    S3(S3Error),
    Presign(PresignError),
}

impl From<S3Error> for Refusal {
    fn from(error: S3Error) -> Self {
        Self::S3(error)
    }
}

impl From<PresignError> for Refusal {
    fn from(error: PresignError) -> Self {
        Self::Presign(error)
    }
}

impl From<Unfilled> for Refusal {
    fn from(error: Unfilled) -> Self {
        Self::Unfilled(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Expired => problem(StatusCode::UNAUTHORIZED, "the token has expired"),
            Self::NoSuchProfile => problem(
                StatusCode::NOT_FOUND,
                "there is no such profile; [[uploads]] of the configuration names them",
            ),
            Self::NoSuchUpload => problem(StatusCode::NOT_FOUND, "there is no such upload of yours"),
            Self::Body(error) => problem(error.status(), &error.body_text()),
            Self::Asked(what) => problem(StatusCode::BAD_REQUEST, &what),
            Self::Unfilled(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
            Self::TooLarge(limit) => {
                problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("size: the largest upload is {limit} bytes"))
            }
            Self::ContentType(found, taken) => {
                let detail = format!("content_type: {found:?} is not taken; these are: {}", taken.join(", "));
                problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, &detail)
            }
            Self::S3(error) => of_s3(&error),
            Self::Presign(error) => {
                tracing::error!(%error, "cannot sign an upload");
                problem(StatusCode::INTERNAL_SERVER_ERROR, "the upload could not be signed; the log says why")
            }
        }
    }
}

fn of_s3(error: &S3Error) -> Response {
    let status = error.status_code().or_else(|| error.code().status_code());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() {
        tracing::error!(code = error.code().as_str(), source = cause(error), "an upload cannot be begun");
    }
    problem(status, error.message().unwrap_or_else(|| error.code().as_str()))
}
