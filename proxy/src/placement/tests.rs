use relais_model::WriteMode;

use super::*;

fn config(name: &str, replicas: &[&str]) -> BucketConfig {
    BucketConfig {
        name: name.to_owned(),
        replicas: replicas.iter().map(|replica| replica.parse().unwrap()).collect(),
        write_mode: WriteMode::Primary,
        object_bytes_max: None,
        content_types: Vec::new(),
        check_bytes: true,
        encryption: None,
        public_read: vec!["open/".to_owned(), "audio/*.ogg".to_owned()],
        stale_reads: false,
        hedged_reads: false,
        cors: Vec::new(),
    }
}

#[test]
fn rules_of_buckets_are_checked_by_name() {
    let checked = |buckets: &[BucketConfig]| {
        check(buckets, |name| name.as_str() == "disk").map_err(|error| error.to_string())
    };
    assert_eq!(checked(&[config("media", &["disk", "disk:other"]), config("*", &["disk"])]), Ok(()));
    for (buckets, said) in [
        (vec![config("Media", &["disk"])], "Media"),
        (vec![config("media", &[])], "name at least one store"),
        (vec![config("media", &["tape"])], "[stores.tape]"),
        (vec![config("media", &["disk", "disk"])], "named twice"),
        (vec![config("media", &["disk"]), config("media", &["disk"])], "configured twice"),
        (vec![config("*", &["disk:fixed"])], "names one bucket for all"),
    ] {
        let error = checked(&buckets).unwrap_err();
        assert!(error.contains(said), "{said} is not in: {error}");
    }
}

#[test]
fn a_public_pattern_shows_what_it_names_and_nothing_beside_it() {
    let bucket = Bucket {
        name: "media".parse().unwrap(),
        places: Vec::new(),
        config: Arc::new(config("media", &["disk"])),
    };
    for public in ["open/a", "audio/a.ogg", "audio/7/2026/x.ogg"] {
        assert!(bucket.is_public(public), "{public}");
    }
    for private in ["a", "audio/a.transcript.json", "audio/a.ogg.vtt", "closed/open/a", "audio/.og"] {
        assert!(!bucket.is_public(private), "{private}");
    }
}
