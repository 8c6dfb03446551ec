//! Where the parts of an object end: entity tags agree only if the copy has the same parts.
//!
//! Stores tell by `GetObjectAttributes`, where they keep checksums of parts, or by a HEAD of each part. Of a store that tells
//! neither, the sizes are guessed as clients choose them: equal parts of a whole number of MiB, and a smaller one at the end. If
//! the guess is wrong the copy has other parts and another entity tag, and the catalog remembers that both are equal.

use futures::{StreamExt, TryStreamExt};
use relais_stores::{is_outage, request};
use s3s::S3Result;
use s3s::dto::{GetObjectAttributesInput, HeadObjectInput, ObjectAttributes};

use super::shown::Shown;
use super::side::Side;

const MIB: u64 = 1 << 20;

/// What S3 takes in one request.
pub(super) const PIECE_BYTES_MAX: u64 = 5 << 30;

/// Most parts that an object may have.
const PARTS_MAX: u64 = 10_000;

/// Parts of an object that was never in parts but is too large for one request. Large, for each costs two requests; and small
/// enough that a connection lives through it.
const PART_BYTES: u64 = 64 * MIB;

/// Parts that are asked for at once.
const LOOKS_AT_ONCE: usize = 8;

/// First and last byte of each part, in their order.
pub(super) type Ranges = Vec<(u64, u64)>;

/// The parts in which an object is to be copied; nothing where it goes in one piece.
pub(super) async fn plan(primary: &Side<'_>, truth: &Shown) -> S3Result<Option<Ranges>> {
    let Some(count) = parts_count(&truth.etag).filter(|_| truth.length > 0) else {
        return Ok((truth.length > PIECE_BYTES_MAX).then(|| equal(truth.length, part_bytes(truth.length))));
    };
    let sizes = match told_at_once(primary, count).await? {
        Some(sizes) => Some(sizes),
        None => told_one_by_one(primary, truth, count).await?,
    };
    let told = sizes.filter(|sizes| sizes.iter().sum::<u64>() == truth.length).map(|sizes| ranges(&sizes));
    Ok(Some(told.unwrap_or_else(|| equal(truth.length, guess(truth.length, count)))))
}

/// How many parts an entity tag says.
fn parts_count(etag: &str) -> Option<u64> {
    let (digest, count) = etag.rsplit_once('-')?;
    let is_digest = digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    count.parse().ok().filter(|count| is_digest && (1..=PARTS_MAX).contains(count))
}

async fn told_at_once(primary: &Side<'_>, count: u64) -> S3Result<Option<Vec<u64>>> {
    if !primary.place.store.features.checksums {
        return Ok(None); // It has nothing to tell of parts.
    }
    let (mut sizes, mut marker) = (Vec::new(), None);
    loop {
        let input = GetObjectAttributesInput {
            bucket: primary.bucket(),
            key: primary.key.to_string(),
            object_attributes: vec![ObjectAttributes::from_static(ObjectAttributes::OBJECT_PARTS)],
            part_number_marker: marker,
            ..Default::default()
        };
        let asked = primary.ask(primary.place.store.s3.get_object_attributes(request(input))).await;
        let parts = match asked {
            Ok(told) => told.object_parts,
            Err(error) if is_outage(&error) => return Err(error),
            Err(_) => None, // Not every store, and not every key pair, may tell.
        };
        let Some(parts) = parts else { return Ok(None) };
        let listed = parts.parts.unwrap_or_default();
        let end = listed.is_empty() || parts.is_truncated != Some(true);
        sizes.extend(listed.into_iter().filter_map(|part| u64::try_from(part.size?).ok()));
        marker = parts.next_part_number_marker;
        if end || marker.is_none() {
            return Ok(Some(sizes).filter(|sizes| sizes.len() as u64 == count));
        }
    }
}

