//! What an operation is called in policies, and which grant of an ACL covers it.
//!
//! Names as in "Actions, resources, and condition keys for Amazon S3" of the AWS service authorization reference; grants as in
//! "Mapping of ACL permissions and access policy permissions" of the Amazon S3 user guide.

use super::acl::Permission;

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

impl Action {
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
