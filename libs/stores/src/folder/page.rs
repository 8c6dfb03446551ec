//! One page of a listing: entries in order, folded at a delimiter, counted, cut.

use s3s::dto::{CommonPrefix, EncodingType};
use s3s::{S3Result, s3_error};

use super::walk::From;

/// As many as S3 lists at once.
const COUNT_MAX: usize = 1000;

/// Keys in order, each with what is to be listed of it, which may be nothing.
pub(super) trait Source {
    type Item;

    /// The next key.
    fn next(&mut self) -> S3Result<Option<(String, Vec<Self::Item>)>>;

    /// Goes on behind all keys that begin like this.
    fn skip_past(&mut self, prefix: &str);
}

/// What a client asks of a listing.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    pub(super) count_max: usize,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) prefixes: Vec<String>,
    pub(super) is_truncated: bool,
    /// The last key or common prefix on it.
    pub(super) last: Option<String>,
}

impl Query {
    pub(super) fn new(
        prefix: Option<&String>,
        delimiter: Option<&String>,
        count_max: Option<i32>,
    ) -> S3Result<Self> {
        let count_max = count_max.map_or(Ok(COUNT_MAX), usize::try_from);
        let count_max =
            count_max.map_err(|_| s3_error!(InvalidArgument, "a page cannot hold less than nothing"))?;
        Ok(Self {
            prefix: prefix.cloned().unwrap_or_default(),
            delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()).cloned(),
            count_max: count_max.min(COUNT_MAX),
        })
    }

    /// The common prefix that a key is folded into.
    fn fold<'a>(&self, key: &'a str) -> Option<&'a str> {
        let delimiter = self.delimiter.as_ref()?;
        let rest = key.strip_prefix(&self.prefix)?;
        let end = rest.find(delimiter.as_str())? + delimiter.len();
        Some(&key[..self.prefix.len() + end])
    }

    /// Where to go on behind a marker: behind a key, or behind all of a common prefix that was listed.
    pub(super) fn after(&self, marker: &str) -> From {
        match marker {
            "" => From::Start,
            marker if self.fold(marker) == Some(marker) => From::Past(marker.to_owned()),
            marker => From::After(marker.to_owned()),
        }
    }

    pub(super) fn page<S: Source>(&self, mut source: S) -> S3Result<Page<S::Item>> {
        let mut page = Page { items: Vec::new(), prefixes: Vec::new(), is_truncated: false, last: None };
        if self.count_max == 0 {
            return Ok(page);
        }
        while let Some((key, items)) = source.next()? {
            if items.is_empty() {
                continue;
            }
            if let Some(prefix) = self.fold(&key) {
                if page.items.len() + page.prefixes.len() == self.count_max {
                    page.is_truncated = true;
                    return Ok(page);
                }
                source.skip_past(prefix);
                page.prefixes.push(prefix.to_owned());
                page.last = Some(prefix.to_owned());
                continue;
            }
            for item in items {
                if page.items.len() + page.prefixes.len() == self.count_max {
                    page.is_truncated = true;
                    return Ok(page);
                }
                page.items.push(item);
                page.last = Some(key.clone());
            }
        }
        Ok(page)
    }
}

/// How names are written in an answer: as they are, or percent-encoded, where the client asks for it.
#[derive(Clone, Debug)]
pub(super) struct Encoding(pub(super) Option<EncodingType>);

impl Encoding {
    pub(super) fn text(&self, text: &str) -> String {
        match &self.0 {
            Some(encoding) if encoding.as_str() == EncodingType::URL => crate::store::encode_path(text),
            _ => text.to_owned(),
        }
    }

    pub(super) fn optional(&self, text: Option<&String>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    pub(super) fn prefixes(&self, prefixes: &[String]) -> Option<Vec<CommonPrefix>> {
        let encoded = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.text(prefix)) });
        Some(encoded.collect())
    }
}
