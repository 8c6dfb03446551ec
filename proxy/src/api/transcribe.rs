//! The transcription API: a recording comes as a form, is stored like any object, and its job is asked after.
//!
//! Nothing here decodes or recognises: the stored object raises an event, the transcription sidecar does its work, and the
//! transcript is read from where it put it. So jobs survive a restart as objects and rows do.

use std::sync::Arc;

use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::TryStreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use relais_catalog::{JobState, Jobs};
use relais_model::{BucketName, ByteSize, Identity, InvalidName, ObjectKey, Secret};
use relais_stores::request;
use s3s::dto::{GetObjectInput, ListObjectsV2Input, PutObjectInput, StreamingBlob};
use s3s::{S3, S3Error, S3Request};
use serde_json::{Value, json};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;
use tower_http::cors::CorsLayer;
use uuid::Uuid;

use super::{Config, problem};
use crate::gateway::Gateway;

/// The kind of the sidecar's jobs.
const JOB_KIND: &str = "transcription";

/// Where the sidecar puts the transcript of a recording.
const TRANSCRIPT: &str = ".transcript.json";

/// What a form needs beside its file: boundaries and headers.
const FORM_OVERHEAD_BYTES: u64 = 64 * 1024;

/// Largest transcript that is read back: hours of speech.
const TRANSCRIPT_BYTES_MAX: usize = 16 << 20;

/// What the transcription API works with.
#[derive(Clone, Debug)]
pub struct Transcribe {
    gateway: Gateway,
    jobs: Jobs,
    bucket: BucketName,
    bytes_max: ByteSize,
    key: Option<Secret>,
    require_auth: bool,
    origins: Vec<HeaderValue>,
}

/// A section `[api]` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidApi {
    /// Not a bucket.
    #[error("api.transcription_bucket: {0}")]
    Bucket(#[from] InvalidName),
    /// Not an origin.
    #[error("api.allowed_origins: {0:?} is not an origin")]
    Origin(String),
}

enum Refusal {
    Form(MultipartError),
    NoFile,
    TooLarge(ByteSize),
    Disk(std::io::Error),
    Gateway(S3Error),
    Catalog(relais_catalog::CatalogError),
    NotFound,
}

impl Transcribe {
    /// Checks the section `[api]`.
    pub fn new(config: &Config, gateway: Gateway, jobs: Jobs) -> Result<Self, InvalidApi> {
        let origin = |origin: &String| origin.parse().map_err(|_| InvalidApi::Origin(origin.clone()));
        Ok(Self {
            gateway,
            jobs,
            bucket: config.transcription_bucket.parse()?,
            bytes_max: config.transcription_bytes_max,
            key: config.transcription_key.clone(),
            require_auth: config.require_auth,
            origins: config.allowed_origins.iter().map(origin).collect::<Result<_, _>>()?,
        })
    }

    /// The bucket where recordings are kept.
    pub fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    fn request<T>(&self, input: T) -> S3Request<T> {
        let mut request = request(input);
        request.extensions.insert(Identity::Service("api".to_owned()));
        request
    }

    /// Whether the request carries the token. The time it takes tells nothing of where the two differ.
    fn admits(&self, request: &Request) -> bool {
        let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let sent = sent.and_then(|value| value.strip_prefix("Bearer "));
        match (&self.key, sent) {
            _ if !self.require_auth => true,
            (Some(key), Some(sent)) => {
                aws_lc_rs::constant_time::verify_slices_are_equal(key.expose().as_bytes(), sent.as_bytes())
                    .is_ok()
            }
            _ => false,
        }
    }
}

/// `POST /transcribe` and `GET /transcribe/{job_id}`.
pub fn transcription(transcribe: Transcribe) -> Router {
    let body_bytes_max = usize::try_from(transcribe.bytes_max.0 + FORM_OVERHEAD_BYTES).unwrap_or(usize::MAX);
    let cors = CorsLayer::new()
        .allow_origin(transcribe.origins.clone())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE]);
    let state = Arc::new(transcribe);
    Router::new()
        .route("/transcribe", post(submit).layer(DefaultBodyLimit::max(body_bytes_max)))
        .route("/transcribe/{job_id}", get(status))
        .layer(from_fn_with_state(Arc::clone(&state), authenticate))
        .layer(cors) // Above authentication: a preflight request carries no token.
        .with_state(state)
}

