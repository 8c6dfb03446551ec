//! The plan of a large upload: into which parts it is cut.
//!
//! A plan follows from the size alone, so whoever comes back to an upload finds the same parts.

use serde::Serialize;

/// Most parts of a plan: an answer with a URL for each stays below a few megabytes.
pub(super) const PARTS_MAX: u64 = 1000;

/// Smallest part but the last. S3 asks for 5 MiB; a little more makes fewer requests, and what is lost when one breaks off is small.
pub(super) const PART_BYTES_MIN: u64 = 8 << 20;

/// Largest part that S3 takes.
pub(super) const PART_BYTES_MAX: u64 = 5 << 30;

/// Largest object of a plan.
pub(super) const OBJECT_BYTES_MAX: u64 = PARTS_MAX * PART_BYTES_MAX;

/// Parts are whole mebibytes, which clients can read of a file in whole blocks.
const PART_BYTES_STEP: u64 = 1 << 20;

/// One part, as a client reads it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) bytes: u64,
    /// Whether it is there already.
    pub(super) done: bool,
    /// Its entity tag, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    /// Where to put it, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
}

/// A part that the store has.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) number: i32,
    pub(super) bytes: u64,
    pub(super) etag: String,
}

/// The size of every part but the last.
pub(super) fn part_bytes(object_bytes: u64) -> u64 {
    let even = object_bytes.div_ceil(PARTS_MAX).next_multiple_of(PART_BYTES_STEP);
    even.clamp(PART_BYTES_MIN, PART_BYTES_MAX)
}

/// The parts of an object, none of which has a URL yet. A stored part of another size has to be sent again.
pub(super) fn parts(object_bytes: u64, stored: &[Stored]) -> Vec<Part> {
    let part_bytes = part_bytes(object_bytes);
    let part = |(number, begin): (i32, u64)| {
        let bytes = part_bytes.min(object_bytes - begin);
        let found = stored.iter().find(|stored| stored.number == number && stored.bytes == bytes);
        Part {
            number,
            bytes,
            done: found.is_some(),
            etag: found.map(|stored| stored.etag.clone()),
            url: None,
        }
    };
    let step = usize::try_from(part_bytes).unwrap_or(usize::MAX);
    (1..).zip((0..object_bytes).step_by(step)).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole_and_are_not_too_many() {
        let sizes = [1, PART_BYTES_MIN - 1, PART_BYTES_MIN, PART_BYTES_MIN + 1, 8_388_608_000, 8_388_608_001];
        for size in sizes.into_iter().chain([1 << 40, OBJECT_BYTES_MAX]) {
            let parts = parts(size, &[]);
            assert_eq!(parts.iter().map(|part| part.bytes).sum::<u64>(), size);
            assert!(parts.len() as u64 <= PARTS_MAX, "{size}");
            assert!(parts.iter().enumerate().all(|(index, part)| part.number as usize == index + 1));
            let (last, others) = parts.split_last().unwrap();
            assert!(others.iter().all(|part| part.bytes == part_bytes(size) && part.bytes >= PART_BYTES_MIN));
            assert!(last.bytes > 0 && last.bytes <= part_bytes(size) && part_bytes(size) <= PART_BYTES_MAX);
        }
    }

    #[test]
    fn only_a_part_of_the_right_size_is_done() {
        let stored = |number, bytes| Stored { number, bytes, etag: format!("\"{number}\"") };
        let size = 2 * PART_BYTES_MIN + 5;
        let there = [stored(1, PART_BYTES_MIN), stored(2, 5), stored(3, 5), stored(7, 5)];
        let parts = parts(size, &there);
        let seen: Vec<_> = parts.iter().map(|part| (part.number, part.done, part.etag.as_deref())).collect();
        assert_eq!(seen, [(1, true, Some("\"1\"")), (2, false, None), (3, true, Some("\"3\""))]);
    }
}
