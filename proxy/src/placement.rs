//! Which bucket is where.
//!
//! Clients name a bucket; its placement is an ordered list of places, each a store and a bucket there. Built once from the
//! configuration; a name that no bucket and no `*` covers does not exist.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use relais_model::{BucketName, InvalidName, ObjectKey, Replica, StoreName};
use relais_stores::{Store, Stores};

use crate::config::BucketConfig;

/// Why buckets cannot be placed.
#[derive(Debug, thiserror::Error)]
pub enum PlacementError {
    /// Not a bucket name.
    #[error("buckets: name: {0}, or \"*\" for every other bucket")]
    Name(InvalidName),
    /// The same bucket twice.
    #[error("buckets: {0} is configured twice")]
    Twice(String),
    /// A bucket without a place.
    #[error("buckets: {0}: replicas: name at least one store")]
    NoReplica(String),
    /// A store that is not configured.
    #[error("buckets: {bucket}: replicas: there is no store {store:?}; configure it as [stores.{store}]")]
    UnknownStore {
        /// The bucket.
        bucket: String,
        /// The store that it names.
        store: StoreName,
    },
    /// Two replicas of a bucket that are one place.
    #[error("buckets: {0}: replicas: the same store and bucket is named twice")]
    SamePlace(String),
    /// A fixed bucket for all names.
    #[error("buckets: *: replicas: {0} names one bucket for all; name the store only")]
    FixedBucket(Replica),
    /// An unknown encryption.
    #[error("buckets: {bucket}: encryption: {value:?} is neither \"AES256\" nor \"aws:kms\"")]
    Encryption {
        /// The bucket.
        bucket: String,
        /// What was written.
        value: String,
    },
}

/// A store and a bucket there.
#[derive(Clone, Debug)]
pub struct Place {
    /// As the configuration writes it: the name in rows, metrics and logs.
    pub replica: Replica,
    /// The store.
    pub store: Store,
    /// The bucket in the store.
    pub bucket: BucketName,
}

/// A bucket that clients see.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The name that clients use.
    pub name: BucketName,
    /// Its replicas, the primary first; never empty.
    pub places: Vec<Place>,
    /// Its rules.
    pub config: Arc<BucketConfig>,
}

impl Bucket {
    /// The place that is read first and that the others are made equal to.
    pub fn primary(&self) -> &Place {
        &self.places[0]
    }

    /// How many replicas, counted from the primary, must have a write before it is acknowledged.
    pub fn required(&self) -> usize {
        self.config.write_mode.required(self.places.len())
    }

    /// Whether anyone may read this key.
    pub fn is_public(&self, key: &str) -> bool {
        is_shown(&self.config.public_read, key)
    }

    /// Where anyone may read a public object, seen from outside.
    pub fn public_url(&self, key: &ObjectKey, own: Option<&str>) -> Option<String> {
        let primary = self.primary();
        primary
            .store
            .public_url(&primary.bucket, key)
            .or_else(|| Some(format!("{}/{}/{key}", own?, self.name)))
    }
}

/// The stores of a bucket, as its configuration names them.
type Replicas = Vec<(Replica, Store)>;

/// All buckets.
#[derive(Clone, Debug)]
pub struct Placement {
    named: BTreeMap<BucketName, Arc<Bucket>>,
    any: Option<(Arc<BucketConfig>, Replicas)>,
    /// The places of named buckets.
    places: BTreeSet<(StoreName, BucketName)>,
}

impl Placement {
    /// Places the configured buckets on the stores.
    pub fn new(buckets: &[BucketConfig], stores: &Stores) -> Result<Self, PlacementError> {
        check(buckets, |name| stores.find(name).is_some())?;
        let mut placement = Self { named: BTreeMap::new(), any: None, places: BTreeSet::new() };
        for config in buckets {
            let replicas = replicas(config, stores)?;
            let config = Arc::new(config.clone());
            if config.name == "*" {
                placement.any = Some((config, replicas));
                continue;
            }
            let name: BucketName = config.name.parse().map_err(PlacementError::Name)?;
            let bucket = place(&name, config, &replicas);
            let places = bucket.places.iter().map(|place| (place.store.name.clone(), place.bucket.clone()));
            placement.places.extend(places);
            placement.named.insert(name, Arc::new(bucket));
        }
        Ok(placement)
    }

