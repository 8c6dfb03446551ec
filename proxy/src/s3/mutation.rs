//! A mutation of one key as the journal sees it: opened before a store can have it, then applied, abandoned or in doubt.
//!
//! Every operation that changes an object goes through here, so that none can forget its event or its replicas.

mod late;
mod opened;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use relais_catalog::{Applied, Intent, IntentId};
use relais_model::{DerivedFrom, EventKind, ObjectFacts, ObjectKey, ReplicaState, Requester, Sequencer};
use s3s::S3Error;
use s3s::dto::{ETag, HeadObjectOutput};

use opened::Opened;

use super::derived::derived_from;
use super::fan_out::PRIMARY;
use super::write::Refused;
use crate::access::acl::Acl;
use crate::background::settle;
use crate::error::{GatewayError, cause};
use crate::gateway::Gateway;
use crate::metrics::BYTES_STORED;
use crate::placement::Bucket;

/// How long it is waited before the catalog is told again of a late write.
const UNSETTLE_PAUSE: Duration = Duration::from_secs(1);

/// One key of a bucket, about to change.
#[derive(Clone)]
pub(crate) struct Mutation {
    pub(crate) gateway: Gateway,
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) key: ObjectKey,
    pub(crate) kind: EventKind,
    pub(crate) requester: Requester,
    /// How many places must have it, the primary among them, before it is acknowledged.
    pub(crate) required: usize,
    opened: Opened,
}

/// Which places of a bucket, by their index there, are known to have a change.
pub(crate) type Current = BTreeSet<usize>;

/// What became of it.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// The object that is the latest now, if there is one.
    pub(crate) object: Option<ObjectFacts>,
    /// Its ACL, if it is not private.
    pub(crate) acl: Option<String>,
    pub(crate) derived_from: Option<DerivedFrom>,
    /// What it turned out to be, where that is not what was to be done: a deletion that made a marker.
    pub(crate) kind: Option<EventKind>,
    /// The version that was made or removed, as clients name it.
    pub(crate) version_id: Option<String>,
    pub(crate) current: Current,
}

/// A change that the journal has.
pub(crate) struct Recorded {
    /// Its place among those of the key; nothing where another instance had a say in it.
    sequencer: Option<Sequencer>,
    /// Places that are not known to have it.
    behind: Vec<usize>,
}

impl Recorded {
    /// Whether a place, by its index in the bucket, is known to have the change.
    pub(crate) fn has(&self, index: usize) -> bool {
        !self.behind.contains(&index)
    }

    /// Whether every place is known to have the change.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.behind.is_empty()
    }
}

impl Mutation {
    pub(crate) fn new(
        gateway: &Gateway,
        bucket: Arc<Bucket>,
        key: ObjectKey,
        kind: EventKind,
        requester: Requester,
        required: usize,
    ) -> Self {
        Self { gateway: gateway.clone(), bucket, key, kind, requester, required, opened: Opened::default() }
    }

    /// Writes the intent down; it is durable when this returns. Refused where the journal takes nothing new.
    pub(crate) async fn open(&self) -> Result<IntentId, GatewayError> {
        self.gateway.backlog.admit()?;
        self.open_again().await
    }

    /// Writes down an intent of what the stores may have already: a full journal is no reason to forget that.
    async fn open_again(&self) -> Result<IntentId, GatewayError> {
        let intent = Intent { bucket: self.bucket.name.clone(), key: self.key.clone(), kind: self.kind };
        let id = self.gateway.journal.open(intent).await?;
        self.opened.add(&self.gateway.journal, id);
        Ok(id)
    }

    /// Records what was done, with its event. If that fails the stores have what the catalog does not know of, and some may be
    /// at it still: [`Self::unrecorded`] has recovery look when they are not.
    pub(crate) async fn apply(&self, id: IntentId, change: Change) -> Result<Recorded, GatewayError> {
        let stored = change.object.as_ref().map_or(0, |object| object.size);
        let applied = Applied {
            public_url: change.object.as_ref().and_then(|_| self.gateway.public_url(&self.bucket, &self.key)),
            kind: change.kind,
            object: change.object,
            version_id: change.version_id,
            acl: change.acl,
            replicas: self.replicas(&change.current),
            derived_from: change.derived_from,
            requester: self.requester.clone(),
        };
        let sequencer = self.record(id, applied).await?;
        metrics::counter!(BYTES_STORED).increment(stored);
        // Of a write that ended late nobody is believed to be equal to the primary.
        let is_behind =
            |index: &usize| *index != PRIMARY && (sequencer.is_none() || !change.current.contains(index));
        let behind = (0..self.bucket.places.len()).filter(is_behind).collect();
        Ok(Recorded { sequencer, behind })
    }

