//! Stores by name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use relais_model::{BucketName, ObjectKey, StoreName};
use s3s::S3;

use crate::breaker::Breaker;
use crate::breaker::guarded::Guarded;
use crate::config::{Config, RemoteConfig, StoreConfig};
use crate::error::OpenError;
use crate::profile::Features;
use crate::{folder, remote};

/// One place that keeps objects.
#[derive(Clone)]
pub struct Store {
    /// Its name in the configuration.
    pub name: StoreName,
    /// The S3 that it speaks, behind its breaker.
    pub s3: Arc<dyn S3>,
    /// Whether it is worth asking just now.
    pub breaker: Breaker,
    /// Its region; a folder is in none.
    pub region: Option<String>,
    /// What it understands, and so what may be asked of it.
    pub features: Features,
    /// How long it wants one object to be left alone between two writes of settling.
    pub rewrite_interval: Duration,
    /// Base of the public URLs of its objects, without a trailing slash; a folder has none.
    public_base: Option<String>,
}

impl Store {
    /// The store that a configuration describes. A folder is created; a remote store is not contacted yet.
    pub async fn open(name: &StoreName, config: &StoreConfig, data_dir: &Path) -> Result<Self, OpenError> {
        let s3: Arc<dyn S3> = match config {
            StoreConfig::Folder(config) => Arc::new(folder::open(name, &data_dir.join(&config.path))?),
            StoreConfig::S3(config) => Arc::new(remote::open(name, config).await?),
        };
        let (region, features, public_base) = match config {
            StoreConfig::Folder(_) => (None, Features::FOLDER, None),
            StoreConfig::S3(config) => {
                (Some(config.region.clone()), config.effective_features(), Some(public_base(config)))
            }
        };
        let rewrite_interval = match config {
            StoreConfig::Folder(_) => Duration::ZERO,
            StoreConfig::S3(config) => config.effective_profile().rewrite_interval(),
        };
        Ok(Self { region, features, rewrite_interval, public_base, ..Self::over(name.clone(), s3) })
    }

    /// A store over any implementation of S3: a wrapper, or one that lives in a test. It is taken to understand what a folder
    /// does; `features` can be set.
    pub fn over(name: StoreName, s3: Arc<dyn S3>) -> Self {
        let breaker = Breaker::new(name.clone());
        let s3 = Arc::new(Guarded::new(s3, breaker.clone()));
        Self {
            name,
            s3,
            breaker,
            region: None,
            features: Features::FOLDER,
            rewrite_interval: Duration::ZERO,
            public_base: None,
        }
    }

    /// Where anyone may read a public object: `{endpoint}/{bucket}/{key}`, key percent-encoded. A folder has no such place.
    pub fn public_url(&self, bucket: &BucketName, key: &ObjectKey) -> Option<String> {
        let base = self.public_base.as_ref()?;
        Some(format!("{base}/{bucket}/{}", encode_path(key.as_str())))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.name).finish()
    }
}

/// All stores of a configuration.
#[derive(Clone, Debug)]
pub struct Stores(BTreeMap<StoreName, Store>);

impl Stores {
    /// Opens every store.
    pub async fn open(config: &Config, data_dir: &Path) -> Result<Self, OpenError> {
        let mut stores = BTreeMap::new();
        for (name, config) in config {
            stores.insert(name.clone(), Store::open(name, config, data_dir).await?);
        }
        Ok(Self(stores))
    }

    /// The store of that name.
    pub fn find(&self, name: &StoreName) -> Option<&Store> {
        self.0.get(name)
    }

    /// Every store, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Store> {
        self.0.values()
    }
}

impl FromIterator<Store> for Stores {
    fn from_iter<T: IntoIterator<Item = Store>>(stores: T) -> Self {
        Self(stores.into_iter().map(|store| (store.name.clone(), store)).collect())
    }
}

fn public_base(config: &RemoteConfig) -> String {
    let aws = || format!("https://s3.{}.amazonaws.com", config.region);
    let base = config.public_url.clone().or_else(|| config.endpoint.clone()).unwrap_or_else(aws);
    base.trim_end_matches('/').to_owned()
}

/// Percent-encodes all but unreserved characters and slashes, as AWS writes keys in URLs.
pub(crate) fn encode_path(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FolderConfig;

    #[tokio::test]
    async fn public_url_is_endpoint_bucket_key() {
        let config = RemoteConfig {
            endpoint: Some("https://nyc3.digitaloceanspaces.com/".to_owned()),
            access_key_id: Some("key".to_owned()),
            secret_access_key: Some("secret".to_owned().into()),
            ..RemoteConfig::in_region("nyc3".to_owned())
        };
        let name = "spaces".parse().unwrap();
        let store = Store::open(&name, &StoreConfig::S3(config), Path::new("/")).await.unwrap();
        let url = store.public_url(&"media".parse().unwrap(), &"audio/à b.ogg".parse().unwrap());
        assert_eq!(url.unwrap(), "https://nyc3.digitaloceanspaces.com/media/audio/%C3%A0%20b.ogg");
        assert_eq!(store.features, Features::SPACES);
    }

    #[tokio::test]
    async fn folder_has_the_features_of_folders() {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::Folder(FolderConfig { path: folder.path().to_owned() });
        let store = Store::open(&"disk".parse().unwrap(), &config, Path::new("/")).await.unwrap();
        assert_eq!(store.features, Features::FOLDER);
    }
}
