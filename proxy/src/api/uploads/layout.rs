//! The layout of a profile: how the keys of its uploads are made.
//!
//! A layout is text with placeholders, as `audio/whatsapp/{user_id}/{year}/{month}/{uuid}.ogg`. It is read once, from the
//! configuration; what fills it comes from a token and from a client, who is not trusted: each value stays within one part of one
//! segment, and a claim of the token wins over what the client says. Whether the caller may write the key is not decided here.

use relais_model::ObjectKey;

mod fill;
mod fit;
mod parse;

pub(crate) use fill::{Filling, Unfilled};
pub(crate) use parse::LayoutError;

/// The layout of a profile's keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Layout {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Placeholder {
    /// The token's subject. Always a folder of its own.
    UserId,
    Year,
    Month,
    Day,
    Uuid,
    /// The sanitised name of the client's file.
    Filename,
    /// What follows the last dot of it.
    Extension,
    /// A claim of the token, or a value of the request.
    Named(String),
}

/// Longest value of a placeholder.
const VALUE_BYTES_MAX: usize = 128;

/// Longest name of a file that is kept of a client's.
const FILENAME_BYTES_MAX: usize = 100;

/// Longest extension that is kept of a name that is too long; `.transcript.json` has 15.
const EXTENSION_BYTES_MAX: usize = 16;

impl Layout {
    /// Reads a layout as the configuration writes it.
    pub(crate) fn parse(text: &str) -> Result<Self, LayoutError> {
        parse::layout(text)
    }

    /// The key of an upload.
    pub(crate) fn fill(&self, filling: &Filling<'_>) -> Result<ObjectKey, Unfilled> {
        fill::layout(&self.pieces, filling)
    }

    /// Whether the layout could have made this key for that caller.
    pub(crate) fn fits(&self, key: &str, filling: &Filling<'_>) -> bool {
        fit::layout(&self.pieces, key, filling)
    }

    /// Whether a request may say what this is.
    pub(crate) fn asks_for(&self, name: &str) -> bool {
        let asked =
            |piece: &Piece| matches!(piece, Piece::Placeholder(Placeholder::Named(own)) if own == name);
        self.pieces.iter().any(asked)
    }

    /// The folder where all keys of a user are, with its slash; nothing if the layout keeps users in no folders of their own
    /// that are known beforehand, or if it can have no keys for such a subject.
    pub(crate) fn prefixes_of(&self, subject: &str) -> Option<String> {
        fill::check_value(subject).ok()?;
        let mut prefix = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => prefix.push_str(text),
                Piece::Placeholder(Placeholder::UserId) => return Some(format!("{prefix}{subject}/")),
                Piece::Placeholder(_) => return None,
            }
        }
        None
    }
}

impl Placeholder {
    fn of(name: &str) -> Self {
        match name {
            "user_id" => Self::UserId,
            "year" => Self::Year,
            "month" => Self::Month,
            "day" => Self::Day,
            "uuid" => Self::Uuid,
            "filename" => Self::Filename,
            "ext" => Self::Extension,
            name => Self::Named(name.to_owned()),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::UserId => "user_id",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Uuid => "uuid",
            Self::Filename => "filename",
            Self::Extension => "ext",
            Self::Named(name) => name,
        }
    }
}

/// The client's name for a file, as far as it is a name: the last part of a path, of letters, digits, dots, hyphens and
/// underscores, without dots in front. What this gives, it gives again of itself.
fn sanitised(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or("");
    let keep = |c: char| if is_of_filename(c) { c } else { '_' };
    let name: String = last.chars().map(keep).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() {
        return "file".to_owned();
    }
    if name.len() <= FILENAME_BYTES_MAX {
        return name.to_owned();
    }
    let extension = extension_of(name).filter(|extension| extension.len() <= EXTENSION_BYTES_MAX);
    match extension {
        None => name[..FILENAME_BYTES_MAX].to_owned(),
        Some(extension) => {
            let stem = &name[..FILENAME_BYTES_MAX - 1 - extension.len()];
            format!("{stem}.{extension}")
        }
    }
}

fn extension_of(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then_some(extension)
}

fn is_of_filename(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

#[cfg(test)]
mod tests;