    /// Records the object as the primary shows it now, for operations whose answer names neither size nor type. What
    /// `made` says of object, ACL and version goes before.
    pub(crate) async fn apply_as_found(
        &self,
        id: IntentId,
        etag: Option<ETag>,
        owner: &str,
        made: Change,
    ) -> Result<Recorded, S3Error> {
        let change = match self.look().await? {
            Some(head) => {
                let mut object = facts(&head, owner);
                object.etag = etag.map_or(object.etag, ETag::into_value);
                let derived_from = derived_from(head.metadata.as_ref());
                Change { object: Some(object), derived_from, ..made }
            }
            None => Change { acl: None, ..made }, // Deleted by somebody else since.
        };
        Ok(self.apply(id, change).await?)
    }

    /// Records a change that leaves the object as it was: owner and ACL stay, unless another ACL is given.
    pub(crate) async fn apply_setting(&self, id: IntentId, change: Change) -> Result<Recorded, S3Error> {
        let head = self.look().await?;
        let row =
            self.gateway.objects.find(&self.bucket.name, &self.key).await.map_err(GatewayError::from)?;
        let (known, kept) = row.map(|row| (row.object, row.acl)).unwrap_or_default();
        let owner = match known {
            Some(known) => known.owner,
            None => self.gateway.rules(&self.bucket).await?.owner,
        };
        let change = match head {
            Some(head) => Change {
                object: Some(facts(&head, &owner)),
                acl: change.acl.or(kept),
                derived_from: derived_from(head.metadata.as_ref()),
                ..change
            },
            None => Change { acl: None, ..change },
        };
        Ok(self.apply(id, change).await?)
    }

    /// Records that one version is gone: what is the latest now belongs to its own owner, under its own ACL. Where nothing is
    /// known of that version it is the bucket owner's, and private.
    pub(crate) async fn apply_uncovered(&self, id: IntentId, removed: Change) -> Result<Recorded, S3Error> {
        let Some(head) = self.look().await? else {
            return Ok(self.apply(id, removed).await?);
        };
        let version = head.version_id.as_deref().filter(|version| *version != "null");
        let row = match version {
            Some(version) => self.gateway.versions.find(&self.bucket.name, &self.key, version).await,
            None => Ok(None),
        };
        let acl = row.map_err(GatewayError::from)?.and_then(|row| row.acl);
        let owner = match &acl {
            Some(acl) => serde_json::from_str::<Acl>(acl).map_err(GatewayError::Kept)?.owner,
            None => self.gateway.rules(&self.bucket).await?.owner,
        };
        let derived_from = derived_from(head.metadata.as_ref());
        let change = Change { object: Some(facts(&head, &owner)), acl, derived_from, ..removed };
        Ok(self.apply(id, change).await?)
    }

    async fn look(&self) -> Result<Option<HeadObjectOutput>, S3Error> {
        settle::head(self.bucket.primary(), &self.key).await
    }

    /// Nothing was changed anywhere.
    pub(crate) async fn abandon(&self, id: IntentId) {
        if let Err(error) = self.gateway.journal.abandon(id).await {
            // The journal writes it down as soon as the database is back.
            tracing::warn!(intent = %id.0, error = %error, "an abandoned intent stays in the journal for now");
        }
    }

    /// A place that the write needs refused it, or may have.
    pub(crate) async fn refused(&self, id: IntentId, refused: Refused) -> S3Error {
        let (error, in_doubt) = (&refused.error, refused.in_doubt);
        tracing::warn!(bucket = %self.bucket.name, key = %self.key, code = error.code().as_str(), source = cause(error), in_doubt, "a store refused");
        if !refused.in_doubt {
            self.abandon(id).await;
        } else if let Some(mut rest) = refused.rest
            && (&mut rest).now_or_never().is_none()
        {
            self.doubt_after(id, rest);
        } else {
            self.doubt(id).await;
        }
        refused.error
    }

