//! Why a recording is not taken or a job not told, and what the client hears.

use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use relais_catalog::CatalogError;
use relais_model::ByteSize;
use s3s::S3Error;

use crate::api::problem;

pub(super) enum Refusal {
    NoForm(MultipartRejection),
    Form(MultipartError),
    NoFile,
    TooLarge(ByteSize),
    NoCredits,
    Disk(std::io::Error),
    Gateway(S3Error),
    Catalog(CatalogError),
    NotFound,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NoForm(error) => problem(error.status(), &error.body_text()),
            // A body that broke off or stood still is no failure of relais, though axum has it so.
            Self::Form(error) if error.status().is_server_error() => {
                problem(StatusCode::BAD_REQUEST, "the body could not be read to its end")
            }
            Self::Form(error) => problem(error.status(), &error.body_text()),
            Self::NoFile => problem(StatusCode::BAD_REQUEST, "the form has no field \"file\""),
            Self::TooLarge(limit) => {
                problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("the recording is larger than {limit}"))
            }
            Self::NoCredits => {
                problem(StatusCode::PAYMENT_REQUIRED, "no credits left: each transcription costs one")
            }
            Self::NotFound => problem(StatusCode::NOT_FOUND, "there is no such job"),
            Self::Gateway(error) => {
                let status = error.status_code().or_else(|| error.code().status_code());
                let detail = error.message().unwrap_or_else(|| error.code().as_str());
                problem(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), detail)
            }
            Self::Disk(error) => {
                tracing::error!(%error, "cannot spool a recording");
                problem(StatusCode::INTERNAL_SERVER_ERROR, "the recording could not be kept")
            }
            Self::Catalog(error) => {
                tracing::error!(%error, "cannot read a job");
                problem(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
            }
        }
    }
}
