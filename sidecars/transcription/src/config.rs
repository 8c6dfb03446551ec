//! What can be set for transcriptions.

use std::num::NonZeroU8;
use std::path::PathBuf;

use relais_model::ByteSize;
use serde::{Deserialize, Serialize};

/// Settings of the transcription sidecar.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether recordings are transcribed at all.
    pub enabled: bool,
    /// Path of a model in whisper.cpp's format, `.bin` or `.bin.gz`.
    pub model: PathBuf,
    /// Threads of one recognition. They wait by spinning: more than one only where a core is free for each.
    pub threads: NonZeroU8,
    /// Two-letter code of the language spoken; unset or `auto`: heard from the recording.
    pub language: Option<String>,
    /// Largest recording.
    pub source_bytes_max: ByteSize,
    /// Longest recording.
    pub audio_seconds_max: u32,
    /// Slots, attempts and limits of the jobs.
    pub kit: relais_kit::Config,
}

impl Config {
    /// The language that is spoken, where it is known beforehand.
    pub(crate) fn spoken(&self) -> Option<&str> {
        self.language.as_deref().filter(|language| *language != "auto")
    }
}
