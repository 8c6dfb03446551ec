//! Brings objects under relais that were in a bucket's primary before.
//!
//! Each gets a row in the catalog: what a HEAD says of it, the bucket's owner as its owner, replicas that are to be settled.
//! What has a row is passed over, so a run that was interrupted is taken up by another one, which only lists again; and what
//! clients write meanwhile wins.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use relais_catalog::{FoundObject, Intake};
use relais_model::{ObjectFacts, ObjectKey, ReplicaState, Requester};

use super::listing::{Listed, Listing};
use super::repair::make_missing_buckets;
use super::{KEYS_AT_ONCE, ReplicationError};
use crate::background::settle;
use crate::gateway::Gateway;
use crate::placement::Bucket;
use crate::s3::derived_from;
use crate::s3::mutation::facts;

/// The principal of events that tell of adopted objects.
const PRINCIPAL: &str = "relais";

/// Whether rows are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Only count.
    Count,
    /// Make them.
    Adopt,
}

/// What is adopted.
#[derive(Clone, Copy, Debug)]
pub struct Adopting<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// Only keys that begin so.
    pub prefix: &'a str,
    /// Whether rows are made.
    pub mode: Mode,
    /// Whether subscribers hear of what is new.
    pub events: bool,
}

/// What was found so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Adopted {
    /// Objects on the primary.
    pub listed: u64,
    /// Those that relais knew.
    pub known: u64,
    /// Those that are new to relais.
    pub new: u64,
    /// Their bytes.
    pub new_bytes: u64,
    /// Keys that relais cannot have: empty, or longer than S3 allows.
    pub unusable: u64,
}

impl Gateway {
    /// Adopts, and tells how far it is, page by page.
    pub async fn adopt(
        &self,
        asked: Adopting<'_>,
        mut each: impl FnMut(&Adopted) + Send,
    ) -> Result<Adopted, ReplicationError> {
        if asked.mode == Mode::Adopt {
            make_missing_buckets(asked.bucket).await?;
        }
        let mut adopted = Adopted::default();
        let mut listing = Listing::below(asked.bucket.primary(), asked.prefix);
        let owner = self.owner_of(asked.bucket).await?;
        loop {
            listing.fill().await?;
            let page = listing.take_page();
            if page.is_empty() {
                return Ok(adopted);
            }
            adopted.listed += page.len() as u64;
            let keys: Vec<&str> = page.iter().map(|listed| listed.key.as_str()).collect();
            let known = self.adoption.known(&asked.bucket.name, &keys).await?;
            adopted.known += known.len() as u64;
            let new: Vec<Listed> = page.into_iter().filter(|listed| !known.contains(&listed.key)).collect();
            match asked.mode {
                Mode::Count => adopted.count(&new),
                Mode::Adopt => self.take_up(asked, &owner, new, &mut adopted).await?,
            }
            each(&adopted);
        }
    }

    async fn take_up(
        &self,
        asked: Adopting<'_>,
        owner: &str,
        new: Vec<Listed>,
        adopted: &mut Adopted,
    ) -> Result<(), ReplicationError> {
        let bucket = asked.bucket;
        let usable: Vec<(ObjectKey, Listed)> =
            new.iter().filter_map(|listed| Some((listed.key.parse().ok()?, listed.clone()))).collect();
        adopted.unusable += (new.len() - usable.len()) as u64;
        let looks = usable.into_iter().map(|(key, listed)| self.found(bucket, owner, key, Some(listed)));
        let found = stream::iter(looks).buffered(KEYS_AT_ONCE).try_collect::<Vec<_>>().await?;
        let found: Vec<FoundObject> = found.into_iter().flatten().collect();
        let added = self.adoption.add(&bucket.name, &found, &intake(bucket, asked.events)).await?;
        adopted.new += added;
        adopted.known += found.len() as u64 - added; // A client was faster.
        adopted.new_bytes += found.iter().map(|found| found.object.size).sum::<u64>();
        Ok(())
    }

    /// Has relais know one object, if it does not; says whether it is new.
    pub(super) async fn take_up_one(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<bool, ReplicationError> {
        let owner = self.owner_of(bucket).await?;
        let Some(found) = self.found(bucket, &owner, key.clone(), None).await? else { return Ok(false) };
        Ok(self.adoption.add(&bucket.name, &[found], &intake(bucket, false)).await? == 1)
    }

    async fn owner_of(&self, bucket: &Bucket) -> Result<String, ReplicationError> {
        Ok(self.rules(bucket).await?.owner)
    }

    /// What the primary says of an object now; nothing if it is gone. A listing must do where the store refuses to say more,
    /// as it does of what was encrypted with a client's key.
    async fn found(
        &self,
        bucket: &Bucket,
        owner: &str,
        key: ObjectKey,
        listed: Option<Listed>,
    ) -> Result<Option<FoundObject>, ReplicationError> {
        let primary = bucket.primary();
        let mut source = None;
        let object = match (settle::head(primary, &key).await, listed) {
            (Ok(Some(head)), _) => {
                source = derived_from(head.metadata.as_ref());
                facts(&head, owner)
            }
            (Ok(None), _) => return Ok(None),
            (Err(error), Some(listed)) if !relais_stores::is_outage(&error) => ObjectFacts {
                size: listed.bytes,
                etag: listed.etag.unwrap_or_default(),
                content_type: None,
                owner: owner.to_owned(),
            },
            (Err(error), _) => {
                return Err(ReplicationError::of("look at an object of", &primary.replica)(error));
            }
        };
        let public_url = self.public_url(bucket, &key);
        Ok(Some(FoundObject { key, object, public_url, derived_from: source }))
    }
}

impl Adopted {
    fn count(&mut self, new: &[Listed]) {
        let usable = new.iter().filter(|listed| listed.key.parse::<ObjectKey>().is_ok());
        for listed in usable {
            self.new += 1;
            self.new_bytes += listed.bytes;
        }
        self.unusable = self.listed - self.known - self.new;
    }
}

fn intake(bucket: &Bucket, events: bool) -> Intake {
    let requester = || Requester {
        principal: PRINCIPAL.to_owned(),
        source_ip: None,
        request_id: "adopt".to_owned(),
        traceparent: None,
    };
    Intake { replicas: to_be_settled(bucket), announced: events.then(requester) }
}

/// The states of replicas of which nothing is known: only the primary has the object for certain.
pub(super) fn to_be_settled(bucket: &Bucket) -> BTreeMap<String, ReplicaState> {
    let state = |index| if index == 0 { ReplicaState::Current } else { ReplicaState::Pending };
    bucket.places.iter().enumerate().map(|(index, place)| (place.replica.to_string(), state(index))).collect()
}
