use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::*;
use crate::speech::tests::noise;
use crate::{Transcript, transcribe_file};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn config(language: Option<&str>) -> Config {
    let kit = json!({
        "slots": 1, "attempts_max": 5, "crashes_max": 2, "lease_seconds": 60, "timeout_seconds": 600,
        "memory_bytes_max": "2GiB"
    });
    serde_json::from_value(json!({
        "enabled": true, "model": fixtures().join("ggml-digits.bin.gz"), "threads": 1, "language": language,
        "source_bytes_max": "25MB", "audio_seconds_max": 3600, "kit": kit
    }))
    .unwrap()
}

fn event(key: &str, content_type: Option<&str>) -> Event {
    serde_json::from_value(json!({
        "id": "0194f1d2-7c00-7000-8000-000000000001", "kind": "Put", "time": "2026-01-02T03:04:05Z",
        "bucket": "media", "key": key, "sequencer": 1,
        "object": {"size": 10, "etag": "e", "content_type": content_type, "owner": "root"},
        "derived_from": null,
        "requester": {"principal": "root", "source_ip": null, "request_id": "r", "traceparent": null}
    }))
    .unwrap()
}

/// What the worker makes of these bytes, stored under that key.
fn worked(key: &str, content_type: Option<&str>, bytes: Vec<u8>) -> Result<(Transcript, String), WorkError> {
    let sidecar = Transcriptions::new(config(None)).unwrap();
    let outputs = work(&Source { task: sidecar.task(&event(key, content_type)), bytes })?;
    let [json, vtt] = outputs.as_slice() else { panic!("{} outputs", outputs.len()) };
    assert_eq!((json.suffix.as_str(), json.content_type.as_str()), (".transcript.json", "application/json"));
    assert_eq!((vtt.suffix.as_str(), vtt.content_type.as_str()), (".vtt", "text/vtt; charset=utf-8"));
    Ok((serde_json::from_slice(&json.bytes).unwrap(), String::from_utf8(vtt.bytes.clone()).unwrap()))
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join("samples").join(name)).unwrap()
}

#[derive(serde::Deserialize)]
struct Expected {
    text: String,
    language: String,
}

#[test]
fn the_eight_samples_give_the_expected_text_and_language() {
    let expected: BTreeMap<String, Expected> = serde_json::from_slice(&sample("expected.json")).unwrap();
    assert_eq!(expected.len(), 8);
    for (name, expected) in expected {
        let (transcript, vtt) = worked(&format!("audio/{name}"), None, sample(&name)).unwrap();
        assert_eq!(transcript.text, expected.text, "{name}");
        assert_eq!(transcript.language, Some(expected.language), "{name}");
        assert_eq!(transcript.model, "digits");
        let joined: Vec<_> = transcript.segments.iter().map(|segment| segment.text.as_str()).collect();
        assert_eq!(joined.join(" "), expected.text, "{name}");
        for segment in &transcript.segments {
            let in_order =
                0.0 <= segment.start && segment.start < segment.end && segment.end <= transcript.duration;
            assert!(in_order, "{name}: {segment:?} of {}", transcript.duration);
        }
        assert!(vtt.starts_with("WEBVTT\n\n00:00:0") && vtt.contains(&expected.text), "{name}: {vtt}");
    }
}

#[test]
fn further_encodings_of_a_sample_give_its_text() {
    for name in ["en-zero-nine-six-vorbis.ogg", "en-zero-nine-six-stereo-opus.ogg"] {
        let bytes = std::fs::read(fixtures().join("formats").join(name)).unwrap();
        assert_eq!(worked(name, Some("audio/ogg"), bytes).unwrap().0.text, "zero nine six", "{name}");
    }
}

#[test]
fn raw_samples_are_told_by_extension_or_content_type() {
    let raw = sample("en-four-six-seven-three.pcm16");
    for (key, content_type) in [
        ("live/a.pcm16", Some("application/octet-stream")),
        ("live/a.PCM", None),
        ("live/a", Some("Audio/PCM; rate=24000")),
    ] {
        let (transcript, _) = worked(key, content_type, raw.clone()).unwrap();
        assert_eq!(transcript.text, "four six seven three", "{key}");
    }
    let (fast, _) = worked("live/a", Some("audio/pcm;rate=48000"), raw).unwrap();
    assert!((fast.duration - 1.46).abs() < 0.01, "{}", fast.duration);
}

#[test]
fn silence_and_noise_give_an_empty_transcript() {
    let raw = |samples: Vec<f32>| {
        let bytes = |sample: f32| ((sample * 32_767.0) as i16).to_le_bytes();
        samples.into_iter().flat_map(bytes).collect::<Vec<u8>>()
    };
    for (what, samples) in [
        ("silence", vec![0.0; 48_000]),
        ("faint noise", noise(3, 0.0005)),
        ("loud noise", noise(3, 0.5)),
        ("a long noise", noise(40, 0.1)),
        ("a tenth of a second", vec![0.0; 1_600]),
    ] {
        let (transcript, vtt) = worked("n", Some("audio/pcm;rate=16000"), raw(samples)).unwrap();
        assert_eq!(
            (transcript.text.as_str(), transcript.language, vtt.as_str()),
            ("", None, "WEBVTT\n"),
            "{what}"
        );
    }
}

