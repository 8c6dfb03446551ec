//! The variables that the applications have which relais serves, as they stand in their environments.
//!
//! Each set of variables makes a store and its buckets, unless the configuration file has a bucket of that name already: then
//! the file's rules stay. See docs/OPERATIONS.md for the list, and config/examples for each application as a whole.

use relais_model::{BucketName, Replica, Secret, StoreName, WriteMode};
use relais_proxy::BucketConfig;
use relais_stores::{Credentials, RemoteConfig, StoreConfig};

use super::sources::Environment;
use super::{Config, Misconfigured};

/// Buckets of an application on AWS; one for each of its environments.
const AWS_BUCKETS: [&str; 3] = ["AWS_BUCKET_NAME", "AWS_BUCKET_NAME_DEV", "AWS_BUCKET_NAME_PROD"];

/// The bucket of data files.
const DATA_FILE_BUCKET: &str = "S3_BUCKET_NAME";

/// The database of `USE_SQLITE=false`, which asks that jobs be forgotten with the process: removed at each start.
pub(crate) const FORGOTTEN_DATABASE: &str = "forgotten.db";

pub(super) fn apply(config: &mut Config, environment: &Environment) -> Result<(), Misconfigured> {
    let environment: Environment = environment
        .iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    spaces(config, &environment)?;
    data_files(config, &environment)?;
    aws_buckets(config, &environment)?;
    transcription(config, &environment)
}

/// `DO_SPACES_*`: a store `spaces` on DigitalOcean, and its bucket.
fn spaces(config: &mut Config, environment: &Environment) -> Result<(), Misconfigured> {
    const NAMES: [&str; 4] = ["DO_SPACES_KEY", "DO_SPACES_SECRET", "DO_SPACES_BUCKET", "DO_SPACES_REGION"];
    if !NAMES.iter().any(|name| environment.contains_key(*name)) {
        return Ok(());
    }
    let [key, secret, bucket, region] = NAMES.map(|name| required(environment, name, "DO_SPACES_*"));
    let (key, secret, bucket, region) = (key?, secret?, bucket?, region?);
    let endpoint = environment.get("DO_SPACES_ENDPOINT").cloned();
    let endpoint = endpoint.unwrap_or_else(|| format!("https://{region}.digitaloceanspaces.com"));
    let store = RemoteConfig {
        endpoint: Some(endpoint),
        access_key_id: Some(key),
        secret_access_key: Some(Secret::from(secret)),
        credentials: Some(Credentials::Static),
        ..RemoteConfig::in_region(region)
    };
    add_store(config, "spaces", store);
    add_bucket(config, "DO_SPACES_BUCKET", &bucket, "spaces", None)
}

/// The variables that `data_file_variables` names: a store `aws`, and an encrypted bucket for each file.
fn data_files(config: &mut Config, environment: &Environment) -> Result<(), Misconfigured> {
    for variable in config.data_file_variables.clone() {
        let place = required(environment, &variable, "data_file_variables")?;
        let region = required(environment, "AWS_REGION", &variable)?;
        let (from, bucket) = match place.strip_prefix("s3://") {
            Some(path) => (variable.as_str(), path.split('/').next().unwrap_or("").to_owned()),
            None => (DATA_FILE_BUCKET, required(environment, DATA_FILE_BUCKET, &variable)?),
        };
        add_store(
            config,
            "aws",
            RemoteConfig { credentials: Some(Credentials::Chain), ..RemoteConfig::in_region(region) },
        );
        add_bucket(config, from, &bucket, "aws", Some("AES256"))?;
    }
    Ok(())
}

/// `AWS_BUCKET_NAME` and its like for each environment: a store `aws`, and the buckets.
fn aws_buckets(config: &mut Config, environment: &Environment) -> Result<(), Misconfigured> {
    for name in AWS_BUCKETS {
        let Some(bucket) = environment.get(name) else { continue };
        let region = required(environment, "AWS_REGION_NAME", name)?;
        add_store(
            config,
            "aws",
            RemoteConfig { credentials: Some(Credentials::Chain), ..RemoteConfig::in_region(region) },
        );
        add_bucket(config, name, bucket, "aws", None)?;
    }
    Ok(())
}

