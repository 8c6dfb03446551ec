//! Reads a layout.

use super::{Layout, Piece, Placeholder};

/// Longest layout: no key that it makes may be longer.
const LAYOUT_BYTES_MAX: usize = 1024;

/// Why a text is no layout; the place is counted in characters from 1.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum LayoutError {
    #[error("is empty; write the key of an upload, as \"photos/{{user_id}}/{{uuid}}.jpg\"")]
    Empty,
    #[error("has more than {LAYOUT_BYTES_MAX} bytes")]
    TooLong,
    #[error("character {0}: the brace is never closed")]
    Unclosed(usize),
    #[error("character {0}: a closing brace that nothing opened")]
    Unopened(usize),
    #[error("character {place}: {{{name}}}: a placeholder is called by letters, digits and . _ - : /")]
    Name { place: usize, name: String },
    #[error("character {0}: control characters cannot stand in a key")]
    Control(usize),
    #[error(
        "character {0}: an empty segment, \".\" or \"..\"; keys begin without a slash, and end in a name"
    )]
    Segment(usize),
    #[error(
        "character {0}: {{user_id}} must be a whole folder, as in \"photos/{{user_id}}/{{uuid}}.jpg\": or keys of user 4 would begin \
         like those of user 42"
    )]
    UserId(usize),
}

/// A piece and the character at which it begins.
type Placed = (usize, Piece);

pub(super) fn layout(text: &str) -> Result<Layout, LayoutError> {
    if text.is_empty() {
        return Err(LayoutError::Empty);
    }
    if text.len() > LAYOUT_BYTES_MAX {
        return Err(LayoutError::TooLong);
    }
    let placed = pieces(text)?;
    check_segments(&placed)?;
    check_user_id(&placed)?;
    Ok(Layout { pieces: placed.into_iter().map(|(_, piece)| piece).collect() })
}

fn pieces(text: &str) -> Result<Vec<Placed>, LayoutError> {
    let mut pieces: Vec<Placed> = Vec::new();
    let (mut rest, mut place) = (text, 1);
    while let Some(c) = rest.chars().next() {
        if c == '{' {
            let inner = &rest[1..];
            let end = inner.find('}').ok_or(LayoutError::Unclosed(place))?;
            let name = &inner[..end];
            if !is_name(name) {
                return Err(LayoutError::Name { place, name: name.to_owned() });
            }
            pieces.push((place, Piece::Placeholder(Placeholder::of(name))));
            (rest, place) = (&inner[end + 1..], place + name.chars().count() + 2);
            continue;
        }
        if c == '}' {
            return Err(LayoutError::Unopened(place));
        }
        if c.is_control() {
            return Err(LayoutError::Control(place));
        }
        match pieces.last_mut() {
            Some((_, Piece::Text(text))) => text.push(c),
            _ => pieces.push((place, Piece::Text(c.to_string()))),
        }
        (rest, place) = (&rest[c.len_utf8()..], place + 1);
    }
    Ok(pieces)
}

fn is_name(name: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/');
    !name.is_empty() && name.chars().all(of_name)
}

/// Refuses segments that no key should have. A placeholder stands for something, whatever it is.
fn check_segments(pieces: &[Placed]) -> Result<(), LayoutError> {
    let (mut segment, mut begins) = (String::new(), 1);
    for (place, piece) in pieces {
        let Piece::Text(text) = piece else {
            segment.push('x');
            continue;
        };
        for (offset, c) in text.chars().enumerate() {
            if c != '/' {
                segment.push(c);
                continue;
            }
            check_segment(&segment, begins)?;
            segment.clear();
            begins = place + offset + 1;
        }
    }
    check_segment(&segment, begins)
}

fn check_segment(segment: &str, begins: usize) -> Result<(), LayoutError> {
    match segment {
        "" | "." | ".." => Err(LayoutError::Segment(begins)),
        _ => Ok(()),
    }
}

fn check_user_id(pieces: &[Placed]) -> Result<(), LayoutError> {
    for (index, (place, piece)) in pieces.iter().enumerate() {
        if *piece != Piece::Placeholder(Placeholder::UserId) {
            continue;
        }
        let before = index.checked_sub(1).map(|index| &pieces[index].1);
        let begins = before.is_none_or(|piece| matches!(piece, Piece::Text(text) if text.ends_with('/')));
        let ends = matches!(pieces.get(index + 1), Some((_, Piece::Text(text))) if text.starts_with('/'));
        if !begins || !ends {
            return Err(LayoutError::UserId(*place));
        }
    }
    Ok(())
}