#[test]
fn what_cannot_be_transcribed_is_unusable_and_says_why() {
    let wav = sample("en-zero-nine-six.wav");
    for (bytes, words) in [
        (vec![], "the recording is empty"),
        (b"I am not sound".repeat(100), "not a recording in WAV, Ogg, MP3, M4A or AAC"),
        (wav[..30].to_vec(), "not a recording in WAV, Ogg, MP3, M4A or AAC"),
        (wav[..44].to_vec(), "the file has no audio track"),
    ] {
        let WorkError::Unusable(error) = worked("a.wav", None, bytes).unwrap_err() else { panic!("{words}") };
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn a_voice_that_breaks_off_is_transcribed_as_far_as_it_goes() {
    let ogg = sample("en-eight-four-eight.ogg");
    let (transcript, _) = worked("a.ogg", None, ogg[..ogg.len() * 3 / 4].to_vec()).unwrap();
    assert!(transcript.text.starts_with("eight"), "{}", transcript.text);
}

#[test]
fn a_model_that_is_gone_is_a_passing_fault_of_ours() {
    let mut task = Transcriptions::new(config(None)).unwrap().task(&event("a.wav", None));
    task["model_path"] = json!("nowhere.bin");
    let error = work(&Source { task, bytes: sample("en-zero-nine-six.wav") }).unwrap_err();
    assert!(
        matches!(&error, WorkError::Temporary(words) if words.contains("whisper cannot load the model")),
        "{error}"
    );
}

#[test]
fn files_are_transcribed_from_the_command_line_too() {
    let path = fixtures().join("samples/fr-cinq-zero-un.m4a");
    let mut config = config(Some("fr"));
    let transcript = transcribe_file(&path, &config).unwrap();
    assert_eq!((transcript.text.as_str(), transcript.language.as_deref()), ("cinq zéro un", Some("fr")));

    config.source_bytes_max.0 = 9_000;
    assert_eq!(
        transcribe_file(&path, &config).unwrap_err().to_string(),
        "the recording is larger than 9000 bytes"
    );
    let missing = transcribe_file(Path::new("nowhere.wav"), &config).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read nowhere.wav");
}

#[test]
fn an_unknown_language_is_refused_at_the_start() {
    for language in ["xx", "English", "e\0n", ""] {
        let error = Transcriptions::new(config(Some(language))).unwrap_err();
        assert!(matches!(error, ModelError::Language(_)), "{language:?}: {error}");
    }
    assert!(Transcriptions::new(config(Some("auto"))).is_ok());
}

#[test]
fn recordings_are_wanted_by_extension_or_content_type() {
    let sidecar = Transcriptions::new(config(None)).unwrap();
    for (key, content_type, wanted) in [
        ("audio/whatsapp/7/2026/01/a.ogg", None, true),
        ("a.PCM16", Some("application/octet-stream"), true),
        ("a", Some("Audio/MPEG"), true),
        ("a.mp4", Some("audio/mp4"), true),
        ("a.mp4", Some("video/mp4"), false),
        ("a.jpg", Some("image/jpeg"), false),
        ("wav", None, false),
        ("a.transcript.json", Some("application/json"), false),
        ("a", Some("é"), false),
    ] {
        assert_eq!(sidecar.wants(&event(key, content_type)), wanted, "{key} {content_type:?}");
    }
    let mut removed = event("a.ogg", None);
    removed.object = None;
    assert!(!sidecar.wants(&removed));
}

#[test]
fn the_recipe_names_what_changes_the_outputs() {
    let recipe = |language| Transcriptions::new(config(language)).unwrap().recipe();
    assert_eq!(recipe(None), "transcript-1:digits-5150b3277633:auto");
    assert_eq!(recipe(Some("fr")), "transcript-1:digits-5150b3277633:fr");
    let sidecar = Transcriptions::new(config(None)).unwrap();
    assert_eq!((sidecar.kind(), sidecar.source_bytes_max()), ("transcription", 25_000_000));
}

/// Runs itself once more and looks at all that came out: whisper.cpp writes to the process' own streams.
#[test]
fn what_was_said_is_never_printed() {
    const CHILD: &str = "RELAIS_TEST_TRANSCRIBES";
    if std::env::var_os(CHILD).is_some() {
        assert_eq!(worked("a.wav", None, sample("en-zero-nine-six.wav")).unwrap().0.text, "zero nine six");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sidecar::tests::what_was_said_is_never_printed", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).to_lowercase()).concat();
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    for word in ["zero", "nine", "six", "whisper_", "[_beg_]"] {
        assert!(!printed.contains(word), "{word} in {printed}");
    }
}
