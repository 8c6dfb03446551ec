//! What is written down about a key: its versions, newest first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checksum::Sums;
use super::clock::Stamp;

/// All that is known of a key.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Record {
    /// The key, for who reads the file.
    pub(super) key: String,
    /// The versions once the file that is named at the key's place lies there.
    pub(super) versions: Vec<Version>,
    /// The versions until then.
    #[serde(default)]
    pub(super) before: Vec<Version>,
}

/// One version of an object.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Version {
    /// Its id; the null version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// When it was made, and the time of its file.
    pub(super) stamp: Stamp,
    /// What it is; a delete marker is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<Object>,
}

/// Where the bytes of a version are.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Location {
    /// At the key's place, where a person sees them.
    Place,
    /// In the hidden folder, under this name.
    Data(String),
}

/// What is known of an object beside its bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Object {
    pub(super) at: Location,
    pub(super) size: u64,
    pub(super) etag: String,
    #[serde(default)]
    pub(super) headers: Headers,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<(String, String)>,
    #[serde(default)]
    pub(super) checksum: Checksums,
    /// The parts that it was made of; none for an object that came in one piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<PartOf>,
    /// The upload in parts that made it, so that a completion may be asked for twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload_id: Option<String>,
}

/// Checksums of an object, and whether they are of its bytes or of its parts' checksums.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Checksums {
    #[serde(default, skip_serializing_if = "Sums::is_empty")]
    pub(super) sums: Sums,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
}

/// One part of an object.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct PartOf {
    pub(super) number: i32,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Sums::is_empty")]
    pub(super) sums: Sums,
}

/// Headers that come back as they were given.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) website_redirect_location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_class: Option<String>,
}

impl Headers {
    /// The storage class, also where none was asked for.
    pub(super) fn class(&self) -> String {
        self.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned())
    }
}

/// Takes the headers that are kept out of the input of a write.
macro_rules! headers_of {
    ($input:expr) => {
        $crate::folder::record::Headers {
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_language: $input.content_language.clone(),
            content_type: $input.content_type.clone(),
            expires: $input.expires.clone(),
            website_redirect_location: $input.website_redirect_location.clone(),
            storage_class: $input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
        }
    };
}
pub(super) use headers_of;

impl Version {
    /// Whether its bytes lie at the key's place.
    pub(super) fn is_at_place(&self) -> bool {
        self.object.as_ref().is_some_and(|object| object.at == Location::Place)
    }

    /// How S3 calls it.
    pub(super) fn name(&self) -> &str {
        self.id.as_deref().unwrap_or(NULL)
    }

    /// The hidden file of its bytes, if it has one.
    pub(super) fn data(&self) -> Option<&str> {
        match &self.object.as_ref()?.at {
            Location::Data(id) => Some(id),
            Location::Place => None,
        }
    }
}

/// What S3 calls the version that has no id.
pub(super) const NULL: &str = "null";

impl Record {
    /// The versions that hold, given the time of the file at the key's place. `false`: only if nothing changed meanwhile.
    pub(super) fn resolve(self, place: Option<Stamp>) -> (Vec<Version>, bool) {
        let mine = |version: &Version| place == Some(version.stamp) && version.object.is_some();
        let is_ours = place.is_none() || self.versions.iter().chain(&self.before).any(mine);
        match self.versions.first() {
            Some(first) if first.is_at_place() && place == Some(first.stamp) => (self.versions, true),
            Some(first) if first.is_at_place() => match self.before.first() {
                // The write that wrote this record did not come to its end: what was before holds.
                Some(before) if !before.is_at_place() || place == Some(before.stamp) => (self.before, false),
                // The first write did not come to its end, or somebody changed or removed the file by hand.
                _ => (self.versions.into_iter().skip(1).collect(), false),
            },
            _ => (self.versions, is_ours),
        }
    }

    /// Whether a file at the key's place is one that this record knows.
    pub(super) fn knows(&self, place: Stamp) -> bool {
        let mut all = self.versions.iter().chain(&self.before);
        all.any(|version| version.stamp == place && version.object.is_some())
    }
}
