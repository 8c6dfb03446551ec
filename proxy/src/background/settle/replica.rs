//! Makes one replica of a key equal to what the primary has, or says what differs.

use std::sync::{Mutex, PoisonError};

use relais_catalog::{ObjectRow, Twin};
use relais_model::Replica;
use s3s::S3Result;
use s3s::dto::{ObjectCannedACL, Tag};

use super::shown::Shown;
use super::side::{Found, Side};
use super::whole::{Copied, With};
use super::{parts, ranges, versions, whole};
use crate::access::acl::Acl;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::Bucket;
use crate::s3::canned;

/// In what a replica differed from the primary.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// It had no object.
    Missing,
    /// It had another object, or other headers or metadata.
    Different,
    /// It had an object that is deleted.
    Deleted,
    /// It had other tags.
    Tags,
    /// It may have had another ACL.
    Acl,
}

impl Cause {
    /// The word for metrics and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Different => "different",
            Self::Deleted => "deleted",
            Self::Tags => "tags",
            Self::Acl => "acl",
        }
    }
}

/// What is done about a difference.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Doing {
    /// Only looks.
    Compare,
    /// Makes it equal.
    Settle,
}

/// A key and what its primary has.
pub(super) struct Subject<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) bucket: &'a Bucket,
    pub(super) row: &'a ObjectRow,
    /// Nothing where it was deleted, perhaps by a marker with this id.
    pub(super) truth: Result<Shown, Option<String>>,
    /// The primary's object, open to be read, for the replica that comes first.
    pub(super) opened: Mutex<Option<Shown>>,
    pub(super) doing: Doing,
}

/// How a replica is now.
#[derive(Debug, Default)]
pub(super) struct Equal {
    /// In what it differed.
    pub(super) cause: Option<Cause>,
    /// What of the object differed, in words.
    pub(super) what: Vec<&'static str>,
    /// Its entity tag, where that is not the primary's.
    pub(super) twin: Option<Twin>,
}

impl Subject<'_> {
    /// Compares a replica, and makes it equal if that is what is done.
    pub(super) async fn equalise(&self, replica: &Side<'_>) -> S3Result<Equal> {
        let name = replica.place.replica.to_string();
        let progress = self.row.progress.get(&name);
        if let Some(left) = progress.and_then(|progress| progress.upload.as_deref())
            && self.doing == Doing::Settle
        {
            ranges::clean(replica, left).await?;
        }
        let there = replica.look_for_copy().await?;
        let twin = progress.and_then(|progress| progress.twin.as_ref());
        match (&self.truth, there) {
            (Err(marker), Found::Nothing { marker: own }) => {
                self.found(replica, (marker.as_deref(), own.as_deref())).await?;
                Ok(Equal::default())
            }
            (Err(marker), Found::Object(_)) => self.delete(replica, marker.as_deref()).await,
            (Ok(truth), Found::Object(there)) if truth.differences(&there, twin).is_empty() => {
                let cause = self.settings(replica, (truth, &there)).await?;
                self.found(replica, (truth.version_id.as_deref(), there.version_id.as_deref())).await?;
                Ok(Equal { cause, twin: twin.cloned(), what: Vec::new() })
            }
            (Ok(truth), there) => {
                let (cause, what) = match &there {
                    Found::Nothing { .. } => (Cause::Missing, Vec::new()),
                    Found::Object(there) => (Cause::Different, truth.differences(there, twin)),
                };
                let twin = if self.doing == Doing::Settle { self.copy(replica, truth).await? } else { None };
                Ok(Equal { cause: Some(cause), what, twin })
            }
        }
    }

    async fn delete(&self, replica: &Side<'_>, marker: Option<&str>) -> S3Result<Equal> {
        if self.doing == Doing::Settle {
            let own = replica.delete().await?;
            versions::made(self.gateway, self.row, replica, (marker, own.as_deref())).await?;
        }
        Ok(Equal { cause: Some(Cause::Deleted), ..Equal::default() })
    }

    async fn found(&self, replica: &Side<'_>, ids: (Option<&str>, Option<&str>)) -> S3Result<()> {
        match self.doing {
            Doing::Settle => versions::found(self.gateway, self.row, replica, ids).await,
            Doing::Compare => Ok(()),
        }
    }

    /// Tags, and the ACL where it may be another; the object itself is equal.
    async fn settings(
        &self,
        replica: &Side<'_>,
        (truth, there): (&Shown, &Shown),
    ) -> S3Result<Option<Cause>> {
        let mut cause = None;
        let nothing = truth.tags == Some(0) && there.tags == Some(0);
        if self.with_tags(replica) && !nothing {
            let primary = self.primary(replica);
            let (wanted, found) = tokio::try_join!(tags(&primary, truth), tags(replica, there))?;
            if wanted != found {
                cause = Some(Cause::Tags);
                if self.doing == Doing::Settle {
                    replica.set_tags(wanted).await?;
                }
            }
        }
        if self.row.acl_behind && replica.place.store.features.acls {
            cause = cause.or(Some(Cause::Acl));
            if self.doing == Doing::Settle {
                let private = || ObjectCannedACL::from_static(ObjectCannedACL::PRIVATE);
                replica.set_acl(self.acl()?.unwrap_or_else(private)).await?;
            }
        }
        Ok(cause)
    }

    /// Copies the object. Gives both entity tags where they differ.
    async fn copy(&self, replica: &Side<'_>, truth: &Shown) -> S3Result<Option<Twin>> {
        let primary = self.primary(replica);
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        let tags = if self.with_tags(replica) { tags(&primary, truth).await? } else { Vec::new() };
        let with = With { tags, acl: self.acl()?, config: &self.bucket.config };
        let copied = match parts::plan(&primary, truth).await? {
            Some(planned) => {
                drop(opened); // The whole is not read.
                let sides = (&primary, replica);
                ranges::copy(self.gateway, sides, self.row, (truth, planned), &with).await?
            }
            None => whole::copy(&primary, replica, (truth, opened), &with).await?,
        };
        let Copied { etag, version_id } = copied;
        versions::made(self.gateway, self.row, replica, (truth.version_id.as_deref(), version_id.as_deref()))
            .await?;
        Ok((etag != truth.etag).then(|| Twin { primary: truth.etag.clone(), replica: etag }))
    }

    /// What the store of a replica is told of the ACL; nothing of a private one.
    fn acl(&self) -> S3Result<Option<ObjectCannedACL>> {
        let acl: Option<Acl> =
            self.row.acl.as_deref().map(serde_json::from_str).transpose().map_err(GatewayError::Kept)?;
        Ok(canned(acl.as_ref(), self.bucket.is_public(self.row.key.as_str())))
    }

    fn primary<'b>(&'b self, replica: &Side<'b>) -> Side<'b> {
        Side { place: self.bucket.primary(), ..*replica }
    }

    fn with_tags(&self, replica: &Side<'_>) -> bool {
        self.bucket.primary().store.features.tagging && replica.place.store.features.tagging
    }
}

async fn tags(side: &Side<'_>, shown: &Shown) -> S3Result<Vec<Tag>> {
    if shown.tags == Some(0) { Ok(Vec::new()) } else { side.tags().await }
}

/// What a comparison found at one replica.
#[derive(Clone, Debug)]
pub struct KeyDifference {
    /// Which replica.
    pub replica: Replica,
    /// In what it differs, or did before it was settled; nothing where it could not be compared or settled.
    pub cause: Option<Cause>,
    /// What of the object differs, in words, where that is the cause.
    pub what: Vec<&'static str>,
    /// Why it could not be compared or settled, in short.
    pub error: Option<String>,
}
