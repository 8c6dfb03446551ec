use std::path::PathBuf;

use super::*;
use crate::resample::RATE;
use crate::speech::tests::noise;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn contained(extension: &str) -> Encoding {
    Encoding::Contained { extension: extension.to_owned() }
}

fn encoding_of(name: &str) -> Encoding {
    match name.rsplit_once('.').unwrap().1 {
        "pcm16" => Encoding::Pcm16 { rate: 24_000 },
        extension => contained(extension),
    }
}

/// A WAV file: `format` 1 is integers, 3 is floats.
fn wav(format: u16, bits: u16, channels: u16, rate: u32, samples: &[u8]) -> Vec<u8> {
    let frame = channels * (bits / 8);
    let head = [
        b"RIFF".as_slice(),
        &(36 + samples.len() as u32).to_le_bytes(),
        b"WAVEfmt ",
        &16_u32.to_le_bytes(),
        &format.to_le_bytes(),
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &(rate * u32::from(frame)).to_le_bytes(),
        &frame.to_le_bytes(),
        &bits.to_le_bytes(),
        b"data",
        &(samples.len() as u32).to_le_bytes(),
        samples,
    ];
    head.concat()
}

/// Where two recordings of the same sound fit best, and how well (1: the same). Codecs shift and colour a little.
fn likeness(a: &[f32], b: &[f32]) -> (isize, f32) {
    let at = |samples: &[f32], n: isize| {
        usize::try_from(n).ok().and_then(|n| samples.get(n)).copied().unwrap_or(0.0)
    };
    let product = |shift: isize| (0..a.len() as isize).map(|n| at(a, n) * at(b, n + shift)).sum::<f32>();
    let energy = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
    let scale = (energy(a) * energy(b)).sqrt();
    let shifts = -400..400;
    shifts.map(|shift| (shift, product(shift) / scale)).max_by(|x, y| x.1.total_cmp(&y.1)).unwrap()
}

/// Recordings and their lengths in seconds, as their headers or libsndfile have it.
const SAMPLES: [(&str, f64); 10] = [
    ("samples/en-zero-nine-six.wav", 1.917),
    ("samples/en-three-eight-nine.ogg", 1.639),
    ("samples/en-eight-four-eight.ogg", 3.026),
    ("samples/en-two-five-six.mp3", 2.731),
    ("samples/en-four-six-seven-three.pcm16", 2.919),
    ("samples/fr-cinq-neuf-sept.wav", 3.182),
    ("samples/fr-neuf-un-sept.ogg", 2.255),
    ("samples/fr-cinq-zero-un.m4a", 2.176), // 2.079 and the encoder's run-up and padding, which symphonia leaves in
    ("formats/en-zero-nine-six-vorbis.ogg", 1.917),
    ("formats/en-zero-nine-six-stereo-opus.ogg", 1.917),
];

#[test]
fn every_format_decodes_to_its_length_at_16_khz() {
    for (name, seconds) in SAMPLES {
        let samples = decode(&fixture(name), &encoding_of(name), 60).unwrap();
        let decoded = samples.len() as f64 / f64::from(RATE);
        assert!((decoded - seconds).abs() < 0.001, "{name} has {decoded} s");
        assert!(samples.iter().all(|sample| sample.abs() <= 1.0));
    }
}

#[test]
fn the_same_words_in_other_formats_are_the_same_sound_at_the_same_time() {
    let original = decode(&fixture("samples/en-zero-nine-six.wav"), &contained("wav"), 60).unwrap();
    for name in ["formats/en-zero-nine-six-vorbis.ogg", "formats/en-zero-nine-six-stereo-opus.ogg"] {
        let other = decode(&fixture(name), &contained("ogg"), 60).unwrap();
        let (shift, likeness) = likeness(&original, &other);
        assert!(shift.abs() <= 16 && likeness > 0.9, "{name}: {likeness} at {shift}");
    }
}

#[test]
fn channels_are_mixed_and_rates_converted() {
    let tone = |n: u32| (12_000.0 * (f64::from(n) * std::f64::consts::TAU * 440.0 / 44_100.0).sin()) as i16;
    let frames: Vec<u8> = (0..44_100).flat_map(|n| [tone(n), 0].map(i16::to_le_bytes).concat()).collect();
    let mixed = decode(&wav(1, 16, 2, 44_100, &frames), &contained("wav"), 60).unwrap();
    assert_eq!(mixed.len(), 16_000);
    let loudest = mixed[1_600..14_400].iter().copied().fold(0.0, f32::max);
    assert!((loudest - 12_000.0 / 32_768.0 / 2.0).abs() < 0.003, "{loudest}");
    let crossings = mixed[1_600..14_400].windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    assert!((351..=353).contains(&crossings), "440 Hz crosses 352 times in 0.8 s, not {crossings}");
}

