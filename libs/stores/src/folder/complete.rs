//! Completing an upload in parts: checking what the client names, putting the bytes together, making them the object.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, ETag,
};
use s3s::{S3Error, S3Result, s3_error};

use super::checksum::{self, COMPOSITE, FULL_OBJECT, Sums, hex, put_sums, sums_of, unhex};
use super::conditions::WriteConditions;
use super::disk::Temporary;
use super::record::{Checksums, Location, Object, PartOf};
use super::shelf::Shelf;
use super::uploads::{Upload, Uploaded, end};
use super::write::{NewObject, check_early, sync, write};
use super::{FolderStore, blocking, broken};

/// Smallest part before the last one.
const PART_BYTES_MIN: u64 = 5 << 20;
/// Read at a time where the bytes are hashed on the way.
const PIECE_BYTES: usize = 256 * 1024;

/// The bytes of an object made of parts, and what it is.
struct Assembled {
    temporary: Temporary,
    file: File,
    object: Object,
}

pub(super) async fn complete(
    store: &FolderStore,
    input: CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let shelf = store.bucket_for(&input.bucket, &input.key).await?;
    let conditions =
        WriteConditions { if_match: input.if_match.clone(), if_none_match: input.if_none_match.clone() };
    let _guard = store.locks.upload(&input.upload_id).await;
    let (key, id) = (input.key.clone(), input.upload_id.clone());
    let looked = shelf.clone();
    let (folder, upload) = match blocking(move || looked.upload(&key, &id)).await {
        Ok(found) => found,
        Err(error) => return repeated(&shelf, input, error).await,
    };
    check_early(&shelf, &input.key, &conditions).await?;
    let (bucket, key) = (input.bucket.clone(), input.key.clone());
    let (looked, at) = (shelf.clone(), folder.clone());
    let assembled = blocking(move || assemble(&looked, &at, upload, &input)).await?;
    let bytes = sync(&shelf, assembled.temporary, assembled.file).await?;
    let object = assembled.object;
    let new = NewObject { bucket: bucket.clone(), key: key.clone(), bytes, object, conditions };
    let written = write(store, shelf, new).await?;
    blocking(move || end(&folder).map_err(broken)).await?;
    Ok(answer(bucket, key, written.object, written.version_id))
}

/// A completion that was done before gets the same answer, as long as its object is the current one.
async fn repeated(
    shelf: &Shelf,
    input: CompleteMultipartUploadInput,
    error: S3Error,
) -> S3Result<CompleteMultipartUploadOutput> {
    let (shelf, key) = (shelf.clone(), input.key.clone());
    let found = blocking(move || shelf.find(&key, None)).await;
    match found {
        Ok(found) if found.object.upload_id.as_deref() == Some(&input.upload_id) => {
            Ok(answer(input.bucket, input.key, found.object, found.version_id))
        }
        _ => Err(error),
    }
}

fn answer(
    bucket: String,
    key: String,
    object: Object,
    version_id: Option<String>,
) -> CompleteMultipartUploadOutput {
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{bucket}/{key}")),
        bucket: Some(bucket),
        key: Some(key),
        checksum_type: object.checksum.kind.map(ChecksumType::from),
        e_tag: Some(ETag::Strong(object.etag)),
        version_id,
        ..Default::default()
    };
    put_sums!(output, object.checksum.sums);
    output
}

