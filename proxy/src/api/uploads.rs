//! Upload slots: `POST /api/uploads/{profile}` answers with all that a page needs to send a file to the S3 port.
//!
//! The key comes from the profile's layout, which a client cannot leave. What is signed is signed by temporary credentials that were
//! made for this slot: they allow nothing but this key, carry the limits of size and type, and end with the slot. Whether
//! the caller may write the key at all is asked before, by the one decision that S3 requests are asked by. The file itself never
//! comes this way.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRef, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use chrono::SecondsFormat;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use relais_model::ByteSize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::routes::Routes;
use crate::access::context::Facts;
use crate::access::decide::Question;
use crate::access::session::{Asker, Session};
use crate::access::token::Token;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::placement::Bucket;
use form::Form;
use multipart::Resumed;
use presign::Request;
use profile::{InvalidUpload, Profile, Profiles, UploadConfig};
use refusal::Refusal;
use slot::{Asked, ContentType, Method, Slot};

mod credentials;
mod form;
pub(crate) mod layout;
mod multipart;
mod plan;
pub(super) mod presign;
pub(super) mod profile;
mod refusal;
mod slot;

/// Largest body of a request for a slot: a name, a type and a few values.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What upload slots are made with.
#[derive(Debug)]
pub struct Uploads {
    profiles: Profiles,
    gateway: Gateway,
    endpoint: String,
    form_bytes_max: ByteSize,
}

impl Uploads {
    /// Checks the `[[uploads]]` against the buckets.
    pub fn new(configs: &[UploadConfig], proxy: &Config, gateway: Gateway) -> Result<Self, InvalidUpload> {
        let profiles = Profiles::new(configs)?;
        for (name, profile) in profiles.iter() {
            if gateway.bucket(profile.bucket.as_str()).is_err() {
                let (name, bucket) = (name.to_owned(), profile.bucket.to_string());
                return Err(InvalidUpload::NoSuchBucket { name, bucket });
            }
        }
        Ok(Self { profiles, gateway, endpoint: proxy.address(), form_bytes_max: proxy.form_bytes_max })
    }
}

impl FromRef<Arc<Uploads>> for Gateway {
    fn from_ref(uploads: &Arc<Uploads>) -> Self {
        uploads.gateway.clone()
    }
}

/// `POST /api/uploads/{profile}`, and `GET /api/uploads/{profile}/{upload_id}` for who comes back to a large upload.
pub fn uploads(uploads: Uploads) -> Router {
    routes().router().layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(Arc::new(uploads))
}

pub(super) fn routes() -> Routes<Arc<Uploads>> {
    Routes::new().post("/api/uploads/{profile}", begin).get("/api/uploads/{profile}/{upload_id}", resume)
}

/// Who asks, for what, with what is known of both.
struct Asking<'a> {
    uploads: &'a Uploads,
    profile: &'a Profile,
    bucket: Arc<Bucket>,
    session: &'a Session,
    token: &'a Token,
    asker: Asker,
}

async fn begin(
    State(uploads): State<Arc<Uploads>>,
    Path(profile): Path<String>,
    caller: Caller,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response, Refusal> {
    let asking = Asking::new(&uploads, &profile, &caller)?;
    let asked = asked.map_err(Refusal::Body)?.0;
    let slot = Slot::new(&asking, &asked)?;
    asking.authorise(slot.key.as_str()).await?;
    let particulars = match asked.method {
        Method::Put => asking.put(&slot)?,
        Method::Post => asking.form(&slot)?,
        Method::Multipart => asking.begin_multipart(&slot).await?,
    };
    let answer = asking.answer(&slot, particulars);
    Ok((StatusCode::CREATED, unkept(answer)).into_response())
}

async fn resume(
    State(uploads): State<Arc<Uploads>>,
    Path((profile, upload_id)): Path<(String, String)>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let asking = Asking::new(&uploads, &profile, &caller)?;
    let asked: Resumed = serde_urlencoded::from_str(query.as_deref().unwrap_or_default())
        .map_err(|error| Refusal::Asked(format!("query: {error}")))?;
    let (slot, size) = asking.resumed(&asked.key, &upload_id)?;
    asking.authorise(slot.key.as_str()).await?;
    let plan = asking.resume_multipart(&slot, size, upload_id).await?;
    Ok(unkept(asking.answer(&slot, plan)).into_response())
}

/// An answer with signatures in it, which no cache may keep.
fn unkept(answer: Value) -> impl IntoResponse {
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer))
}

