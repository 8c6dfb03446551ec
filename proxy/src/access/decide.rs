//! The decision: may this identity do that.
//!
//! An explicit Deny of any policy wins (`judge`); then whoever is allowed by a policy, by `public_read`, by ownership or by an ACL
//! may. Everything else is refused. The root key and relais's own parts are not asked. Ownership and ACLs give to accounts alone:
//! who comes with a session may do what policies say, and what is open to everybody.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use relais_model::{Identity, ObjectKey};
use relais_stores::{is_outage, request};
use s3s::dto::GetObjectTaggingInput;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::acl::{Acl, Permission, Who};
use super::action::{Action, Scope};
use super::context::{Facts, Tags};
use super::judge::{Judgement, OfBucket, Reason, judge};
use super::policy::{Asked, Principal};
use super::record::Recorded;
use super::rules::Rules;
use super::session::Asker;
use crate::background::settle;
use crate::gateway::{Gateway, key};
use crate::placement::Bucket;

/// What somebody wants to do.
pub(crate) struct Question<'a> {
    pub(crate) asker: &'a Asker,
    /// Name of the operation of S3.
    pub(crate) operation: &'a str,
    pub(crate) bucket: &'a Bucket,
    pub(crate) key: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    /// What conditions of policies may look at.
    pub(crate) facts: Facts<'a>,
}

/// Operations on its policy that nothing but the loss of the bucket takes from its owner, or a wrong Deny would lock everyone
/// out.
const ALWAYS_THE_OWNERS: [&str; 3] = ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"];

/// The answer to a question, and why.
#[derive(Debug)]
pub(crate) enum Decision {
    Allowed(Reason),
    Refused(Reason),
}

impl Gateway {
    /// Refuses what is not allowed. The client hears that it is refused; why, the log says under the request's id.
    pub(crate) async fn authorise(&self, question: &Question<'_>) -> S3Result<()> {
        let decision = match is_unlimited(&question.asker.identity) {
            true => Decision::Allowed(Reason::Unlimited),
            false => self.decide(question, &self.rules(question.bucket).await?).await?,
        };
        if self.audit.is_on() {
            let action = Action::of(question.operation, question.version.is_some());
            let recorded = Recorded {
                bucket: question.bucket.name.as_str(),
                key: question.key,
                version: question.version,
                source_ip: question.facts.source_ip(),
            };
            self.record(question.asker, &action.name, recorded, &decision).await;
        }
        let reason = match decision {
            Decision::Allowed(_) => return Ok(()),
            Decision::Refused(reason) => reason,
        };
        if let Some(absence) = self.absence(question).await? {
            return Err(absence);
        }
        tracing::info!(
            principal = question.asker.identity.principal(),
            operation = question.operation,
            bucket = %question.bucket.name,
            %reason,
            "refused"
        );
        Err(s3_error!(AccessDenied, "Access Denied"))
    }

    /// Refuses at the head what nobody could be allowed once the body is read: nobody's request to a bucket that lets the
    /// public write nothing.
    pub(crate) async fn authorise_later(&self, identity: &Identity, bucket: &Bucket) -> S3Result<()> {
        if *identity != Identity::Anonymous {
            return Ok(());
        }
        let rules = self.rules(bucket).await?;
        if rules.policy.is_some() || granted(&rules, &rules.acl(), Who::Anonymous, Permission::Write) {
            return Ok(());
        }
        Err(s3_error!(AccessDenied, "Access Denied"))
    }

    /// Whether this identity may list the key, and so may know that it is not there.
    pub(crate) async fn may_list(&self, asker: &Asker, bucket: &Bucket, key: &str) -> S3Result<bool> {
        if is_unlimited(&asker.identity) {
            return Ok(true);
        }
        let prefix = utf8_percent_encode(key, NON_ALPHANUMERIC);
        let uri = http::Uri::try_from(format!("/?prefix={prefix}")).unwrap_or_default();
        let headers = http::HeaderMap::new();
        let facts = Facts::new(&headers, &uri, None, asker);
        let operation = "ListObjects";
        let question = Question { asker, operation, bucket, key: None, version: None, facts };
        let rules = self.rules(bucket).await?;
        Ok(matches!(self.decide(&question, &rules).await?, Decision::Allowed(_)))
    }

