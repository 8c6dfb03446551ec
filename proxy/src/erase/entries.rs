//! What one place has below a prefix, page by page: objects or, where it keeps them, versions and delete markers.

use percent_encoding::percent_decode_str;
use relais_stores::request;
use s3s::S3ErrorCode;
use s3s::S3Result;
use s3s::dto::{
    EncodingType, GetBucketVersioningInput, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsV2Input, ListObjectsV2Output, Timestamp,
};

use crate::placement::Place;

/// Entries of one page, as S3 has it.
const PAGE: i32 = 1000;

/// One thing that can be deleted.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Nothing where no versions are kept.
    pub(super) version: Option<String>,
    pub(super) kind: Kind,
    pub(super) bytes: u64,
    /// Whether it is what a plain read meets.
    pub(super) is_latest: bool,
    written: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Current,
    Older,
    Marker,
}

/// How a place keeps a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keeping {
    /// It has no such bucket.
    Nothing,
    /// The current objects only.
    Objects,
    /// Versions, or it has kept them once.
    Versions,
}

/// How a place keeps its bucket.
pub(super) async fn keeping(place: &Place) -> S3Result<Keeping> {
    if !place.store.features.versioning {
        return Ok(Keeping::Objects);
    }
    let input = GetBucketVersioningInput { bucket: place.bucket.to_string(), expected_bucket_owner: None };
    match place.store.s3.get_bucket_versioning(request(input)).await {
        Ok(found) if found.output.status.is_some() => Ok(Keeping::Versions),
        Ok(_) => Ok(Keeping::Objects),
        Err(error) if *error.code() == S3ErrorCode::NoSuchBucket => Ok(Keeping::Nothing),
        Err(error) => Err(error),
    }
}

/// A listing under way.
pub(super) struct Entries<'a> {
    place: &'a Place,
    keeping: Keeping,
    prefix: &'a str,
    next: Next,
}

enum Next {
    First,
    /// A continuation token.
    Objects(String),
    /// Behind a key and one of its versions.
    Versions(Option<String>, Option<String>),
    End,
}

impl<'a> Entries<'a> {
    pub(super) fn below(place: &'a Place, keeping: Keeping, prefix: &'a str) -> Self {
        let next = if keeping == Keeping::Nothing { Next::End } else { Next::First };
        Self { place, keeping, prefix, next }
    }

    /// The next page, by key and the oldest first, so that what is latest goes last; nothing at the end.
    pub(super) async fn page(&mut self) -> S3Result<Option<Vec<Entry>>> {
        if matches!(self.next, Next::End) {
            return Ok(None);
        }
        let listed = match self.keeping {
            Keeping::Versions => self.versions().await,
            Keeping::Objects | Keeping::Nothing => self.objects().await,
        };
        match listed {
            Err(error) if *error.code() == S3ErrorCode::NoSuchBucket => {
                self.next = Next::End;
                Ok(None)
            }
            listed => listed.map(Some),
        }
    }

    async fn objects(&mut self) -> S3Result<Vec<Entry>> {
        let input = ListObjectsV2Input {
            bucket: self.place.bucket.to_string(),
            prefix: Some(self.prefix.to_owned()),
            continuation_token: match &self.next {
                Next::Objects(token) => Some(token.clone()),
                _ => None,
            },
            encoding_type: Some(EncodingType::from_static(EncodingType::URL)),
            max_keys: Some(PAGE),
            ..Default::default()
        };
        let page = self.place.store.s3.list_objects_v2(request(input)).await?.output;
        let more = page.next_continuation_token.clone().filter(|_| page.is_truncated == Some(true));
        self.next = more.map_or(Next::End, Next::Objects);
        Ok(objects_of(page))
    }

    async fn versions(&mut self) -> S3Result<Vec<Entry>> {
        let (key_marker, version_id_marker) = match &self.next {
            Next::Versions(key, version) => (key.clone(), version.clone()),
            _ => (None, None),
        };
        let input = ListObjectVersionsInput {
            bucket: self.place.bucket.to_string(),
            prefix: Some(self.prefix.to_owned()),
            key_marker,
            version_id_marker,
            encoding_type: Some(EncodingType::from_static(EncodingType::URL)),
            max_keys: Some(PAGE),
            ..Default::default()
        };
        let page = self.place.store.s3.list_object_versions(request(input)).await?.output;
        let encoded = is_encoded(page.encoding_type.as_ref());
        self.next = match page.next_key_marker.as_ref().filter(|_| page.is_truncated == Some(true)) {
            Some(key) => Next::Versions(Some(plain(key, encoded)), page.next_version_id_marker.clone()),
            None => Next::End,
        };
        Ok(versions_of(page))
    }
}

fn objects_of(page: ListObjectsV2Output) -> Vec<Entry> {
    let encoded = is_encoded(page.encoding_type.as_ref());
    let objects = page.contents.unwrap_or_default().into_iter();
    let entry = |object: s3s::dto::Object| {
        Some(Entry {
            key: plain(&object.key?, encoded),
            version: None,
            kind: Kind::Current,
            bytes: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            is_latest: true,
            written: object.last_modified,
        })
    };
    objects.filter_map(entry).collect()
}

fn versions_of(page: ListObjectVersionsOutput) -> Vec<Entry> {
    let encoded = is_encoded(page.encoding_type.as_ref());
    let versions = page.versions.unwrap_or_default().into_iter().filter_map(|version| {
        let is_latest = version.is_latest == Some(true);
        Some(Entry {
            key: plain(&version.key?, encoded),
            version: version.version_id,
            kind: if is_latest { Kind::Current } else { Kind::Older },
            bytes: version.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            is_latest,
            written: version.last_modified,
        })
    });
    let markers = page.delete_markers.unwrap_or_default().into_iter().filter_map(|marker| {
        Some(Entry {
            key: plain(&marker.key?, encoded),
            version: marker.version_id,
            kind: Kind::Marker,
            bytes: 0,
            is_latest: marker.is_latest == Some(true),
            written: marker.last_modified,
        })
    });
    let mut entries: Vec<Entry> = versions.chain(markers).collect();
    entries.reverse(); // S3 lists the newest first; of one time the order stays.
    entries.sort_by(|one, other| order(one).cmp(&order(other)));
    entries
}

fn order(entry: &Entry) -> (&str, bool, Option<&Timestamp>) {
    (&entry.key, entry.is_latest, entry.written.as_ref())
}

/// The entries of each key.
pub(super) fn by_key(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut keys: Vec<Vec<Entry>> = Vec::new();
    for entry in entries {
        match keys.last_mut() {
            Some(key) if key[0].key == entry.key => key.push(entry),
            _ => keys.push(vec![entry]),
        }
    }
    keys
}

pub(crate) fn is_encoded(encoding: Option<&EncodingType>) -> bool {
    encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL)
}

pub(crate) fn plain(key: &str, encoded: bool) -> String {
    if !encoded {
        return key.to_owned();
    }
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}
