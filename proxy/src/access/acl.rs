//! Access control lists: who owns a bucket or an object, and what its owner grants to whom.
//!
//! An [`Acl`] comes from a canned name, from the `x-amz-grant-*` headers or from a document; it is kept as a line of JSON.
//! It only ever grants; whether ACLs count at all (object ownership, block-public-access) is asked elsewhere, and so is
//! which account a name or an e-mail address stands for.

mod document;
mod header;

pub(crate) use header::GrantHeaders;
use s3s::S3ErrorCode;
use serde::{Deserialize, Serialize};

/// Who owns something, and what others may do with it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acl {
    /// The account that owns it.
    pub(crate) owner: String,
    /// What is granted, in the order in which it was given.
    pub(crate) grants: Vec<Grant>,
}

/// One permission for one grantee.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// Who gets it.
    #[serde(rename = "to")]
    pub(crate) grantee: Grantee,
    /// What it allows.
    #[serde(rename = "may")]
    pub(crate) permission: Permission,
}

/// Who is granted something.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Grantee {
    /// An account, by its id.
    #[serde(rename = "id")]
    Owner(String),
    /// Everyone, also who does not sign.
    #[serde(rename = "all")]
    AllUsers,
    /// Every account.
    #[serde(rename = "authenticated")]
    AuthenticatedUsers,
    /// The service that delivers access logs. No request comes from it here.
    #[serde(rename = "logs")]
    LogDelivery,
}

/// What a grant allows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Permission {
    /// List the bucket, or read the object.
    #[serde(rename = "READ")]
    Read,
    /// Write and delete objects of the bucket.
    #[serde(rename = "WRITE")]
    Write,
    /// Read this list.
    #[serde(rename = "READ_ACP")]
    ReadAcp,
    /// Replace this list.
    #[serde(rename = "WRITE_ACP")]
    WriteAcp,
    /// All of these.
    #[serde(rename = "FULL_CONTROL")]
    FullControl,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Who<'a> {
    /// Somebody who did not sign.
    Anonymous,
    /// The account of that id.
    Account(&'a str),
}

/// How a request names an account that gets a grant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GranteeName<'a> {
    /// By its id.
    Id(&'a str),
    /// By the e-mail address of its owner.
    Email(&'a str),
}

/// Finds the id of the account that a request names; `None` if there is none.
pub(crate) type Resolve<'a> = dyn Fn(&GranteeName<'_>) -> Option<String> + 'a;

/// Why an ACL is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AclError {
    #[error("no account has the id {0:?}")]
    UnknownId(String),
    #[error("no account has the e-mail address {0:?}")]
    UnknownEmail(String),
    #[error("{0:?} is not a group that can be granted something")]
    UnknownGroup(String),
    #[error("{0:?} is not a grantee; it must look like id=\"…\", uri=\"…\" or emailAddress=\"…\"")]
    HeaderUnreadable(String),
    #[error("a grant of the document names no {0}")]
    GrantIncomplete(&'static str),
    #[error("{0:?} is not a permission")]
    UnknownPermission(String),
    #[error("{0:?} is not a type of grantee")]
    UnknownType(String),
    #[error("the owner cannot be changed from {owner:?} to {found:?}")]
    OwnerChanged { owner: String, found: String },
    #[error("there are {found} grants; at most {limit} are allowed")]
    TooMany { found: usize, limit: usize },
}

impl AclError {
    /// What a client hears.
    pub(crate) fn code(&self) -> S3ErrorCode {
        match self {
            Self::UnknownId(_) | Self::UnknownGroup(_) | Self::HeaderUnreadable(_) => {
                S3ErrorCode::InvalidArgument
            }
            Self::UnknownEmail(_) => S3ErrorCode::UnresolvableGrantByEmailAddress,
            Self::GrantIncomplete(_)
            | Self::UnknownPermission(_)
            | Self::UnknownType(_)
            | Self::TooMany { .. } => S3ErrorCode::MalformedACLError,
            Self::OwnerChanged { .. } => S3ErrorCode::AccessDenied,
        }
    }
}

impl Acl {
    /// What something has that nobody said anything about: all for its owner, nothing for others.
    pub(crate) fn private(owner: &str) -> Self {
        Self { owner: owner.to_owned(), grants: vec![Grant::to(owner, Permission::FullControl)] }
    }

