//! What policies say to a question, all of them together.
//!
//! An explicit Deny of any policy wins. Credentials that were narrowed may do nothing that their session policy does not allow.
//! Then an Allow of one policy is enough. Where all are silent, other grants decide (`decide`): owners, ACLs, `public_read`.
//! See "Policy evaluation logic" in the AWS IAM user guide.

use std::fmt;

use super::policy::{Asked, Policy, Verdict, Which};
use super::session::Session;

/// What the policies say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Judgement {
    Allowed(Reason),
    Denied(Reason),
    Silent,
}

/// Why something is allowed or refused: for the log, the audit and `relais policy simulate`, never for the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// The root key, or a part of relais.
    Unlimited,
    /// A statement of a policy.
    Statement { of: Of, statement: String },
    /// The session policy does not speak of it.
    OutsideSession,
    /// `public_read` of the configuration.
    PublicRead,
    /// Every account may.
    IsAccount,
    /// The bucket is theirs.
    OwnsBucket,
    /// The ACL of the bucket.
    BucketAcl,
    /// The object is theirs, or its ACL gives it.
    ObjectAcl,
    /// Nothing gives it.
    Nothing,
}

/// Whose policy it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Of {
    Bucket,
    Key,
    Role(String),
    Session,
}

/// A bucket's policy, and whether what it allows counts for who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfBucket<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) gives: bool,
}

/// Asks every policy.
pub(crate) fn judge(session: Option<&Session>, bucket: Option<OfBucket<'_>>, asked: &Asked<'_>) -> Judgement {
    let mut voices = Vec::new();
    let mut outside = false;
    if let Some(session) = session {
        if let Some(policy) = &session.policy {
            voices.push((Of::Key, policy.decide(asked), true));
        }
        for role in &session.roles {
            voices.push((Of::Role(role.name.clone()), role.policy.decide(asked), true));
        }
        if let Some(policy) = &session.narrowed_to {
            let verdict = policy.decide(asked);
            outside = verdict == Verdict::Silent;
            voices.push((Of::Session, verdict, false));
        }
    }
    if let Some(OfBucket { policy, gives }) = bucket {
        voices.push((Of::Bucket, policy.decide(asked), gives));
    }
    let denied = voices.iter().find_map(|(of, verdict, _)| match verdict {
        Verdict::Deny(which) => Some(reason(of, which)),
        _ => None,
    });
    if let Some(reason) = denied {
        return Judgement::Denied(reason);
    }
    if outside {
        return Judgement::Denied(Reason::OutsideSession);
    }
    let allowed = voices.iter().filter(|(_, _, gives)| *gives).find_map(|(of, verdict, _)| match verdict {
        Verdict::Allow(which) => Some(reason(of, which)),
        _ => None,
    });
    allowed.map_or(Judgement::Silent, Judgement::Allowed)
}

fn reason(of: &Of, which: &Which<'_>) -> Reason {
    Reason::Statement { of: of.clone(), statement: which.to_string() }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("the root key, or a part of relais"),
            Self::Statement { of, statement } => write!(f, "{of}: {statement}"),
            Self::OutsideSession => f.write_str("the session policy does not allow it"),
            Self::PublicRead => f.write_str("public_read of the configuration"),
            Self::IsAccount => f.write_str("every account may"),
            Self::OwnsBucket => f.write_str("the bucket is theirs"),
            Self::BucketAcl => f.write_str("the ACL of the bucket"),
            Self::ObjectAcl => f.write_str("the object is theirs, or its ACL gives it"),
            Self::Nothing => f.write_str("nothing gives it"),
        }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket => f.write_str("policy of the bucket"),
            Self::Key => f.write_str("policy of the access key"),
            Self::Role(name) => write!(f, "policy of the role {name}"),
            Self::Session => f.write_str("session policy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::access::policy::Principal;
    use crate::access::session::Via;

    fn policy(effect: &str, action: &str) -> Policy {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "S", "Effect": "{effect}", "Action": "{action}", "Resource": "*"}}]}}"#
        );
        Policy::parse_of_role(&text).unwrap()
    }

    fn session(own: Policy, narrowed_to: Option<Policy>) -> Session {
        Session {
            via: Via::Key,
            token: None,
            roles: Vec::new(),
            policy: Some(Arc::new(own)),
            narrowed_to: narrowed_to.map(Arc::new),
            object_bytes_max: None,
            content_types: Vec::new(),
        }
    }

    fn get(session: Option<&Session>, bucket: Option<OfBucket<'_>>) -> Judgement {
        let context = |_: &str| None;
        let asked = Asked {
            principal: Principal::Account("ada"),
            action: "s3:GetObject",
            bucket: "media",
            key: Some("k"),
            context: &context,
        };
        judge(session, bucket, &asked)
    }

    fn statement(of: Of) -> Reason {
        Reason::Statement { of, statement: "S".to_owned() }
    }

    #[test]
    fn a_deny_of_any_policy_wins() {
        let allows = session(policy("Allow", "s3:*"), None);
        let denies = policy("Deny", "s3:Get*");
        assert_eq!(get(Some(&allows), None), Judgement::Allowed(statement(Of::Key)));
        let bucket = Some(OfBucket { policy: &denies, gives: false });
        assert_eq!(get(Some(&allows), bucket), Judgement::Denied(statement(Of::Bucket)));
        let narrowed = session(policy("Allow", "s3:*"), Some(policy("Deny", "s3:GetObject")));
        assert_eq!(get(Some(&narrowed), None), Judgement::Denied(statement(Of::Session)));
    }

    #[test]
    fn a_session_policy_only_narrows() {
        let wider = session(policy("Allow", "s3:ListBucket"), Some(policy("Allow", "s3:*")));
        assert_eq!(get(Some(&wider), None), Judgement::Silent);
        let outside = session(policy("Allow", "s3:*"), Some(policy("Allow", "s3:PutObject")));
        assert_eq!(get(Some(&outside), None), Judgement::Denied(Reason::OutsideSession));
        let gives = policy("Allow", "s3:*");
        let bucket = Some(OfBucket { policy: &gives, gives: true });
        assert_eq!(get(Some(&outside), bucket), Judgement::Denied(Reason::OutsideSession));
        let within = session(policy("Allow", "s3:*"), Some(policy("Allow", "s3:GetObject")));
        assert_eq!(get(Some(&within), None), Judgement::Allowed(statement(Of::Key)));
    }

    #[test]
    fn the_allow_of_a_bucket_counts_only_where_it_gives() {
        let allows = policy("Allow", "s3:*");
        let bucket = |gives| Some(OfBucket { policy: &allows, gives });
        assert_eq!(get(None, bucket(true)), Judgement::Allowed(statement(Of::Bucket)));
        assert_eq!(get(None, bucket(false)), Judgement::Silent);
        assert_eq!(get(None, None), Judgement::Silent);
    }
}
