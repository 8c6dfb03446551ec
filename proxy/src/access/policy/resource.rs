//! What a statement speaks of: a bucket or its objects, as an ARN with wildcards.
//!
//! `arn:aws:s3:::bucket` is the bucket itself, `arn:aws:s3:::bucket/key` an object; wildcards cross slashes, so
//! `arn:aws:s3:::bucket*` is both. ARNs of other services, regions or accounts are accepted and match nothing here.

use super::error::{Fault, Quoted};
use super::pattern::{Case, Pattern, Syntax};
use super::variable::Given;

/// One resource of a statement.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    text: String,
    scope: Scope,
}

#[derive(Clone, Debug)]
enum Scope {
    Everything,
    /// Buckets and objects, by `bucket` or `bucket/key`.
    Here(Pattern),
    Elsewhere,
}

impl Resource {
    pub(super) fn parse(text: &str, variables: bool) -> Result<Self, Fault> {
        let scope = if text == "*" { Scope::Everything } else { arn(text, variables)? };
        Ok(Self { text: text.to_owned(), scope })
    }

    /// Whether it covers this `bucket` or `bucket/key`.
    pub(super) fn covers(&self, path: &str, given: &Given<'_>) -> bool {
        match &self.scope {
            Scope::Everything => true,
            Scope::Here(pattern) => pattern.matches(path, Case::Exact, given),
            Scope::Elsewhere => false,
        }
    }

    /// Whether it may stand in the policy of that bucket.
    pub(super) fn belongs_to(&self, bucket: &str) -> bool {
        match &self.scope {
            Scope::Everything => true,
            Scope::Here(pattern) => {
                pattern.split('/', 2).first().is_some_and(|name| name.matches_alone(bucket, Case::Exact))
            }
            Scope::Elsewhere => false,
        }
    }

    /// As its author wrote it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

fn arn(text: &str, variables: bool) -> Result<Scope, Fault> {
    let pattern = Pattern::parse(text, Syntax { wildcards: true, variables })?;
    let parts = pattern.split(':', 6);
    let is = |part: &Pattern, text: &str| part.matches_alone(text, Case::Exact);
    match &parts[..] {
        [scheme, partition, service, region, account, path]
            if is(scheme, "arn") && text.starts_with("arn:") && !path.is_empty() =>
        {
            let here = ["aws", "aws-cn", "aws-us-gov"].iter().any(|name| is(partition, name))
                && is(service, "s3")
                && is(region, "")
                && is(account, "");
            Ok(if here { Scope::Here(path.clone()) } else { Scope::Elsewhere })
        }
        _ => Err(Fault::Resource(Quoted::new(text))),
    }
}
