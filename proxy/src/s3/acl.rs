//! ACLs of objects and buckets: relais's own, with relais's owners.
//!
//! The catalog keeps them. A store is told the canned ACL that comes nearest, where it knows any, so that a public object is
//! public at the store's own address as well; of relais's accounts it knows nothing.

use relais_model::{EventKind, ObjectKey};
use s3s::dto::{
    GetBucketAclInput, GetBucketAclOutput, GetObjectAclInput, GetObjectAclOutput, HeadObjectInput,
    ObjectCannedACL, Owner, PutBucketAclInput, PutBucketAclOutput, PutObjectAclInput, PutObjectAclOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::mutation::Mutation;
use super::replicas::at;
use super::versions::MadeVersion;
use crate::access::acl::{Acl, GrantHeaders, GranteeName};
use crate::access::rules::{Ownership, Rules, Setting};
use crate::access::write_mode;
use crate::error::GatewayError;
use crate::gateway::{Gateway, key, requester};
use crate::placement::{Bucket, Place};

/// The ACL that a request asks for: by name, or by grants in headers.
#[derive(Debug, Default)]
pub(crate) struct AclAsked {
    pub(crate) canned: Option<String>,
    pub(crate) full_control: Option<String>,
    pub(crate) read: Option<String>,
    pub(crate) read_acp: Option<String>,
    pub(crate) write: Option<String>,
    pub(crate) write_acp: Option<String>,
}

/// Takes the ACL out of a request that makes an object; the second form is for requests that may also grant writing.
macro_rules! acl_asked {
    ($input:expr) => {
        $crate::s3::acl::acl_asked!($input, None)
    };
    ($input:expr, $write:expr) => {
        $crate::s3::acl::AclAsked {
            canned: $input.acl.take().map(|acl| acl.as_str().to_owned()),
            full_control: $input.grant_full_control.take(),
            read: $input.grant_read.take(),
            read_acp: $input.grant_read_acp.take(),
            write: $write,
            write_acp: $input.grant_write_acp.take(),
        }
    };
}
pub(crate) use acl_asked;

impl AclAsked {
    fn headers(&self) -> GrantHeaders<'_> {
        GrantHeaders {
            full_control: self.full_control.as_deref(),
            read: self.read.as_deref(),
            read_acp: self.read_acp.as_deref(),
            write: self.write.as_deref(),
            write_acp: self.write_acp.as_deref(),
        }
    }

    fn is_empty(&self) -> bool {
        self.canned.is_none() && self.headers().are_absent()
    }
}

impl Gateway {
    /// The ACL that something new of this owner gets; nothing where the request asks for none, and it is private.
    pub(crate) async fn new_acl(
        &self,
        bucket: &Bucket,
        asked: &AclAsked,
        owner: &str,
    ) -> S3Result<Option<Acl>> {
        if asked.is_empty() {
            return Ok(None);
        }
        let rules = self.rules(bucket).await?;
        let acl = self.resolve(asked, owner, &rules.owner)?;
        if rules.acls_are_off() {
            let allowed = asked.canned.as_deref() == Some("bucket-owner-full-control");
            return if allowed { Ok(None) } else { Err(acls_are_off()) };
        }
        check(&rules, &acl)?;
        let handed_over = asked.canned.as_deref() == Some("bucket-owner-full-control");
        if handed_over && rules.ownership == Some(Ownership::BucketOwnerPreferred) {
            return Ok(Some(Acl::private(&rules.owner)));
        }
        Ok(Some(acl).filter(|acl| *acl != Acl::private(owner)))
    }

    /// What a request's names stand for.
    pub(crate) fn resolve(&self, asked: &AclAsked, owner: &str, bucket_owner: &str) -> S3Result<Acl> {
        match &asked.canned {
            Some(_) if !asked.headers().are_absent() => {
                Err(s3_error!(InvalidRequest, "name a canned ACL or give grants, not both"))
            }
            Some(name) => Acl::canned(name, owner, bucket_owner)
                .ok_or_else(|| s3_error!(InvalidArgument, "there is no canned ACL of this name")),
            None => {
                let headers = asked.headers();
                if headers.are_absent() {
                    return Ok(Acl::private(owner));
                }
                let known = |name: &GranteeName<'_>| self.accounts.resolve(name);
                Ok(Acl::from_grants(owner, &headers, &known).map_err(GatewayError::Acl)?)
            }
        }
    }

