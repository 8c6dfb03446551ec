//! What an operation is called in policies, and which grant of an ACL covers it.
//!
//! Names as in "Actions, resources, and condition keys for Amazon S3" of the AWS service authorization reference; grants as in
//! "Mapping of ACL permissions and access policy permissions" of the Amazon S3 user guide.

use super::acl::Permission;
use super::context::Facts;

/// Whose ACL a grant has to be in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    Bucket,
    Object,
}

/// What has to be allowed.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    /// Its name in policies.
    pub(crate) name: String,
    /// The grant that allows it too.
    pub(crate) grant: Grant,
}

/// The grant that covers an operation, if one does.
type Grant = Option<(Scope, Permission)>;

/// Operations on objects: name, action, action on a version, grant.
const OBJECTS: &[(&str, &str, &str, Grant)] = &[
    ("GetObject", "GetObject", "GetObjectVersion", Some((Scope::Object, Permission::Read))),
    ("HeadObject", "GetObject", "GetObjectVersion", Some((Scope::Object, Permission::Read))),
    (
        "GetObjectAttributes",
        "GetObjectAttributes",
        "GetObjectVersionAttributes",
        Some((Scope::Object, Permission::Read)),
    ),
    (
        "GetObjectTorrent",
        "GetObjectTorrent",
        "GetObjectVersionTorrent",
        Some((Scope::Object, Permission::Read)),
    ),
    ("SelectObjectContent", "GetObject", "GetObjectVersion", Some((Scope::Object, Permission::Read))),
    ("GetObjectAcl", "GetObjectAcl", "GetObjectVersionAcl", Some((Scope::Object, Permission::ReadAcp))),
    ("PutObjectAcl", "PutObjectAcl", "PutObjectVersionAcl", Some((Scope::Object, Permission::WriteAcp))),
    ("GetObjectTagging", "GetObjectTagging", "GetObjectVersionTagging", None),
    ("PutObjectTagging", "PutObjectTagging", "PutObjectVersionTagging", None),
    ("DeleteObjectTagging", "DeleteObjectTagging", "DeleteObjectVersionTagging", None),
    ("PutObject", "PutObject", "PutObject", Some((Scope::Bucket, Permission::Write))),
    ("PostObject", "PutObject", "PutObject", Some((Scope::Bucket, Permission::Write))),
    ("CopyObject", "PutObject", "PutObject", Some((Scope::Bucket, Permission::Write))),
    ("CreateMultipartUpload", "PutObject", "PutObject", Some((Scope::Bucket, Permission::Write))),
    ("UploadPart", "PutObject", "PutObject", Some((Scope::Bucket, Permission::Write))),
    ("UploadPartCopy", "PutObject", "PutObject", Some((Scope::Bucket, Permission::Write))),
    ("CompleteMultipartUpload", "PutObject", "PutObject", Some((Scope::Bucket, Permission::Write))),
    (
        "AbortMultipartUpload",
        "AbortMultipartUpload",
        "AbortMultipartUpload",
        Some((Scope::Bucket, Permission::Write)),
    ),
    ("ListParts", "ListMultipartUploadParts", "ListMultipartUploadParts", None),
    ("DeleteObject", "DeleteObject", "DeleteObjectVersion", Some((Scope::Bucket, Permission::Write))),
];

