//! Reading an object: its bytes, its headers, its attributes.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use s3s::dto::{
    Checksum, ChecksumMode, ChecksumType, ETag, GetObjectAttributesInput, GetObjectAttributesOutput,
    GetObjectAttributesParts, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ObjectAttributes, ObjectPart, Range, StorageClass, StreamingBlob,
};
use s3s::{S3Error, S3Result, s3_error};
use tokio::io::AsyncReadExt;

use super::body::FileBody;
use super::checksum::{Sums, put_sums};
use super::clock::timestamp;
use super::conditions::conditions_of;
use super::record::{NULL, Object, Version};
use super::shelf::{Look, Shelf};
use super::{FolderStore, blocking, broken};

/// How often a version is looked for again because its file went away.
const OPENINGS_MAX: usize = 10;
/// Parts in one answer, unless the client asks for fewer.
const PARTS_MAX: usize = 1000;

/// An object that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) stamp: i64,
    pub(super) object: Object,
    pub(super) file: File,
    /// The version's id as the client sees it; none where the bucket never had versions.
    pub(super) version_id: Option<String>,
}

impl Shelf {
    /// A version of a key, by default the current one, and its bytes.
    pub(super) fn find(&self, key: &str, version_id: Option<&str>) -> S3Result<Found> {
        self.require()?;
        for _ in 0..OPENINGS_MAX {
            let mut look = self.look(key).map_err(broken)?;
            let version = select(&look, version_id)?.clone();
            let version_id = self.shown_id(&version)?;
            let Some(object) = version.object.clone() else {
                return Err(marker(version_id.as_deref(), &version));
            };
            if let Some(file) = self.open(&mut look, &version).map_err(broken)? {
                return Ok(Found { stamp: version.stamp, object, file, version_id });
            }
        }
        Err(s3_error!(NoSuchKey))
    }

    /// How the client sees the id of a version.
    pub(super) fn shown_id(&self, version: &Version) -> S3Result<Option<String>> {
        match &version.id {
            Some(id) => Ok(Some(id.clone())),
            None => Ok(self.settings()?.versioning.map(|_| NULL.to_owned())),
        }
    }
}

/// The version that is asked for. A delete marker is found only if it is asked for by its id.
pub(super) fn select<'a>(look: &'a Look, version_id: Option<&str>) -> S3Result<&'a Version> {
    match (version_id, look.versions.first()) {
        (Some(id), _) => {
            let version = look.versions.iter().find(|version| version.name() == id);
            version.ok_or_else(|| s3_error!(NoSuchVersion))
        }
        (None, None) => Err(s3_error!(NoSuchKey)),
        (None, Some(version)) if version.object.is_none() => {
            Err(with_marker(s3_error!(NoSuchKey), version.name()))
        }
        (None, Some(version)) => Ok(version),
    }
}

/// A delete marker that was asked for by its id.
fn marker(version_id: Option<&str>, version: &Version) -> S3Error {
    let error = s3_error!(MethodNotAllowed, "this version is a delete marker");
    with_marker(error, version_id.unwrap_or_else(|| version.name()))
}

fn with_marker(mut error: S3Error, version_id: &str) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(HeaderName::from_static("x-amz-delete-marker"), HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::from_str(version_id) {
        headers.insert(HeaderName::from_static("x-amz-version-id"), id);
    }
    error.set_headers(headers);
    error
}

/// Which bytes of an object an answer is about.
struct Span {
    start: u64,
    length: u64,
    content_range: Option<String>,
    parts_count: Option<i32>,
}

impl Span {
    fn of(object: &Object, range: Option<Range>, part_number: Option<i32>) -> S3Result<Self> {
        let parts_count = i32::try_from(object.parts.len()).ok().filter(|count| *count > 0);
        let bytes = match (range, part_number) {
            (Some(_), Some(_)) => {
                return Err(s3_error!(InvalidRequest, "ask for a range or for a part, not for both"));
            }
            (None, None) => {
                return Ok(Self { start: 0, length: object.size, content_range: None, parts_count: None });
            }
            (Some(range), None) => range.check(object.size)?,
            (None, Some(number)) => part(object, number)?,
        };
        let content_range = (bytes.start < bytes.end)
            .then(|| format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, object.size));
        let parts_count = parts_count.filter(|_| part_number.is_some());
        Ok(Self { start: bytes.start, length: bytes.end - bytes.start, content_range, parts_count })
    }
}

/// The bytes of one part. An object that came in one piece is its own first part.
fn part(object: &Object, number: i32) -> S3Result<std::ops::Range<u64>> {
    if object.parts.is_empty() && number == 1 {
        return Ok(0..object.size);
    }
    let mut start = 0;
    for part in &object.parts {
        if part.number == number {
            return Ok(start..start + part.size);
        }
        start += part.size;
    }
    Err(s3_error!(InvalidPart, "the object has no part {number}"))
}

/// Puts what is known of an object into the answer to a read.
macro_rules! describe {
    ($input:expr, $found:expr, $span:expr) => {{
        let (object, headers) = (&$found.object, &$found.object.headers);
        let mut output = Output {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: headers.cache_control.clone(),
            content_disposition: headers.content_disposition.clone(),
            content_encoding: headers.content_encoding.clone(),
            content_language: headers.content_language.clone(),
            content_length: i64::try_from($span.length).ok(),
            content_range: $span.content_range.clone(),
            content_type: headers.content_type.clone(),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            expires: headers.expires.clone(),
            last_modified: Some(timestamp($found.stamp)),
            metadata: Some(object.metadata.clone().into_iter().collect()),
            parts_count: $span.parts_count,
            storage_class: headers.storage_class.clone().map(StorageClass::from),
            tag_count: i32::try_from(object.tags.len()).ok().filter(|count| *count > 0),
            version_id: $found.version_id.clone(),
            website_redirect_location: headers.website_redirect_location.clone(),
            ..Default::default()
        };
        if is_enabled($input.checksum_mode.as_ref())
            && let Some(sums) = sums($input.part_number, object, $span.length)
        {
            put_sums!(output, sums);
            output.checksum_type = checksum_type(object);
        }
        output
    }};
}

