//! Versions of an object have another id on each replica: what clients see is the primary's, and the catalog knows the
//! others'.
//!
//! A replica that was settled later has the latest state, not every version; it has no id for the ones it never got.

use std::collections::BTreeMap;

use relais_model::ObjectKey;

use super::fan_out::{FanOut, PRIMARY};
use super::mutation::{Mutation, Recorded};
use crate::access::acl::Acl;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::{Bucket, Place};

/// The version that an unversioned object has, in every store.
pub(super) const NULL: &str = "null";

/// One version that a client named, or none, on every replica.
#[derive(Debug, Default)]
pub(crate) struct VersionIds {
    asked: Option<String>,
    replicas: BTreeMap<String, String>,
}

/// A version that was just made: its id at each place that has it, by the place's index in the bucket.
#[derive(Debug)]
pub(crate) struct MadeVersion {
    ids: BTreeMap<usize, String>,
    acl: Acl,
}

impl VersionIds {
    /// The id at a place: inside, none where no version was asked for; nothing where the place is not known to have it.
    #[expect(clippy::option_option, reason = "no version asked for is not the same as no such version")]
    pub(crate) fn at(&self, bucket: &Bucket, place: &Place) -> Option<Option<String>> {
        match self.asked.as_deref() {
            None => Some(None),
            Some(asked) if asked == NULL || place.replica == bucket.primary().replica => {
                Some(Some(asked.to_owned()))
            }
            Some(_) => self.replicas.get(&place.replica.to_string()).cloned().map(Some),
        }
    }

    /// The version that was asked for, as clients name it.
    pub(crate) fn asked(&self) -> Option<&String> {
        self.asked.as_ref()
    }

    /// Whether a version was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }
}

impl Gateway {
    /// Where a version that a client names is.
    pub(crate) async fn version_ids(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        asked: Option<&str>,
    ) -> Result<VersionIds, GatewayError> {
        let Some(asked) = asked else { return Ok(VersionIds::default()) };
        let needed = asked != NULL && bucket.places.len() > 1;
        let row = if needed { self.versions.find(&bucket.name, key, asked).await? } else { None };
        let replicas = row.map(|row| row.replicas).unwrap_or_default();
        Ok(VersionIds { asked: Some(asked.to_owned()), replicas })
    }

    /// Remembers the ids under which the replicas keep a version, and the ACL, which says whose it is. Nothing is written
    /// where there are no versions.
    pub(crate) async fn remember_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        made: &MadeVersion,
    ) -> Result<(), GatewayError> {
        let Some(version) = made.ids.get(&PRIMARY).filter(|version| *version != NULL) else { return Ok(()) };
        let owner = Some(made.acl.owner.as_str());
        let acl = serde_json::to_string(&made.acl).map_err(GatewayError::Kept)?;
        let known =
            made.ids.iter().map(|(index, id)| (bucket.places[*index].replica.to_string(), id.clone()));
        Ok(self.versions.record(&bucket.name, key, version, &known.collect(), (owner, Some(&acl))).await?)
    }
}

impl Mutation {
    /// Lets the places that nobody waited for come to their end, remembers the ids of the version there, and makes sure that
    /// the replicas are equal.
    pub(super) fn follow<T: Send + 'static>(
        self,
        recorded: Recorded,
        fan: FanOut<T>,
        mut made: MadeVersion,
        id_of: fn(&T) -> Option<&String>,
    ) {
        let mutation = self.clone();
        self.settle_after(recorded, async move {
            let late = fan.rest().await;
            let known = made.ids.len();
            made.ids.extend(ids(&late, id_of));
            if made.ids.len() == known {
                return;
            }
            if let Err(error) =
                mutation.gateway.remember_version(&mutation.bucket, &mutation.key, &made).await
            {
                tracing::warn!(%error, "a version's ids on late replicas are not recorded");
            }
        });
    }
}

impl MadeVersion {
    /// The version that places say they have made.
    pub(super) fn of<T>(done: &BTreeMap<usize, T>, id_of: fn(&T) -> Option<&String>, acl: Acl) -> Self {
        Self { ids: ids(done, id_of).collect(), acl }
    }

    /// One that only the primary is known to have.
    pub(super) fn of_primary(version: String, acl: Acl) -> Self {
        Self { ids: BTreeMap::from([(PRIMARY, version)]), acl }
    }
}

fn ids<T>(
    done: &BTreeMap<usize, T>,
    id_of: fn(&T) -> Option<&String>,
) -> impl Iterator<Item = (usize, String)> {
    done.iter().filter_map(move |(index, answer)| Some((*index, id_of(answer)?.clone())))
}