#[test]
fn numbers_that_are_no_sound_are_made_safe() {
    let floats = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 7.5, -0.25].map(f32::to_le_bytes).concat();
    let samples = decode(&wav(3, 32, 1, 16_000, &floats), &contained("wav"), 60).unwrap();
    assert_eq!(samples, [0.0, 1.0, -1.0, 1.0, -0.25]);
}

#[test]
fn limits_hold() {
    let second = vec![0; 32_000];
    let decode = |file: &[u8], seconds_max| decode(file, &contained("wav"), seconds_max);
    assert!(decode(&wav(1, 16, 1, 16_000, &second), 1).is_ok());
    let error = decode(&wav(1, 16, 1, 15_000, &second), 1).unwrap_err();
    assert!(matches!(error, DecodeError::TooLong { seconds_max: 1 }), "{error}");
    for rate in [1, 3_999, 192_001] {
        assert!(matches!(decode(&wav(1, 16, 1, rate, &second), 60), Err(DecodeError::Rate(_))), "{rate}");
    }
    let error = decode(&wav(1, 16, 12, 16_000, &second), 60).unwrap_err();
    assert!(matches!(error, DecodeError::Channels(12)), "{error}");
    let opus = super::decode(&fixture("samples/en-three-eight-nine.ogg"), &contained("ogg"), 1);
    assert!(matches!(opus, Err(DecodeError::TooLong { .. })));
}

#[test]
fn what_is_no_recording_is_refused() {
    let noise: Vec<u8> = noise(2, 1.0).iter().flat_map(|sample| sample.to_bits().to_le_bytes()).collect();
    let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice();
    for extension in ["wav", "ogg", "mp3", "m4a", "aac", ""] {
        for file in [b"".as_slice(), b"RIFF", b"OggS", b"text, not sound", &[0; 5_000], &noise, picture] {
            let result = decode(file, &contained(extension), 60);
            assert!(!matches!(result, Ok(_) | Err(DecodeError::Panicked)), "{extension}: {result:?}");
        }
    }
    assert!(matches!(decode(b"", &Encoding::Pcm16 { rate: 24_000 }, 60), Err(DecodeError::Empty)));
    assert!(matches!(decode(b"..", &Encoding::Pcm16 { rate: 0 }, 60), Err(DecodeError::Rate(0))));
    assert!(decode(b".", &Encoding::Pcm16 { rate: 24_000 }, 60).unwrap().is_empty());
}

#[test]
fn a_recording_that_breaks_off_gives_what_came_before_or_an_error() {
    for (name, _) in SAMPLES {
        let (file, encoding) = (fixture(name), encoding_of(name));
        let whole = decode(&file, &encoding, 60).unwrap().len();
        for cut in (0..file.len()).step_by(file.len() / 40) {
            match decode(&file[..cut], &encoding, 60) {
                Ok(samples) => {
                    assert!(samples.len() <= whole + 320, "{name} cut at {cut}: {}", samples.len())
                }
                Err(error) => assert!(!matches!(error, DecodeError::Panicked), "{name} cut at {cut}"),
            }
        }
    }
    let half = fixture("samples/en-eight-four-eight.ogg");
    assert!(
        decode(&half[..half.len() / 2], &contained("ogg"), 60).is_ok_and(|samples| samples.len() > 8_000)
    );
}

#[test]
fn damaged_recordings_neither_panic_nor_hang() {
    for (name, _) in SAMPLES {
        let (file, encoding) = (fixture(name), encoding_of(name));
        for round in 0..60_usize {
            let mut damaged = file.clone();
            for hit in 0..=round {
                let place = (round * 7_919 + hit * hit * 104_729) % damaged.len();
                let place = if round % 3 == 0 { place % 200 } else { place }; // Headers are where it hurts.
                damaged[place] ^= 1 << (hit % 8) | (round as u8);
            }
            let result = decode(&damaged, &encoding, 60);
            assert!(!matches!(result, Err(DecodeError::Panicked)), "{name}, round {round}");
        }
    }
}
