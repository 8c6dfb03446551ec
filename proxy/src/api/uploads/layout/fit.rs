//! Tells whether a layout could have made a key.
//!
//! The ends that the pieces so far can have are carried from piece to piece, so that no key makes this slow.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::fill::{Filling, check_value, claimed};
use super::{FILENAME_BYTES_MAX, Piece, Placeholder, VALUE_BYTES_MAX, is_of_filename, sanitised};

pub(super) fn layout(pieces: &[Piece], key: &str, filling: &Filling<'_>) -> bool {
    let mut ends = BTreeSet::from([0]);
    for piece in pieces {
        ends = ends.iter().flat_map(|begin| ends_of(piece, key, *begin, filling)).collect();
    }
    ends.contains(&key.len()) && !key.split('/').any(|segment| matches!(segment, "" | "." | ".."))
}

/// Where a piece that begins there may end.
fn ends_of(piece: &Piece, key: &str, begin: usize, filling: &Filling<'_>) -> Vec<usize> {
    let rest = &key[begin..];
    let rest = match piece {
        Piece::Text(_) => rest,
        Piece::Placeholder(_) => {
            &rest[..rest.find(|c: char| c == '/' || c.is_control()).unwrap_or(rest.len())]
        }
    };
    let exactly = |text: &str| rest.starts_with(text).then_some(begin + text.len()).into_iter().collect();
    let placeholder = match piece {
        Piece::Text(text) => return exactly(text),
        Piece::Placeholder(placeholder) => placeholder,
    };
    if let Some(claim) = claimed(placeholder, filling.token) {
        return claim
            .ok()
            .filter(|text| check_value(text).is_ok())
            .map_or_else(Vec::new, |text| exactly(&text));
    }
    let (longest, fits): (usize, fn(&str) -> bool) = match placeholder {
        Placeholder::Year => (4, |text| is_digits(text, 4)),
        Placeholder::Month | Placeholder::Day => (2, |text| is_digits(text, 2)),
        Placeholder::Uuid => (36, |text| text.len() == 36 && Uuid::try_parse(text).is_ok()),
        Placeholder::Filename => (FILENAME_BYTES_MAX, |text| !text.is_empty() && sanitised(text) == text),
        Placeholder::Extension => (FILENAME_BYTES_MAX, |text| {
            !text.is_empty() && !text.contains('.') && text.chars().all(is_of_filename)
        }),
        // Only the dots are left to look at: `rest` ends where a value must.
        Placeholder::UserId | Placeholder::Named(_) => (VALUE_BYTES_MAX, |text| !matches!(text, "." | "..")),
    };
    let lengths =
        rest.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|length| *length <= longest);
    lengths.filter(|length| fits(&rest[..*length])).map(|length| begin + length).collect()
}

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
}
