//! Profiles: what can be uploaded by a slot, and where it goes. They come from the `[[uploads]]` of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use relais_model::{BucketName, ByteSize, InvalidName};
use serde::{Deserialize, Serialize};

use super::layout::{Layout, LayoutError};

/// One of `[[uploads]]`. Every key is explained in `config/default.toml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UploadConfig {
    /// The name in the path: `POST /api/uploads/{name}`.
    pub name: String,
    /// Where the objects go.
    pub bucket: String,
    /// The layout of their keys.
    pub key: String,
    /// Largest object; nothing: what the bucket and the caller's roles allow.
    pub object_bytes_max: Option<ByteSize>,
    /// Media types that are taken; `audio/*` is a family; empty: all.
    #[serde(default)]
    pub content_types: Vec<String>,
    /// How long a slot can be used.
    #[serde(default = "expires_seconds")]
    pub expires_seconds: u64,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUpload {
    /// A name that is none.
    #[error("uploads: name: {0:?} must be letters, digits, hyphens or underscores")]
    Name(String),
    /// Two of one name.
    #[error("uploads: {0} is configured twice")]
    Twice(String),
    /// A bucket that is none.
    #[error("uploads: {name}: bucket: {source}")]
    Bucket {
        /// The profile.
        name: String,
        /// The rule that is broken.
        source: InvalidName,
    },
    /// A bucket that is nowhere.
    #[error("uploads: {name}: bucket: no [[buckets]] is called {bucket:?}, and none \"*\"")]
    NoSuchBucket {
        /// The profile.
        name: String,
        /// The bucket that it names.
        bucket: String,
    },
    /// A layout that is none.
    #[error("uploads: {name}: key: {what}")]
    Key {
        /// The profile.
        name: String,
        /// The place, and what is wrong there.
        what: String,
    },
    /// A media type that is none.
    #[error(
        "uploads: {name}: content_types: {found:?} is no media type, such as \"audio/ogg\" or \"audio/*\""
    )]
    ContentType {
        /// The profile.
        name: String,
        /// What was written.
        found: String,
    },
    /// A time for which nothing can be signed.
    #[error(
        "uploads: {0}: expires_seconds: must be 1 to {EXPIRES_SECONDS_MAX}, which is a week: signatures live no longer"
    )]
    Expires(String),
}

/// A profile, checked.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) bucket: BucketName,
    pub(crate) layout: Layout,
    pub(crate) object_bytes_max: Option<ByteSize>,
    /// As they are written in the configuration.
    pub(crate) content_types: Vec<String>,
    pub(crate) expires: Duration,
}

/// All profiles, by name.
#[derive(Clone, Debug, Default)]
pub struct Profiles(BTreeMap<String, Profile>);

/// Longest life of a signature of version 4.
const EXPIRES_SECONDS_MAX: u64 = 7 * 24 * 3600;

impl Profiles {
    /// Checks the `[[uploads]]`; nothing is contacted.
    pub fn new(configs: &[UploadConfig]) -> Result<Self, InvalidUpload> {
        let mut profiles = BTreeMap::new();
        for config in configs {
            if profiles.insert(config.name.clone(), Profile::new(config)?).is_some() {
                return Err(InvalidUpload::Twice(config.name.clone()));
            }
        }
        Ok(Self(profiles))
    }

    /// The folders where uploads of a user are, as far as they follow from the layouts.
    pub fn prefixes_of(&self, subject: &str) -> Vec<(BucketName, String)> {
        let folder = |profile: &Profile| Some((profile.bucket.clone(), profile.layout.prefixes_of(subject)?));
        self.0.values().filter_map(folder).collect()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.0.iter().map(|(name, profile)| (name.as_str(), profile))
    }
}

