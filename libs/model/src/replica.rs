//! Where a bucket's objects are, and how many places must have a write.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{BucketName, InvalidName, StoreName};

/// One place of a bucket: a store and a bucket there. Written `store` or `store:bucket` in the configuration.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Replica {
    /// The store.
    pub store: StoreName,
    /// The bucket in that store; nothing where it has the same name as the bucket that clients see.
    pub bucket: Option<BucketName>,
}

impl FromStr for Replica {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.split_once(':') {
            None => Ok(Self { store: text.parse()?, bucket: None }),
            Some((store, bucket)) => Ok(Self { store: store.parse()?, bucket: Some(bucket.parse()?) }),
        }
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bucket {
            None => write!(f, "{}", self.store),
            Some(bucket) => write!(f, "{}:{bucket}", self.store),
        }
    }
}

impl TryFrom<String> for Replica {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl<'de> Deserialize<'de> for Replica {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Replica {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What must have an object before the client hears 200. A later one asks for more.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteMode {
    /// The first replica.
    Primary,
    /// The first replica, and with others more than half of all.
    Quorum,
    /// Every replica.
    All,
}

impl WriteMode {
    /// How many of `replicas` places, the primary among them, must have a write.
    pub fn required(self, replicas: usize) -> usize {
        match self {
            Self::Primary => 1,
            Self::Quorum => replicas / 2 + 1,
            Self::All => replicas,
        }
    }
}

/// How one replica stands to the last acknowledged mutation of a key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaState {
    /// Equal to the primary.
    Current,
    /// To be settled.
    Pending,
    /// To be settled, and has failed for so long, or so plainly, that somebody should look. It is tried on.
    Failed,
}

impl ReplicaState {
    /// Whether the replica may differ from the primary.
    pub fn is_behind(self) -> bool {
        self != Self::Current
    }
}