    /// An account as answers name it.
    pub(crate) fn owner(&self, id: &str) -> Owner {
        Owner { display_name: Some(self.accounts.display_name(id)), id: Some(id.to_owned()) }
    }

    pub(super) async fn bucket_acl(
        &self,
        asked: S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        let (_, rules) = self.existing(&asked.input.bucket).await?;
        let (owner, grants) = self.acl_to_dto(&rules.acl());
        Ok(S3Response::new(GetBucketAclOutput { owner: Some(owner), grants: Some(grants) }))
    }

    pub(super) async fn set_bucket_acl(
        &self,
        asked: S3Request<PutBucketAclInput>,
    ) -> S3Result<S3Response<PutBucketAclOutput>> {
        let (bucket, rules) = self.existing(&asked.input.bucket).await?;
        let mut input = asked.input;
        let acl = match &input.access_control_policy {
            Some(document) => self.acl_of_document(document, &rules.owner)?,
            None => {
                let asked = acl_asked!(input, input.grant_write.take());
                self.resolve(&asked, &rules.owner, &rules.owner)?
            }
        };
        check(&rules, &acl)?;
        self.keep(&bucket, Setting::Acl, Some(&acl)).await?;
        Ok(S3Response::new(PutBucketAclOutput::default()))
    }

    pub(super) async fn object_acl(
        &self,
        asked: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        let bucket = self.bucket(&asked.input.bucket)?;
        let key = key(&asked.input.key)?;
        let version = asked.input.version_id.as_deref();
        require(bucket.primary(), &key, version).await?;
        let rules = self.rules(&bucket).await?;
        let acl = self.acl_of(&bucket, &rules, &key, version).await?;
        let (owner, grants) = self.acl_to_dto(&acl);
        let output = GetObjectAclOutput { owner: Some(owner), grants: Some(grants), ..Default::default() };
        Ok(S3Response::new(output))
    }

    pub(super) async fn set_object_acl(
        &self,
        asked: S3Request<PutObjectAclInput>,
    ) -> S3Result<S3Response<PutObjectAclOutput>> {
        let (bucket, requester) = (self.bucket(&asked.input.bucket)?, requester(&asked));
        let required = write_mode::required(&bucket, &asked.extensions);
        let (key, mut input) = (key(&asked.input.key)?, asked.input);
        let version = input.version_id.clone();
        let named = require(bucket.primary(), &key, version.as_deref()).await?;
        let of_current = match &version {
            None => true,
            Some(_) => head_is(bucket.primary(), &key, named.as_deref()).await?,
        };
        let rules = self.rules(&bucket).await?;
        let owner = self.acl_of(&bucket, &rules, &key, version.as_deref()).await?.owner;
        let acl = match &input.access_control_policy {
            Some(document) => self.acl_of_document(document, &owner)?,
            None => {
                let asked = acl_asked!(input, input.grant_write.take());
                self.resolve(&asked, &owner, &rules.owner)?
            }
        };
        check(&rules, &acl)?;
        let ids = self.version_ids(&bucket, &key, version.as_deref()).await?;
        let kind = EventKind::PutAcl;
        let mutation = Mutation::new(self, bucket, key, kind, requester, required);
        self.to_its_end(async move { mutation.set_acl(&ids, (named, of_current), acl).await }).await
    }

    /// The ACL of an object, or of a version of it: as it was set, else private to its owner.
    pub(crate) async fn acl_of(
        &self,
        bucket: &Bucket,
        rules: &Rules,
        key: &ObjectKey,
        version: Option<&str>,
    ) -> S3Result<Acl> {
        if rules.acls_are_off() {
            return Ok(Acl::private(&rules.owner));
        }
        let (owner, kept) = match version {
            None => self.owner_and_acl(bucket, key).await?,
            // The version without an id may be the current one, or an old one of which nothing is known.
            Some("null") if head_is(bucket.primary(), key, None).await? => {
                self.owner_and_acl(bucket, key).await?
            }
            Some(version) => {
                let row = self.versions.find(&bucket.name, key, version).await.map_err(GatewayError::from)?;
                (None, row.and_then(|row| row.acl))
            }
        };
        match kept {
            Some(text) => Ok(serde_json::from_str(&text).map_err(GatewayError::Kept)?),
            None => Ok(Acl::private(owner.as_ref().unwrap_or(&rules.owner))),
        }
    }

