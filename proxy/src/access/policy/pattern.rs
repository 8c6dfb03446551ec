//! Text with wildcards and policy variables, and how it matches.
//!
//! `*` stands for any run of characters, slashes included, `?` for one. A variable such as `${aws:username}` is replaced
//! from the request; what comes in that way is plain text, so a user named `*` matches only `*`. A variable without a
//! value equals nothing, so neither does the pattern around it; of a variable with several any may match, and where it stands
//! twice it is the same one. `${aws:username, 'nobody'}` has a default, and `${*}`, `${?}` and `${$}` are the characters
//! themselves. Which values are trusted, see `variable`.

use std::collections::HashMap;

use super::error::{Fault, Quoted};
use super::variable::{Doubt, Given, Value, Variable};

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

    /// Whether the text matches, with variables replaced by what is given.
    pub(super) fn matches(&self, text: &str, case: Case, given: &Given<'_>) -> bool {
        let text = folded(text, case);
        let variables = self.variables();
        if variables.is_empty() {
            return matches(&self.pieces, &text, case);
        }
        let choices: Vec<Vec<Value>> = variables.iter().map(|variable| variable.values(given)).collect();
        let combinations = choices.iter().try_fold(1_usize, |all, one| all.checked_mul(one.len()));
        let in_doubt =
            || given.doubt == Doubt::Includes && matches(&self.with(|_| &Value::Anything), &text, case);
        let Some(combinations) = combinations.filter(|count| *count <= COMBINATIONS_MAX) else {
            return in_doubt();
        };
        for number in 0..combinations {
            if combinations > 1 && !given.work.take(self.pieces.len() + text.len()) {
                return in_doubt();
            }
            let chosen = chosen(number, &choices);
            let value = |variable: &Variable| {
                let place = variables.iter().position(|known| *known == variable);
                place.map_or(&Value::Anything, |place| chosen[place])
            };
            if matches(&self.with(value), &text, case) {
                return true;
            }
        }
        false
    }

    /// Whether the text matches without anything given; a variable equals nothing then.
    pub(super) fn matches_alone(&self, text: &str, case: Case) -> bool {
        self.variables().is_empty() && matches(&self.pieces, &folded(text, case), case)
    }

    /// Each variable once.
    fn variables(&self) -> Vec<&Variable> {
        let mut variables: Vec<&Variable> = Vec::new();
        for piece in &self.pieces {
            if let Piece::Variable(variable) = piece
                && !variables.contains(&&**variable)
            {
                variables.push(variable);
            }
        }
        variables
    }

    fn with<'v>(&self, value: impl Fn(&Variable) -> &'v Value) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match piece {
                Piece::Variable(variable) => match value(variable) {
                    Value::Text(text) => pieces.extend(text.chars().map(Piece::Glyph)),
                    Value::Anything => pieces.push(Piece::Many),
                },
                piece => pieces.push(piece.clone()),
            }
        }
        pieces
    }
}

fn folded(text: &str, case: Case) -> Vec<char> {
    text.chars().map(|glyph| case.fold(glyph)).collect()
}

/// The combination of that number: one value of each list.
fn chosen(mut number: usize, choices: &[Vec<Value>]) -> Vec<&Value> {
    let pick = |values: &Vec<Value>| {
        let place = number % values.len();
        number /= values.len();
        place
    };
    let places: Vec<usize> = choices.iter().map(pick).collect();
    choices.iter().zip(places).map(|(values, place)| &values[place]).collect()
}

/// Reads what follows `${`, up to and with the brace that closes it.
fn variable(text: &str) -> Option<(Piece, &str)> {
    for escaped in ['*', '?', '$'] {
        if let Some(after) = text.strip_prefix(escaped).and_then(|rest| rest.strip_prefix('}')) {
            return Some((Piece::Glyph(escaped), after));
        }
    }
    let (variable, after) = Variable::parse(text)?;
    Some((Piece::Variable(Box::new(variable)), after))
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

/// Most combinations of values that are tried, where a pattern has several variables.
const COMBINATIONS_MAX: usize = 256;
