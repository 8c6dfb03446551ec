//! Versions of an object have another id on each replica: what clients see is the primary's, and the catalog knows the
//! others'.
//!
//! A replica that was settled later has the latest state, not every version; it has no id for the ones it never got.

use std::collections::BTreeMap;

use relais_model::ObjectKey;

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

    /// Remembers the ids under which the replicas keep what was just written, in the order of the bucket's places, and the
    /// ACL, which says whose it is. Nothing is written where there are no versions.
    pub(crate) async fn remember_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        ids: &[Option<String>],
        acl: &Acl,
    ) -> Result<(), GatewayError> {
        let Some(Some(version)) = ids.first() else { return Ok(()) };
        if version == NULL {
            return Ok(());
        }
        let owner = Some(acl.owner.as_str());
        let acl = serde_json::to_string(acl).map_err(GatewayError::Kept)?;
        let known = bucket.places.iter().zip(ids);
        let known = known.filter_map(|(place, id)| Some((place.replica.to_string(), id.clone()?))).collect();
        Ok(self.versions.record(&bucket.name, key, version, &known, (owner, Some(&acl))).await?)
    }
}