fn assemble(
    shelf: &Shelf,
    folder: &Path,
    upload: Upload,
    input: &CompleteMultipartUploadInput,
) -> S3Result<Assembled> {
    let parts = chosen(&shelf.parts(folder)?, input)?;
    let size = parts.iter().map(|part| part.size).sum();
    if input.mpu_object_size.is_some_and(|named| u64::try_from(named) != Ok(size)) {
        return Err(s3_error!(
            InvalidRequest,
            "the parts have {size} bytes together, not what the request says"
        ));
    }
    let full =
        upload.checksum.as_ref().filter(|(_, kind)| kind == FULL_OBJECT).map(|(name, _)| name.as_str());
    let hasher = full.map(|name| checksum::hasher([name])).transpose()?;
    let files: Vec<PathBuf> = parts.iter().map(|part| folder.join(&part.file)).collect();
    let (temporary, file, full) = concatenate(shelf, &files, hasher).map_err(broken)?;
    let sums = match &upload.checksum {
        Some((name, kind)) if kind == COMPOSITE => composite(name, &parts)?,
        _ => full,
    };
    checksum::compare(&sums_of!(input), &sums)?;
    let checksum = Checksums { sums, kind: upload.checksum.map(|(_, kind)| kind) };
    let object = Object {
        at: Location::Place,
        size,
        etag: etag(&parts),
        headers: upload.headers,
        metadata: upload.metadata,
        tags: upload.tags,
        checksum,
        parts: parts
            .into_iter()
            .map(|part| PartOf { number: part.number, size: part.size, sums: part.sums })
            .collect(),
        upload_id: Some(input.upload_id.clone()),
    };
    Ok(Assembled { temporary, file, object })
}

/// The parts that the client names, if they are there, as it knows them, in order and large enough.
fn chosen(uploaded: &[Uploaded], input: &CompleteMultipartUploadInput) -> S3Result<Vec<Uploaded>> {
    let named =
        input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default();
    if named.is_empty() {
        return Err(s3_error!(MalformedXML, "name at least one part"));
    }
    if !named.is_sorted_by(|one, next| one.part_number < next.part_number) {
        return Err(s3_error!(InvalidPartOrder));
    }
    let parts: Vec<_> = named.iter().map(|named| find(uploaded, named)).collect::<S3Result<_>>()?;
    let all_but_last = &parts[..parts.len() - 1];
    if all_but_last.iter().any(|part| part.size < PART_BYTES_MIN) {
        return Err(s3_error!(EntityTooSmall, "every part but the last has at least {PART_BYTES_MIN} bytes"));
    }
    Ok(parts)
}

fn find(uploaded: &[Uploaded], named: &CompletedPart) -> S3Result<Uploaded> {
    let part = uploaded.iter().find(|part| Some(part.number) == named.part_number);
    let has_etag = |part: &Uploaded| named.e_tag.as_ref().is_none_or(|etag| etag.value() == part.etag);
    let sums = sums_of!(named);
    let has_sums = |part: &Uploaded| sums.iter().all(|(name, value)| part.sums.get(name) == Some(value));
    match part.filter(|part| has_etag(part) && has_sums(part)) {
        Some(part) => Ok(part.clone()),
        None => Err(s3_error!(
            InvalidPart,
            "a part that the completion names was not uploaded, or has another entity tag or checksum"
        )),
    }
}

/// Writes the bytes of all parts into one file. They are looked at only if somebody wants their checksum.
fn concatenate(
    shelf: &Shelf,
    files: &[PathBuf],
    mut hasher: Option<ChecksumHasher>,
) -> io::Result<(Temporary, File, Sums)> {
    let (temporary, mut whole) = Temporary::create(&shelf.layout.temporary(), &shelf.clock.name())?;
    for path in files {
        let mut part = File::open(path)?;
        match &mut hasher {
            Some(hasher) => copy_hashed(&mut part, &mut whole, hasher)?,
            None => io::copy(&mut part, &mut whole).map(drop)?,
        }
    }
    Ok((temporary, whole, hasher.map(checksum::finish).unwrap_or_default()))
}

fn copy_hashed(part: &mut File, whole: &mut File, hasher: &mut ChecksumHasher) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match part.read(&mut piece)? {
            0 => return Ok(()),
            length => {
                hasher.update(&piece[..length]);
                whole.write_all(&piece[..length])?;
            }
        }
    }
}

fn composite(name: &str, parts: &[Uploaded]) -> S3Result<Sums> {
    let of_parts = parts.iter().filter_map(|part| part.sums.get(name)).map(String::as_str);
    Ok(Sums::from([(name.to_owned(), checksum::composite(name, of_parts)?)]))
}

/// The MD5 of the parts' MD5s, and how many there are.
fn etag(parts: &[Uploaded]) -> String {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(&unhex(&part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex(&hash.finalize()), parts.len())
}
