//! Slots for files that come in parts, and how a client that broke off finds where it was.
//!
//! The upload is begun here, as the caller's. Its id, which is sealed, carries the announced size, so that whoever comes back
//! need know nothing but id and key.

use relais_model::ByteSize;
use relais_stores::request;
use s3s::dto::{CreateMultipartUploadInput, ListPartsInput};
use s3s::{S3, S3ErrorCode, S3Request};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::layout::Filling;
use super::plan::{self, Stored};
use super::presign::{PresignError, Presigner, Request};
use super::refusal::Refusal;
use super::slot::{ContentType, Method, Slot, expires_at, now};
use super::{Asking, credentials};
use crate::s3::AnnouncedBytes;

/// The query of `GET /api/uploads/{profile}/{upload_id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resumed {
    pub(super) key: String,
}

impl Asking<'_> {
    /// Begins an upload, and plans it.
    pub(super) async fn begin_multipart(&self, slot: &Slot) -> Result<Value, Refusal> {
        let no_size = || Refusal::Asked("size: an upload in parts needs the size of the file".to_owned());
        let size = slot.size.filter(|size| *size > 0).ok_or_else(no_size)?;
        let content_type = match &slot.content_type {
            ContentType::Exactly(content_type) => Some(content_type.clone()),
            ContentType::Family(_) | ContentType::Any => None,
        };
        let input = CreateMultipartUploadInput {
            bucket: self.bucket.name.to_string(),
            content_type,
            key: slot.key.to_string(),
            ..Default::default()
        };
        let mut asked = self.as_caller(input);
        asked.extensions.insert(AnnouncedBytes(size));
        let begun = self.uploads.gateway.create_multipart_upload(asked).await?.output;
        let upload_id = begun.upload_id.ok_or(Refusal::NoSuchUpload)?;
        Ok(self.plan(slot, &upload_id, size, &[])?)
    }

    /// The slot of an upload that was begun before, and the size that was announced then. One of somebody else is none.
    pub(super) fn resumed(&self, key: &str, upload_id: &str) -> Result<(Slot, u64), Refusal> {
        let nothing = Map::new();
        let now = now();
        let filling = Filling { token: self.token, filename: None, values: &nothing, now, uuid: Uuid::nil() };
        if !self.profile.layout.fits(key, &filling) {
            return Err(Refusal::NoSuchUpload);
        }
        let size = self.uploads.gateway.announced_bytes(self.bucket.name.as_str(), key, upload_id);
        let size = size.ok_or(Refusal::NoSuchUpload)?;
        let own = ByteSize(plan::OBJECT_BYTES_MAX);
        let slot = Slot {
            key: key.parse().map_err(|_| Refusal::NoSuchUpload)?,
            content_type: ContentType::Any,
            bytes_max: self.bytes_max().map_or(own, |limit| limit.min(own)),
            size: Some(size),
            now,
            expires_at: expires_at(self.profile, self.token, now, Method::Multipart),
        };
        Ok((slot, size))
    }

    /// The plan of an upload with what is there of it.
    pub(super) async fn resume_multipart(
        &self,
        slot: &Slot,
        size: u64,
        upload_id: String,
    ) -> Result<Value, Refusal> {
        let stored = self.stored_parts(slot, &upload_id).await?;
        Ok(self.plan(slot, &upload_id, size, &stored)?)
    }

    async fn stored_parts(&self, slot: &Slot, upload_id: &str) -> Result<Vec<Stored>, Refusal> {
        let mut stored = Vec::new();
        let mut after = None;
        loop {
            let input = ListPartsInput {
                bucket: self.bucket.name.to_string(),
                key: slot.key.to_string(),
                part_number_marker: after,
                upload_id: upload_id.to_owned(),
                ..Default::default()
            };
            let listed = self.uploads.gateway.list_parts(self.as_caller(input)).await;
            let listed = listed.map_err(|error| match error.code() {
                S3ErrorCode::NoSuchUpload => Refusal::NoSuchUpload,
                _ => Refusal::S3(error),
            })?;
            let listed = listed.output;
            let parts = listed.parts.unwrap_or_default().into_iter();
            stored.extend(parts.filter_map(|part| {
                let (number, bytes) = (part.part_number?, u64::try_from(part.size?).ok()?);
                Some(Stored { number, bytes, etag: format!("\"{}\"", part.e_tag?.value()) })
            }));
            after = listed.next_part_number_marker.filter(|next| after.as_ref() != Some(next));
            if listed.is_truncated != Some(true) || after.is_none() {
                return Ok(stored);
            }
        }
    }

    fn plan(
        &self,
        slot: &Slot,
        upload_id: &str,
        size: u64,
        stored: &[Stored],
    ) -> Result<Value, PresignError> {
        let presigner = self.presigner(slot, credentials::MULTIPART);
        let (bucket, key) = (self.bucket.name.as_str(), slot.key.as_str());
        let of_upload = [("uploadId", upload_id)];
        let mut parts = plan::parts(size, stored);
        for part in parts.iter_mut().filter(|part| !part.done) {
            let (number, length) = (part.number.to_string(), part.bytes.to_string());
            let query = [("partNumber", number.as_str()), of_upload[0]];
            let headers = [("content-length", length.as_str())];
            let request = Request { method: "PUT", bucket, key, query: &query, headers: &headers };
            part.url = Some(presigner.url(&request)?);
        }
        let whole = |presigner: &Presigner, method| {
            presigner.url(&Request { method, bucket, key, query: &of_upload, headers: &[] })
        };
        Ok(json!({
            "method": "multipart",
            "upload_id": upload_id,
            "part_bytes": plan::part_bytes(size),
            "parts": parts,
            "complete_url": whole(&presigner, "POST")?,
            "abort_url": whole(&presigner, "DELETE")?,
        }))
    }

    /// A request of S3, made by the caller.
    fn as_caller<T>(&self, input: T) -> S3Request<T> {
        let mut request = request(input);
        self.asker.put_into(&mut request.extensions);
        request
    }
}
