//! What can be set about events.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// Settings of the event bus.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `redis://`, `rediss://` or `redis+unix://`; without one the journal is the bus. May hold a password, so it is
    /// hidden from `Debug` and from serialisation.
    #[serde(default, serialize_with = "hidden")]
    pub redis_url: Option<String>,
    /// Key of the Redis stream.
    pub stream: String,
    /// Length from which the stream is trimmed, as far as every group has acknowledged.
    pub stream_length_max: u64,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("redis_url", &self.redis_url.as_ref().map(|_| HIDDEN))
            .field("stream", &self.stream)
            .field("stream_length_max", &self.stream_length_max)
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

    #[test]
    fn the_password_is_neither_printed_nor_serialised() {
        let config: Config = serde_json::from_str(
            r#"{"redis_url": "redis://:swordfish@localhost", "stream": "relais:events", "stream_length_max": 10}"#,
        )
        .unwrap();

        assert_eq!(config.redis_url.as_deref(), Some("redis://:swordfish@localhost"));
        assert!(!format!("{config:?}").contains("swordfish"));
        assert_eq!(serde_json::to_value(&config).unwrap()["redis_url"], "***");
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let text = r#"{"stream": "relais:events", "stream_length_max": 10, "stream_lenght": 1}"#;
        assert!(serde_json::from_str::<Config>(text).unwrap_err().to_string().contains("stream_lenght"));
    }
}