impl Profile {
    fn new(config: &UploadConfig) -> Result<Self, InvalidUpload> {
        let name = || config.name.clone();
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if config.name.is_empty() || !config.name.bytes().all(of_name) {
            return Err(InvalidUpload::Name(name()));
        }
        if let Some(found) = config.content_types.iter().find(|found| !is_media_type(found)) {
            return Err(InvalidUpload::ContentType { name: name(), found: found.clone() });
        }
        if !(1..=EXPIRES_SECONDS_MAX).contains(&config.expires_seconds) {
            return Err(InvalidUpload::Expires(name()));
        }
        let wrong_key = |error: LayoutError| InvalidUpload::Key { name: name(), what: error.to_string() };
        Ok(Self {
            bucket: config.bucket.parse().map_err(|source| InvalidUpload::Bucket { name: name(), source })?,
            layout: Layout::parse(&config.key).map_err(wrong_key)?,
            object_bytes_max: config.object_bytes_max,
            content_types: config.content_types.clone(),
            expires: Duration::from_secs(config.expires_seconds),
        })
    }

    /// Whether the profile takes such content. Parameters (`; codecs=…`) and case do not matter.
    pub(crate) fn takes(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or("").trim();
        let matches = |accepted: &String| match accepted.strip_suffix("/*") {
            Some(family) => essence.split('/').next().is_some_and(|found| found.eq_ignore_ascii_case(family)),
            None => accepted.eq_ignore_ascii_case(essence),
        };
        self.content_types.is_empty() || self.content_types.iter().any(matches)
    }
}

fn is_media_type(text: &str) -> bool {
    // Characters of tokens, RFC 9110, section 5.6.2; a star is one of them.
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_token = |part: &str| !part.is_empty() && part.bytes().all(of_token);
    text.split_once('/').is_some_and(|(family, kind)| {
        is_token(family) && !family.contains('*') && is_token(kind) && (kind == "*" || !kind.contains('*'))
    })
}

fn expires_seconds() -> u64 {
    3600
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> UploadConfig {
        UploadConfig {
            name: "voice".to_owned(),
            bucket: "voice-messages".to_owned(),
            key: "audio/{user_id}/{uuid}.ogg".to_owned(),
            object_bytes_max: None,
            content_types: vec!["audio/ogg".to_owned(), "image/*".to_owned()],
            expires_seconds: 3600,
        }
    }

    #[test]
    fn a_profile_takes_its_types_and_families() {
        let profile = Profile::new(&config()).unwrap();
        for taken in ["audio/ogg", "Audio/OGG", "audio/ogg; codecs=opus", "image/png", "IMAGE/x"] {
            assert!(profile.takes(taken), "{taken}");
        }
        for refused in
            ["", "audio", "audio/oga", "audio/ogg2", "imagex/png", "text/html; x=audio/ogg", "audio/ogg,x"]
        {
            assert!(!profile.takes(refused), "{refused}");
        }
        let any = Profile::new(&UploadConfig { content_types: Vec::new(), ..config() }).unwrap();
        assert!(any.takes("text/html"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_profile_and_key() {
        let error = |config: UploadConfig| Profiles::new(&[config]).unwrap_err().to_string();
        let types = |found: &str| UploadConfig { content_types: vec![found.to_owned()], ..config() };
        assert!(
            error(UploadConfig { name: "a/b".to_owned(), ..config() }).starts_with("uploads: name: \"a/b\"")
        );
        assert!(
            error(UploadConfig { bucket: "A".to_owned(), ..config() })
                .starts_with("uploads: voice: bucket: ")
        );
        let wrong_key = UploadConfig { key: "a/{user_id}".to_owned(), ..config() };
        assert!(
            error(wrong_key)
                .starts_with("uploads: voice: key: character 3: {user_id} must be a whole folder")
        );
        for found in ["", "audio", "audio/", "*/*", "*", "audio/o*", "audio/ogg; x=1", "a b/c", "a/b/c"] {
            assert!(error(types(found)).starts_with("uploads: voice: content_types: "), "{found}");
        }
        for expires_seconds in [0, 604_801] {
            assert!(error(UploadConfig { expires_seconds, ..config() }).contains("expires_seconds"));
        }
        assert!(Profiles::new(&[config(), config()]).unwrap_err().to_string().contains("twice"));
    }
}