fn is_enabled(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str().eq_ignore_ascii_case(ChecksumMode::ENABLED))
}

/// The checksums of what is answered: of the object, or of a part of it; a range has none.
fn sums(part_number: Option<i32>, object: &Object, length: u64) -> Option<&Sums> {
    let part = object.parts.iter().find(|part| Some(part.number) == part_number);
    match part {
        Some(part) => Some(&part.sums),
        None => (length == object.size).then_some(&object.checksum.sums),
    }
}

/// The type of an object's checksums, if it has any.
pub(super) fn checksum_type(object: &Object) -> Option<ChecksumType> {
    object.checksum.kind.clone().map(ChecksumType::from)
}

async fn find(store: &FolderStore, bucket: &str, key: &str, version_id: Option<String>) -> S3Result<Found> {
    let (shelf, key) = (store.shelf_for(bucket, key)?, key.to_owned());
    blocking(move || shelf.find(&key, version_id.as_deref())).await
}

pub(super) async fn head(store: &FolderStore, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
    type Output = HeadObjectOutput;
    let found = find(store, &input.bucket, &input.key, input.version_id.clone()).await?;
    conditions_of!(input).check_read(&found.object, &timestamp(found.stamp))?;
    let span = Span::of(&found.object, input.range, input.part_number)?;
    Ok(describe!(input, found, span))
}

pub(super) async fn get(store: &FolderStore, input: GetObjectInput) -> S3Result<GetObjectOutput> {
    type Output = GetObjectOutput;
    let found = find(store, &input.bucket, &input.key, input.version_id.clone()).await?;
    conditions_of!(input).check_read(&found.object, &timestamp(found.stamp))?;
    let span = Span::of(&found.object, input.range, input.part_number)?;
    let mut output = describe!(input, found, span);
    output.body = Some(body(found.file, span.start, span.length)?);
    Ok(output)
}

/// Some bytes of a file as a body. The open file stays the same one, whatever happens to its name.
pub(super) fn body(mut file: File, start: u64, length: u64) -> S3Result<StreamingBlob> {
    if start > 0 {
        file.seek(SeekFrom::Start(start)).map_err(broken)?;
    }
    let file = tokio::fs::File::from_std(file).take(length);
    Ok(StreamingBlob::new(FileBody::new(file, length)))
}

pub(super) async fn attributes(
    store: &FolderStore,
    input: GetObjectAttributesInput,
) -> S3Result<GetObjectAttributesOutput> {
    let found = find(store, &input.bucket, &input.key, input.version_id.clone()).await?;
    let object = &found.object;
    // s3s hands a header that lists several on as one.
    let wanted = input.object_attributes.iter().flat_map(|wanted| wanted.as_str().split(','));
    let wanted: Vec<_> = wanted.map(str::trim).collect();
    let wants = |name: &str| wanted.contains(&name);
    let class = || StorageClass::from(object.headers.class());
    Ok(GetObjectAttributesOutput {
        checksum: wants(ObjectAttributes::CHECKSUM).then(|| checksums(object)).flatten(),
        e_tag: wants(ObjectAttributes::ETAG).then(|| ETag::Strong(object.etag.clone())),
        last_modified: Some(timestamp(found.stamp)),
        object_parts: wants(ObjectAttributes::OBJECT_PARTS).then(|| parts(object, &input)).flatten(),
        object_size: wants(ObjectAttributes::OBJECT_SIZE).then(|| i64::try_from(object.size).ok()).flatten(),
        storage_class: wants(ObjectAttributes::STORAGE_CLASS).then(class),
        version_id: found.version_id.clone(),
        ..Default::default()
    })
}

fn checksums(object: &Object) -> Option<Checksum> {
    let mut checksum = Checksum { checksum_type: checksum_type(object), ..Default::default() };
    put_sums!(checksum, object.checksum.sums);
    (!object.checksum.sums.is_empty()).then_some(checksum)
}

fn parts(object: &Object, input: &GetObjectAttributesInput) -> Option<GetObjectAttributesParts> {
    let marker = input.part_number_marker.unwrap_or(0);
    let count_max = input.max_parts.map_or(PARTS_MAX, |max| usize::try_from(max).unwrap_or(0).min(PARTS_MAX));
    let rest: Vec<_> = object.parts.iter().filter(|part| part.number > marker).collect();
    let listed = rest.iter().take(count_max).map(|part| {
        let mut listed = ObjectPart {
            part_number: Some(part.number),
            size: i64::try_from(part.size).ok(),
            ..Default::default()
        };
        put_sums!(listed, part.sums);
        listed
    });
    let listed: Vec<_> = listed.collect();
    let is_truncated = listed.len() < rest.len();
    (!object.parts.is_empty()).then(|| GetObjectAttributesParts {
        is_truncated: Some(is_truncated),
        max_parts: i32::try_from(count_max).ok(),
        next_part_number_marker: listed.last().and_then(|part| part.part_number),
        part_number_marker: Some(marker),
        total_parts_count: i32::try_from(object.parts.len()).ok(),
        parts: Some(listed),
    })
}
