//! Text with wildcards and policy variables, and how it matches.
//!
//! `*` stands for any run of characters, slashes included, `?` for one. A variable such as `${aws:username}` is replaced
//! from the request; what comes in that way is plain text, so a user named `*` matches only `*`. A variable without a
//! value, or with several, equals nothing, so neither does the pattern around it. `${aws:username, 'nobody'}` has a
//! default, and `${*}`, `${?}` and `${$}` are the characters themselves.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::{Fault, Quoted};
use super::{Context, context_name};

/// A compiled pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Glyph(char),
    /// `?`
    One,
    /// `*`
    Many,
    Variable(Box<Variable>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Variable {
    name: String,
    default: Option<String>,
}

/// What of a text is special.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syntax {
    /// `*` and `?`.
    pub(super) wildcards: bool,
    /// `${name}`: only in policies of the version 2012-10-17.
    pub(super) variables: bool,
}

/// Whether letters of different case are the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Case {
    Exact,
    Ignored,
}

impl Case {
    /// The character that stands for all its cases. One whose lower case is several characters stands for itself.
    fn fold(self, glyph: char) -> char {
        let mut lower = glyph.to_lowercase();
        match (self, lower.next(), lower.next()) {
            (Self::Ignored, Some(folded), None) => folded,
            _ => glyph,
        }
    }
}

impl Pattern {
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Self, Fault> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(glyph) = rest.chars().next() {
            if syntax.variables && rest.starts_with("${") {
                let (piece, after) =
                    variable(&rest[2..]).ok_or_else(|| Fault::Variable(Quoted::new(rest)))?;
                pieces.push(piece);
                rest = after;
                continue;
            }
            rest = &rest[glyph.len_utf8()..];
            match glyph {
                '*' if syntax.wildcards && pieces.last() == Some(&Piece::Many) => {}
                '*' if syntax.wildcards => pieces.push(Piece::Many),
                '?' if syntax.wildcards => pieces.push(Piece::One),
                _ => pieces.push(Piece::Glyph(glyph)),
            }
        }
        Ok(Self { pieces })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether it stands for one text only, whoever asks. A star that is meant as a character counts as a wildcard here:
    /// its author may have meant one.
    pub(super) fn is_fixed(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Glyph(glyph) if !matches!(glyph, '*' | '?')))
    }

    /// Cuts at the separator into that many patterns at most; the last one keeps the rest.
    pub(super) fn split(&self, separator: char, parts_max: usize) -> Vec<Self> {
        self.pieces
            .splitn(parts_max, |piece| *piece == Piece::Glyph(separator))
            .map(|pieces| Self { pieces: pieces.to_vec() })
            .collect()
    }

    /// Whether the text matches, with variables replaced from the context.
    pub(super) fn matches(&self, text: &str, case: Case, context: &Context<'_>) -> bool {
        let text: Vec<char> = text.chars().map(|glyph| case.fold(glyph)).collect();
        self.resolved(context).is_some_and(|pieces| matches(&pieces, &text, case))
    }

    fn resolved(&self, context: &Context<'_>) -> Option<Cow<'_, [Piece]>> {
        if !self.pieces.iter().any(|piece| matches!(piece, Piece::Variable(_))) {
            return Some(Cow::Borrowed(&self.pieces));
        }
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match piece {
                Piece::Variable(variable) => {
                    pieces.extend(variable.value(context)?.chars().map(Piece::Glyph));
                }
                piece => pieces.push(piece.clone()),
            }
        }
        Some(Cow::Owned(pieces))
    }
}

impl Variable {
    fn value(&self, context: &Context<'_>) -> Option<String> {
        match context(&self.name) {
            Some(values) if values.len() == 1 => values.into_iter().next(),
            _ => self.default.clone(),
        }
    }
}