    /// What to say in the place of a refusal where what was asked for is not there, and the one who asks may know. That a
    /// bucket is missing everybody may know.
    async fn absence(&self, question: &Question<'_>) -> S3Result<Option<S3Error>> {
        let primary = question.bucket.primary();
        let reads = matches!(question.operation, "GetObject" | "HeadObject");
        if let Some(text) = question.key.filter(|_| reads && question.version.is_none()) {
            let listed = self.may_list(question.asker, question.bucket, text).await?;
            if listed && settle::head(primary, &key(text)?).await?.is_none() {
                return Ok(Some(s3_error!(NoSuchKey, "there is no object with this key")));
            }
        }
        match crate::s3::head_bucket(primary).await {
            Ok(()) => Ok(None),
            Err(error) if is_outage(&error) => Err(error),
            Err(error) => {
                let status = error.status_code().or_else(|| error.code().status_code());
                let missing = status == Some(http::StatusCode::NOT_FOUND);
                Ok(missing.then(|| s3_error!(NoSuchBucket, "there is no such bucket")))
            }
        }
    }

    async fn decide(&self, question: &Question<'_>, rules: &Rules) -> S3Result<Decision> {
        let action = Action::of(question.operation, question.version.is_some());
        let owns_bucket = rights(question) == Some(rules.owner.as_str());
        if owns_bucket && ALWAYS_THE_OWNERS.contains(&question.operation) {
            return Ok(Decision::Allowed(Reason::OwnsBucket));
        }
        let reason = match self.ask_policies(question, rules, &action).await? {
            Judgement::Denied(reason) => return Ok(Decision::Refused(reason)),
            Judgement::Allowed(reason) => reason,
            Judgement::Silent => match self.other_grant(question, rules, &action).await? {
                Some(reason) => reason,
                None => return Ok(Decision::Refused(Reason::Nothing)),
            },
        };
        for further in Action::also(question.operation, &question.facts) {
            match self.ask_policies(question, rules, &further).await? {
                Judgement::Denied(reason) => return Ok(Decision::Refused(reason)),
                Judgement::Allowed(_) => {}
                // What gives the request as such, beside policies, gives this too.
                Judgement::Silent if self.other_grant(question, rules, &action).await?.is_some() => {}
                Judgement::Silent => return Ok(Decision::Refused(Reason::Nothing)),
            }
        }
        Ok(Decision::Allowed(reason))
    }

    /// What gives it beside policies.
    async fn other_grant(
        &self,
        question: &Question<'_>,
        rules: &Rules,
        action: &Action,
    ) -> S3Result<Option<Reason>> {
        if self.is_configured_public(question) {
            return Ok(Some(Reason::PublicRead));
        }
        let account = rights(question);
        let of_object = question.key.is_some() && !matches!(action.grant, Some((Scope::Bucket, _)));
        if account == Some(rules.owner.as_str()) && (!of_object || rules.acls_are_off()) {
            return Ok(Some(Reason::OwnsBucket));
        }
        let who = account.map_or(Who::Anonymous, Who::Account);
        let (given, reason) = match action.grant {
            // Versions are gone for good: those of others are for the bucket's owner alone.
            Some((Scope::Bucket, _))
                if action.name == "s3:DeleteObjectVersion" && !self.owns_version(question, rules).await? =>
            {
                (false, Reason::Nothing)
            }
            Some((Scope::Bucket, permission)) => {
                (granted(rules, &rules.acl(), who, permission), Reason::BucketAcl)
            }
            _ if of_object => {
                (self.owns_or_is_granted(question, rules, who, action).await?, Reason::ObjectAcl)
            }
            _ => (false, Reason::Nothing),
        };
        Ok(given.then_some(reason))
    }

