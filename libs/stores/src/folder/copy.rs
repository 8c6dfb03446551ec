//! Copies: of an object, or of some bytes of one into a part of an upload. The bytes stay on this machine.

use s3s::dto::{
    ChecksumType, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag,
    MetadataDirective, Range, TaggingDirective, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Result, s3_error};

use super::checksum::put_sums;
use super::clock::timestamp;
use super::conditions::{Conditions, WriteConditions, source_conditions_of};
use super::intake::{Expected, named};
use super::read::{Found, body};
use super::record::{Headers, Object, headers_of};
use super::write::{
    NewObject, Written, check_early, metadata, object, receive, refuse_object_lock, sync, write,
};
use super::{FolderStore, blocking, tags, uploads};

/// What is copied.
struct Source<'a> {
    bucket: &'a str,
    key: &'a str,
    version_id: Option<&'a str>,
}

impl<'a> Source<'a> {
    fn parse(source: &'a CopySource) -> S3Result<Self> {
        match source {
            CopySource::Bucket { bucket, key, version_id } => {
                Ok(Self { bucket, key, version_id: version_id.as_deref() })
            }
            _ => Err(s3_error!(
                NotImplemented,
                "a folder store has no access points: name a bucket as the source"
            )),
        }
    }

    async fn find(&self, store: &FolderStore, conditions: &Conditions) -> S3Result<Found> {
        let shelf = store.shelf_for(self.bucket, self.key)?;
        let (key, version_id) = (self.key.to_owned(), self.version_id.map(str::to_owned));
        let found = blocking(move || shelf.find(&key, version_id.as_deref())).await?;
        conditions.check_source(&found.object, &timestamp(found.stamp))?;
        Ok(found)
    }
}

pub(super) async fn copy(store: &FolderStore, input: CopyObjectInput) -> S3Result<CopyObjectOutput> {
    let shelf = store.bucket_for(&input.bucket, &input.key).await?;
    refuse_object_lock!(input);
    let source = Source::parse(&input.copy_source)?;
    check_change(&input, &source)?;
    let found = source.find(store, &source_conditions_of!(input)).await?;
    let conditions =
        WriteConditions { if_match: input.if_match.clone(), if_none_match: input.if_none_match.clone() };
    check_early(&shelf, &input.key, &conditions).await?;
    let copied = described(&input, &found.object)?;
    let wanted = match named(input.checksum_algorithm.as_ref()) {
        wanted if wanted.is_empty() => found.object.checksum.sums.keys().cloned().collect(),
        wanted => wanted,
    };
    let bytes = body(found.file, 0, found.object.size)?;
    let received = receive(&shelf, Some(bytes), Expected { wanted, ..Default::default() }).await?;
    let object =
        Object { headers: copied.headers, metadata: copied.metadata, tags: copied.tags, ..object(&received) };
    let bytes = sync(&shelf, received.temporary, received.file).await?;
    let written =
        write(store, shelf, NewObject { bucket: input.bucket, key: input.key, bytes, object, conditions })
            .await?;
    Ok(CopyObjectOutput {
        copy_source_version_id: found.version_id,
        version_id: written.version_id.clone(),
        copy_object_result: Some(result(written)),
        ..Default::default()
    })
}

/// What the copy is to be, beside its bytes: as its source, or as the client says.
fn described(input: &CopyObjectInput, source: &Object) -> S3Result<Object> {
    let given: Headers = headers_of!(input);
    let mut copied = source.clone();
    if is_replace(input.metadata_directive.as_ref().map(MetadataDirective::as_str)) {
        copied.metadata = metadata(input.metadata.as_ref());
        copied.headers = given;
    } else {
        copied.headers.website_redirect_location = given.website_redirect_location;
        copied.headers.storage_class = given.storage_class;
    }
    if is_replace(input.tagging_directive.as_ref().map(TaggingDirective::as_str)) {
        copied.tags = tags::parse_header(input.tagging.as_deref())?;
    }
    Ok(copied)
}

/// Refuses a copy of an object onto itself that changes nothing.
fn check_change(input: &CopyObjectInput, source: &Source<'_>) -> S3Result<()> {
    let is_itself = source.bucket == input.bucket && source.key == input.key && source.version_id.is_none();
    let changes = is_replace(input.metadata_directive.as_ref().map(MetadataDirective::as_str))
        || input.storage_class.is_some()
        || input.website_redirect_location.is_some()
        || input.server_side_encryption.is_some();
    if is_itself && !changes {
        return Err(s3_error!(
            InvalidRequest,
            "an object can be copied onto itself only with other metadata, storage class, redirect or encryption"
        ));
    }
    Ok(())
}

fn is_replace(directive: Option<&str>) -> bool {
    directive == Some(MetadataDirective::REPLACE)
}

fn result(written: Written) -> CopyObjectResult {
    let mut result = CopyObjectResult {
        e_tag: Some(ETag::Strong(written.object.etag)),
        last_modified: Some(timestamp(written.stamp)),
        checksum_type: written.object.checksum.kind.map(ChecksumType::from),
        ..Default::default()
    };
    put_sums!(result, written.object.checksum.sums);
    result
}

pub(super) async fn part(store: &FolderStore, input: UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
    let shelf = store.bucket_for(&input.bucket, &input.key).await?;
    let upload = uploads::find(&shelf, &input.key, &input.upload_id, input.part_number).await?;
    let found = Source::parse(&input.copy_source)?.find(store, &source_conditions_of!(input)).await?;
    let bytes = match input.copy_source_range.as_deref() {
        Some(range) => span(range, found.object.size)?,
        None => 0..found.object.size,
    };
    let bytes = body(found.file, bytes.start, bytes.end - bytes.start)?;
    let expected = Expected { wanted: upload.wanted(), ..Default::default() };
    let received = receive(&shelf, Some(bytes), expected).await?;
    let part = uploads::keep(store, shelf, &input.upload_id, input.part_number, received).await?;
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(timestamp(part.stamp)),
        ..Default::default()
    };
    put_sums!(result, part.sums);
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: found.version_id,
        ..Default::default()
    })
}

/// `bytes=first-last`, both inside the source.
fn span(range: &str, size: u64) -> S3Result<std::ops::Range<u64>> {
    match Range::parse(range) {
        Ok(Range::Int { first, last: Some(last) }) if last < size => Ok(first..last + 1),
        Ok(Range::Int { last: Some(_), .. }) => {
            Err(s3_error!(InvalidRange, "the source has {size} bytes, less than the range asks for"))
        }
        _ => Err(s3_error!(InvalidArgument, "the range of a copied part has the form bytes=first-last")),
    }
}