    /// What the catalog knows of the object as it is now.
    async fn owner_and_acl(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<(Option<String>, Option<String>), GatewayError> {
        let row = self.objects.find(&bucket.name, key).await?;
        Ok(row.map(|row| (row.object.map(|object| object.owner), row.acl)).unwrap_or_default())
    }

    fn acl_of_document(&self, document: &s3s::dto::AccessControlPolicy, owner: &str) -> S3Result<Acl> {
        let known = |name: &GranteeName<'_>| self.accounts.resolve(name);
        Ok(Acl::from_dto(owner, document, &known).map_err(GatewayError::Acl)?)
    }

    fn acl_to_dto(&self, acl: &Acl) -> (Owner, Vec<s3s::dto::Grant>) {
        acl.to_dto(&|id: &str| Some(self.accounts.display_name(id)))
    }
}

impl Mutation {
    async fn set_acl(
        self,
        ids: &super::versions::VersionIds,
        (version, of_current): (Option<String>, bool),
        acl: Acl,
    ) -> S3Result<S3Response<PutObjectAclOutput>> {
        let (gateway, bucket, key) = (self.gateway.clone(), self.bucket.clone(), self.key.clone());
        let text = serde_json::to_string(&acl).map_err(GatewayError::Kept)?;
        if let Some(version) = &version {
            let known = gateway.versions.set_acl(&bucket.name, &key, version, Some(&text)).await;
            if !known.map_err(GatewayError::from)? {
                let made = MadeVersion::of_primary(version.clone(), acl.clone());
                gateway.remember_version(&bucket, &key, &made).await?;
            }
        }
        // The ACL of an older version is not that of the object.
        let of_object = Some(text).filter(|_| of_current);
        let canned = ObjectCannedACL::from_static(acl.nearest_canned());
        let write = move |place: Place, version_id| {
            let acl = Some(canned.clone());
            let (bucket, key) = (String::new(), key.to_string());
            let input = PutObjectAclInput { acl, bucket, key, version_id, ..Default::default() };
            let told = place.store.features.acls;
            let call = at!(place, put_object_acl, PutObjectAclInput, input);
            async move { if told { call.await } else { Ok(S3Response::new(PutObjectAclOutput::default())) } }
        };
        self.set(ids, of_object, write).await
    }
}

/// Refuses an ACL that the bucket's rules do not allow.
pub(crate) fn check(rules: &Rules, acl: &Acl) -> S3Result<()> {
    if rules.acls_are_off() {
        return Err(acls_are_off());
    }
    if rules.block().block_acls && acl.is_public() {
        return Err(s3_error!(AccessDenied, "the public access block of the bucket allows no public ACL"));
    }
    Ok(())
}

/// Whether that version, or the one without an id, is what a read without an id gives.
async fn head_is(place: &Place, key: &ObjectKey, version: Option<&str>) -> S3Result<bool> {
    let current = crate::background::settle::head(place, key).await?;
    let current = current.map(|head| head.version_id.filter(|version| version != "null"));
    Ok(current.is_some_and(|current| current.as_deref() == version))
}

fn acls_are_off() -> s3s::S3Error {
    s3_error!(AccessControlListNotSupported, "ACLs are switched off in this bucket")
}

/// Makes sure that the object is there; gives the id of its version, if it has one.
async fn require(place: &Place, key: &ObjectKey, version: Option<&str>) -> S3Result<Option<String>> {
    let input = HeadObjectInput {
        key: key.to_string(),
        version_id: version.map(str::to_owned),
        ..Default::default()
    };
    let found = at!(place, head_object, HeadObjectInput, input).await;
    let found = found.map_err(super::read::named)?;
    Ok(version.map(str::to_owned).or(found.output.version_id).filter(|version| version != "null"))
}
