//! Listings of uploads that are under way, and of the parts of one.

use s3s::S3Result;
use s3s::dto::{
    ETag, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput,
    MultipartUpload, Part, StorageClass,
};

use super::checksum::put_sums;
use super::clock::timestamp;
use super::listing::owner;
use super::page::{Encoding, Query, Source};
use super::shelf::Shelf;
use super::sweep::names;
use super::uploads::{Upload, Uploaded, read_upload};
use super::{FolderStore, blocking, broken};

/// Parts in one answer, unless the client asks for fewer.
const PARTS_MAX: usize = 1000;

pub(super) async fn parts(store: &FolderStore, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let shelf = store.bucket_for(&input.bucket, &input.key).await?;
    let (key, id) = (input.key.clone(), input.upload_id.clone());
    let (upload, mut parts) = blocking(move || {
        let (folder, upload) = shelf.upload(&key, &id)?;
        Ok((upload, shelf.parts(&folder)?))
    })
    .await?;
    let marker = input.part_number_marker.unwrap_or(0);
    let count_max = input.max_parts.map_or(PARTS_MAX, |max| usize::try_from(max).unwrap_or(0).min(PARTS_MAX));
    parts.retain(|part| part.number > marker);
    let is_truncated = parts.len() > count_max;
    parts.truncate(count_max);
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: upload.algorithm(),
        checksum_type: upload.checksum_type(),
        initiator: Some(initiator()),
        is_truncated: Some(is_truncated),
        key: Some(input.key),
        max_parts: i32::try_from(count_max).ok(),
        next_part_number_marker: parts.last().map(|part| part.number),
        owner: Some(owner()),
        part_number_marker: Some(marker),
        parts: Some(parts.into_iter().map(listed).collect()),
        storage_class: Some(StorageClass::from(upload.headers.class())),
        upload_id: Some(input.upload_id),
        ..Default::default()
    })
}

fn listed(part: Uploaded) -> Part {
    let mut listed = Part {
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(timestamp(part.stamp)),
        part_number: Some(part.number),
        size: i64::try_from(part.size).ok(),
        ..Default::default()
    };
    put_sums!(listed, part.sums);
    listed
}

fn initiator() -> Initiator {
    let owner = owner();
    Initiator { display_name: owner.display_name, id: owner.id }
}

/// The uploads of a bucket, by key and then by the time they began, which their ids begin with.
struct Uploads(std::iter::Peekable<std::vec::IntoIter<(String, String, Upload)>>);

impl Source for Uploads {
    type Item = (String, String, Upload);

    fn next(&mut self) -> S3Result<Option<(String, Vec<Self::Item>)>> {
        Ok(self.0.next().map(|upload| (upload.0.clone(), vec![upload])))
    }

    fn skip_past(&mut self, prefix: &str) {
        while self.0.next_if(|(key, ..)| key.starts_with(prefix)).is_some() {}
    }
}

fn uploads(shelf: &Shelf) -> S3Result<Vec<(String, String, Upload)>> {
    let mut uploads = Vec::new();
    for id in names(&shelf.layout.uploads()).map_err(broken)? {
        if let Some(upload) = read_upload(&shelf.layout.uploads().join(&id))? {
            uploads.push((upload.key.clone(), id, upload));
        }
    }
    uploads.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    Ok(uploads)
}

pub(super) async fn uploads_of(
    store: &FolderStore,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    let shelf = store.bucket(&input.bucket).await?;
    let query = Query::new(input.prefix.as_ref(), input.delimiter.as_ref(), input.max_uploads)?;
    let key_marker = input.key_marker.clone().unwrap_or_default();
    let id_marker = input.upload_id_marker.clone().unwrap_or_default();
    let asked = query.clone();
    let page = blocking(move || {
        let from = asked.after(&key_marker);
        let is_behind = |key: &str, id: &str| {
            from.takes_key(key) || (key == key_marker && !id_marker.is_empty() && id > id_marker.as_str())
        };
        let mut uploads = uploads(&shelf)?;
        uploads.retain(|(key, id, _)| key.starts_with(&asked.prefix) && is_behind(key, id));
        asked.page(Uploads(uploads.into_iter().peekable()))
    })
    .await?;
    let encoding = Encoding(input.encoding_type);
    let next = page.last.as_ref().filter(|_| page.is_truncated);
    let last = page.items.last().filter(|(key, ..)| next == Some(key));
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        common_prefixes: encoding.prefixes(&page.prefixes),
        delimiter: encoding.optional(query.delimiter.as_ref()),
        is_truncated: Some(page.is_truncated),
        key_marker: Some(encoding.text(input.key_marker.as_deref().unwrap_or_default())),
        max_uploads: i32::try_from(query.count_max).ok(),
        next_key_marker: encoding.optional(next),
        next_upload_id_marker: last.map(|(_, id, _)| id.clone()),
        prefix: Some(encoding.text(&query.prefix)),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        uploads: Some(page.items.into_iter().map(|item| listed_upload(item, &encoding)).collect()),
        encoding_type: encoding.0,
        ..Default::default()
    })
}

fn listed_upload((key, id, upload): (String, String, Upload), encoding: &Encoding) -> MultipartUpload {
    MultipartUpload {
        checksum_algorithm: upload.algorithm(),
        checksum_type: upload.checksum_type(),
        initiated: Some(timestamp(upload.stamp)),
        initiator: Some(initiator()),
        key: Some(encoding.text(&key)),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from(upload.headers.class())),
        upload_id: Some(id),
    }
}
