//! What is asked of no bucket, or of one that is not there yet: the list of buckets, and making one.
//!
//! Accounts may, and holders of tokens as their policies say.

use relais_model::Identity;
use s3s::{S3Result, s3_error};

use super::action::Action;
use super::context::{Facts, Tags};
use super::decide::{Decision, is_unlimited, principal};
use super::judge::{Judgement, Reason, judge};
use super::policy::Asked;
use super::record::Recorded;
use super::session::Asker;
use crate::gateway::Gateway;

/// The operations, and what policies call them.
const OPERATIONS: [(&str, &str); 2] =
    [("CreateBucket", "s3:CreateBucket"), ("ListBuckets", "s3:ListAllMyBuckets")];

/// The action of an operation that is not asked of a bucket.
pub(super) fn action_of(operation: &str) -> Option<&'static str> {
    OPERATIONS.iter().find(|(known, _)| *known == operation).map(|(_, action)| *action)
}

impl Gateway {
    /// Refuses what is not allowed.
    pub(crate) async fn authorise_account(
        &self,
        asker: &Asker,
        (operation, action): (&str, &str),
        bucket: &str,
        facts: Facts<'_>,
    ) -> S3Result<()> {
        let decision = decide(asker, (operation, action), bucket, facts);
        if self.audit.is_on() {
            let recorded = Recorded { bucket, key: None, version: None, source_ip: facts.source_ip() };
            self.record(asker, action, recorded, &decision).await;
        }
        match decision {
            Decision::Allowed(_) => Ok(()),
            Decision::Refused(reason) => {
                tracing::info!(principal = asker.identity.principal(), operation, %reason, "refused");
                Err(s3_error!(AccessDenied, "Access Denied"))
            }
        }
    }
}

fn decide(asker: &Asker, (operation, action): (&str, &str), bucket: &str, facts: Facts<'_>) -> Decision {
    let Some(session) = &asker.session else {
        return match asker.identity {
            Identity::Anonymous => Decision::Refused(Reason::Nothing),
            _ if is_unlimited(&asker.identity) => Decision::Allowed(Reason::Unlimited),
            _ => Decision::Allowed(Reason::IsAccount),
        };
    };
    let context = |name: &str| facts.values(name, &Tags::new());
    let further = Action::also(operation, &facts);
    let mut given = Reason::Nothing;
    for action in std::iter::once(action).chain(further.iter().map(|action| action.name.as_str())) {
        let principal = principal(&asker.identity);
        match judge(Some(session), None, &Asked { principal, action, bucket, key: None, context: &context }) {
            Judgement::Allowed(reason) => given = reason,
            Judgement::Denied(reason) => return Decision::Refused(reason),
            Judgement::Silent => return Decision::Refused(Reason::Nothing),
        }
    }
    Decision::Allowed(given)
}
