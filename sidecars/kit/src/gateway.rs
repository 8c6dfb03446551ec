//! The kit's side of the S3 gateway: reads sources, writes derived objects.
//!
//! The gateway may be the proxy in this process or a store that points to one elsewhere; either way the requests say
//! who asks. Derived objects carry where they come from in their metadata, which is what keeps them from being
//! sources themselves.

use std::sync::Arc;

use http::{Extensions, HeaderMap, Method, StatusCode, Uri};
use relais_catalog::Job;
use relais_model::{Identity, ObjectKey};
use s3s::dto::{
    ETag, GetObjectInput, HeadObjectInput, HeadObjectOutput, Metadata, PutObjectInput, StreamingBlob,
};
use s3s::{S3, S3Error, S3Request};

use crate::failure::Failure;
use crate::sidecar::Output;

/// Metadata of a derived object: the key of its source, percent-encoded.
pub const DERIVED_FROM: &str = "relais-derived-from";

/// Metadata of a derived object: the entity tag that its source had.
pub const SOURCE_ETAG: &str = "relais-source-etag";

/// Metadata of a derived object: how it was made.
pub const RECIPE: &str = "relais-recipe";

/// The gateway, as one sidecar uses it.
#[derive(Clone)]
pub(crate) struct Gateway {
    s3: Arc<dyn S3>,
    identity: Identity,
}

/// A source on its way to the worker.
#[derive(Debug)]
pub(crate) struct SourceObject {
    pub(crate) length: u64,
    pub(crate) body: StreamingBlob,
}

impl Gateway {
    pub(crate) fn new(s3: Arc<dyn S3>, kind: &str) -> Self {
        Self { s3, identity: Identity::Service(kind.to_owned()) }
    }

    /// Opens the source of a job, if it is still the one that the job was made for and not too large.
    pub(crate) async fn open(&self, job: &Job, bytes_max: u64) -> Result<SourceObject, Failure> {
        let input =
            GetObjectInput { bucket: job.bucket.to_string(), key: job.key.to_string(), ..Default::default() };
        let found = self.s3.get_object(self.request(Method::GET, input)).await;
        let found = found.map_err(|error| reading_failed(&error))?.output;
        must_be_source(job, found.e_tag.as_ref())?;
        let length = found.content_length.and_then(|length| u64::try_from(length).ok());
        let (Some(length), Some(body)) = (length, found.body) else {
            return Err(Failure::Temporary("the gateway gave no length or no body".to_owned()));
        };
        if length > bytes_max {
            return Err(Failure::Unusable(format!("{length} bytes are more than the {bytes_max} allowed")));
        }
        Ok(SourceObject { length, body })
    }

    /// Writes a derived object, if its source is still the one that the job was made for.
    ///
    /// What a client has written under that key is not overwritten.
    pub(crate) async fn write(&self, job: &Job, recipe: &str, output: Output) -> Result<ObjectKey, Failure> {
        let key =
            job.key.with_suffix(&output.suffix).map_err(|error| Failure::Unusable(error.to_string()))?;
        let there = self.head(job, &key).await?;
        if there.is_some_and(|there| !is_derived(&there)) {
            return Err(Failure::Unusable(format!("{key} is there already and was not derived")));
        }
        let source = self.head(job, &job.key).await?.ok_or(Failure::Superseded)?;
        must_be_source(job, source.e_tag.as_ref())?;

        let input = PutObjectInput {
            bucket: job.bucket.to_string(),
            key: key.to_string(),
            content_length: i64::try_from(output.bytes.len()).ok(),
            content_type: Some(output.content_type),
            metadata: Some(metadata(job, recipe)),
            body: Some(StreamingBlob::from(bytes::Bytes::from(output.bytes))),
            ..Default::default()
        };
        let written = self.s3.put_object(self.request(Method::PUT, input)).await;
        written.map_err(|error| Failure::Temporary(format!("cannot write {key}: {error}")))?;
        Ok(key)
    }

    async fn head(&self, job: &Job, key: &ObjectKey) -> Result<Option<HeadObjectOutput>, Failure> {
        let input =
            HeadObjectInput { bucket: job.bucket.to_string(), key: key.to_string(), ..Default::default() };
        match self.s3.head_object(self.request(Method::HEAD, input)).await {
            Ok(found) => Ok(Some(found.output)),
            Err(error) if error.status_code() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(reading_failed(&error)),
        }
    }

    /// A request as s3s would have made it of one that came over HTTP.
    fn request<T>(&self, method: Method, input: T) -> S3Request<T> {
        let mut extensions = Extensions::new();
        extensions.insert(self.identity.clone());
        S3Request {
            input,
            method,
            uri: Uri::default(),
            headers: HeaderMap::new(),
            extensions,
            credentials: None,
            region: None,
            service: None,
            trailing_headers: None,
        }
    }
}

fn metadata(job: &Job, recipe: &str) -> Metadata {
    Metadata::from_iter([
        (DERIVED_FROM.to_owned(), percent_encoded(job.key.as_str())),
        (SOURCE_ETAG.to_owned(), job.etag.clone()),
        (RECIPE.to_owned(), recipe.to_owned()),
    ])
}

fn is_derived(object: &HeadObjectOutput) -> bool {
    object.metadata.as_ref().is_some_and(|metadata| metadata.contains_key(DERIVED_FROM))
}

fn must_be_source(job: &Job, etag: Option<&ETag>) -> Result<(), Failure> {
    let same = etag.is_some_and(|etag| etag.value() == job.etag);
    if same { Ok(()) } else { Err(Failure::Superseded) }
}

fn reading_failed(error: &S3Error) -> Failure {
    match error.status_code() {
        Some(StatusCode::NOT_FOUND) => Failure::Superseded,
        _ => Failure::Temporary(format!("cannot read the source: {error}")),
    }
}

/// Metadata travels in headers, which hold no more than ASCII.
fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}
