//! The transcription API: a recording comes as a form, is stored like any object, and its job is asked after.
//!
//! Nothing here decodes or recognises: the stored object raises an event, the transcription sidecar does its work, and the
//! transcript is read from where it put it. So jobs survive a restart as objects and rows do. A recording belongs to who sent it
//! (`client`), as every object does; that owner is whom the job is shown to.

use std::sync::Arc;

use axum::extract::multipart::{Field, Multipart, MultipartRejection};
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::middleware::from_fn_with_state;
use axum::{Extension, Json, Router};
use futures::TryStreamExt;
use relais_catalog::{JobState, Jobs, Users};
use relais_model::{BucketName, ByteSize, Identity, ObjectKey, Secret};
use relais_stores::request;
use s3s::dto::{GetObjectInput, ListObjectsV2Input, PutObjectInput, StreamingBlob};
use s3s::{S3, S3Error, S3Request};
use serde_json::{Value, json};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::routes::Routes;
use super::{Config, InvalidApi};
use crate::gateway::Gateway;
use client::{Client, Credit};
use refusal::Refusal;

mod client;
mod refusal;

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
    users: Users,
    bucket: BucketName,
    bytes_max: ByteSize,
    key: Option<Secret>,
    require_auth: bool,
}

impl Transcribe {
    /// Checks the section `[api]`.
    pub fn new(config: &Config, gateway: Gateway, jobs: Jobs, users: Users) -> Result<Self, InvalidApi> {
        Ok(Self {
            gateway,
            jobs,
            users,
            bucket: config.transcription_bucket.parse()?,
            bytes_max: config.transcription_bytes_max,
            key: config.transcription_key.clone(),
            require_auth: config.require_auth,
        })
    }

    /// The bucket where recordings are kept.
    pub fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    /// A request of the API itself, which looks everywhere and checks afterwards whose it is.
    fn request<T>(&self, input: T) -> S3Request<T> {
        request_of(Client::Service.identity(), input)
    }

    /// Stores a recording for who sent it, and takes a credit for it.
    async fn keep(&self, client: &Client, input: PutObjectInput) -> Result<(), Refusal> {
        let credit = Credit::spend(&self.users, client).await?;
        match self.gateway.put_object(request_of(client.identity(), input)).await {
            Ok(_) => Ok(()),
            Err(error) => {
                credit.give_back().await;
                Err(Refusal::Gateway(error))
            }
        }
    }
}

fn request_of<T>(identity: Identity, input: T) -> S3Request<T> {
    let mut request = request(input);
    request.extensions.insert(identity);
    request
}

/// `POST /transcribe` and `GET /transcribe/{job_id}`.
pub fn transcription(transcribe: Transcribe) -> Router {
    let body_bytes_max = usize::try_from(transcribe.bytes_max.0 + FORM_OVERHEAD_BYTES).unwrap_or(usize::MAX);
    let state = Arc::new(transcribe);
    routes()
        .router()
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(from_fn_with_state(Arc::clone(&state), client::authenticate))
        .with_state(state)
}

pub(super) fn routes() -> Routes<Arc<Transcribe>> {
    Routes::new().post("/transcribe", submit).get("/transcribe/{job_id}", status)
}

async fn submit(
    State(transcribe): State<Arc<Transcribe>>,
    Extension(client): Extension<Client>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Value>, Refusal> {
    let mut form = form.map_err(Refusal::NoForm)?;
    while let Some(field) = form.next_field().await.map_err(Refusal::Form)? {
        if field.name() == Some("file") {
            let job_id = Uuid::now_v7();
            store(&transcribe, client, job_id, field).await?;
            return Ok(Json(json!({ "job_id": job_id, "status": "queued" })));
        }
    }
    Err(Refusal::NoFile)
}

/// Spools the field to a file, since an object needs its length beforehand, and stores it.
async fn store(
    transcribe: &Arc<Transcribe>,
    client: Client,
    job_id: Uuid,
    mut field: Field<'_>,
) -> Result<(), Refusal> {
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
    // To its end, so that nobody who leaves loses a credit for a recording that is not there.
    let kept = {
        let transcribe = Arc::clone(transcribe);
        async move { Ok(transcribe.keep(&client, input).await) }
    };
    transcribe.gateway.to_its_end(kept).await.map_err(Refusal::Gateway)?
}

async fn status(
    State(transcribe): State<Arc<Transcribe>>,
    Extension(client): Extension<Client>,
    job_id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    let Path(job_id) = job_id.map_err(|_| Refusal::NotFound)?;
    let key = recording(&transcribe, job_id).await?.ok_or(Refusal::NotFound)?;
    let row = transcribe.gateway.objects.find(&transcribe.bucket, &key).await.map_err(Refusal::Catalog)?;
    let owner = row.and_then(|row| row.object).map(|object| object.owner);
    if !client.may_see(owner.as_deref()) {
        return Err(Refusal::NotFound); // As if it were not there: ids of others' jobs are nobody's affair.
    }
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