    /// The bucket of that name, if the configuration covers it. Whether it exists in its stores is theirs to say.
    pub fn bucket(&self, name: &BucketName) -> Option<Arc<Bucket>> {
        if let Some(bucket) = self.named.get(name) {
            return Some(Arc::clone(bucket));
        }
        let (config, replicas) = self.any.as_ref()?;
        let bucket = place(name, Arc::clone(config), replicas);
        // A place has one name, or its rules could be gone round by the other.
        let is_taken =
            |place: &Place| self.places.contains(&(place.store.name.clone(), place.bucket.clone()));
        (!bucket.places.iter().any(is_taken)).then(|| Arc::new(bucket))
    }

    /// What clients call a bucket of a store.
    pub fn name_of(&self, store: &StoreName, bucket: &str) -> Option<BucketName> {
        let is_it = |place: &Place| place.store.name == *store && place.bucket.as_str() == bucket;
        let named = self.named.values().find(|candidate| candidate.places.iter().any(is_it));
        let any = || {
            let (_, replicas) = self.any.as_ref()?;
            replicas.iter().any(|(_, own)| own.name == *store).then(|| bucket.parse().ok())?
        };
        named.map(|bucket| bucket.name.clone()).or_else(any)
    }

    /// The buckets that are named in the configuration.
    pub fn named(&self) -> impl Iterator<Item = &Arc<Bucket>> {
        self.named.values()
    }

    /// Every store that a bucket is in, once.
    pub fn stores(&self) -> Vec<&Store> {
        let named = self.named.values().flat_map(|bucket| bucket.places.iter().map(|place| &place.store));
        let any = self.any.iter().flat_map(|(_, replicas)| replicas.iter().map(|(_, store)| store));
        let stores: BTreeMap<_, _> = named.chain(any).map(|store| (&store.name, store)).collect();
        stores.into_values().collect()
    }

    /// The store that answers which unnamed buckets exist.
    pub fn primary_of_any(&self) -> Option<&Store> {
        self.any.as_ref().map(|(_, replicas)| &replicas[0].1)
    }
}

/// Checks the rules of buckets, knowing only which stores there are: so before any store is opened.
pub fn check(buckets: &[BucketConfig], is_store: impl Fn(&StoreName) -> bool) -> Result<(), PlacementError> {
    let mut names = BTreeSet::new();
    for config in buckets {
        let name = || config.name.clone();
        if config.name != "*" {
            config.name.parse::<BucketName>().map_err(PlacementError::Name)?;
        } else if let Some(replica) = config.replicas.iter().find(|replica| replica.bucket.is_some()) {
            return Err(PlacementError::FixedBucket(replica.clone()));
        }
        if !names.insert(&config.name) {
            return Err(PlacementError::Twice(name()));
        }
        if config.replicas.is_empty() {
            return Err(PlacementError::NoReplica(name()));
        }
        if let Some(replica) = config.replicas.iter().find(|replica| !is_store(&replica.store)) {
            return Err(PlacementError::UnknownStore { bucket: name(), store: replica.store.clone() });
        }
        if config.replicas.iter().collect::<BTreeSet<_>>().len() < config.replicas.len() {
            return Err(PlacementError::SamePlace(name()));
        }
        let known = |value: &&String| matches!(value.as_str(), "AES256" | "aws:kms");
        if let Some(value) = config.encryption.as_ref().filter(|value| !known(value)) {
            return Err(PlacementError::Encryption { bucket: name(), value: value.clone() });
        }
    }
    Ok(())
}

fn place(name: &BucketName, config: Arc<BucketConfig>, replicas: &[(Replica, Store)]) -> Bucket {
    let place = |(replica, store): &(Replica, Store)| Place {
        replica: replica.clone(),
        store: store.clone(),
        bucket: replica.bucket.clone().unwrap_or_else(|| name.clone()),
    };
    Bucket { name: name.clone(), places: replicas.iter().map(place).collect(), config }
}

fn replicas(config: &BucketConfig, stores: &Stores) -> Result<Replicas, PlacementError> {
    let store = |replica: &Replica| {
        let unknown =
            || PlacementError::UnknownStore { bucket: config.name.clone(), store: replica.store.clone() };
        Ok((replica.clone(), stores.find(&replica.store).cloned().ok_or_else(unknown)?))
    };
    config.replicas.iter().map(store).collect()
}

/// Whether `public_read` shows this key.
pub(crate) fn is_shown(public_read: &[String], key: &str) -> bool {
    let shows = |pattern: &String| match pattern.split_once('*') {
        None => key.starts_with(pattern.as_str()),
        Some((before, after)) => {
            key.len() >= before.len() + after.len() && key.starts_with(before) && key.ends_with(after)
        }
    };
    public_read.iter().any(shows)
}

#[cfg(test)]
mod tests;
