//! Whom a statement speaks of.
//!
//! Accounts here have a name each; how a principal of a policy names one:
//!
//! | written | the account |
//! |---|---|
//! | `"*"`, `{"AWS": "*"}` | everyone, also who did not sign |
//! | `{"AWS": "ID"}`, `arn:aws:iam::ID:root` | `ID`, and all of its users, `ID:…` |
//! | `arn:aws:iam:::user/NAME` | `NAME` |
//! | `arn:aws:iam::ID:user/NAME` | `ID:NAME`, but not `NAME`: another account may have a user of that name |
//! | `{"CanonicalUser": "ID"}` | `ID` |
//! | any ARN | an account whose name is that ARN, as with roles and sessions |
//!
//! A path before NAME (`user/sales/NAME`) is not part of the name. Services and federated identities are accepted and
//! match no account: none of them asks here. Wildcards other than `*` alone are refused, as AWS refuses them.

use super::Principal;
use super::error::{Fault, Quoted};
use super::json::Json;
use super::parse::texts;

/// The principals that a statement lists.
#[derive(Clone, Debug)]
pub(super) struct Principals {
    everyone: bool,
    names: Vec<Name>,
}

/// One principal other than everyone.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Name {
    /// An account with its users.
    Account(String),
    /// An account of exactly that name.
    Exact(String),
    /// A user, written as an ARN.
    User { arn: String, name: String },
    /// What is never an account here.
    Elsewhere,
}

impl Principals {
    pub(super) fn parse(key: &'static str, json: &Json) -> Result<Self, Fault> {
        let mut principals = Self { everyone: false, names: Vec::new() };
        match json {
            Json::Text(text) if text == "*" => principals.everyone = true,
            Json::Text(text) => return Err(Fault::Principal(Quoted::new(text))),
            Json::Object(kinds) if kinds.is_empty() => return Err(Fault::Empty(key)),
            Json::Object(kinds) => {
                for (kind, names) in kinds {
                    for name in texts(key, names)? {
                        principals.add(kind, name)?;
                    }
                }
            }
            _ => return Err(Fault::Shape { key, expected: "\"*\" or an object" }),
        }
        Ok(principals)
    }

    /// Whether it names everyone.
    pub(super) fn are_everyone(&self) -> bool {
        self.everyone
    }

    pub(super) fn contain(&self, principal: Principal<'_>) -> bool {
        self.everyone
            || match principal {
                Principal::Anonymous => false,
                Principal::Account(account) => self.names.iter().any(|name| name.is(account)),
            }
    }

    fn add(&mut self, kind: &str, text: &str) -> Result<(), Fault> {
        let invalid = || Fault::Principal(Quoted::new(text));
        if kind == "AWS" && text == "*" {
            self.everyone = true;
            return Ok(());
        }
        if text.is_empty() || text.contains(['*', '?']) || text.contains(char::is_whitespace) {
            return Err(invalid());
        }
        self.names.push(match kind {
            "AWS" => aws(text).ok_or_else(invalid)?,
            "CanonicalUser" => Name::Exact(text.to_owned()),
            "Service" | "Federated" => Name::Elsewhere,
            _ => return Err(Fault::Principal(Quoted::new(kind))),
        });
        Ok(())
    }
}

impl Name {
    fn is(&self, asked: &str) -> bool {
        match self {
            Self::Account(id) => {
                asked.strip_prefix(id.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            }
            Self::Exact(id) => asked == id,
            Self::User { arn, name } => asked == name || asked == arn,
            Self::Elsewhere => false,
        }
    }
}

/// Reads an account's id or an ARN of IAM or STS.
fn aws(text: &str) -> Option<Name> {
    if !text.starts_with("arn:") {
        return Some(Name::Account(text.to_owned()));
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, service @ ("iam" | "sts"), "", id, resource] = parts[..] else { return None };
    if partition.is_empty() {
        return None;
    }
    let (kind, path) = resource.split_once('/').unwrap_or((resource, ""));
    let name = path.rsplit('/').next().unwrap_or_default();
    match (service, kind) {
        ("iam", "root") if !id.is_empty() && resource == "root" => Some(Name::Account(id.to_owned())),
        ("iam", "user") if !name.is_empty() => {
            let name = if id.is_empty() { name.to_owned() } else { format!("{id}:{name}") };
            Some(Name::User { arn: text.to_owned(), name })
        }
        ("iam", "role") | ("sts", "assumed-role" | "federated-user") if !name.is_empty() => {
            Some(Name::Exact(text.to_owned()))
        }
        _ => None,
    }
}
