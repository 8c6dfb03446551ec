//! Uploads in parts, up to their completion.
//!
//! An upload is a folder below `uploads/`: `upload.json`, and for each part a file of its bytes, whose name was never used,
//! and `{number}.json`, which names that file. Writing the latter is what makes the part be there, or be another one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::checksum::{self, Sums, hex, put_sums};
use super::clock::Stamp;
use super::intake::{Received, expected_of};
use super::record::{Headers, headers_of};
use super::shelf::Shelf;
use super::sweep::names;
use super::tags::{self, Tags};
use super::write::{metadata, receive, refuse_object_lock};
use super::{FolderStore, blocking, broken, disk};

/// S3's bounds of a part's number.
const NUMBERS: std::ops::RangeInclusive<i32> = 1..=10_000;

/// What the object is to be, beside its bytes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) stamp: Stamp,
    pub(super) headers: Headers,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tags: Tags,
    /// Name and type of the object's checksum.
    pub(super) checksum: Option<(String, String)>,
}

/// A part that was uploaded.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Uploaded {
    pub(super) number: i32,
    /// The file of its bytes.
    pub(super) file: String,
    pub(super) stamp: Stamp,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) sums: Sums,
}

impl Upload {
    /// The checksums that each part needs.
    pub(super) fn wanted(&self) -> Vec<String> {
        self.checksum.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.checksum.as_ref().map(|(name, _)| ChecksumAlgorithm::from(name.clone()))
    }

    pub(super) fn checksum_type(&self) -> Option<ChecksumType> {
        self.checksum.as_ref().map(|(_, kind)| ChecksumType::from(kind.clone()))
    }
}

impl Shelf {
    /// An upload that is under way, of this key. Blocks.
    pub(super) fn upload(&self, key: &str, id: &str) -> S3Result<(PathBuf, Upload)> {
        let folder = self.layout.upload(id).ok_or_else(no_such_upload)?;
        let upload = read_upload(&folder)?.filter(|upload| upload.key == key).ok_or_else(no_such_upload)?;
        Ok((folder, upload))
    }

    /// The parts of an upload, by number. Blocks.
    pub(super) fn parts(&self, folder: &Path) -> S3Result<Vec<Uploaded>> {
        let mut parts = Vec::new();
        for name in names(folder).map_err(broken)? {
            let is_part = name.strip_suffix(".json").is_some_and(|number| number.parse::<i32>().is_ok());
            if is_part && let Some(bytes) = disk::read(&folder.join(name)).map_err(broken)? {
                parts.push(parse::<Uploaded>(&bytes)?);
            }
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }
}

pub(super) fn read_upload(folder: &Path) -> S3Result<Option<Upload>> {
    disk::read(&folder.join("upload.json")).map_err(broken)?.as_deref().map(parse).transpose()
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> S3Result<T> {
    serde_json::from_slice(bytes).map_err(|error| broken(error.into()))
}

fn no_such_upload() -> S3Error {
    s3_error!(NoSuchUpload, "there is no such upload; it was completed, aborted or never begun")
}

pub(super) async fn create(
    store: &FolderStore,
    input: CreateMultipartUploadInput,
) -> S3Result<CreateMultipartUploadOutput> {
    let shelf = store.bucket_for(&input.bucket, &input.key).await?;
    refuse_object_lock!(input);
    let upload = Upload {
        key: input.key.clone(),
        stamp: shelf.clock.after(0),
        headers: headers_of!(input),
        metadata: metadata(input.metadata.as_ref()),
        tags: tags::parse_header(input.tagging.as_deref())?,
        checksum: checksum(&input)?,
    };
    let (algorithm, kind) = (upload.algorithm(), upload.checksum_type());
    let id = shelf.clock.name();
    let guard = store.locks.key(&input.bucket, &input.key).await;
    let upload_id = blocking(move || {
        let _guard = guard;
        shelf.require()?;
        let target = shelf.layout.uploads().join(&id).join("upload.json");
        let bytes = serde_json::to_vec(&upload).map_err(|error| broken(error.into()))?;
        disk::write(&shelf.layout.temporary(), &shelf.clock.name(), &target, &bytes).map_err(broken)?;
        Ok(id)
    })
    .await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: algorithm,
        checksum_type: kind,
        key: Some(input.key),
        upload_id: Some(upload_id),
        ..Default::default()
    })
}

