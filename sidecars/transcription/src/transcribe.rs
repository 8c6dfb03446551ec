//! From the bytes of a recording to its transcript: all steps in a row.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::decode::{DecodeError, Encoding, decode};
use crate::model::{Model, ModelError};
use crate::recognise::{RecogniseError, Settings, is_language, recognise};
use crate::resample::RATE;
use crate::speech::may_hold_speech;
use crate::transcript::Transcript;

/// A recording that was not transcribed.
#[derive(Debug, thiserror::Error)]
pub enum TranscribeError {
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file over the limit.
    #[error("the recording is larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit, `transcription.source_bytes_max`.
        bytes_max: u64,
    },
    /// Something wrong with the recording.
    #[error("cannot decode the recording")]
    Decode(#[from] DecodeError),
    /// Something wrong with the model.
    #[error("cannot use the model")]
    Model(#[from] ModelError),
    /// Something wrong inside Whisper.
    #[error("cannot recognise speech")]
    Recognise(#[from] RecogniseError),
}

/// Everything a worker must know to transcribe a recording.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Task {
    /// Extension of the key, in lower case.
    pub(crate) extension: String,
    pub(crate) content_type: Option<String>,
    /// The model's name in transcripts.
    pub(crate) model: String,
    /// The file, unpacked and checked.
    pub(crate) model_path: PathBuf,
    pub(crate) threads: NonZeroU8,
    pub(crate) language: Option<String>,
    pub(crate) audio_seconds_max: u32,
}

impl Task {
    pub(crate) fn new(config: &Config, model: &Model, extension: &str, content_type: Option<&str>) -> Self {
        Self {
            extension: extension.to_ascii_lowercase(),
            content_type: content_type.map(str::to_owned),
            model: model.name.clone(),
            model_path: model.path.clone(),
            threads: config.threads,
            language: config.spoken().map(str::to_owned),
            audio_seconds_max: config.audio_seconds_max,
        }
    }

    /// Raw samples must be announced, by extension or content type; everything else says what it is.
    pub(crate) fn encoding(&self) -> Encoding {
        let content_type = self.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
        let mut parts = content_type.split(';').map(str::trim);
        let is_pcm = matches!(parts.next(), Some("audio/pcm" | "audio/x-pcm"));
        if is_pcm || matches!(self.extension.as_str(), "pcm16" | "pcm") {
            let rate = parts.find_map(|part| part.strip_prefix("rate=")).and_then(|rate| rate.parse().ok());
            return Encoding::Pcm16 { rate: rate.unwrap_or(PCM16_RATE) };
        }
        Encoding::Contained { extension: self.extension.clone() }
    }
}

/// The model and the language that the configuration asks for, checked.
pub(crate) fn prepare(config: &Config) -> Result<Model, ModelError> {
    match config.spoken() {
        Some(language) if !is_language(language) => Err(ModelError::Language(language.to_owned())),
        _ => Model::open(&config.model),
    }
}

/// Transcribes a recording in memory.
pub(crate) fn transcribe(bytes: &[u8], task: &Task) -> Result<Transcript, TranscribeError> {
    let samples = decode(bytes, &task.encoding(), task.audio_seconds_max)?;
    let duration = samples.len() as f64 / f64::from(RATE);
    let model = task.model.clone();
    if !may_hold_speech(&samples) {
        return Ok(Transcript { text: String::new(), language: None, segments: Vec::new(), model, duration });
    }
    let settings = Settings { threads: task.threads, language: task.language.as_deref() };
    let heard = recognise(&task.model_path, samples, &settings)?;
    Ok(Transcript { text: heard.text, language: heard.language, segments: heard.segments, model, duration })
}

/// Transcribes a file in this process, which a hostile file may end: for the command line. Blocks for seconds or more.
pub fn transcribe_file(path: &Path, config: &Config) -> Result<Transcript, TranscribeError> {
    let model = prepare(config)?;
    let bytes_max = config.source_bytes_max.0;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|source| TranscribeError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > bytes_max {
        return Err(TranscribeError::TooLarge { bytes_max });
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    transcribe(&bytes, &Task::new(config, &model, &extension, None))
}

/// Raw samples are what live voice sends: 24 kHz, unless the content type has another `rate`.
const PCM16_RATE: u32 = 24_000;
