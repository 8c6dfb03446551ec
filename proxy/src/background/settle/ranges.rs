//! A copy by ranges: a multipart upload at the replica with the parts that the object has at the primary.
//!
//! Each range is streamed, a few at once, and none is held. What fails, or is cut off, aborts the upload; the catalog remembers
//! its id until it has ended, so that a settler after a crash can abort it.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use relais_catalog::{ObjectRow, Objects};
use relais_stores::request;
use s3s::dto::{
    AbortMultipartUploadInput, CompleteMultipartUploadInput, CompletedMultipartUpload, CompletedPart,
    CreateMultipartUploadInput, ETag, UploadPartInput,
};
use s3s::{S3, S3ErrorCode, S3Result, s3_error};

use super::parts::Ranges;
use super::shown::Shown;
use super::side::Side;
use super::whole::{Copied, With, described};
use crate::error::GatewayError;
use crate::gateway::Gateway;

/// Parts of one object on their way at once. Each is a stream; more of them would crowd out other keys.
const PARTS_AT_ONCE: usize = 4;

/// An upload that is aborted unless it comes to its end.
struct Upload {
    gateway: Gateway,
    s3: Arc<dyn S3>,
    abort: Option<AbortMultipartUploadInput>,
}

impl Upload {
    async fn abort(mut self) {
        if let Some(abort) = self.abort.take() {
            end(self.s3.as_ref(), abort).await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(abort) = self.abort.take() {
            let s3 = Arc::clone(&self.s3);
            self.gateway.afterwards(async move { end(s3.as_ref(), abort).await });
        }
    }
}

async fn end(s3: &dyn S3, abort: AbortMultipartUploadInput) {
    if let Err(error) = s3.abort_multipart_upload(request(abort)).await
        && *error.code() != S3ErrorCode::NoSuchUpload
    {
        tracing::warn!(
            code = error.code().as_str(),
            "an upload of the settler stays for now; the next attempt aborts it"
        );
    }
}

/// Copies an object in these ranges, if it stays the one that was looked at.
pub(super) async fn copy(
    gateway: &Gateway,
    (primary, replica): (&Side<'_>, &Side<'_>),
    row: &ObjectRow,
    (truth, ranges): (&Shown, Ranges),
    with: &With<'_>,
) -> S3Result<Copied> {
    let upload_id = begin(replica, truth, with).await?;
    let abort = AbortMultipartUploadInput {
        bucket: replica.bucket(),
        key: replica.key.to_string(),
        upload_id: upload_id.clone(),
        ..Default::default()
    };
    let s3 = Arc::clone(&replica.place.store.s3);
    let mut upload = Upload { gateway: gateway.clone(), s3, abort: Some(abort) };
    let objects = &gateway.objects;
    note(objects, row, replica, Some(&upload_id)).await?;
    match finish(primary, replica, (truth, ranges), &upload_id).await {
        Ok(copied) => {
            upload.abort = None;
            Ok(copied)
        }
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

/// Aborts what an earlier attempt at a replica has left.
pub(super) async fn clean(replica: &Side<'_>, upload_id: &str) -> S3Result<()> {
    let abort = AbortMultipartUploadInput {
        bucket: replica.bucket(),
        key: replica.key.to_string(),
        upload_id: upload_id.to_owned(),
        ..Default::default()
    };
    match replica.ask(replica.place.store.s3.abort_multipart_upload(request(abort))).await {
        Err(error) if *error.code() != S3ErrorCode::NoSuchUpload => Err(error),
        _ => Ok(()),
    }
}

async fn note(objects: &Objects, row: &ObjectRow, replica: &Side<'_>, upload: Option<&str>) -> S3Result<()> {
    let noted = objects.note_upload(row, &replica.place.replica.to_string(), upload).await;
    if noted.map_err(GatewayError::from)? {
        return Ok(());
    }
    Err(s3_error!(OperationAborted, "somebody else settles the key by now"))
}

async fn begin(replica: &Side<'_>, truth: &Shown, with: &With<'_>) -> S3Result<String> {
    let input = described!(CreateMultipartUploadInput, replica, truth.headers.clone(), with);
    let created = replica.ask(replica.place.store.s3.create_multipart_upload(request(input))).await?;
    created.upload_id.ok_or_else(|| s3_error!(InternalError, "the store gave no upload id"))
}

async fn finish(
    primary: &Side<'_>,
    replica: &Side<'_>,
    (truth, ranges): (&Shown, Ranges),
    upload_id: &str,
) -> S3Result<Copied> {
    let parts = ranges.into_iter().zip(1..).map(|(range, number)| async move {
        let etag = copy_part(primary, replica, (truth, range), (upload_id, number)).await?;
        Ok::<_, s3s::S3Error>(CompletedPart { e_tag: etag, part_number: Some(number), ..Default::default() })
    });
    let parts: Vec<_> = futures::stream::iter(parts).buffered(PARTS_AT_ONCE).try_collect().await?;
    let input = CompleteMultipartUploadInput {
        bucket: replica.bucket(),
        key: replica.key.to_string(),
        multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts) }),
        upload_id: upload_id.to_owned(),
        ..Default::default()
    };
    let done = replica.ask(replica.place.store.s3.complete_multipart_upload(request(input))).await?;
    let done = match done.future {
        Some(later) => later.await?, // A store may answer before it is done, and say how it went at the end.
        None => done,
    };
    let etag = done.e_tag.map(ETag::into_value).unwrap_or_default();
    Ok(Copied { etag, version_id: done.version_id.filter(|version| version != "null") })
}

async fn copy_part(
    primary: &Side<'_>,
    replica: &Side<'_>,
    (truth, range): (&Shown, (u64, u64)),
    (upload_id, part_number): (&str, i32),
) -> S3Result<Option<ETag>> {
    let read = primary.read(Some(&truth.etag), Some(range)).await?;
    if read.length != range.1 - range.0 + 1 || read.etag != truth.etag {
        return Err(s3_error!(PreconditionFailed, "the primary gave another range than it was asked for"));
    }
    let input = UploadPartInput {
        body: read.body,
        bucket: replica.bucket(),
        content_length: i64::try_from(read.length).ok(),
        key: replica.key.to_string(),
        part_number,
        upload_id: upload_id.to_owned(),
        ..Default::default()
    };
    Ok(replica.ask(replica.place.store.s3.upload_part(request(input))).await?.e_tag)
}
