//! Speech to text with whisper.cpp.
//!
//! whisper.cpp is C++ that ends the process when an assertion fails: this runs in the worker. Nothing it prints is let
//! through, since in debug builds that is the text. Known traps are avoided here: clips are padded to a second, earlier
//! text is no prompt for later text (a slip would be repeated for ever), and the language is heard, not taken to be
//! English. There is no way to cancel but to end the process.

use std::num::NonZeroU8;
use std::path::Path;

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperSegment,
    WhisperState,
};

use crate::resample::RATE;
use crate::transcript::Segment;

/// How to listen.
pub(crate) struct Settings<'s> {
    pub(crate) threads: NonZeroU8,
    /// The language spoken; heard if not given.
    pub(crate) language: Option<&'s str>,
}

/// What was heard.
pub(crate) struct Recognised {
    pub(crate) text: String,
    pub(crate) language: Option<String>,
    pub(crate) segments: Vec<Segment>,
}

/// Why nothing could be heard.
#[derive(Debug, thiserror::Error)]
pub enum RecogniseError {
    /// The model does not load.
    #[error("whisper cannot load the model")]
    Load(#[source] WhisperError),
    /// Whisper stopped.
    #[error("whisper failed")]
    Run(#[source] WhisperError),
}

/// Whether Whisper knows a language by that code.
pub(crate) fn is_language(code: &str) -> bool {
    // The library panics on NUL, and also takes whole names.
    code.bytes().all(|b| b.is_ascii_lowercase()) && code.len() <= 3 && whisper_rs::get_lang_id(code).is_some()
}

/// Listens to samples at 16 kHz.
pub(crate) fn recognise(
    model: &Path,
    mut samples: Vec<f32>,
    settings: &Settings<'_>,
) -> Result<Recognised, RecogniseError> {
    whisper_rs::install_logging_hooks();
    let duration = samples.len() as f64 / f64::from(RATE);
    samples.resize(samples.len().max(SAMPLES_MIN), 0.0);
    let context = WhisperContext::new_with_params(model, WhisperContextParameters::default())
        .map_err(RecogniseError::Load)?;
    let language = if context.is_multilingual() { settings.language } else { Some("en") };
    let mut state = context.create_state().map_err(RecogniseError::Load)?;
    state.full(parameters(settings.threads, language), &samples).map_err(RecogniseError::Run)?;
    collect(&state, duration)
}

fn parameters<'p>(threads: NonZeroU8, language: Option<&'p str>) -> FullParams<'p, 'static> {
    // One candidate at temperature 0; where that fails whisper.cpp's own checks, five at 0.2, 0.4 and so on.
    let mut parameters = FullParams::new(SamplingStrategy::Greedy { best_of: 5 });
    parameters.set_temperature(0.0);
    parameters.set_temperature_inc(0.2);
    parameters.set_n_threads(threads.get().into());
    parameters.set_language(language);
    parameters.set_no_context(true);
    parameters.set_no_speech_thold(NO_SPEECH);
    parameters.set_logprob_thold(LOG_PROBABILITY);
    parameters.set_print_progress(false);
    parameters.set_print_realtime(false);
    parameters.set_print_special(false);
    parameters.set_print_timestamps(false);
    parameters
}

fn collect(state: &WhisperState, duration: f64) -> Result<Recognised, RecogniseError> {
    let (mut text, mut segments) = (String::new(), Vec::new());
    for segment in state.as_iter().filter(|segment| !is_invented(segment)) {
        let said = segment.to_str_lossy().map_err(RecogniseError::Run)?;
        text.push_str(&said); // Languages that put spaces between words have one in front of each segment.
        let seconds = |centiseconds: i64| (centiseconds.max(0) as f64 / 100.0).min(duration);
        let (start, end) = (seconds(segment.start_timestamp()), seconds(segment.end_timestamp()));
        if !said.trim().is_empty() {
            segments.push(Segment { start, end, text: said.trim().to_owned() });
        }
    }
    let text = text.trim().to_owned();
    let language = whisper_rs::get_lang_str(state.full_lang_id_from_state()).map(str::to_owned);
    Ok(Recognised { language: language.filter(|_| !text.is_empty()), text, segments })
}

/// Whether Whisper itself doubts, in both of its ways, that anybody spoke. Either alone is wrong too often.
fn is_invented(segment: &WhisperSegment<'_>) -> bool {
    let tokens = segment.n_tokens();
    let sum: f32 =
        (0..tokens).filter_map(|n| segment.get_token(n)).map(|token| token.token_data().plog).sum();
    segment.no_speech_probability() > NO_SPEECH && sum / (tokens.max(1) as f32) < LOG_PROBABILITY
}

/// Whisper misbehaves on less than a second.
const SAMPLES_MIN: usize = RATE as usize;

/// Probability above which Whisper's "no speech" counts; the value of its authors.
const NO_SPEECH: f32 = 0.6;

/// Mean logarithm of the words' probabilities below which they are guesses; the value of its authors.
const LOG_PROBABILITY: f32 = -1.0;