/// `WHISPER_API_KEY`, `REQUIRE_AUTH`, `ALLOWED_ORIGINS`, `USE_SQLITE` and `DB_PATH` of the transcription service.
fn transcription(config: &mut Config, environment: &Environment) -> Result<(), Misconfigured> {
    if let Some(key) = environment.get("WHISPER_API_KEY") {
        config.api.transcription_key = Some(Secret::from(key.clone()));
    }
    if let Some(required) = flag(environment, "REQUIRE_AUTH")? {
        config.api.require_auth = required;
    }
    if let Some(origins) = environment.get("ALLOWED_ORIGINS") {
        config.api.allowed_origins = origins.split(',').map(|origin| origin.trim().to_owned()).collect();
    }
    match (flag(environment, "USE_SQLITE")?, environment.get("DB_PATH")) {
        (Some(true) | None, Some(path)) if !environment.contains_key("DATABASE_URL") => {
            let path =
                std::path::absolute(path).map_err(|error| Misconfigured(format!("DB_PATH: {error}")))?;
            config.database.url = format!("sqlite://{}?mode=rwc", path.display());
        }
        (Some(false), _) if !environment.contains_key("DATABASE_URL") => {
            config.database.url = format!("sqlite://{{data_dir}}/{FORGOTTEN_DATABASE}?mode=rwc");
        }
        _ => {}
    }
    Ok(())
}

fn flag(environment: &Environment, name: &str) -> Result<Option<bool>, Misconfigured> {
    let Some(value) = environment.get(name) else { return Ok(None) };
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(Some(true)),
        "false" | "0" | "no" | "off" => Ok(Some(false)),
        _ => Err(Misconfigured(format!("{name}: {value:?} is neither true nor false"))),
    }
}

fn required(environment: &Environment, name: &str, because: &str) -> Result<String, Misconfigured> {
    environment.get(name).cloned().ok_or_else(|| {
        Misconfigured(format!(
            "{name}: the variable is not set, and {because} asks for it; set it in the environment"
        ))
    })
}

/// The variables win over a store of that name in the file, but for what only the file can say.
fn add_store(config: &mut Config, name: &str, store: RemoteConfig) {
    let name: StoreName = name.parse().expect("the names in this file are store names");
    let store = match config.stores.get(&name) {
        Some(StoreConfig::S3(file)) => RemoteConfig {
            endpoint: store.endpoint.or_else(|| file.endpoint.clone()),
            region: store.region,
            access_key_id: store.access_key_id,
            secret_access_key: store.secret_access_key,
            secret_access_key_file: None,
            session_token: None,
            credentials: store.credentials,
            ..file.clone()
        },
        _ => store,
    };
    config.stores.insert(name, StoreConfig::S3(store));
}

fn add_bucket(
    config: &mut Config,
    variable: &str,
    name: &str,
    store: &str,
    encryption: Option<&str>,
) -> Result<(), Misconfigured> {
    let name: BucketName = name.parse().map_err(|error| Misconfigured(format!("{variable}: {error}")))?;
    if config.buckets.iter().any(|bucket| bucket.name == name.as_str()) {
        return Ok(());
    }
    let replica: Replica = store.parse().expect("the names in this file are store names");
    config.buckets.push(BucketConfig {
        name: name.to_string(),
        replicas: vec![replica],
        write_mode: WriteMode::Primary,
        object_bytes_max: None,
        content_types: Vec::new(),
        check_bytes: true,
        encryption: encryption.map(str::to_owned),
        public_read: Vec::new(),
        stale_reads: false,
        hedged_reads: false,
        cors: Vec::new(),
    });
    Ok(())
}
