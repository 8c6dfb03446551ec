//! ACLs from and to the XML document of `PutBucketAcl` and `GetObjectAcl`, as s3s reads and writes it.

use s3s::dto;

use super::{Acl, AclError, Grant, Grantee, GranteeName, Permission, Resolve};

impl Acl {
    /// The ACL that a document describes. The owner is not changed by it: the document must name the same one, or none.
    pub(crate) fn from_dto(
        owner: &str,
        document: &dto::AccessControlPolicy,
        resolve: &Resolve<'_>,
    ) -> Result<Self, AclError> {
        let named = document.owner.as_ref().and_then(|owner| owner.id.as_deref());
        if let Some(found) = named.filter(|found| *found != owner) {
            return Err(AclError::OwnerChanged { owner: owner.to_owned(), found: found.to_owned() });
        }
        let mut acl = Self { owner: owner.to_owned(), grants: Vec::new() };
        for grant in document.grants.iter().flatten() {
            let permission = grant.permission.as_ref().ok_or(AclError::GrantIncomplete("permission"))?;
            let named = grant.grantee.as_ref().ok_or(AclError::GrantIncomplete("grantee"))?;
            acl.add(grantee(named, resolve)?, Permission::from_dto(permission)?);
        }
        acl.checked()
    }

    /// The document of this ACL: groups first, then accounts, each with the name that `name_of` knows for its id.
    pub(crate) fn to_dto(&self, name_of: &dyn Fn(&str) -> Option<String>) -> (dto::Owner, Vec<dto::Grant>) {
        let owner = dto::Owner { display_name: name_of(&self.owner), id: Some(self.owner.clone()) };
        let (groups, accounts): (Vec<_>, Vec<_>) =
            self.grants.iter().partition(|grant| grant.grantee.uri().is_some());
        (owner, groups.into_iter().chain(accounts).map(|grant| grant.to_dto(name_of)).collect())
    }
}

impl Grant {
    fn to_dto(&self, name_of: &dyn Fn(&str) -> Option<String>) -> dto::Grant {
        let grantee = match &self.grantee {
            Grantee::Owner(id) => dto::Grantee {
                display_name: name_of(id),
                email_address: None,
                id: Some(id.clone()),
                type_: dto::Type::from_static(dto::Type::CANONICAL_USER),
                uri: None,
            },
            group => dto::Grantee {
                display_name: None,
                email_address: None,
                id: None,
                type_: dto::Type::from_static(dto::Type::GROUP),
                uri: group.uri().map(str::to_owned),
            },
        };
        dto::Grant { grantee: Some(grantee), permission: Some(self.permission.to_dto()) }
    }
}

impl Permission {
    fn from_dto(permission: &dto::Permission) -> Result<Self, AclError> {
        match permission.as_str() {
            dto::Permission::READ => Ok(Self::Read),
            dto::Permission::WRITE => Ok(Self::Write),
            dto::Permission::READ_ACP => Ok(Self::ReadAcp),
            dto::Permission::WRITE_ACP => Ok(Self::WriteAcp),
            dto::Permission::FULL_CONTROL => Ok(Self::FullControl),
            other => Err(AclError::UnknownPermission(other.to_owned())),
        }
    }

    fn to_dto(self) -> dto::Permission {
        dto::Permission::from_static(match self {
            Self::Read => dto::Permission::READ,
            Self::Write => dto::Permission::WRITE,
            Self::ReadAcp => dto::Permission::READ_ACP,
            Self::WriteAcp => dto::Permission::WRITE_ACP,
            Self::FullControl => dto::Permission::FULL_CONTROL,
        })
    }
}

/// The type says which of the other fields counts.
fn grantee(named: &dto::Grantee, resolve: &Resolve<'_>) -> Result<Grantee, AclError> {
    match named.type_.as_str() {
        dto::Type::CANONICAL_USER => {
            let id = named.id.as_deref().ok_or(AclError::GrantIncomplete("id"))?;
            Grantee::account(&GranteeName::Id(id), resolve)
        }
        dto::Type::AMAZON_CUSTOMER_BY_EMAIL => {
            let email = named.email_address.as_deref().ok_or(AclError::GrantIncomplete("e-mail address"))?;
            Grantee::account(&GranteeName::Email(email), resolve)
        }
        dto::Type::GROUP => Grantee::group(named.uri.as_deref().ok_or(AclError::GrantIncomplete("URI"))?),
        other => Err(AclError::UnknownType(other.to_owned())),
    }
}
