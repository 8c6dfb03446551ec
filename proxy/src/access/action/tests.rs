//! What requests need beside their operation.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use relais_model::Identity;

use crate::access::session::Asker;

use super::*;

fn also(operation: &str, uri: &'static str, headers: &[(&'static str, &'static str)]) -> Vec<String> {
    let uri = Uri::from_static(uri);
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let asker = Asker::new(Identity::Account("ada".to_owned()), None);
    let facts = Facts::new(&headers, &uri, None, &asker);
    Action::also(operation, &facts).into_iter().map(|action| action.name).collect()
}

#[test]
fn an_object_with_acl_tags_and_lock_needs_an_action_for_each() {
    let all = [
        ("x-amz-acl", "private"),
        ("x-amz-grant-read", "id=bob"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
        ("x-amz-object-lock-legal-hold", "ON"),
    ];
    for operation in ["PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"] {
        assert_eq!(
            also(operation, "/b/k", &all),
            ["s3:PutObjectAcl", "s3:PutObjectTagging", "s3:PutObjectRetention", "s3:PutObjectLegalHold"],
            "{operation}"
        );
        assert!(also(operation, "/b/k", &[("x-amz-acl", ""), ("content-type", "a/b")]).is_empty());
    }
    for grant in ["x-amz-grant-full-control", "x-amz-grant-read-acp", "x-amz-grant-write-acp"] {
        assert_eq!(also("PutObject", "/b/k", &[(grant, "id=bob")]), ["s3:PutObjectAcl"], "{grant}");
    }
    assert!(also("UploadPart", "/b/k", &all).is_empty(), "s3s takes none of these for a part");
    assert!(also("GetObject", "/b/k", &all).is_empty());
}

#[test]
fn getting_round_a_retention_needs_its_own_action() {
    let bypass = [("x-amz-bypass-governance-retention", "true")];
    assert_eq!(also("DeleteObject", "/b/k", &bypass), ["s3:BypassGovernanceRetention"]);
    assert_eq!(also("PutObjectRetention", "/b/k?retention", &bypass), ["s3:BypassGovernanceRetention"]);
    assert!(also("DeleteObject", "/b/k", &[]).is_empty());
}

#[test]
fn buckets_and_attributes_have_theirs() {
    let headers = [
        ("x-amz-acl", "public-read"),
        ("x-amz-bucket-object-lock-enabled", "true"),
        ("x-amz-object-ownership", "ObjectWriter"),
    ];
    assert_eq!(
        also("CreateBucket", "/b", &headers),
        [
            "s3:PutBucketAcl",
            "s3:PutBucketObjectLockConfiguration",
            "s3:PutBucketVersioning",
            "s3:PutBucketOwnershipControls"
        ]
    );
    assert_eq!(also("GetObjectAttributes", "/b/k?attributes", &[]), ["s3:GetObject"]);
    assert_eq!(also("GetObjectAttributes", "/b/k?attributes&versionId=1", &[]), ["s3:GetObjectVersion"]);
}

#[test]
fn the_grant_of_the_operation_covers_the_rest() {
    let uri = Uri::from_static("/b/k");
    let headers: HeaderMap =
        [(HeaderName::from_static("x-amz-acl"), HeaderValue::from_static("private"))].into_iter().collect();
    let nobody = Asker::new(Identity::Anonymous, None);
    let facts = Facts::new(&headers, &uri, None, &nobody);
    let grants: Vec<_> = Action::also("PutObject", &facts).into_iter().map(|action| action.grant).collect();
    assert_eq!(grants, [Some((Scope::Bucket, Permission::Write))]);
}
