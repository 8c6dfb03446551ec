//! Listings of objects and of their versions.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use s3s::dto::{
    ChecksumAlgorithm, DeleteMarkerEntry, ETag, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ObjectStorageClass,
    ObjectVersion, ObjectVersionStorageClass, Owner,
};
use s3s::{S3Result, s3_error};

use super::clock::timestamp;
use super::page::{Encoding, Page, Query, Source};
use super::read::checksum_type;
use super::record::{Object, Version};
use super::shelf::Shelf;
use super::walk::{From, Walk};
use super::{FolderStore, blocking, broken};

/// Everything in a folder belongs to one owner.
pub(super) fn owner() -> Owner {
    Owner { display_name: Some("relais".to_owned()), id: Some("relais".to_owned()) }
}

/// The current objects of a bucket.
struct Current {
    shelf: Shelf,
    walk: Walk,
}

impl Source for Current {
    type Item = (String, i64, Object);

    fn next(&mut self) -> S3Result<Option<(String, Vec<Self::Item>)>> {
        let Some(key) = self.walk.next().map_err(broken)? else { return Ok(None) };
        let current = self.shelf.look(&key).map_err(broken)?.versions.into_iter().next();
        let item = current.and_then(|version| Some((key.clone(), version.stamp, version.object?)));
        Ok(Some((key, item.into_iter().collect())))
    }

    fn skip_past(&mut self, prefix: &str) {
        self.walk.skip_past(prefix);
    }
}

async fn current(shelf: Shelf, query: &Query, from: From) -> S3Result<Page<(String, i64, Object)>> {
    let query = query.clone();
    blocking(move || {
        let walk = Walk::new(&shelf.layout, &query.prefix, from);
        query.page(Current { shelf, walk })
    })
    .await
}

fn listed(item: (String, i64, Object), encoding: &Encoding, with_owner: bool) -> s3s::dto::Object {
    let (key, stamp, object) = item;
    s3s::dto::Object {
        checksum_algorithm: algorithms(&object),
        checksum_type: checksum_type(&object),
        key: Some(encoding.text(&key)),
        last_modified: Some(timestamp(stamp)),
        owner: with_owner.then(owner),
        size: i64::try_from(object.size).ok(),
        storage_class: Some(ObjectStorageClass::from(object.headers.class())),
        e_tag: Some(ETag::Strong(object.etag)),
        ..Default::default()
    }
}

fn algorithms(object: &Object) -> Option<Vec<ChecksumAlgorithm>> {
    let names: Vec<_> = object.checksum.sums.keys().cloned().map(ChecksumAlgorithm::from).collect();
    (!names.is_empty()).then_some(names)
}

pub(super) async fn objects(store: &FolderStore, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
    let shelf = store.bucket(&input.bucket).await?;
    let query = Query::new(input.prefix.as_ref(), input.delimiter.as_ref(), input.max_keys)?;
    let from = query.after(input.marker.as_deref().unwrap_or_default());
    let page = current(shelf, &query, from).await?;
    let encoding = Encoding(input.encoding_type);
    // S3 names the next marker only where the last entry may be a common prefix.
    let next_marker = page.last.as_ref().filter(|_| page.is_truncated && query.delimiter.is_some());
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(plain(query.prefix, &encoding)),
        marker: Some(encoding.text(input.marker.as_deref().unwrap_or_default())),
        max_keys: i32::try_from(query.count_max).ok(),
        is_truncated: Some(page.is_truncated),
        next_marker: encoding.optional(next_marker),
        common_prefixes: encoding.prefixes(&page.prefixes),
        contents: Some(page.items.into_iter().map(|item| listed(item, &encoding, true)).collect()),
        delimiter: encoding.optional(query.delimiter.as_ref()),
        encoding_type: encoding.0,
        ..Default::default()
    })
}

/// The prefix of this kind of listing, which clients take as it is. Encoded only where XML cannot hold it.
fn plain(prefix: String, encoding: &Encoding) -> String {
    let fits = |found: char| !found.is_control() || matches!(found, '\t' | '\n' | '\r');
    if prefix.chars().all(fits) { prefix } else { encoding.text(&prefix) }
}

pub(super) async fn objects_v2(
    store: &FolderStore,
    input: ListObjectsV2Input,
) -> S3Result<ListObjectsV2Output> {
    let shelf = store.bucket(&input.bucket).await?;
    let query = Query::new(input.prefix.as_ref(), input.delimiter.as_ref(), input.max_keys)?;
    let from = match &input.continuation_token {
        Some(token) => query.after(&decode(token)?),
        None => query.after(input.start_after.as_deref().unwrap_or_default()),
    };
    let page = current(shelf, &query, from).await?;
    let encoding = Encoding(input.encoding_type);
    let with_owner = input.fetch_owner.unwrap_or(false);
    let next = page.last.as_ref().filter(|_| page.is_truncated);
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.text(&query.prefix)),
        max_keys: i32::try_from(query.count_max).ok(),
        key_count: i32::try_from(page.items.len() + page.prefixes.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.is_truncated),
        next_continuation_token: next.map(|last| BASE64_URL_SAFE_NO_PAD.encode(last)),
        common_prefixes: encoding.prefixes(&page.prefixes),
        contents: Some(page.items.into_iter().map(|item| listed(item, &encoding, with_owner)).collect()),
        delimiter: encoding.optional(query.delimiter.as_ref()),
        start_after: encoding.optional(input.start_after.as_ref()),
        encoding_type: encoding.0,
        ..Default::default()
    })
}

