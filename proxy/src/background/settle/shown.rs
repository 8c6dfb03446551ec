//! An object as a store shows it, whether by HEAD or by GET, and when two are equal.
//!
//! Bytes are compared by length and entity tag; where two stores compute those in different ways, the catalog knows both tags of
//! what was copied (`Twin`). Not compared: storage class, checksums, encryption and locks, which are each store's own.

use std::fmt;

use relais_catalog::Twin;
use relais_model::ObjectFacts;
use relais_stores::Features;
use s3s::dto::{ETag, GetObjectOutput, HeadObjectOutput, Metadata, StreamingBlob};

/// An object as a store shows it.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) length: u64,
    pub(super) etag: String,
    pub(super) version_id: Option<String>,
    pub(super) headers: Headers,
    /// How many tags it has; nothing where the store does not say.
    pub(super) tags: Option<usize>,
    /// Its bytes, until they are taken.
    pub(super) body: Option<StreamingBlob>,
}

/// What a store keeps beside the bytes and gives back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Headers {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) expires: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) website_redirect_location: Option<String>,
}

/// What stores say of an object that nobody gave a type.
const DEFAULT_TYPES: [&str; 2] = ["binary/octet-stream", "application/octet-stream"];

macro_rules! shown {
    ($output:expr, $features:expr, $body:expr) => {{
        let said = $output.tag_count.and_then(|count| usize::try_from(count).ok());
        Shown {
            length: $output.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0),
            etag: $output.e_tag.map(ETag::into_value).unwrap_or_default(),
            version_id: $output.version_id.filter(|version| version != "null"),
            headers: Headers {
                cache_control: $output.cache_control,
                content_disposition: $output.content_disposition,
                content_encoding: $output.content_encoding,
                content_language: $output.content_language,
                content_type: $output.content_type,
                expires: $output.expires,
                metadata: $output.metadata.unwrap_or_default(),
                website_redirect_location: $output.website_redirect_location,
            },
            tags: match said {
                Some(count) => Some(count),
                None => ($features.tag_counts || !$features.tagging).then_some(0),
            },
            body: $body,
        }
    }};
}

impl Shown {
    pub(super) fn of_head(head: HeadObjectOutput, features: &Features) -> Self {
        shown!(head, features, None)
    }

    pub(super) fn of_read(mut read: GetObjectOutput, features: &Features) -> Self {
        let body = read.body.take();
        shown!(read, features, body)
    }

    /// The same, open to be read.
    pub(super) fn with_body(&self, body: StreamingBlob) -> Self {
        Self {
            length: self.length,
            etag: self.etag.clone(),
            version_id: self.version_id.clone(),
            headers: self.headers.clone(),
            tags: self.tags,
            body: Some(body),
        }
    }

    /// In what the other differs, in words; nothing where it has the same bytes and headers.
    pub(super) fn differences(&self, there: &Self, twin: Option<&Twin>) -> Vec<&'static str> {
        let bytes = match self.length == there.length {
            false => Some("size"),
            true => (!self.has_etag(&there.etag, twin)).then_some("bytes"),
        };
        bytes.into_iter().chain(self.headers.differences(&there.headers)).collect()
    }

    /// Whether what another store calls by this entity tag has the same bytes.
    fn has_etag(&self, etag: &str, twin: Option<&Twin>) -> bool {
        let is_twin = |twin: &Twin| twin.primary == self.etag && twin.replica == etag;
        self.etag == etag || twin.is_some_and(is_twin)
    }

    pub(super) fn facts(&self, owner: &str) -> ObjectFacts {
        ObjectFacts {
            size: self.length,
            etag: self.etag.clone(),
            content_type: self.headers.content_type.clone(),
            owner: owner.to_owned(),
        }
    }
}

impl Headers {
    fn differences(&self, there: &Self) -> impl Iterator<Item = &'static str> {
        let named = |headers: &Self| {
            let content_type = headers.content_type.clone();
            content_type.filter(|named| !DEFAULT_TYPES.contains(&named.as_str()))
        };
        let same = [
            ("cache control", self.cache_control == there.cache_control),
            ("content disposition", self.content_disposition == there.content_disposition),
            ("content encoding", self.content_encoding == there.content_encoding),
            ("content language", self.content_language == there.content_language),
            ("content type", named(self) == named(there)),
            ("expires", self.expires == there.expires),
            ("metadata", self.metadata == there.metadata),
            ("redirect", self.website_redirect_location == there.website_redirect_location),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(name, _)| name)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown")
            .field("length", &self.length)
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(etag: &str, content_type: Option<&str>) -> Shown {
        let headers = Headers { content_type: content_type.map(str::to_owned), ..Headers::default() };
        Shown { length: 1, etag: etag.to_owned(), headers, ..Shown::default() }
    }

    #[test]
    fn a_type_that_a_store_made_up_is_no_difference() {
        let untyped = shown("e", None);
        assert!(untyped.differences(&shown("e", Some("binary/octet-stream")), None).is_empty());
        assert!(!untyped.differences(&shown("e", Some("text/plain")), None).is_empty());
        assert!(!shown("e", Some("text/html")).differences(&shown("e", Some("text/plain")), None).is_empty());
    }

    #[test]
    fn another_entity_tag_is_a_difference_unless_it_is_known_as_a_twin() {
        let twin = Twin { primary: "e".to_owned(), replica: "e-2".to_owned() };
        assert!(!shown("e", None).differences(&shown("e-2", None), None).is_empty());
        assert!(shown("e", None).differences(&shown("e-2", None), Some(&twin)).is_empty());
        assert!(!shown("f", None).differences(&shown("e-2", None), Some(&twin)).is_empty());
    }
}
