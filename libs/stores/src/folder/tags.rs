//! Tags: as XML gives them, as a header gives them, and what S3 allows of them.

use s3s::dto::{Tag, TagSet};
use s3s::{S3Result, s3_error};

/// Names and values, by name.
pub(super) type Tags = Vec<(String, String)>;

/// What S3 allows of an object.
pub(super) const OBJECT_TAGS_MAX: usize = 10;
/// What S3 allows of a bucket.
pub(super) const BUCKET_TAGS_MAX: usize = 50;
const NAME_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;

/// Tags from the body of a request.
pub(super) fn parse(tags: TagSet, count_max: usize) -> S3Result<Tags> {
    let pairs = tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    check(pairs.collect(), count_max)
}

/// Tags of an object from the header `x-amz-tagging`, which is a query: `name=value&name=value`.
pub(super) fn parse_header(header: Option<&str>) -> S3Result<Tags> {
    let pairs = header.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let decoded = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?))
    });
    match decoded.collect() {
        Some(tags) => check(tags, OBJECT_TAGS_MAX),
        None => {
            Err(s3_error!(InvalidArgument, "the header x-amz-tagging is no query: name=value&name=value"))
        }
    }
}

pub(super) fn to_set(tags: &Tags) -> TagSet {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

fn check(mut tags: Tags, count_max: usize) -> S3Result<Tags> {
    if tags.len() > count_max {
        return Err(s3_error!(InvalidTag, "there may be {count_max} tags, and no more"));
    }
    for (name, value) in &tags {
        if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX {
            return Err(s3_error!(InvalidTag, "the name of a tag has 1 to {NAME_CHARACTERS_MAX} characters"));
        }
        if value.chars().count() > VALUE_CHARACTERS_MAX {
            return Err(s3_error!(
                InvalidTag,
                "the value of a tag has up to {VALUE_CHARACTERS_MAX} characters"
            ));
        }
    }
    tags.sort();
    if tags.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(s3_error!(InvalidTag, "two tags have the same name"));
    }
    Ok(tags)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}
