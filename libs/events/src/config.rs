//! What can be set about events.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use crate::redis_stream::keys_of;

mod rules;

pub use rules::RuleConfig;

/// Settings of the event buses.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `redis://`, `rediss://` or `redis+unix://`; without one the journal is the bus. May hold a password, so it is
    /// hidden from `Debug` and from serialisation.
    #[serde(default, serialize_with = "hidden")]
    pub redis_url: Option<String>,
    /// What there is to say of that Redis beside its URL.
    #[serde(default)]
    pub redis: RedisConfig,
    /// Key of the Redis stream.
    pub stream: String,
    /// Length from which the stream is trimmed, as far as every group has acknowledged.
    pub stream_length_max: u64,
    /// Keys that the stream is spread over.
    pub partitions: u32,
    /// Further places that events are taken to.
    #[serde(default)]
    pub buses: Vec<BusConfig>,
    /// What goes to which of them.
    #[serde(default)]
    pub rules: Vec<RuleConfig>,
    /// Buses that get nothing but what a rule sends them.
    #[serde(default)]
    pub only_by_rules: Vec<String>,
}

/// One further place that events are taken to.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BusConfig {
    /// Its name in logs, in metrics and among the readers of the log.
    pub name: String,
    /// What Redis gets.
    pub kind: Kind,
    /// Where, if not at `events.redis_url`.
    #[serde(default, serialize_with = "hidden")]
    pub redis_url: Option<String>,
    /// What there is to say of the Redis of this bus; `events.redis` where it has no `redis_url` of its own.
    #[serde(default)]
    pub redis: Option<RedisConfig>,
    /// The key of the stream, the hash or the list, or the name of the channel.
    pub key: String,
    /// For a stream: the length from which it is trimmed; as `events.stream_length_max` where it is not given.
    #[serde(default)]
    pub length_max: Option<u64>,
    /// For a stream: the keys that it is spread over; one where it is not given.
    #[serde(default)]
    pub partitions: Option<u32>,
}

/// What a bus makes of events.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A stream with an entry for each event.
    Stream,
    /// Messages on a channel, for those who listen just then.
    Channel,
    /// A hash with the last event of each object, as MinIO writes it.
    Namespace,
    /// A list of all events, as MinIO writes it.
    Access,
}

/// What there is to say of a Redis beside its URL.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// More addresses to begin with, as `host:port`: of nodes of a Cluster, or of Sentinels.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// The name of the primary among Sentinels; with it the URL names a Sentinel, and its user and password are still
    /// those of the primary.
    pub sentinel_master: Option<String>,
    /// User at the Sentinels.
    pub sentinel_username: Option<String>,
    /// File with the password at the Sentinels.
    pub sentinel_password_file: Option<PathBuf>,
    /// User, instead of the URL's.
    pub username: Option<String>,
    /// File with the password, instead of the URL's.
    pub password_file: Option<PathBuf>,
    /// File with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// File with the certificate that relais shows.
    pub certificate_file: Option<PathBuf>,
    /// File with its key.
    pub key_file: Option<PathBuf>,
}

impl Config {
    /// The keys of the default stream.
    pub fn streams(&self) -> Vec<String> {
        keys_of(&self.stream, self.partitions)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("redis_url", &self.redis_url.as_ref().map(|_| HIDDEN))
            .field("redis", &self.redis)
            .field("stream", &self.stream)
            .field("stream_length_max", &self.stream_length_max)
            .field("partitions", &self.partitions)
            .field("buses", &self.buses)
            .field("rules", &self.rules)
            .field("only_by_rules", &self.only_by_rules)
            .finish()
    }
}

impl fmt::Debug for BusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusConfig")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("redis_url", &self.redis_url.as_ref().map(|_| HIDDEN))
            .field("redis", &self.redis)
            .field("key", &self.key)
            .field("length_max", &self.length_max)
            .field("partitions", &self.partitions)
            .finish()
    }
}

fn hidden<S: Serializer>(url: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(|_| HIDDEN).serialize(serializer)
}

const HIDDEN: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"redis_url": "redis://:swordfish@localhost", "stream": "relais:events", "stream_length_max": 10,
        "partitions": 1,
        "buses": [{"name": "a", "kind": "channel", "key": "k", "redis_url": "redis://:mackerel@localhost"}]}"#;

    #[test]
    fn passwords_are_neither_printed_nor_serialised() {
        let config: Config = serde_json::from_str(TEXT).unwrap();

        assert_eq!(config.redis_url.as_deref(), Some("redis://:swordfish@localhost"));
        let printed = format!("{config:?}{}", serde_json::to_value(&config).unwrap());
        assert!(!printed.contains("swordfish") && !printed.contains("mackerel"), "{printed}");
        assert_eq!(serde_json::to_value(&config).unwrap()["buses"][0]["redis_url"], "***");
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        for (key, wrong) in [("\"stream\"", "\"straem\""), ("\"kind\"", "\"knid\""), ("channel", "pigeon")] {
            let text = TEXT.replace(key, wrong);
            let error = serde_json::from_str::<Config>(&text).unwrap_err().to_string();
            assert!(error.contains(wrong.trim_matches('"')), "{error}");
        }
    }
}