fn decode(token: &str) -> S3Result<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is none of this store"))
}

/// One version in a listing.
struct Listed {
    key: String,
    version: Version,
    is_latest: bool,
}

/// All versions of a bucket.
struct Versions {
    shelf: Shelf,
    walk: Walk,
    /// Up to this version of this key, all were listed.
    after: Option<(String, String)>,
}

impl Source for Versions {
    type Item = Listed;

    fn next(&mut self) -> S3Result<Option<(String, Vec<Listed>)>> {
        let Some(key) = self.walk.next().map_err(broken)? else { return Ok(None) };
        let versions = self.shelf.look(&key).map_err(broken)?.versions;
        let done = match self.after.take() {
            Some((marker, id)) if marker == key => {
                let position = versions.iter().position(|version| version.name() == id);
                position.map_or(0, |position| position + 1)
            }
            _ => 0,
        };
        let listed = versions.into_iter().enumerate().skip(done).map(|(index, version)| Listed {
            key: key.clone(),
            version,
            is_latest: index == 0,
        });
        let listed = listed.collect();
        Ok(Some((key, listed)))
    }

    fn skip_past(&mut self, prefix: &str) {
        self.walk.skip_past(prefix);
    }
}

pub(super) async fn versions(
    store: &FolderStore,
    input: ListObjectVersionsInput,
) -> S3Result<ListObjectVersionsOutput> {
    let shelf = store.bucket(&input.bucket).await?;
    let query = Query::new(input.prefix.as_ref(), input.delimiter.as_ref(), input.max_keys)?;
    let marker = input.key_marker.clone().unwrap_or_default();
    let after = input.version_id_marker.clone().filter(|id| !id.is_empty()).map(|id| (marker.clone(), id));
    let from = if after.is_some() { From::At(marker) } else { query.after(&marker) };
    let asked = query.clone();
    let page = blocking(move || {
        let walk = Walk::new(&shelf.layout, &asked.prefix, from);
        asked.page(Versions { shelf, walk, after })
    })
    .await?;
    let encoding = Encoding(input.encoding_type);
    let next = page.last.as_ref().filter(|_| page.is_truncated);
    let last = page.items.last().filter(|last| next == Some(&last.key));
    let next_version_id_marker = last.map(|last| last.version.name().to_owned());
    let (markers, objects): (Vec<_>, Vec<_>) =
        page.items.into_iter().partition(|listed| listed.version.object.is_none());
    Ok(ListObjectVersionsOutput {
        common_prefixes: encoding.prefixes(&page.prefixes),
        delete_markers: Some(markers.into_iter().map(|listed| marker_entry(listed, &encoding)).collect()),
        delimiter: encoding.optional(query.delimiter.as_ref()),
        is_truncated: Some(page.is_truncated),
        key_marker: Some(encoding.text(input.key_marker.as_deref().unwrap_or_default())),
        max_keys: i32::try_from(query.count_max).ok(),
        name: Some(input.bucket),
        next_key_marker: encoding.optional(next),
        next_version_id_marker,
        prefix: Some(encoding.text(&query.prefix)),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        versions: Some(objects.into_iter().filter_map(|listed| version_entry(listed, &encoding)).collect()),
        encoding_type: encoding.0,
        ..Default::default()
    })
}

fn marker_entry(listed: Listed, encoding: &Encoding) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        is_latest: Some(listed.is_latest),
        key: Some(encoding.text(&listed.key)),
        last_modified: Some(timestamp(listed.version.stamp)),
        owner: Some(owner()),
        version_id: Some(listed.version.name().to_owned()),
    }
}

fn version_entry(listed: Listed, encoding: &Encoding) -> Option<ObjectVersion> {
    let version_id = listed.version.name().to_owned();
    let object = listed.version.object?;
    Some(ObjectVersion {
        checksum_algorithm: algorithms(&object),
        checksum_type: checksum_type(&object),
        is_latest: Some(listed.is_latest),
        key: Some(encoding.text(&listed.key)),
        last_modified: Some(timestamp(listed.version.stamp)),
        owner: Some(owner()),
        size: i64::try_from(object.size).ok(),
        storage_class: Some(ObjectVersionStorageClass::from(object.headers.class())),
        version_id: Some(version_id),
        e_tag: Some(ETag::Strong(object.etag)),
        ..Default::default()
    })
}
