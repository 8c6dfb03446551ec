//! ACLs from `x-amz-grant-*` headers: `id="…", uri="…", emailAddress="…"`, with or without quotes.

use super::{Acl, AclError, Grantee, GranteeName, Permission, Resolve};

/// The texts of the five headers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GrantHeaders<'a> {
    pub(crate) full_control: Option<&'a str>,
    pub(crate) read: Option<&'a str>,
    pub(crate) read_acp: Option<&'a str>,
    pub(crate) write: Option<&'a str>,
    pub(crate) write_acp: Option<&'a str>,
}

impl GrantHeaders<'_> {
    /// Whether no header is there: then they say nothing of the ACL.
    pub(crate) fn are_absent(&self) -> bool {
        self.each().iter().all(|(text, _)| text.is_none())
    }

    fn each(&self) -> [(Option<&str>, Permission); 5] {
        [
            (self.read, Permission::Read),
            (self.write, Permission::Write),
            (self.read_acp, Permission::ReadAcp),
            (self.write_acp, Permission::WriteAcp),
            (self.full_control, Permission::FullControl),
        ]
    }
}

impl Acl {
    /// The ACL that the headers describe. They replace the default as a whole: the owner has only what they grant.
    pub(crate) fn from_grants(
        owner: &str,
        headers: &GrantHeaders<'_>,
        resolve: &Resolve<'_>,
    ) -> Result<Self, AclError> {
        let mut acl = Self { owner: owner.to_owned(), grants: Vec::new() };
        for (text, permission) in headers.each() {
            let mut rest = text.unwrap_or_default().trim();
            while !rest.is_empty() {
                let (grantee, after) = grantee(rest, resolve)?;
                acl.add(grantee, permission);
                rest = after;
            }
        }
        acl.checked()
    }
}

/// Reads one `kind="value"`, and what follows its comma.
fn grantee<'a>(text: &'a str, resolve: &Resolve<'_>) -> Result<(Grantee, &'a str), AclError> {
    let unreadable = || AclError::HeaderUnreadable(text.chars().take(SHOWN_CHARS_MAX).collect());
    let (kind, value, after) = pair(text).ok_or_else(unreadable)?;
    let grantee = match kind {
        kind if kind.eq_ignore_ascii_case("id") => Grantee::account(&GranteeName::Id(value), resolve)?,
        kind if kind.eq_ignore_ascii_case("emailAddress") => {
            Grantee::account(&GranteeName::Email(value), resolve)?
        }
        kind if kind.eq_ignore_ascii_case("uri") => Grantee::group(value)?,
        _ => return Err(unreadable()),
    };
    Ok((grantee, after))
}

/// Splits off `kind=value` or `kind="value"`. A comma must be followed by another pair.
fn pair(text: &str) -> Option<(&str, &str, &str)> {
    let (kind, rest) = text.split_once('=')?;
    let rest = rest.trim_start();
    let (value, after) = match rest.strip_prefix('"') {
        Some(rest) => rest.split_once('"')?,
        None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
    };
    let after = after.trim_start();
    let next = match after.strip_prefix(',') {
        Some(next) => Some(next.trim_start()).filter(|next| !next.is_empty())?,
        None if after.is_empty() => after,
        None => return None,
    };
    let value = value.trim();
    (!value.is_empty()).then_some((kind.trim(), value, next))
}

/// Of what a client sent, as much as a message repeats.
const SHOWN_CHARS_MAX: usize = 120;
