//! Writing an object that comes in one piece, and what all writes have in common.

use std::collections::BTreeMap;
use std::fs::File;

use s3s::dto::{ChecksumType, ETag, Metadata, PutObjectInput, PutObjectOutput, StreamingBlob};
use s3s::{S3Result, s3_error};

use super::checksum::{FULL_OBJECT, hex, put_sums};
use super::conditions::WriteConditions;
use super::disk::Temporary;
use super::intake::{self, Expected, Received, expected_of};
use super::record::{Checksums, Location, Object, Version, headers_of};
use super::settings::Versioning;
use super::shelf::Shelf;
use super::tags;
use super::{FolderStore, blocking, broken};

/// An object that was written.
pub(super) struct Written {
    pub(super) stamp: i64,
    pub(super) object: Object,
    /// Its version's id, where the bucket keeps versions.
    pub(super) version_id: Option<String>,
}

/// The bytes of an object, on disk, and the moment that their file carries.
pub(super) struct Bytes {
    temporary: Temporary,
    file: File,
    stamp: i64,
}

/// Refuses what would be promised and not kept.
macro_rules! refuse_object_lock {
    ($input:expr) => {
        if $input.object_lock_mode.is_some()
            || $input.object_lock_retain_until_date.is_some()
            || $input.object_lock_legal_hold_status.is_some()
        {
            return Err(s3s::s3_error!(NotImplemented, "a folder store cannot lock objects"));
        }
    };
}
pub(super) use refuse_object_lock;

pub(super) async fn put(store: &FolderStore, mut input: PutObjectInput) -> S3Result<PutObjectOutput> {
    let shelf = store.bucket_for(&input.bucket, &input.key).await?;
    refuse_object_lock!(input);
    if input.write_offset_bytes.is_some() {
        return Err(s3_error!(NotImplemented, "a folder store cannot append to objects"));
    }
    let tags = tags::parse_header(input.tagging.as_deref())?;
    let conditions =
        WriteConditions { if_match: input.if_match.clone(), if_none_match: input.if_none_match.clone() };
    check_early(&shelf, &input.key, &conditions).await?;
    let received = receive(&shelf, input.body.take(), expected_of!(input)).await?;
    let object = Object {
        headers: headers_of!(input),
        metadata: metadata(input.metadata.as_ref()),
        tags,
        ..object(&received)
    };
    let bytes = sync(&shelf, received.temporary, received.file).await?;
    let written =
        write(store, shelf, NewObject { bucket: input.bucket, key: input.key, bytes, object, conditions })
            .await?;
    let mut output = PutObjectOutput {
        e_tag: Some(ETag::Strong(written.object.etag)),
        checksum_type: written.object.checksum.kind.map(ChecksumType::from),
        version_id: written.version_id,
        ..Default::default()
    };
    put_sums!(output, written.object.checksum.sums);
    Ok(output)
}

/// Takes a body into a temporary file of the bucket.
pub(super) async fn receive(
    shelf: &Shelf,
    body: Option<StreamingBlob>,
    expected: Expected,
) -> S3Result<Received> {
    intake::receive(shelf.layout.temporary(), shelf.clock.name(), body, expected).await
}

/// The object that a body is, as far as its bytes tell.
pub(super) fn object(received: &Received) -> Object {
    let kind = (!received.sums.is_empty()).then(|| FULL_OBJECT.to_owned());
    Object {
        at: Location::Place,
        size: received.size,
        etag: hex(&received.md5),
        headers: Default::default(),
        metadata: BTreeMap::new(),
        tags: Vec::new(),
        checksum: Checksums { sums: received.sums.clone(), kind },
        parts: Vec::new(),
        upload_id: None,
    }
}

/// The metadata of users, in an order that does not change.
pub(super) fn metadata(given: Option<&Metadata>) -> BTreeMap<String, String> {
    given.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Sees to it that the bytes are on disk before anybody waits for anybody.
pub(super) async fn sync(shelf: &Shelf, temporary: Temporary, file: File) -> S3Result<Bytes> {
    let shelf = shelf.clone();
    blocking(move || {
        let stamp = shelf.stamp_file(&file, 0).map_err(broken)?;
        Ok(Bytes { temporary, file, stamp })
    })
    .await
}

/// Refuses a write before its body is read, if its conditions do not hold now. They are checked again with the write.
pub(super) async fn check_early(shelf: &Shelf, key: &str, conditions: &WriteConditions) -> S3Result<()> {
    if conditions.are_none() {
        return Ok(());
    }
    let (shelf, key, conditions) = (shelf.clone(), key.to_owned(), conditions.clone());
    blocking(move || conditions.check(shelf.look(&key).map_err(broken)?.versions.first())).await
}

/// What is to be written, and when.
pub(super) struct NewObject {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) bytes: Bytes,
    pub(super) object: Object,
    pub(super) conditions: WriteConditions,
}

/// Makes bytes the current object of a key, if the conditions hold.
pub(super) async fn write(store: &FolderStore, shelf: Shelf, new: NewObject) -> S3Result<Written> {
    let guard = store.locks.key(&new.bucket, &new.key).await;
    blocking(move || {
        let _guard = guard;
        let NewObject { key, bytes, object, conditions, .. } = new;
        shelf.require()?;
        let versioning = shelf.settings()?.versioning;
        let look = shelf.look(&key).map_err(broken)?;
        conditions.check(look.versions.first())?;
        let newest = look.versions.first().map_or(0, |version| version.stamp);
        let stamp = if bytes.stamp > newest {
            bytes.stamp
        } else {
            shelf.stamp_file(&bytes.file, newest).map_err(broken)?
        };
        let id = (versioning == Some(Versioning::Enabled)).then(|| shelf.clock.name());
        let version_id = id.clone();
        let version = Version { id, stamp, object: Some(object.clone()) };
        let versions = on_top(version, &look.versions);
        shelf.replace(&key, &look, versions, Some(bytes.temporary)).map_err(broken)?;
        Ok(Written { stamp, object, version_id })
    })
    .await
}

/// A version over those that are there. There is never more than one null version.
pub(super) fn on_top(version: Version, versions: &[Version]) -> Vec<Version> {
    let stays = |old: &&Version| version.id.is_some() || old.id.is_some();
    let rest: Vec<_> = versions.iter().filter(stays).cloned().collect();
    [vec![version], rest].concat()
}
