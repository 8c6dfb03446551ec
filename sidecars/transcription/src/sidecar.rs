//! The sidecar: which events it wants, what the worker is told, what the worker makes of it.

use std::error::Error;

use relais_kit::{Output, Sidecar, Source, WorkError};
use relais_model::Event;
use serde::Deserialize as _;
use serde_json::Value;

use crate::config::Config;
use crate::model::{Model, ModelError};
use crate::transcribe::{Task, TranscribeError, prepare, transcribe};

/// The name of this sidecar.
pub const KIND: &str = "transcription";

/// Transcribes recordings.
#[derive(Debug)]
pub struct Transcriptions {
    config: Config,
    model: Model,
}

impl Transcriptions {
    /// Finds and checks the model, reading it whole; unpacks it if need be. Blocks.
    pub fn new(config: Config) -> Result<Self, ModelError> {
        let model = prepare(&config)?;
        Ok(Self { config, model })
    }

    /// The model that listens.
    pub fn model(&self) -> &Model {
        &self.model
    }
}

impl Sidecar for Transcriptions {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn recipe(&self) -> String {
        let language = self.config.spoken().unwrap_or("auto");
        format!("transcript-{RECIPE_VERSION}:{}-{}:{language}", self.model.name, &self.model.sha256[..12])
    }

    fn wants(&self, event: &Event) -> bool {
        let Some(object) = event.object.as_ref().filter(|_| event.kind.creates()) else { return false };
        let extension = event.key.stem_and_extension().1.to_ascii_lowercase();
        let content_type = object.content_type.as_deref().unwrap_or_default();
        let is_audio = content_type.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("audio/"));
        is_audio || EXTENSIONS.contains(&extension.as_str())
    }

    fn source_bytes_max(&self) -> u64 {
        self.config.source_bytes_max.0
    }

    fn task(&self, event: &Event) -> Value {
        let content_type = event.object.as_ref().and_then(|object| object.content_type.as_deref());
        let task = Task::new(&self.config, &self.model, event.key.stem_and_extension().1, content_type);
        serde_json::to_value(task).expect("strings and numbers can be written")
    }
}

/// Transcribes one recording: runs in the worker.
pub fn work(source: &Source) -> Result<Vec<Output>, WorkError> {
    let task = Task::deserialize(&source.task)
        .map_err(|error| WorkError::Unusable(format!("the task is not one of this version: {error}")))?;
    let transcript = transcribe(&source.bytes, &task).map_err(|error| match error {
        TranscribeError::Decode(error) => WorkError::Unusable(chain(&error)),
        error => WorkError::Temporary(chain(&error)),
    })?;
    let output = |suffix: &str, content_type: &str, bytes| Output {
        suffix: suffix.to_owned(),
        content_type: content_type.to_owned(),
        bytes,
    };
    Ok(vec![
        output(".transcript.json", "application/json", transcript.to_json()),
        output(".vtt", "text/vtt; charset=utf-8", transcript.to_vtt().into_bytes()),
    ])
}

/// An error and its causes on one line: only text crosses to the kit.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

/// Changes when the outputs of the same model would.
const RECIPE_VERSION: u32 = 1;

/// Extensions of recordings, for clients that give no content type.
const EXTENSIONS: [&str; 10] = ["wav", "ogg", "oga", "opus", "mp3", "m4a", "mp4a", "aac", "pcm16", "pcm"];

#[cfg(test)]
mod tests;