/// The size of the first part tells those of all where they are equal; where they cannot be, each is asked for.
async fn told_one_by_one(primary: &Side<'_>, truth: &Shown, count: u64) -> S3Result<Option<Vec<u64>>> {
    let Some((first, told)) = part_size(primary, &truth.etag, 1).await? else { return Ok(None) };
    if told.is_some_and(|told| told != count) || (count > 1 && first == truth.length) {
        return Ok(None); // The store does not know of parts and shows the whole.
    }
    if first * (count - 1) < truth.length && truth.length <= first * count {
        let mut sizes = vec![first; usize::try_from(count).unwrap_or(0)];
        sizes.pop();
        sizes.push(truth.length - first * (count - 1));
        return Ok(Some(sizes));
    }
    let numbers = 2..=i32::try_from(count).unwrap_or(0);
    let sizes = futures::stream::iter(numbers).map(|number| part_size(primary, &truth.etag, number));
    let rest: Vec<_> = sizes.buffered(LOOKS_AT_ONCE).try_collect().await?;
    let rest: Option<Vec<u64>> = rest.into_iter().map(|part| Some(part?.0)).collect();
    Ok(rest.map(|rest| std::iter::once(first).chain(rest).collect()))
}

/// The size of a part, and how many there are, if the store says so.
async fn part_size(primary: &Side<'_>, etag: &str, number: i32) -> S3Result<Option<(u64, Option<u64>)>> {
    let input = HeadObjectInput {
        bucket: primary.bucket(),
        key: primary.key.to_string(),
        part_number: Some(number),
        ..Default::default()
    };
    match primary.ask(primary.place.store.s3.head_object(request(input))).await {
        Ok(head) if head.e_tag.as_ref().map(s3s::dto::ETag::value) == Some(etag) => {
            let size = head.content_length.and_then(|size| u64::try_from(size).ok());
            Ok(size.map(|size| (size, head.parts_count.and_then(|count| u64::try_from(count).ok()))))
        }
        Ok(_) => Ok(None),
        Err(error) if is_outage(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn ranges(sizes: &[u64]) -> Ranges {
    let mut first = 0;
    let range = |size: &u64| {
        let range = (first, first + size - 1);
        first += size;
        range
    };
    sizes.iter().filter(|size| **size > 0).map(range).collect()
}

/// Parts of this size, and what is left at the end.
fn equal(length: u64, size: u64) -> Ranges {
    let starts = (0..length).step_by(usize::try_from(size).unwrap_or(usize::MAX));
    starts.map(|first| (first, (first + size).min(length) - 1)).collect()
}

fn part_bytes(length: u64) -> u64 {
    PART_BYTES.max(length.div_ceil(PARTS_MAX).next_multiple_of(MIB))
}

/// The smallest whole number of MiB that gives so many parts: clients take powers of two, and those come first.
fn guess(length: u64, count: u64) -> u64 {
    let gives = |size: &u64| length.div_ceil(*size) == count;
    let usual = [8, 5, 16, 10, 32, 64, 128, 256, 512].map(|mib| mib * MIB);
    let smallest = length.div_ceil(count).next_multiple_of(MIB);
    usual.into_iter().find(gives).unwrap_or(smallest).clamp(5 * MIB, PIECE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_says_how_many_parts_there_are() {
        let digest = "0123456789abcdef0123456789abcdef";
        assert_eq!(parts_count(&format!("{digest}-3")), Some(3));
        assert_eq!(parts_count(digest), None);
        assert_eq!(parts_count("something-3"), None);
        assert_eq!(parts_count(&format!("{digest}-0")), None);
        assert_eq!(parts_count(&format!("{digest}-10001")), None);
    }

    #[test]
    fn ranges_cover_an_object_without_gap_or_overlap() {
        assert_eq!(ranges(&[3, 5, 1]), [(0, 2), (3, 7), (8, 8)]);
        assert_eq!(equal(9, 4), [(0, 3), (4, 7), (8, 8)]);
        assert_eq!(equal(8, 4), [(0, 3), (4, 7)]);
    }

    #[test]
    fn parts_of_unknown_sizes_are_those_that_clients_choose() {
        assert_eq!(guess(18 * MIB, 3), 8 * MIB);
        assert_eq!(guess(18 * MIB, 4), 5 * MIB);
        assert_eq!(guess(70 * MIB, 10), 7 * MIB);
        assert_eq!(guess(70 * MIB, 10).min(70 * MIB), 7 * MIB);
    }

    #[test]
    fn an_object_of_any_size_fits_into_the_parts_that_s3_allows() {
        for length in [PIECE_BYTES_MAX + 1, 1 << 40, 5 << 40, 48 << 40] {
            let size = part_bytes(length);
            assert!(length.div_ceil(size) <= PARTS_MAX && size <= PIECE_BYTES_MAX, "{length}");
        }
    }
}
