//! What one place has below a prefix, in the order of keys, one page in memory.

use std::collections::VecDeque;

use relais_stores::request;
use s3s::dto::{ETag, EncodingType, ListObjectsV2Input, ListObjectsV2Output};

use super::ReplicationError;
use crate::erase::{is_encoded, plain};
use crate::placement::Place;

/// Entries of one page, as S3 has it.
const PAGE: i32 = 1000;

/// An object as a listing shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) bytes: u64,
    /// Entity tag without quotes.
    pub(super) etag: Option<String>,
}

/// A listing under way.
pub(super) struct Listing<'a> {
    place: &'a Place,
    prefix: &'a str,
    page: VecDeque<Listed>,
    next: Next,
    /// The last key of the pages before.
    last: Option<String>,
}

enum Next {
    First,
    /// A continuation token.
    Page(String),
    End,
}

impl<'a> Listing<'a> {
    pub(super) fn below(place: &'a Place, prefix: &'a str) -> Self {
        Self { place, prefix, page: VecDeque::new(), next: Next::First, last: None }
    }

    /// What comes next, without taking it. [`Listing::fill`] comes first.
    pub(super) fn peek(&self) -> Option<&Listed> {
        self.page.front()
    }

    /// Takes what comes next.
    pub(super) fn take(&mut self) -> Option<Listed> {
        self.page.pop_front()
    }

    /// Takes the rest of the page.
    pub(super) fn take_page(&mut self) -> Vec<Listed> {
        self.page.drain(..).collect()
    }

    /// Sees to it that there is a next entry, unless the listing is at its end.
    pub(super) async fn fill(&mut self) -> Result<(), ReplicationError> {
        while self.page.is_empty() && !matches!(self.next, Next::End) {
            let page = self.read().await?;
            for listed in page {
                if let Some(before) = self.last.replace(listed.key.clone()).filter(|last| *last >= listed.key)
                {
                    return Err(ReplicationError::Unsorted {
                        replica: self.place.replica.clone(),
                        key: listed.key,
                        before,
                    });
                }
                self.page.push_back(listed);
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Vec<Listed>, ReplicationError> {
        let input = ListObjectsV2Input {
            bucket: self.place.bucket.to_string(),
            prefix: Some(self.prefix.to_owned()),
            continuation_token: match &self.next {
                Next::Page(token) => Some(token.clone()),
                _ => None,
            },
            encoding_type: Some(EncodingType::from_static(EncodingType::URL)),
            max_keys: Some(PAGE),
            ..Default::default()
        };
        let page = self.place.store.s3.list_objects_v2(request(input)).await;
        let page = page.map_err(ReplicationError::of("list the objects of", &self.place.replica))?.output;
        let more = page.next_continuation_token.clone().filter(|_| page.is_truncated == Some(true));
        self.next = more.map_or(Next::End, Next::Page);
        Ok(objects_of(page))
    }
}

fn objects_of(page: ListObjectsV2Output) -> Vec<Listed> {
    let encoded = is_encoded(page.encoding_type.as_ref());
    let listed = |object: s3s::dto::Object| {
        Some(Listed {
            key: plain(&object.key?, encoded),
            bytes: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            etag: object.e_tag.map(ETag::into_value),
        })
    };
    page.contents.unwrap_or_default().into_iter().filter_map(listed).collect()
}
