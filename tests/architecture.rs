//! Holds the crates to the direction of dependencies of ARCHITECTURE.md, and documents to the code.
//!
//! Everything here is read from manifests and files, nothing is built. What counts are normal and build dependencies; a
//! test may use what its crate must not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Crate to the crates of relais that it uses: the arrows of the map in ARCHITECTURE.md, all of them.
const ARROWS: [(&str, &[&str]); 10] = [
    ("relais-clients", &[]), // A client that the tests start; it knows relais by its address only.
    ("relais-model", &[]),
    ("relais-catalog", &["relais-model"]),
    ("relais-events", &["relais-model"]),
    ("relais-stores", &["relais-model"]),
    ("relais-kit", &["relais-catalog", "relais-events", "relais-model"]),
    ("relais-thumbnail", &["relais-kit", "relais-model"]),
    ("relais-transcription", &["relais-kit", "relais-model"]),
    ("relais-proxy", &["relais-catalog", "relais-events", "relais-model", "relais-stores"]),
    (
        "relais",
        &[
            "relais-catalog",
            "relais-events",
            "relais-kit",
            "relais-model",
            "relais-proxy",
            "relais-stores",
            "relais-thumbnail",
            "relais-transcription",
        ],
    ),
];

/// What speaks to an outside system, and the one crate that may use it.
const DOORS: [(&str, &str); 7] = [
    ("aws-sdk-s3", "relais-stores"),
    ("image", "relais-thumbnail"),
    ("redis", "relais-events"),
    ("s3s-aws", "relais-stores"),
    ("sea-orm", "relais-catalog"),
    ("sea-orm-migration", "relais-catalog"),
    ("whisper-rs", "relais-transcription"),
];

/// Nothing depends on the benches, and they use what they compare relais with.
const BENCHES: &str = "relais-benches";

fn workspace() -> Metadata {
    MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .expect("cargo, which runs this test, can read the manifests")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Each crate of the workspace but the benches, with everything that it uses outside of its tests.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let mut uses = BTreeMap::new();
    for package in workspace().packages {
        if package.name.as_str() != BENCHES {
            let used = package.dependencies.iter().filter(|used| used.kind != DependencyKind::Development);
            uses.insert(package.name.to_string(), used.map(|used| used.name.to_string()).collect());
        }
    }
    uses
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn crates_depend_in_one_direction() {
    let uses = uses();
    let ours: BTreeSet<&String> = uses.keys().collect();
    let found: BTreeMap<&str, BTreeSet<String>> = uses
        .iter()
        .map(|(name, used)| {
            let used = used.iter().filter(|used| ours.contains(used) || *used == BENCHES);
            (name.as_str(), used.cloned().collect())
        })
        .collect();
    let drawn: BTreeMap<&str, BTreeSet<String>> =
        ARROWS.iter().map(|(name, used)| (*name, set(used))).collect();
    assert_eq!(
        found, drawn,
        "found on the left, drawn on the right; a new arrow is drawn in ARCHITECTURE.md too"
    );
}

#[test]
fn arrows_make_no_circle() {
    let mut drawn: BTreeSet<&str> = BTreeSet::new();
    for (name, used) in ARROWS {
        assert!(used.iter().all(|used| drawn.contains(used)), "{name} uses something that is drawn after it");
        drawn.insert(name);
    }
}

#[test]
fn each_outside_system_has_one_door() {
    let uses = uses();
    for (outside, door) in DOORS {
        let users: Vec<&String> =
            uses.iter().filter(|(_, used)| used.contains(outside)).map(|(name, _)| name).collect();
        assert_eq!(users, [door], "{outside} is used by the crates on the left");
    }
}

#[test]
fn deny_toml_names_the_same_doors() {
    let deny: toml::Table = read("deny.toml").parse().unwrap();
    let banned = deny["bans"]["deny"].as_array().unwrap();
    for (outside, door) in DOORS {
        let ban = banned.iter().find(|ban| ban["crate"].as_str() == Some(outside));
        let ban = ban.unwrap_or_else(|| panic!("deny.toml says nothing of {outside}"));
        let wrappers = ban["wrappers"].as_array().unwrap();
        assert!(
            wrappers.iter().any(|wrapper| wrapper.as_str() == Some(door)),
            "{outside}: {door} is no wrapper"
        );
        assert!(
            ban["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
            "{outside}: no reason is given"
        );
    }
}

#[test]
fn metrics_are_documented_and_nothing_else_is() {
    let mut declared = BTreeSet::new();
    for package in workspace().packages {
        let folder = package.manifest_path.parent().unwrap().to_owned();
        let file = folder.join("src/metrics.rs");
        if file.exists() {
            declared.extend(declared_metrics(&read(file)));
        }
    }
    assert!(!declared.is_empty(), "no metrics.rs declares a metric: is the name of the file still right?");
    assert_eq!(
        declared,
        documented_metrics(&read("docs/METRICS.md")),
        "declared on the left, documented on the right"
    );
}

/// The values of constants such as `pub(crate) const REQUESTS: &str = "relais_requests_total";`.
fn declared_metrics(source: &str) -> BTreeSet<String> {
    let value = |line: &str| {
        let (_, value) = line.split_once("const ")?.1.split_once(": &str = \"")?;
        value.strip_suffix("\";").map(str::to_owned)
    };
    source.lines().filter_map(value).collect()
}

/// The first cells of tables, where they are metrics: `` | `relais_requests_total` | … ``.
fn documented_metrics(text: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
        name.starts_with("relais_").then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// The name of each operation that s3s knows, and the table of those of the gateway.
#[test]
fn every_operation_of_s3_has_its_row_in_the_table_of_the_proxy() {
    let metadata = MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .expect("cargo, which runs this test, can read the manifests");
    let s3s =
        metadata.packages.iter().find(|package| package.name.as_str() == "s3s").expect("the proxy uses s3s");
    let source = s3s.manifest_path.with_file_name("src").join("s3_trait.rs");
    let source = fs::read_to_string(source).expect("s3s has its trait in this file");
    let known: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("async fn ")?.split('(').next())
        .filter(|name| *name != "post_object") // A put, with the key in the form.
        .collect();
    assert!(known.len() > 100, "the trait is read as it should be: {known:?}");

    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("proxy/src/s3.rs")).unwrap();
    let table = table.split("\noperations! {\n").nth(1).expect("the table begins so");
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("        ") && !line.trim_start().starts_with("//"))
        .filter_map(|line| line.trim().split(['(', ';']).next())
        .filter(|name| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
        })
        .collect();
    let unique: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(unique.len(), rows.len(), "an operation has one row");
    let missing: Vec<_> = known.difference(&unique).collect();
    let unknown: Vec<_> = unique.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:?}; not in s3s: {unknown:?}");
}