fn checksum(input: &CreateMultipartUploadInput) -> S3Result<Option<(String, String)>> {
    let asked = input.checksum_type.as_ref().map(ChecksumType::as_str);
    let Some(algorithm) = &input.checksum_algorithm else {
        return match asked {
            None => Ok(None),
            Some(_) => Err(s3_error!(InvalidRequest, "a checksum type needs a checksum algorithm")),
        };
    };
    checksum::hasher([algorithm.as_str()])?;
    let kind = checksum::kind(algorithm.as_str(), asked)?;
    Ok(Some((algorithm.as_str().to_owned(), kind.to_owned())))
}

/// An upload that can take a part of that number.
pub(super) async fn find(shelf: &Shelf, key: &str, id: &str, number: i32) -> S3Result<Upload> {
    if !NUMBERS.contains(&number) {
        return Err(s3_error!(InvalidArgument, "the number of a part is between 1 and 10,000"));
    }
    let (shelf, key, id) = (shelf.clone(), key.to_owned(), id.to_owned());
    blocking(move || shelf.upload(&key, &id).map(|(_, upload)| upload)).await
}

pub(super) async fn part(store: &FolderStore, mut input: UploadPartInput) -> S3Result<UploadPartOutput> {
    let shelf = store.bucket_for(&input.bucket, &input.key).await?;
    let upload = find(&shelf, &input.key, &input.upload_id, input.part_number).await?;
    let body = input.body.take();
    let mut expected = expected_of!(input);
    expected.wanted.extend(upload.wanted());
    let received = receive(&shelf, body, expected).await?;
    let part = keep(store, shelf, &input.upload_id, input.part_number, received).await?;
    let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(part.etag)), ..Default::default() };
    put_sums!(output, part.sums);
    Ok(output)
}

/// Makes what was received a part of an upload.
pub(super) async fn keep(
    store: &FolderStore,
    shelf: Shelf,
    id: &str,
    number: i32,
    received: Received,
) -> S3Result<Uploaded> {
    let folder = shelf.layout.upload(id).ok_or_else(no_such_upload)?;
    let guard = store.locks.upload(id).await;
    blocking(move || {
        let _guard = guard;
        read_upload(&folder)?.ok_or_else(no_such_upload)?; // It may have ended while the body came in.
        keep_locked(&shelf, &folder, number, received).map_err(broken)
    })
    .await
}

fn keep_locked(shelf: &Shelf, folder: &Path, number: i32, mut received: Received) -> io::Result<Uploaded> {
    received.file.sync_all()?;
    let part = Uploaded {
        number,
        file: format!("{number}-{}", shelf.clock.name()),
        stamp: shelf.clock.after(0),
        size: received.size,
        etag: hex(&received.md5),
        sums: received.sums,
    };
    let record = folder.join(format!("{number}.json"));
    let before = disk::read(&record)?.and_then(|bytes| serde_json::from_slice::<Uploaded>(&bytes).ok());
    received.temporary.persist(&folder.join(&part.file))?;
    disk::write(&shelf.layout.temporary(), &shelf.clock.name(), &record, &serde_json::to_vec(&part)?)?;
    if let Some(before) = before {
        disk::remove(&folder.join(before.file))?;
    }
    Ok(part)
}

pub(super) async fn abort(
    store: &FolderStore,
    input: AbortMultipartUploadInput,
) -> S3Result<AbortMultipartUploadOutput> {
    let shelf = store.bucket_for(&input.bucket, &input.key).await?;
    let guard = store.locks.upload(&input.upload_id).await;
    blocking(move || {
        let _guard = guard;
        let (folder, _) = shelf.upload(&input.key, &input.upload_id)?;
        end(&folder).map_err(broken)
    })
    .await?;
    Ok(AbortMultipartUploadOutput::default())
}

/// Removes an upload: first its record, so that it is not there any more, then the rest.
pub(super) fn end(folder: &Path) -> io::Result<()> {
    disk::remove(&folder.join("upload.json"))?;
    std::fs::remove_dir_all(folder)
}
