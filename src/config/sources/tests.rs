use relais_stores::StoreConfig;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn loaded(pairs: &[(&str, &str)]) -> Result<Config, String> {
    read(None, &environment(pairs)).map_err(|error| error.to_string())
}

fn loaded_file(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    read(Some(file.path()), &Environment::new()).map_err(|error| error.to_string())
}

#[test]
fn the_default_needs_nothing() {
    let config = loaded(&[]).unwrap();
    assert_eq!(config.proxy.listen.to_string(), "127.0.0.1:9000");
    assert!(config.database.url.starts_with("sqlite:///"), "{}", config.database.url);
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let config =
        loaded(&[("RELAIS_PROXY__LISTEN", "127.0.0.1:1"), ("RELAIS_THUMBNAIL__ENABLED", "false")]).unwrap();
    assert_eq!(config.proxy.listen.port(), 1);
    assert!(!config.thumbnail.enabled);
    assert_eq!(loaded_file("[proxy]\nregion = \"nyc3\"").unwrap().proxy.region, "nyc3");
}

#[test]
fn a_secret_that_looks_like_a_number_stays_text() {
    let digits = "01234567890123456789012345678901";
    let config = loaded(&[("SECRET_KEY", digits)]).unwrap();
    assert_eq!(config.secret_key.unwrap().expose(), digits);
}

#[test]
fn earlier_secrets_are_a_list_of_text() {
    let [one, two] = ["01234567890123456789012345678901", "abcdefghijklmnopqrstuvwxyz012345"];
    let config = loaded(&[("SECRET_KEY_BEFORE", &format!("{one}, {two}"))]).unwrap();
    let before: Vec<_> = config.secret_keys_before.iter().map(|secret| secret.expose()).collect();
    assert_eq!(before, [one, two]);
    assert!(!toml::to_string(&config).unwrap().contains(one));
    assert!(loaded(&[("SECRET_KEY_BEFORE", &format!("{one},"))]).unwrap_err().contains("SECRET_KEY_BEFORE"));
}

#[test]
fn an_error_names_the_key() {
    for (file, key) in [
        ("[proxy]\nlistne = \"x\"", "proxy.listne"),
        ("[proxy]\nlisten = \"nowhere\"", "proxy.listen"),
        ("[[buckets]]\nname = \"media\"\nreplicas = [\"disk\"]\nreplica = 1", "buckets"),
        ("[stores.x]\nkind = \"tape\"", "stores.x"),
        ("[thumbnail]\nquality = 0", "thumbnail.quality"),
        ("root_access_key = \"a\"", "root_secret_key"),
        ("secret_key = \"short\"", "secret_key"),
        ("secret_keys_before = [\"short\"]", "secret_keys_before"),
    ] {
        let error = loaded_file(file).unwrap_err();
        assert!(error.contains(key), "{key} is not in: {error}");
    }
    assert!(loaded(&[("RELAIS_PROXY__LISTNE", "x")]).unwrap_err().contains("proxy.listne"));
}

#[test]
fn the_variables_of_spaces_make_a_store_and_a_bucket() {
    let all = [
        ("DO_SPACES_KEY", "key"),
        ("DO_SPACES_SECRET", "secret"),
        ("DO_SPACES_BUCKET", "voices"),
        ("DO_SPACES_REGION", "nyc3"),
    ];
    let config = loaded(&all).unwrap();
    let StoreConfig::S3(store) = &config.stores[&"spaces".parse().unwrap()] else { panic!("not S3") };
    assert_eq!(store.endpoint.as_deref(), Some("https://nyc3.digitaloceanspaces.com"));
    assert!(config.buckets.iter().any(|bucket| bucket.name == "voices"));
    for (missing, _) in all {
        let rest: Vec<_> = all.into_iter().filter(|(name, _)| *name != missing).collect();
        assert!(loaded(&rest).unwrap_err().starts_with(missing), "{missing}");
    }
}

#[test]
fn a_data_file_says_its_bucket_or_takes_the_variable() {
    let file = "data_file_variables = [\"S3_RAPPATRIMENT_FILE_PATH\"]";
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file).unwrap();
    let load = |pairs: &[(&str, &str)]| {
        read(Some(path.path()), &environment(pairs)).map_err(|error| error.to_string())
    };
    let own = [("AWS_REGION", "eu-west-3"), ("S3_RAPPATRIMENT_FILE_PATH", "s3://own-bucket/a/b.xlsx")];
    let bucket = load(&own).unwrap().buckets.pop().unwrap();
    assert_eq!((bucket.name.as_str(), bucket.encryption.as_deref()), ("own-bucket", Some("AES256")));
    let relative = [("AWS_REGION", "eu-west-3"), ("S3_RAPPATRIMENT_FILE_PATH", "a/b.xlsx")];
    assert!(load(&relative).unwrap_err().starts_with("S3_BUCKET_NAME"));
    assert!(load(&[]).unwrap_err().starts_with("S3_RAPPATRIMENT_FILE_PATH"));
    assert!(load(&own[1..]).unwrap_err().starts_with("AWS_REGION"));
}

#[test]
fn the_variables_of_the_transcription_service_are_understood() {
    let config = loaded(&[
        ("WHISPER_API_KEY", "0123"),
        ("REQUIRE_AUTH", "False"),
        ("ALLOWED_ORIGINS", "https://a.example, https://b.example"),
        ("USE_SQLITE", "true"),
        ("DB_PATH", "/tmp/jobs.db"),
    ])
    .unwrap();
    assert_eq!(config.api.transcription_key.unwrap().expose(), "0123");
    assert!(!config.api.require_auth);
    assert_eq!(config.api.allowed_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.database.url, "sqlite:///tmp/jobs.db?mode=rwc");
    assert!(loaded(&[("USE_SQLITE", "false")]).unwrap().database.url.ends_with("/forgotten.db?mode=rwc"));
    assert!(loaded(&[("USE_SQLITE", "maybe")]).unwrap_err().starts_with("USE_SQLITE"));
}

#[test]
fn shown_values_hide_secrets() {
    let config = loaded(&[
        ("SECRET_KEY", "canary-canary-canary-canary-canary"),
        ("RELAIS_ROOT_ACCESS_KEY", "root"),
        ("RELAIS_ROOT_SECRET_KEY", "canary-root"),
        ("DATABASE_URL", "postgres://me:canary-db@127.0.0.1/x"),
        ("REDIS_URL", "redis://:canary-redis@127.0.0.1/"),
        ("WHISPER_API_KEY", "canary-api"),
    ])
    .unwrap();
    let shown = toml::to_string(&config).unwrap() + &format!("{config:?}");
    assert!(!shown.contains("canary"), "{shown}");
}