/// Reads what follows `${`, up to and with the brace that closes it.
fn variable(text: &str) -> Option<(Piece, &str)> {
    for escaped in ['*', '?', '$'] {
        if let Some(after) = text.strip_prefix(escaped).and_then(|rest| rest.strip_prefix('}')) {
            return Some((Piece::Glyph(escaped), after));
        }
    }
    let end = text.find([',', '}'])?;
    let name = text[..end].trim();
    let written_well = |c: char| !c.is_whitespace() && !matches!(c, '$' | '{' | '*' | '?' | '\'');
    if name.is_empty() || !name.chars().all(written_well) {
        return None;
    }
    let (default, after) = match text[end..].strip_prefix(',') {
        Some(rest) => {
            let (default, after) = quoted(rest.trim_start().strip_prefix('\'')?)?;
            (Some(default), after.trim_start())
        }
        None => (None, &text[end..]),
    };
    let after = after.strip_prefix('}')?;
    Some((Piece::Variable(Box::new(Variable { name: context_name(name), default })), after))
}

/// Reads up to the quote that ends the text; two quotes in a row are one that belongs to it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let quote = rest.find('\'')?;
        value.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, rest)),
        }
    }
}

/// Holds what is before the first star to the beginning of the text, what is after the last star to its end, and looks
/// for each run between two stars from where the one before ended. Earliest is best, so nothing is tried twice.
fn matches(pieces: &[Piece], text: &[char], case: Case) -> bool {
    let mut runs = pieces.split(|piece| *piece == Piece::Many);
    let first = runs.next().unwrap_or_default();
    let Some(last) = runs.next_back() else { return fits(first, text, case) };
    let Some(middle_end) = text.len().checked_sub(last.len()).filter(|end| *end >= first.len()) else {
        return false;
    };
    let mut rest = &text[first.len()..middle_end];
    fits(first, &text[..first.len()], case)
        && fits(last, &text[middle_end..], case)
        && runs.all(|run| find(run, rest, case).inspect(|end| rest = &rest[*end..]).is_some())
}

fn fits(run: &[Piece], text: &[char], case: Case) -> bool {
    run.len() == text.len()
        && run.iter().zip(text).all(|(piece, found)| match piece {
            Piece::Glyph(glyph) => case.fold(*glyph) == *found,
            Piece::One => true,
            Piece::Many | Piece::Variable(_) => false,
        })
}

/// Where the first place ends that the run fits.
///
/// Shift-and: a bit for each length of the run's beginning that ends here, 64 at a time, so that a policy as long as it
/// may be and a header as long as it may be do not hold up the server.
fn find(run: &[Piece], text: &[char], case: Case) -> Option<usize> {
    if run.is_empty() {
        return Some(0);
    }
    if run.len() > text.len() {
        return None;
    }
    let masks = Masks::of(run, case);
    let mut begun = vec![0_u64; masks.any.len()];
    let (last_word, last_bit) = word_and_bit(run.len() - 1);
    for (place, glyph) in text.iter().enumerate() {
        let mut carry = 1;
        for (word, fitting) in begun.iter_mut().zip(masks.fitting(*glyph)) {
            let carried = *word >> 63;
            *word = (*word << 1 | carry) & fitting;
            carry = carried;
        }
        if begun[last_word] & last_bit != 0 {
            return Some(place + 1);
        }
    }
    None
}

/// At which places of a run each character fits, one bit a place.
struct Masks {
    /// The places of `?`.
    any: Vec<u64>,
    of: HashMap<char, Vec<u64>>,
}

impl Masks {
    fn of(run: &[Piece], case: Case) -> Self {
        let mut any = vec![0; run.len().div_ceil(64)];
        for (place, _) in run.iter().enumerate().filter(|(_, piece)| **piece == Piece::One) {
            let (word, bit) = word_and_bit(place);
            any[word] |= bit;
        }
        let mut of: HashMap<char, Vec<u64>> = HashMap::new();
        for (place, piece) in run.iter().enumerate() {
            if let Piece::Glyph(glyph) = piece {
                let (word, bit) = word_and_bit(place);
                of.entry(case.fold(*glyph)).or_insert_with(|| any.clone())[word] |= bit;
            }
        }
        Self { any, of }
    }

    fn fitting(&self, glyph: char) -> &[u64] {
        self.of.get(&glyph).unwrap_or(&self.any)
    }
}

fn word_and_bit(place: usize) -> (usize, u64) {
    (place / 64, 1 << (place % 64))
}
