use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_packed_model_is_unpacked_once_and_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ggml-own.bin.gz");
    fs::write(&path, packed(b"lmgg first")).unwrap();

    let first = Model::open(&path).unwrap();
    assert_eq!((first.name.as_str(), fs::read(&first.path).unwrap()), ("own", b"lmgg first".to_vec()));
    let made = fs::metadata(&first.path).unwrap().modified().unwrap();
    assert_eq!(Model::open(&path).unwrap(), first);
    assert_eq!(fs::metadata(&first.path).unwrap().modified().unwrap(), made);

    fs::write(&path, packed(b"lmgg second")).unwrap();
    let second = Model::open(&path).unwrap();
    assert_ne!(second.sha256, first.sha256);
    assert_eq!(fs::read(&second.path).unwrap(), b"lmgg second");
}

#[test]
fn the_fixture_opens_with_the_hash_it_is_documented_with() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/ggml-digits.bin.gz");
    let model = Model::open(&path).unwrap();
    assert_eq!(model.name, "digits");
    assert_eq!(model.sha256, "5150b32776335b926d1eb13482a96f3b2a7578c7fce72c02ee8ccc8cff202a90");
}

#[test]
fn a_missing_model_says_which_command_fetches_one() {
    let error = Model::open(Path::new("nowhere/ggml-base.bin")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no model at nowhere/ggml-base.bin: `relais model fetch base` downloads one, \
         transcription.model says where it is"
    );
}

#[test]
fn a_damaged_model_and_a_file_that_is_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        Model::open(&path)
    };
    assert!(matches!(
        open("ggml-base.bin", b"lmgg but not base"),
        Err(ModelError::Damaged { name: "base", .. })
    ));
    assert!(matches!(
        open("ggml-tiny.bin.gz", &packed(b"lmgg")),
        Err(ModelError::Damaged { name: "tiny", .. })
    ));
    assert!(matches!(open("own.bin", b"GGUF and more"), Err(ModelError::Format { .. })));
    assert!(matches!(open("empty.bin", b""), Err(ModelError::Format { .. })));
    let cut = &packed(b"lmgg and a good deal more of it")[..20];
    assert!(matches!(open("cut.bin.gz", cut), Err(ModelError::Unpack { .. })));
    assert!(matches!(open("plain.bin.gz", b"lmgg not packed"), Err(ModelError::Unpack { .. })));
    let left: Vec<_> = fs::read_dir(folder.path().join(UNPACKED_FOLDER)).unwrap().collect();
    assert_eq!(left.len(), 1, "only the tiny one was whole: {left:?}");
}