    async fn ask_policies(
        &self,
        question: &Question<'_>,
        rules: &Rules,
        action: &Action,
    ) -> S3Result<Judgement> {
        let of_bucket = rules.policy.as_ref().map(|(policy, _)| policy);
        let own = question.asker.session.iter().flat_map(|session| session.policies());
        let look_at_tags = own.chain(of_bucket).any(|policy| policy.looks_at("s3:existingobjecttag/"));
        let tags = if look_at_tags { self.tags_of(question).await? } else { Tags::new() };
        let context = |name: &str| question.facts.values(name, &tags);
        let asked = Asked {
            principal: principal(&question.asker.identity),
            action: &action.name,
            bucket: question.bucket.name.as_str(),
            key: question.key,
            context: &context,
        };
        let of_bucket = of_bucket.map(|policy| {
            let restricted = rules.block().restrict && policy.is_public();
            let owns_bucket = rights(question) == Some(rules.owner.as_str());
            OfBucket { policy, gives: !restricted || owns_bucket }
        });
        Ok(judge(question.asker.session.as_deref(), of_bucket, &asked))
    }

    async fn owns_version(&self, question: &Question<'_>, rules: &Rules) -> S3Result<bool> {
        let (Some(account), Some(text)) = (rights(question), question.key) else { return Ok(false) };
        let acl = self.acl_of(question.bucket, rules, &key(text)?, question.version).await?;
        Ok(acl.owner == account)
    }

    /// Objects may belong to others than their bucket does.
    async fn owns_or_is_granted(
        &self,
        question: &Question<'_>,
        rules: &Rules,
        who: Who<'_>,
        action: &Action,
    ) -> S3Result<bool> {
        let Some(text) = question.key else { return Ok(false) };
        let key: ObjectKey = key(text)?;
        let acl = self.acl_of(question.bucket, rules, &key, question.version).await?;
        match action.grant {
            Some((_, permission)) => Ok(granted(rules, &acl, who, permission)),
            // Tags, locks and the like: for the object's owner, and for the bucket's.
            None => Ok(matches!(who, Who::Account(id) if id == acl.owner || id == rules.owner)),
        }
    }

    /// The object's tags.
    async fn tags_of(&self, question: &Question<'_>) -> S3Result<Tags> {
        let Some(key) = question.key else { return Ok(Tags::new()) };
        let primary = question.bucket.primary();
        let input = GetObjectTaggingInput {
            bucket: primary.bucket.to_string(),
            key: key.to_owned(),
            version_id: question.version.map(str::to_owned),
            ..Default::default()
        };
        match primary.store.s3.get_object_tagging(request(input)).await {
            Ok(found) => {
                let tags = found.output.tag_set.into_iter();
                Ok(tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect())
            }
            Err(error)
                if matches!(
                    error.code(),
                    S3ErrorCode::NoSuchKey | S3ErrorCode::NoSuchVersion | S3ErrorCode::NoSuchBucket
                ) =>
            {
                Ok(Tags::new())
            }
            Err(error) => Err(error),
        }
    }

    fn is_configured_public(&self, question: &Question<'_>) -> bool {
        let reads = matches!(question.operation, "GetObject" | "HeadObject") && question.version.is_none();
        reads && question.key.is_some_and(|key| question.bucket.is_public(key))
    }
}

/// The root key and relais's own parts are not asked.
pub(super) fn is_unlimited(identity: &Identity) -> bool {
    matches!(identity, Identity::Root | Identity::Service(_))
}

/// The account whose rights count: what is theirs gives something to accounts, not to those whose policies say all that they may.
fn rights<'a>(question: &Question<'a>) -> Option<&'a str> {
    account(&question.asker.identity).filter(|_| question.asker.session.is_none())
}

fn account(identity: &Identity) -> Option<&str> {
    match identity {
        Identity::Account(id) => Some(id),
        _ => None,
    }
}

pub(super) fn principal(identity: &Identity) -> Principal<'_> {
    account(identity).map_or(Principal::Anonymous, Principal::Account)
}

fn granted(rules: &Rules, acl: &Acl, who: Who<'_>, permission: Permission) -> bool {
    if rules.acls_are_off() {
        return matches!(who, Who::Account(id) if id == rules.owner);
    }
    match rules.block().ignore_acls {
        true => acl.clone().without_public().allows(who, permission),
        false => acl.allows(who, permission),
    }
}
