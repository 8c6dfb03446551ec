//! What s3s-fs does not check about the parts of an upload.

use std::path::Path;

use s3s::dto::{CompleteMultipartUploadInput, CompletedPart, ListPartsInput, Part};
use s3s::{S3, S3Error, S3ErrorCode, S3Result, s3_error};
use s3s_fs::FileSystem;

use crate::request::request;

/// Refuses a completion that names parts which are not there, or not as they were uploaded.
pub(super) async fn check(files: &FileSystem, input: &CompleteMultipartUploadInput) -> S3Result<()> {
    let list = ListPartsInput {
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        upload_id: input.upload_id.clone(),
        ..Default::default()
    };
    let uploaded = files.list_parts(request(list)).await?.output.parts.unwrap_or_default();
    let named =
        input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default();
    let is_there = |named: &CompletedPart| {
        let part = uploaded.iter().find(|part| part.part_number == named.part_number);
        part.is_some_and(|part| named.e_tag.is_none() || part.e_tag.is_none() || part.e_tag == named.e_tag)
    };
    if named.iter().all(is_there) {
        Ok(())
    } else {
        Err(s3_error!(
            InvalidPart,
            "a part that the completion names was not uploaded, or has another entity tag"
        ))
    }
}

/// Refuses an upload that is not under way: s3s-fs lists the parts of any as none.
pub(super) async fn require(root: &Path, upload_id: &str) -> S3Result<()> {
    let is_id = upload_id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let known =
        is_id && tokio::fs::try_exists(root.join(format!(".upload-{upload_id}.json"))).await.unwrap_or(false);
    if known { Ok(()) } else { Err(no_such_upload()) }
}

/// Parts in the order of their numbers.
pub(super) fn sorted(parts: Option<Vec<Part>>) -> Option<Vec<Part>> {
    let mut parts = parts?;
    parts.sort_by_key(|part| part.part_number);
    Some(parts)
}

/// s3s-fs calls an upload that it does not know forbidden; S3 says that there is none.
pub(super) fn unknown_upload(error: S3Error) -> S3Error {
    match error.code() {
        S3ErrorCode::AccessDenied | S3ErrorCode::InvalidRequest => no_such_upload(),
        _ => error,
    }
}

fn no_such_upload() -> S3Error {
    s3_error!(NoSuchUpload, "there is no such upload; it was completed, aborted or never begun")
}
