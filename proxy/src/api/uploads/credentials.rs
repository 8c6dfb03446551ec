//! The credentials of one slot: whoever sees its URL gets nothing else by it.

use serde_json::json;

use super::Asking;
use super::presign::{Presigner, SigningKey};
use super::slot::Slot;
use crate::access::temporary::Grant;

/// What a file that comes in one request needs.
pub(super) const PUT: &[&str] = &["s3:PutObject"];

/// What a file that comes in parts needs.
pub(super) const MULTIPART: &[&str] =
    &["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];

impl Asking<'_> {
    /// Signs for one slot, with credentials that are made for it.
    pub(super) fn presigner(&self, slot: &Slot, actions: &[&str]) -> Presigner {
        let mut token = self.token.clone();
        token.expires_at = slot.expires_at;
        let grant = Grant {
            token,
            narrowed_to: Some(policy(self.bucket.name.as_str(), slot.key.as_str(), actions)),
            object_bytes_max: Some(slot.bytes_max),
            content_types: self.profile.content_types.clone(),
        };
        let issued = self.uploads.gateway.temporary.issue(&grant);
        Presigner {
            endpoint: self.uploads.endpoint.clone(),
            region: self.uploads.gateway.region.clone(),
            key: SigningKey {
                access_key_id: issued.access_key_id,
                secret_access_key: issued.secret_access_key,
                session_token: Some(issued.session_token),
            },
            signed_at: slot.now.into(),
            expires: (slot.expires_at - slot.now).to_std().unwrap_or_default(),
        }
    }
}

/// A policy that allows the actions on this object and on no other.
fn policy(bucket: &str, key: &str, actions: &[&str]) -> String {
    let statement = json!({
        "Effect": "Allow",
        "Action": actions,
        "Resource": format!("arn:aws:s3:::{bucket}/{}", literal(key)),
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// A key as a resource that stands for itself: wildcards and variables are written as variables.
fn literal(key: &str) -> String {
    let mut literal = String::with_capacity(key.len());
    for c in key.chars() {
        match c {
            '*' | '?' | '$' => literal.extend(['$', '{', c, '}']),
            c => literal.push(c),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::policy::{Asked, Policy, Principal, Verdict};

    fn allows(policy: &Policy, action: &str, bucket: &str, key: &str) -> bool {
        let context = |_: &str| None;
        let key = Some(key);
        let principal = Principal::Account("42");
        let asked = Asked { principal, action, bucket, key, context: &context };
        matches!(policy.decide(&asked), Verdict::Allow(_))
    }

    #[test]
    fn the_policy_of_a_slot_allows_one_key() {
        for key in
            ["a/42/x.ogg", "a/*", "a/?", "*", "${jwt:sub}", "$", "${*}", "a\"\\b", "a/é {b}", "${filename}"]
        {
            let policy = Policy::parse_of_role(&policy("media", key, PUT)).unwrap();
            assert!(allows(&policy, "s3:PutObject", "media", key), "{key}");
            for other in ["a/43/x.ogg", "a/b", "a/bc", "42", "", "x", &format!("{key}x"), &key[1..]] {
                assert!(!allows(&policy, "s3:PutObject", "media", other), "{key} does not allow {other}");
            }
            assert!(!allows(&policy, "s3:GetObject", "media", key));
            assert!(!allows(&policy, "s3:AbortMultipartUpload", "media", key));
            assert!(!allows(&policy, "s3:PutObject", "other", key));
        }
    }
}