async fn authenticate(State(transcribe): State<Arc<Transcribe>>, request: Request, next: Next) -> Response {
    if transcribe.admits(&request) {
        return next.run(request).await;
    }
    let mut response = problem(StatusCode::UNAUTHORIZED, "send the API key as `Authorization: Bearer …`");
    response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

async fn submit(
    State(transcribe): State<Arc<Transcribe>>,
    mut form: Multipart,
) -> Result<Json<Value>, Refusal> {
    while let Some(field) = form.next_field().await.map_err(Refusal::Form)? {
        if field.name() == Some("file") {
            let job_id = Uuid::now_v7();
            store(&transcribe, job_id, field).await?;
            return Ok(Json(json!({ "job_id": job_id, "status": "queued" })));
        }
    }
    Err(Refusal::NoFile)
}

/// Spools the field to a file, since an object needs its length beforehand, and stores it.
async fn store(transcribe: &Transcribe, job_id: Uuid, mut field: Field<'_>) -> Result<(), Refusal> {
    let name = file_name(field.file_name());
    let content_type = field.content_type().map(str::to_owned);
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(Refusal::Disk)?);
    let mut length = 0;
    while let Some(chunk) = field.chunk().await.map_err(Refusal::Form)? {
        length += chunk.len() as u64;
        if length > transcribe.bytes_max.0 {
            return Err(Refusal::TooLarge(transcribe.bytes_max));
        }
        file.write_all(&chunk).await.map_err(Refusal::Disk)?;
    }
    file.rewind().await.map_err(Refusal::Disk)?;
    let input = PutObjectInput {
        body: Some(StreamingBlob::wrap(ReaderStream::new(file))),
        bucket: transcribe.bucket.to_string(),
        content_length: i64::try_from(length).ok(),
        content_type,
        key: format!("{job_id}/{name}"),
        ..Default::default()
    };
    transcribe.gateway.put_object(transcribe.request(input)).await.map_err(Refusal::Gateway)?;
    Ok(())
}

async fn status(
    State(transcribe): State<Arc<Transcribe>>,
    Path(job_id): Path<Uuid>,
) -> Result<Json<Value>, Refusal> {
    let key = recording(&transcribe, job_id).await?.ok_or(Refusal::NotFound)?;
    let job = transcribe.jobs.latest(JOB_KIND, &transcribe.bucket, &key).await.map_err(Refusal::Catalog)?;
    let answer = match job.as_ref().map(|job| job.state) {
        None | Some(JobState::Queued) => json!({ "job_id": job_id, "status": "queued" }),
        Some(JobState::Running) => json!({ "job_id": job_id, "status": "processing" }),
        Some(JobState::Dead) => {
            json!({ "job_id": job_id, "status": "error", "error": job.and_then(|job| job.error) })
        }
        Some(JobState::Done) => {
            let transcript = transcript(&transcribe, &key).await?;
            json!({
                "job_id": job_id,
                "status": "done",
                "text": transcript["text"],
                "segments": transcript["segments"],
                "language": transcript["language"],
                "duration": transcript["duration"],
            })
        }
    };
    Ok(Json(answer))
}

/// The key of the recording of a job: what lies in its folder and was not made from it.
async fn recording(transcribe: &Transcribe, job_id: Uuid) -> Result<Option<ObjectKey>, Refusal> {
    let input = ListObjectsV2Input {
        bucket: transcribe.bucket.to_string(),
        prefix: Some(format!("{job_id}/")),
        max_keys: Some(10),
        ..Default::default()
    };
    let listed =
        transcribe.gateway.list_objects_v2(transcribe.request(input)).await.map_err(Refusal::Gateway)?;
    let keys = listed.output.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
    let mut recordings = keys.filter(|key| !key.ends_with(TRANSCRIPT) && !key.ends_with(".vtt"));
    Ok(recordings.find_map(|key| key.parse().ok()))
}

async fn transcript(transcribe: &Transcribe, recording: &ObjectKey) -> Result<Value, Refusal> {
    let key = recording.with_suffix(TRANSCRIPT).map_err(|_| Refusal::NotFound)?;
    let input =
        GetObjectInput { bucket: transcribe.bucket.to_string(), key: key.to_string(), ..Default::default() };
    let found = transcribe.gateway.get_object(transcribe.request(input)).await.map_err(Refusal::Gateway)?;
    let mut bytes = Vec::new();
    let mut body = found.output.body.ok_or(Refusal::NotFound)?;
    let broken = |error| Refusal::Gateway(S3Error::with_source(s3s::S3ErrorCode::InternalError, error));
    while let Some(chunk) = body.try_next().await.map_err(broken)? {
        if bytes.len() + chunk.len() > TRANSCRIPT_BYTES_MAX {
            return Err(Refusal::NotFound);
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).map_err(|_| Refusal::NotFound)
}

/// The client's name for the file, as far as it is a name: letters, digits, dots, hyphens and underscores.
fn file_name(given: Option<&str>) -> String {
    let last = given.unwrap_or("").rsplit(['/', '\\']).next().unwrap_or("");
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let name: String = last.chars().map(keep).collect();
    let name = name.trim_start_matches('.');
    let start = name.len().saturating_sub(80); // The end holds the extension.
    if name.is_empty() { "recording".to_owned() } else { name[start..].to_owned() }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Form(error) => problem(error.status(), &error.body_text()),
            Self::NoFile => problem(StatusCode::BAD_REQUEST, "the form has no field \"file\""),
            Self::TooLarge(limit) => {
                problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("the recording is larger than {limit}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_of_a_client_is_only_a_name() {
        for (given, kept) in [
            (Some("note.ogg"), "note.ogg"),
            (Some("../../etc/passwd"), "passwd"),
            (Some("C:\\Users\\me\\über laut.wav"), "_ber_laut.wav"),
            (Some("..."), "recording"),
            (None, "recording"),
        ] {
            assert_eq!(file_name(given), kept);
        }
        assert!(file_name(Some(&format!("{}.ogg", "x".repeat(300)))).ends_with("x.ogg"));
    }
}