impl<'a> Asking<'a> {
    fn new(uploads: &'a Uploads, profile: &str, caller: &'a Caller) -> Result<Self, Refusal> {
        let profile = uploads.profiles.find(profile).ok_or(Refusal::NoSuchProfile)?;
        let bucket =
            uploads.gateway.bucket(profile.bucket.as_str()).map_err(|error| Refusal::S3(error.into()))?;
        // A token that is in its leeway can sign nothing any more.
        let token = caller.token().filter(|token| token.expires_at > slot::now()).ok_or(Refusal::Expired)?;
        let session = &caller.0;
        let asker = Asker::new(token.identity(), Some(Arc::new(session.clone())));
        Ok(Self { uploads, profile, bucket, session, token, asker })
    }

    /// Whether the caller may write the key is asked as if the file came already.
    async fn authorise(&self, key: &str) -> Result<(), Refusal> {
        let (headers, uri) = (HeaderMap::new(), Uri::from_static("/"));
        let question = Question {
            asker: &self.asker,
            operation: "PutObject",
            bucket: &self.bucket,
            key: Some(key),
            version: None,
            facts: Facts::new(&headers, &uri, None, &self.asker),
        };
        Ok(self.uploads.gateway.authorise(&question).await?)
    }

    fn put(&self, slot: &Slot) -> Result<Value, Refusal> {
        let length = slot.size.map(|size| size.to_string());
        let mut headers = Vec::new();
        if let ContentType::Exactly(content_type) = &slot.content_type {
            headers.push(("content-type", content_type.as_str()));
        }
        headers.extend(length.as_deref().map(|length| ("content-length", length)));
        let (bucket, key) = (self.bucket.name.as_str(), slot.key.as_str());
        let request = Request { method: "PUT", bucket, key, query: &[], headers: &headers };
        let url = self.presigner(slot, credentials::PUT).url(&request)?;
        let headers: serde_json::Map<_, _> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        Ok(json!({ "method": "PUT", "url": url, "headers": headers }))
    }

    fn form(&self, slot: &Slot) -> Result<Value, Refusal> {
        let presigner = self.presigner(slot, credentials::PUT);
        let form = Form {
            bucket: self.bucket.name.as_str(),
            key: slot.key.as_str(),
            content_type: &slot.content_type,
            bytes: slot.size.map_or(0..=slot.bytes_max.0, |size| size..=size),
            expires_at: slot.expires_at,
        };
        let fields = form::fields(&form, &presigner);
        Ok(json!({ "method": "POST", "url": presigner.bucket_url(form.bucket)?, "fields": fields }))
    }

    /// What every slot says, with what this kind of slot says beside it.
    fn answer(&self, slot: &Slot, mut particulars: Value) -> Value {
        let key = slot.key.as_str();
        let public_url =
            self.bucket.is_public(key).then(|| self.uploads.gateway.public_url(&self.bucket, &slot.key));
        particulars["bucket"] = json!(self.bucket.name);
        particulars["key"] = json!(key);
        particulars["public_url"] = json!(public_url.flatten());
        particulars["expires_at"] = json!(slot.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true));
        particulars["object_bytes_max"] = json!(slot.bytes_max.0);
        particulars["content_types"] = json!(self.profile.content_types);
        particulars
    }
}
