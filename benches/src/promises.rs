//! What relais promises of its own speed, measured against itself: what the journal costs, how soon a subscriber hears of
//! a write, and what a second store costs.

use std::fmt;

mod journal;
mod news;
mod replicas;

pub(crate) use journal::run as journal;
pub(crate) use news::run as news;
pub(crate) use replicas::run as replicas;

/// A promise, and what was found.
#[derive(Debug)]
pub(crate) struct Promise {
    pub(crate) what: String,
    pub(crate) goal: String,
    pub(crate) found: String,
    pub(crate) kept: Kept,
    /// What else was measured, for whoever wants to know why.
    pub(crate) details: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kept {
    Yes,
    No,
}

impl Kept {
    fn when(kept: bool) -> Self {
        if kept { Self::Yes } else { Self::No }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "**no**",
        })
    }
}
