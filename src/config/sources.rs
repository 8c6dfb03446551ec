//! Where the configuration comes from: the default, a file, the environment.

use std::collections::BTreeMap;
use std::path::Path;

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Format, Toml};

use super::{Config, Misconfigured, applications};

/// The default, which is the manual too.
const DEFAULT: &str = include_str!("../../config/default.toml");

/// Variables with a name of their own, and the key that each sets. They are taken as text, whatever they look like.
const VARIABLES: [(&str, &str); 6] = [
    ("RELAIS_DATA_DIR", "data_dir"),
    ("RELAIS_ROOT_ACCESS_KEY", "root_access_key"),
    ("RELAIS_ROOT_SECRET_KEY", "root_secret_key"),
    ("SECRET_KEY", "secret_key"),
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "events.redis_url"),
];

/// A list of secrets, comma separated: a secret of the environment has no comma in it.
const SECRETS_BEFORE: &str = "SECRET_KEY_BEFORE";

/// The environment as a map; tests make their own.
pub(super) type Environment = BTreeMap<String, String>;

/// Reads the configuration of this process.
pub(crate) fn load(file: Option<&Path>) -> Result<Config, Misconfigured> {
    read(file, &std::env::vars().collect())
}

fn read(file: Option<&Path>, environment: &Environment) -> Result<Config, Misconfigured> {
    let mut figment = Figment::from(Toml::string(DEFAULT));
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Misconfigured(format!("--config {}: {error}", path.display())))?;
        figment = figment.merge(Toml::string(&text));
    }
    for (name, value) in environment {
        let key = name.strip_prefix("RELAIS_").filter(|key| key.contains("__"));
        if let Some(key) = key {
            let key = key.to_ascii_lowercase().replace("__", ".");
            figment = figment.merge((key, parsed(value)));
        }
    }
    for (name, key) in VARIABLES {
        if let Some(value) = environment.get(name).filter(|value| !value.is_empty()) {
            figment = figment.merge((key, value));
        }
    }
    if let Some(value) = environment.get(SECRETS_BEFORE).filter(|value| !value.is_empty()) {
        let secrets: Vec<&str> = value.split(',').map(str::trim).collect();
        figment = figment.merge(("secret_keys_before", secrets));
    }
    let mut config: Config = figment.extract().map_err(|error| explain(&error, file))?;
    applications::apply(&mut config, environment)?;
    config.complete()
}

/// A variable is a number, a boolean or a list where it looks like one.
fn parsed(value: &str) -> figment::value::Value {
    match value.parse() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

fn explain(error: &figment::Error, file: Option<&Path>) -> Misconfigured {
    let lines = error.clone().into_iter().map(|error| {
        let path = error.path.join(".");
        match &error.kind {
            Kind::UnknownField(field, known) => {
                let key = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
                format!("{key}: there is no such key; known here: {}", known.join(", "))
            }
            Kind::MissingField(field) => {
                let key = if path.is_empty() { field.to_string() } else { format!("{path}.{field}") };
                format!("{key}: must be set")
            }
            // Not even TOML: only a file can be that, the default being tested.
            kind if path.is_empty() => {
                let name = file.map(|file| file.display().to_string());
                format!("{}: {kind}", name.unwrap_or_default())
            }
            kind => format!("{path}: {kind}"),
        }
    });
    Misconfigured(lines.collect::<Vec<_>>().join("\n        "))
}

#[cfg(test)]
mod tests;