    /// The stores have done it, but for some perhaps, and the catalog has not heard of it.
    pub(crate) fn unrecorded(
        &self,
        id: IntentId,
        rest: impl Future<Output = ()> + Send + 'static,
        error: S3Error,
    ) -> S3Error {
        tracing::warn!(bucket = %self.bucket.name, key = %self.key, code = error.code().as_str(), source = cause(&error), "what was done is not recorded");
        self.doubt_after(id, rest);
        error
    }

    /// Who is not heard of yet may still commit: until then there is nothing to look at, and the intent stays open. A record of
    /// which nobody heard cannot be doubted any more; so what the late ones may have written over is settled either way.
    fn doubt_after(&self, id: IntentId, rest: impl Future<Output = ()> + Send + 'static) {
        let mutation = self.clone();
        self.gateway.afterwards(async move {
            rest.await;
            mutation.doubt(id).await;
            let behind = (0..mutation.bucket.places.len()).filter(|index| *index != PRIMARY).collect();
            let unknown = Recorded { sequencer: None, behind };
            if !unknown.is_everywhere() {
                mutation.unsettle(&unknown).await;
            }
        });
    }

    /// Lets the replicas that nobody waited for come to their end, then makes sure that they are equal.
    pub(crate) fn settle_after(self, recorded: Recorded, rest: impl Future<Output = ()> + Send + 'static) {
        if recorded.is_everywhere() {
            return;
        }
        let gateway = self.gateway.clone();
        gateway.afterwards(async move {
            rest.await;
            self.unsettle(&recorded).await;
            match self.gateway.desk.follow_up() {
                Some(_leave) => settle::key(&self.gateway, &self.bucket, &self.key).await,
                None => self.gateway.settled_soon.notify_one(),
            }
        });
    }

    /// Nobody else knows of a late write: the catalog is told again and again while it is away, until this process stops.
    async fn unsettle(&self, recorded: &Recorded) {
        let mut is_told = false;
        while let Err(error) = self.try_unsettle(recorded).await {
            let is_over = self.gateway.tasks().is_closed();
            if is_over || !is_told {
                tracing::warn!(%error, bucket = %self.bucket.name, key = %self.key, is_over, "a late write may have overwritten a newer one");
            }
            if is_over {
                return;
            }
            is_told = true;
            tokio::time::sleep(UNSETTLE_PAUSE).await;
        }
    }

    /// A late replica may just have written over what came after: then it is to be settled again, whatever was known of it.
    async fn try_unsettle(&self, recorded: &Recorded) -> Result<(), GatewayError> {
        let row = self.gateway.objects.find(&self.bucket.name, &self.key).await?;
        if row.is_none_or(|row| Some(row.sequencer) == recorded.sequencer) {
            return Ok(());
        }
        let current =
            (0..self.bucket.places.len()).filter(|index| !recorded.behind.contains(index)).collect();
        let replicas = self.replicas(&current);
        Ok(self.gateway.objects.mark_unsettled(&self.bucket.name, &self.key, &replicas).await?)
    }

    async fn doubt(&self, id: IntentId) {
        self.doubt_again_if_late(id).await;
        if let Err(error) = self.gateway.journal.doubt(id).await {
            // The journal writes it down as soon as the database is back.
            tracing::warn!(intent = %id.0, error = %error, "an intent stays open for now");
        }
        self.gateway.recovered_soon.notify_one();
    }

    fn replicas(&self, current: &Current) -> BTreeMap<String, ReplicaState> {
        let state =
            |index| if current.contains(&index) { ReplicaState::Current } else { ReplicaState::Pending };
        let places = self.bucket.places.iter().enumerate();
        places.map(|(index, place)| (place.replica.to_string(), state(index))).collect()
    }
}

/// The id of a version as events name it: the version that an unversioned object has is none.
pub(crate) fn named_version(id: Option<&String>) -> Option<String> {
    id.filter(|id| *id != "null").cloned()
}

/// What a HEAD of the primary says of an object.
pub(crate) fn facts(head: &HeadObjectOutput, owner: &str) -> ObjectFacts {
    ObjectFacts {
        size: head.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0),
        etag: head.e_tag.clone().map(ETag::into_value).unwrap_or_default(),
        content_type: head.content_type.clone(),
        owner: owner.to_owned(),
    }
}
