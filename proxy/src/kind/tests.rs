use std::path::Path;

use super::*;

/// A file of the tests' fixtures.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)).unwrap()
}

/// Feeds content in chunks of a size, and judges it.
fn examine(content_type: &str, content: &[u8], chunk: usize) -> Result<(), KindError> {
    let mut examiner = Examiner::of(content_type);
    content.chunks(chunk).try_for_each(|chunk| examiner.take(chunk))?;
    examiner.finish()
}

const RECORDINGS: [(&str, Kind, &[&str]); 6] = [
    ("samples/en-eight-four-eight.ogg", Kind::Ogg, &["audio/ogg", "audio/opus", "application/ogg"]),
    ("formats/en-zero-nine-six-vorbis.ogg", Kind::Ogg, &["audio/ogg; codecs=vorbis", "Audio/OGG"]),
    ("samples/en-two-five-six.mp3", Kind::Mp3, &["audio/mpeg", "audio/mp3", "audio/x-mp3"]),
    ("samples/fr-cinq-zero-un.m4a", Kind::Mp4, &["audio/mp4", "audio/x-m4a", "audio/m4a", "audio/aac"]),
    (
        "samples/en-zero-nine-six.wav",
        Kind::Wav,
        &["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"],
    ),
    ("samples/fr-cinq-neuf-sept.wav", Kind::Wav, &["audio/wav"]),
];

#[test]
fn recordings_are_what_their_bytes_say_however_they_come() {
    for (name, kind, types) in RECORDINGS {
        let content = fixture(name);
        assert_eq!(Kind::of(&content[..FIRST_BYTES.min(content.len())]), Some(kind), "{name}");
        for (content_type, chunk) in types.iter().flat_map(|one| [1, 3, 5000].map(|chunk| (one, chunk))) {
            examine(content_type, &content, chunk).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn recordings_are_not_each_other() {
    for (name, kind, _) in RECORDINGS {
        let content = fixture(name);
        for (_, other, types) in RECORDINGS.iter().filter(|(_, other, _)| *other != kind) {
            let error = examine(types[0], &content, 100).unwrap_err().to_string();
            assert!(error.contains(&format!("its bytes are {kind}")), "{name} as {other}: {error}");
        }
        for samples in ["audio/pcm", "audio/L16;rate=24000", "application/octet-stream"] {
            assert!(examine(samples, &content[..content.len() & !1], 100).is_err(), "{name} as {samples}");
        }
    }
}

#[test]
fn samples_are_an_even_number_of_bytes_that_are_nothing_else() {
    let samples = fixture("samples/en-four-six-seven-three.pcm16");
    assert_eq!(Kind::of(&samples[..FIRST_BYTES]), None);
    examine("audio/pcm", &samples, 1000).unwrap();
    examine("audio/pcm;rate=24000", b"", 1).unwrap();
    examine("application/octet-stream", &samples[1..], 1000).unwrap();
    let odd = examine("audio/pcm", &samples[1..], 1000).unwrap_err();
    assert!(matches!(odd, KindError::HalfSample { .. }), "{odd}");
    for looks_like in [&b"\xff\xfb\x01\x02\x03\x04"[..], b"MZ\x90\0", b"<h", b"\xff\xf1\x50\x80"] {
        let mut noise = looks_like.to_vec();
        noise.resize(6000, 7);
        examine("audio/pcm", &noise, 512).unwrap_or_else(|error| panic!("{looks_like:?}: {error}"));
    }
}

#[test]
fn what_is_passed_off_is_named() {
    let page = b"\xef\xbb\xbf\n<!DOCTYPE html><script>alert(1)</script>";
    let mut program = vec![0; 200];
    program[..2].copy_from_slice(b"MZ");
    program[0x3c] = 0x80;
    program[0x80..0x84].copy_from_slice(b"PE\0\0");
    let cases: [(&[u8], &str); 9] = [
        (page, "HTML or XML"),
        (b"<svg onload=alert(1)>", "HTML or XML"),
        (b"\x7fELF\x02\x01\x01", "a program (ELF)"),
        (&program, "a program (Windows)"),
        (b"PK\x03\x04\x14\0", "ZIP"),
        (b"#!/bin/sh\nrm -rf", "a script"),
        (b"%PDF-1.7", "PDF"),
        (b"GIF89a;<?php", "GIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIF"),
    ];
    for (content, named) in cases {
        for declared in ["audio/ogg", "audio/pcm", "application/octet-stream", "image/png", "audio/mpeg"] {
            let mut content = content.to_vec();
            if content.len() % 2 == 1 {
                content.push(b' ');
            }
            let error = examine(declared, &content, 7).unwrap_err().to_string();
            let expected = format!("the content is declared as {declared}, but its bytes are {named}");
            assert_eq!(error, expected);
        }
    }
    let error = examine("audio/ogg", &[7; 10_000], 1000).unwrap_err().to_string();
    assert_eq!(error, "the content is declared as audio/ogg, but its bytes do not begin as such");
}

#[test]
fn nothing_is_not_the_beginning_of_something() {
    for declared in ["audio/ogg", "audio/mpeg", "image/png", "audio/wav", "audio/mp4"] {
        assert!(matches!(examine(declared, b"", 1), Err(KindError::Unlike { .. })), "{declared}");
    }
    examine("application/octet-stream", b"", 1).unwrap();
    examine("text/csv", b"", 1).unwrap();
}

#[test]
fn types_that_are_not_known_are_taken_as_declared() {
    for declared in ["text/html", "application/x-own", "audio/midi", ""] {
        assert!(!Examiner::of(declared).is_needed());
        examine(declared, b"<html>", 2).unwrap();
    }
}

#[test]
fn frames_of_mpeg_audio_are_told_in_all_versions() {
    // Version 1 at 128 kbit/s and 44.1 kHz; version 2 at 64 and 22.05; version 2.5 at 32 and 11.025.
    for (head, length) in
        [([0xff, 0xfb, 0x90, 0x00], 417), ([0xff, 0xf3, 0x80, 0x00], 208), ([0xff, 0xe3, 0x40, 0x00], 208)]
    {
        let mut content = vec![0; 3 * length];
        (0..3).for_each(|frame| content[frame * length..frame * length + 4].copy_from_slice(&head));
        assert_eq!(Kind::of(&content), Some(Kind::Mp3), "{head:x?}");
        // One frame alone is believed of a client that says so, and held against nobody.
        let alone = &content[..length & !1];
        assert_eq!(Kind::of(alone), None, "{head:x?}");
        examine("audio/mpeg", alone, 10).unwrap();
        examine("audio/pcm", alone, 10).unwrap();
    }
    // Layers I and II, a reserved version, and a reserved rate.
    for head in [[0xff, 0xff, 0x90, 0], [0xff, 0xfd, 0x90, 0], [0xff, 0xeb, 0x90, 0], [0xff, 0xfb, 0x9c, 0]] {
        assert!(examine("audio/mpeg", &head, 4).is_err(), "{head:x?}");
    }
    examine("audio/mpeg", b"ID3\x04\0\0\0\0\x20\0TIT2", 3).unwrap();
}

#[test]
fn the_table_of_types_has_each_once_and_in_order() {
    assert!(TYPES[1..].is_sorted_by(|(one, _), (next, _)| one < next));
    assert!(TYPES.iter().all(|(name, _)| *name == name.to_ascii_lowercase()));
}
