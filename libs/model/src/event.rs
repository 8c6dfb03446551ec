//! What happened to an object, before it takes the form that a bus wants.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::identity::Requester;
use crate::name::{BucketName, ObjectKey};

/// Order of the events of one key: a later event has a larger sequencer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Sequencer(pub u64);

impl fmt::Display for Sequencer {
    /// Sixteen hexadecimal digits, so that order as text is order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// Kinds of mutation that subscribers hear of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum EventKind {
    /// `PutObject`.
    Put,
    /// POST form upload.
    Post,
    /// `CopyObject`.
    Copy,
    /// `CompleteMultipartUpload`.
    CompleteMultipartUpload,
    /// `DeleteObject`, also in bulk: the object, or one version of it, is gone.
    Delete,
    /// `DeleteObject` in a bucket with versions: a delete marker hides the object.
    DeleteMarker,
    /// `PutObjectTagging`.
    PutTags,
    /// `DeleteObjectTagging`.
    DeleteTags,
    /// `PutObjectAcl`.
    PutAcl,
    /// A replica could not be made equal to the primary, and the reason is not a passing one or has lasted too long.
    ReplicationFailed,
    /// A replica is behind for longer than it should be.
    ReplicationMissedThreshold,
    /// A replica that was behind for longer than it should be has caught up.
    ReplicationAfterThreshold,
}

impl EventKind {
    /// The event name of S3, without the `s3:` that notification rules put in front.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Post => "ObjectCreated:Post",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Delete => "ObjectRemoved:Delete",
            Self::DeleteMarker => "ObjectRemoved:DeleteMarkerCreated",
            Self::PutTags => "ObjectTagging:Put",
            Self::DeleteTags => "ObjectTagging:Delete",
            Self::PutAcl => "ObjectAcl:Put",
            Self::ReplicationFailed => "Replication:OperationFailedReplication",
            Self::ReplicationMissedThreshold => "Replication:OperationMissedThreshold",
            Self::ReplicationAfterThreshold => "Replication:OperationReplicatedAfterThreshold",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Put,
        Self::Post,
        Self::Copy,
        Self::CompleteMultipartUpload,
        Self::Delete,
        Self::DeleteMarker,
        Self::PutTags,
        Self::DeleteTags,
        Self::PutAcl,
        Self::ReplicationFailed,
        Self::ReplicationMissedThreshold,
        Self::ReplicationAfterThreshold,
    ];

    /// The kind that an event's name says.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether an object, or what is to be seen of it, is gone afterwards.
    pub fn removes(self) -> bool {
        matches!(self, Self::Delete | Self::DeleteMarker)
    }

    /// Whether an object has new bytes afterwards.
    pub fn creates(self) -> bool {
        matches!(self, Self::Put | Self::Post | Self::Copy | Self::CompleteMultipartUpload)
    }
}

/// What is known of a created object.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectFacts {
    /// Length in bytes.
    pub size: u64,
    /// Entity tag without quotes.
    pub etag: String,
    /// Media type, where the client gave one.
    pub content_type: Option<String>,
    /// Principal that owns the object.
    pub owner: String,
}

/// Where a derived object comes from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DerivedFrom {
    /// Key of the source, in the same bucket.
    pub key: ObjectKey,
    /// Entity tag of the source, without quotes, when it was read.
    pub etag: String,
}

/// One acknowledged mutation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Event {
    /// Stable: the same for every delivery of this event.
    pub id: Uuid,
    /// What was done.
    pub kind: EventKind,
    /// When it was applied.
    pub time: DateTime<Utc>,
    /// The bucket, as clients see it.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Place among the events of this key.
    pub sequencer: Sequencer,
    /// The object that is the latest then; nothing where none is left to be seen. Where `version_id` names a version that was
    /// removed, or an older one whose tags or ACL were changed, the object is not that version.
    pub object: Option<ObjectFacts>,
    /// The version that was made or removed, as clients name it; nothing where the bucket has none.
    #[serde(default)]
    pub version_id: Option<String>,
    /// Set on what a sidecar made.
    pub derived_from: Option<DerivedFrom>,
    /// Who did it.
    pub requester: Requester,
}