    /// The ACL that a canned name stands for; `None` if there is no such name.
    ///
    /// For a bucket the owner is the bucket's owner too. EC2 reads nothing here, so `aws-exec-read` is private.
    pub(crate) fn canned(name: &str, owner: &str, bucket_owner: &str) -> Option<Self> {
        use Permission::{FullControl, Read, ReadAcp, Write};
        let mut acl = Self::private(owner);
        match name {
            "private" | "aws-exec-read" => {}
            "public-read" => acl.add(Grantee::AllUsers, Read),
            "public-read-write" => {
                acl.add(Grantee::AllUsers, Read);
                acl.add(Grantee::AllUsers, Write);
            }
            "authenticated-read" => acl.add(Grantee::AuthenticatedUsers, Read),
            "bucket-owner-read" if owner != bucket_owner => {
                acl.add(Grantee::Owner(bucket_owner.to_owned()), Read)
            }
            "bucket-owner-full-control" => acl.add(Grantee::Owner(bucket_owner.to_owned()), FullControl),
            "bucket-owner-read" => {}
            "log-delivery-write" => {
                acl.add(Grantee::LogDelivery, Write);
                acl.add(Grantee::LogDelivery, ReadAcp);
            }
            _ => return None,
        }
        Some(acl)
    }

    /// Whether somebody may do that. The owner may always read and replace the list.
    pub(crate) fn allows(&self, who: Who<'_>, permission: Permission) -> bool {
        let acp = matches!(permission, Permission::ReadAcp | Permission::WriteAcp);
        (acp && who == Who::Account(&self.owner))
            || self.grants.iter().any(|grant| grant.grantee.is(who) && grant.permission.includes(permission))
    }

    /// Whether it grants something to everyone, or to every account.
    pub(crate) fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| grant.grantee.is_public())
    }

    /// The canned name to tell a store that knows none of our accounts: what it lets the public do is never more than what
    /// this list does.
    pub(crate) fn nearest_canned(&self) -> &'static str {
        let everyone = |permission| self.allows(Who::Anonymous, permission);
        let authenticated = self.grants.iter().any(|grant| {
            grant.grantee == Grantee::AuthenticatedUsers && grant.permission.includes(Permission::Read)
        });
        match (everyone(Permission::Read), everyone(Permission::Write)) {
            (true, true) => "public-read-write",
            (true, false) => "public-read",
            (false, _) if authenticated => "authenticated-read",
            (false, _) => "private",
        }
    }

    /// The list without what it grants to the public.
    pub(crate) fn without_public(mut self) -> Self {
        self.grants.retain(|grant| !grant.grantee.is_public());
        self
    }

    /// Adds a grant, unless it is there already.
    fn add(&mut self, grantee: Grantee, permission: Permission) {
        let grant = Grant { grantee, permission };
        if !self.grants.contains(&grant) {
            self.grants.push(grant);
        }
    }

    fn checked(self) -> Result<Self, AclError> {
        match self.grants.len() {
            0..=GRANTS_MAX => Ok(self),
            found => Err(AclError::TooMany { found, limit: GRANTS_MAX }),
        }
    }
}

impl Grant {
    fn to(account: &str, permission: Permission) -> Self {
        Self { grantee: Grantee::Owner(account.to_owned()), permission }
    }
}

impl Grantee {
    /// The group of that address.
    fn group(uri: &str) -> Result<Self, AclError> {
        match uri {
            ALL_USERS => Ok(Self::AllUsers),
            AUTHENTICATED_USERS => Ok(Self::AuthenticatedUsers),
            LOG_DELIVERY => Ok(Self::LogDelivery),
            _ => Err(AclError::UnknownGroup(uri.to_owned())),
        }
    }

    /// The account of that name.
    fn account(name: &GranteeName<'_>, resolve: &Resolve<'_>) -> Result<Self, AclError> {
        resolve(name).map(Self::Owner).ok_or_else(|| match name {
            GranteeName::Id(id) => AclError::UnknownId((*id).to_owned()),
            GranteeName::Email(email) => AclError::UnknownEmail((*email).to_owned()),
        })
    }

    /// The address of the group, if it is one.
    fn uri(&self) -> Option<&'static str> {
        match self {
            Self::Owner(_) => None,
            Self::AllUsers => Some(ALL_USERS),
            Self::AuthenticatedUsers => Some(AUTHENTICATED_USERS),
            Self::LogDelivery => Some(LOG_DELIVERY),
        }
    }

    fn is(&self, who: Who<'_>) -> bool {
        match (self, who) {
            (Self::AllUsers, _) | (Self::AuthenticatedUsers, Who::Account(_)) => true,
            (Self::Owner(id), Who::Account(account)) => id == account,
            _ => false,
        }
    }

    fn is_public(&self) -> bool {
        matches!(self, Self::AllUsers | Self::AuthenticatedUsers)
    }
}

impl Permission {
    fn includes(self, asked: Self) -> bool {
        self == Self::FullControl || self == asked
    }
}

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// S3's limit.
const GRANTS_MAX: usize = 100;

#[cfg(test)]
mod tests;
