//! What the configuration says of which events go to which bus. What it means is the proxy's affair.

use serde::{Deserialize, Serialize};

/// One rule: what it selects goes to its bus. What is left out selects everything.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Its name, which is in the records of the events that it sends.
    pub id: String,
    /// The name of the bus.
    pub bus: String,
    /// Buckets, as clients see them.
    #[serde(default)]
    pub buckets: Vec<String>,
    /// Names of events, as S3 writes them in notifications.
    #[serde(default)]
    pub events: Vec<String>,
    /// What keys begin with, in plain text.
    #[serde(default)]
    pub prefix: String,
    /// What keys end with, in plain text.
    #[serde(default)]
    pub suffix: String,
}
