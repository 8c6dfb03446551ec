//! Turns a stored recording into a transcript beside it: `{name}.transcript.json` and `{name}.vtt`.
//!
//! [`Transcriptions`] is the sidecar: it says which events it wants and what the worker is told. [`work`] runs in the
//! worker process: *decode* (any container to 16 kHz mono) → *speech* (is there any?) → *recognise* (Whisper) →
//! *transcript*. [`Model`] finds the model on disk, [`fetch`] downloads one of the [`PUBLISHED`] ones.
//!
//! This is the only crate that knows whisper.cpp. It never logs text that was spoken, and it reads no store and no
//! catalog: the kit does.

mod config;
mod decode;
mod fetch;
mod model;
mod published;
mod recognise;
mod resample;
mod sidecar;
mod speech;
mod transcribe;
mod transcript;

pub use config::Config;
pub use decode::DecodeError;
pub use fetch::{FetchError, fetch};
pub use model::{Model, ModelError};
pub use published::{PUBLISHED, PublishedModel, SOURCE, published};
pub use recognise::RecogniseError;
pub use sidecar::{KIND, Transcriptions, work};
pub use transcribe::{TranscribeError, transcribe_file};
pub use transcript::{Segment, Transcript};
