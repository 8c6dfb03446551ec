//! What was said, as JSON and as `WebVTT`.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What was said in one recording.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
pub struct Transcript {
    /// All of it; empty if nobody spoke.
    pub text: String,
    /// Two-letter code of the language; nothing if nobody spoke.
    pub language: Option<String>,
    /// The text piece by piece, in order.
    pub segments: Vec<Segment>,
    /// Name of the model that listened.
    pub model: String,
    /// Length of the recording in seconds.
    pub duration: f64,
}

/// A piece of what was said.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
pub struct Segment {
    /// Seconds from the start of the recording.
    pub start: f64,
    /// Seconds from the start of the recording.
    pub end: f64,
    /// What was said.
    pub text: String,
}

impl Transcript {
    /// The JSON that is stored.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and finite numbers can be written")
    }

    /// The same as subtitles, in `WebVTT`.
    pub fn to_vtt(&self) -> String {
        let mut vtt = String::from("WEBVTT\n");
        for segment in &self.segments {
            let (start, end, text) =
                (timestamp(segment.start), timestamp(segment.end), cue_text(&segment.text));
            write!(vtt, "\n{start} --> {end}\n{text}\n").expect("writing to a string cannot fail");
        }
        vtt
    }
}

/// `01:02:03.456`.
fn timestamp(seconds: f64) -> String {
    let milliseconds = (seconds * 1000.0).round() as u64;
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    format!("{:02}:{:02}:{:02}.{milliseconds:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Text that ends no cue and opens no tag.
fn cue_text(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Debug for Transcript {
    /// Everything but what was said: this may end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript")
            .field("language", &self.language)
            .field("segments", &self.segments)
            .field("model", &self.model)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Segment {
    /// Everything but what was said: this may end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("start", &self.start).field("end", &self.end).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