/// Operations on buckets whose action has another name, or that a grant covers.
const BUCKETS: &[(&str, &str, Option<Permission>)] = &[
    ("HeadBucket", "ListBucket", Some(Permission::Read)),
    ("ListObjects", "ListBucket", Some(Permission::Read)),
    ("ListObjectsV2", "ListBucket", Some(Permission::Read)),
    ("ListObjectVersions", "ListBucketVersions", Some(Permission::Read)),
    ("ListMultipartUploads", "ListBucketMultipartUploads", Some(Permission::Read)),
    ("GetBucketAcl", "GetBucketAcl", Some(Permission::ReadAcp)),
    ("PutBucketAcl", "PutBucketAcl", Some(Permission::WriteAcp)),
    ("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration", None),
    ("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration", None),
    ("DeleteBucketLifecycle", "PutLifecycleConfiguration", None),
    ("GetBucketEncryption", "GetEncryptionConfiguration", None),
    ("PutBucketEncryption", "PutEncryptionConfiguration", None),
    ("DeleteBucketEncryption", "PutEncryptionConfiguration", None),
    ("GetBucketReplication", "GetReplicationConfiguration", None),
    ("PutBucketReplication", "PutReplicationConfiguration", None),
    ("DeleteBucketReplication", "PutReplicationConfiguration", None),
    ("GetBucketNotificationConfiguration", "GetBucketNotification", None),
    ("PutBucketNotificationConfiguration", "PutBucketNotification", None),
    ("DeleteBucketCors", "PutBucketCORS", None),
    ("GetBucketCors", "GetBucketCORS", None),
    ("PutBucketCors", "PutBucketCORS", None),
    ("DeleteBucketTagging", "PutBucketTagging", None),
    ("DeleteBucketOwnershipControls", "PutBucketOwnershipControls", None),
    ("GetPublicAccessBlock", "GetBucketPublicAccessBlock", None),
    ("PutPublicAccessBlock", "PutBucketPublicAccessBlock", None),
    ("DeletePublicAccessBlock", "PutBucketPublicAccessBlock", None),
    ("GetObjectLockConfiguration", "GetBucketObjectLockConfiguration", None),
    ("PutObjectLockConfiguration", "PutBucketObjectLockConfiguration", None),
    ("GetBucketAccelerateConfiguration", "GetAccelerateConfiguration", None),
    ("PutBucketAccelerateConfiguration", "PutAccelerateConfiguration", None),
];

/// Operations that make an object by headers that could also be settings of their own.
const MAKE_OBJECTS: [&str; 4] = ["PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"];

/// Headers that set an ACL.
const ACL: [&str; 6] = [
    "x-amz-acl",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
];

/// What headers of operations that make objects need beside the operation.
const OF_OBJECTS: [(&[&str], &str); 4] = [
    (&ACL, "PutObjectAcl"),
    (&["x-amz-tagging"], "PutObjectTagging"),
    (&["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"], "PutObjectRetention"),
    (&["x-amz-object-lock-legal-hold"], "PutObjectLegalHold"),
];

/// The same for the making of a bucket.
const OF_BUCKETS: [(&[&str], &str); 4] = [
    (&ACL, "PutBucketAcl"),
    (&["x-amz-bucket-object-lock-enabled"], "PutBucketObjectLockConfiguration"),
    (&["x-amz-bucket-object-lock-enabled"], "PutBucketVersioning"),
    (&["x-amz-object-ownership"], "PutBucketOwnershipControls"),
];

/// Operations that may get round a retention.
const BYPASS: [&str; 2] = ["DeleteObject", "PutObjectRetention"];

impl Action {
    /// What a request needs beside [`Self::of`] by what it asks for in headers: policies have to allow each of these too.
    /// Whatever grant covers the operation covers them.
    pub(crate) fn also(operation: &str, facts: &Facts<'_>) -> Vec<Self> {
        let of_version = facts.query("versionId").is_some();
        let grant = Self::of(operation, of_version).grant;
        let action = |name: &str| Self { name: format!("s3:{name}"), grant };
        let rows: &[(&[&str], &str)] = match operation {
            "CreateBucket" => &OF_BUCKETS,
            _ if MAKE_OBJECTS.contains(&operation) => &OF_OBJECTS,
            _ => &[],
        };
        let asked_for = |names: &[&str]| names.iter().any(|name| facts.has(name));
        let mut actions: Vec<Self> =
            rows.iter().filter(|(names, _)| asked_for(names)).map(|(_, name)| action(name)).collect();
        if BYPASS.contains(&operation) && facts.has("x-amz-bypass-governance-retention") {
            actions.push(action("BypassGovernanceRetention"));
        }
        if operation == "GetObjectAttributes" {
            actions.push(Self::of("GetObject", of_version));
        }
        actions
    }

    /// What an operation needs. What is not in the tables is called like its operation, and no grant covers it.
    pub(crate) fn of(operation: &str, of_version: bool) -> Self {
        if let Some((_, plain, version, grant)) = OBJECTS.iter().find(|row| row.0 == operation) {
            let name = if of_version { version } else { plain };
            return Self { name: format!("s3:{name}"), grant: *grant };
        }
        if let Some((_, name, permission)) = BUCKETS.iter().find(|row| row.0 == operation) {
            let grant = permission.map(|permission| (Scope::Bucket, permission));
            return Self { name: format!("s3:{name}"), grant };
        }
        Self { name: format!("s3:{operation}"), grant: None }
    }
}

#[cfg(test)]
mod tests;
