//! What can run in a process.

use std::collections::BTreeSet;

/// What `--target` names.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub(crate) enum Target {
    /// Everything that the configuration enables.
    All,
    /// The S3 port.
    Proxy,
    /// Voice into text.
    Transcription,
    /// Photos into thumbnails.
    Thumbnail,
}

/// The parts of one process.
#[derive(Clone, Debug)]
pub(crate) struct Targets(BTreeSet<Target>);

impl Targets {
    pub(crate) fn new(named: &[Target]) -> Self {
        let named = named.iter().flat_map(|target| match target {
            Target::All => vec![Target::Proxy, Target::Transcription, Target::Thumbnail],
            target => vec![*target],
        });
        Self(named.collect())
    }

    pub(crate) fn has(&self, target: Target) -> bool {
        self.0.contains(&target)
    }
}
