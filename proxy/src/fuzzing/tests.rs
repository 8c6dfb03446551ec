//! The seeds of the fuzz targets, and what once broke one.

use std::fs;
use std::path::Path;

/// Calls a target with every file of its folder.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let inputs: Vec<_> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(inputs.len() >= 3, "{name} has {} seeds", inputs.len());
    for input in &inputs {
        target(input);
    }
}

#[test]
fn the_seeds_of_every_target_pass() {
    replay("claims", super::claims);
    replay("cors", super::cors);
    replay("form", super::form);
    replay("kind", super::kind);
    replay("layout", super::layout);
    replay("policy", super::policy);
    replay("sealed", super::sealed);
}

#[test]
fn every_target_has_a_folder_and_a_binary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz");
    let names = |below: &str| {
        let entries = fs::read_dir(folder.join(below)).unwrap();
        let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<_> = entries.map(|entry| stem(&entry.unwrap().path())).collect();
        names.sort();
        names
    };
    assert_eq!(names("corpus"), names("fuzz_targets"));
}
