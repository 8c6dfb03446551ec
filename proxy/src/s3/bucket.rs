//! Buckets themselves: made, found, listed, removed.

use std::collections::{BTreeMap, BTreeSet};

use relais_model::{BucketName, Identity};
use relais_stores::{is_outage, request};
use s3s::dto::{
    Bucket as ListedBucket, BucketLocationConstraint, CreateBucketConfiguration, CreateBucketInput,
    CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
    GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
    Timestamp,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::acl::acl_asked;
use super::kept::ownership;
use crate::access::acl::Acl;
use crate::access::rules::{Ownership, ROOT, Setting};
use crate::error::{GatewayError, cause};
use crate::gateway::{Gateway, requester};
use crate::placement::{Bucket, Place};

/// The region whose buckets S3 wants made without naming it.
const DEFAULT_REGION: &str = "us-east-1";

/// Uploads of a removed bucket that are removed in one go.
const UPLOADS_FORGOTTEN_AT_ONCE: u64 = 500;

/// Buckets of one answer, as S3 has it.
const BUCKETS_MAX: usize = 10_000;

impl Gateway {
    /// Makes sure that the buckets named in the configuration, and one more that relais itself uses, exist where their
    /// stores allow it. What cannot be made is logged: the store may be down for now, or the bucket be there without the
    /// right to look.
    pub async fn make_configured_buckets(&self, own: Option<&BucketName>) {
        let own = own.and_then(|name| self.placement.bucket(name));
        let buckets = self.placement.named().cloned().chain(own);
        let places: Vec<Place> = buckets.flat_map(|bucket| bucket.places.clone()).collect();
        let make = |place: Place| async move {
            if let Err(error) = make_missing(&place).await {
                let (replica, code) = (&place.replica, error.code().as_str());
                tracing::warn!(%replica, bucket = %place.bucket, code, source = cause(&error), "cannot make sure that the bucket exists");
            }
        };
        futures::future::join_all(places.into_iter().map(make)).await;
    }

    pub(super) async fn make_bucket(
        &self,
        asked: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let owner = requester(&asked).principal;
        let bucket = self.bucket(&asked.input.bucket)?;
        // In its oldest region S3 takes it for done, and old clients count on that.
        let again = asked.region.as_ref().is_some_and(|region| region.as_str() == DEFAULT_REGION);
        let gateway = self.clone();
        self.to_its_end(async move {
            match gateway.make_on_replicas(&bucket, asked.input, &owner).await {
                Err(error) if again && *error.code() == S3ErrorCode::BucketAlreadyOwnedByYou => {
                    let location = Some(format!("/{}", bucket.name));
                    Ok(S3Response::new(CreateBucketOutput { location, ..Default::default() }))
                }
                answer => answer,
            }
        })
        .await
    }

    async fn make_on_replicas(
        &self,
        bucket: &Bucket,
        mut input: CreateBucketInput,
        owner: &str,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let asked = acl_asked!(input, input.grant_write.take());
        let acl = self.resolve(&asked, owner, owner)?;
        let ownership = input.object_ownership.as_ref().map(ownership).transpose()?;
        if ownership == Some(Ownership::BucketOwnerEnforced) && acl.is_public() {
            return Err(s3s::s3_error!(
                InvalidBucketAclWithObjectOwnership,
                "ACLs are to be switched off in this bucket, so it cannot have a public one"
            ));
        }
        let configuration = input.create_bucket_configuration.as_ref();
        if configuration.and_then(|asked| asked.tags.as_ref()).is_some_and(|tags| !tags.is_empty()) {
            return Err(GatewayError::Unable("tags with the making of a bucket; put them afterwards").into());
        }
        let locked = input.object_lock_enabled_for_bucket == Some(true);
        if locked && !bucket.places.iter().all(|place| place.store.features.object_lock) {
            return Err(GatewayError::Unable("object lock").into());
        }
        let mut made = Vec::new();
        for place in &bucket.places {
            made.push(make(place, locked).await?);
        }
        // What was in the primary before belongs to whoever put it there, or to the root key.
        let is_free = made[0] || owner == ROOT && made.contains(&true);
        let new = is_free && self.buckets.make(&bucket.name, owner).await.map_err(GatewayError::from)?;
        if !new {
            let rules = self.rules(bucket).await?;
            return Err(match rules.owner == owner {
                true => s3s::s3_error!(BucketAlreadyOwnedByYou, "the bucket is there and yours"),
                false => {
                    s3s::s3_error!(BucketAlreadyExists, "the bucket is there and belongs to somebody else")
                }
            });
        }
        if acl != Acl::private(owner) {
            self.keep(bucket, Setting::Acl, Some(&acl)).await?;
        }
        if let Some(ownership) = ownership {
            self.keep(bucket, Setting::Ownership, Some(&ownership)).await?;
        }
        let location = Some(format!("/{}", bucket.name));
        Ok(S3Response::new(CreateBucketOutput { location, ..Default::default() }))
    }

    pub(super) async fn remove_bucket(
        &self,
        asked: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let bucket = self.bucket(&asked.input.bucket)?;
        let gateway = self.clone();
        self.to_its_end(async move {
            let mut answer = None;
            for place in &bucket.places {
                let input = DeleteBucketInput { bucket: place.bucket.to_string(), ..Default::default() };
                match place.store.s3.delete_bucket(request(input)).await {
                    Ok(removed) => answer = answer.or(Some(S3Response::new(removed.output))),
                    // A replica that never had it need not lose it; the primary answers for the client.
                    Err(error) if answer.is_some() && *error.code() == S3ErrorCode::NoSuchBucket => {}
                    Err(error) => return Err(error),
                }
            }
            gateway.forget(&bucket).await?;
            Ok(answer.unwrap_or_else(|| S3Response::new(DeleteBucketOutput {})))
        })
        .await
    }

    /// Removes what the catalog keeps of a bucket that is gone, so that the next of its name begins with nothing.
    async fn forget(&self, bucket: &Bucket) -> Result<(), GatewayError> {
        self.buckets.remove(&bucket.name).await?;
        loop {
            let uploads = self.uploads.list(&bucket.name, "", None, UPLOADS_FORGOTTEN_AT_ONCE).await?;
            for upload in &uploads {
                self.uploads.remove(&upload.upload_id).await?;
            }
            if uploads.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) async fn find_bucket(
        &self,
        asked: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let bucket = self.bucket(&asked.input.bucket)?;
        head(bucket.primary()).await?;
        let bucket_region = Some(self.region.clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..Default::default() }))
    }

    pub(super) async fn bucket_location(
        &self,
        asked: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        let bucket = self.bucket(&asked.input.bucket)?;
        head(bucket.primary()).await?;
        let named = (self.region != DEFAULT_REGION).then(|| self.region.clone());
        let location_constraint = named.map(BucketLocationConstraint::from);
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    /// The configured buckets, and those of the store where unnamed buckets are; for an account those that it made.
    pub(super) async fn all_buckets(
        &self,
        asked: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let identity = asked.extensions.get::<Identity>().cloned();
        let own = match &identity {
            Some(Identity::Account(id)) => Some(self.names_of(id).await?),
            _ => None,
        };
        let prefix = asked.input.prefix.clone().unwrap_or_default();
        let after = asked.input.continuation_token.as_deref().map(|token| self.token(token)).transpose()?;
        let mut listed = self.known_buckets().await?;
        listed.retain(|name, _| {
            name.starts_with(&prefix)
                && own.as_ref().is_none_or(|own| own.contains(name))
                && after.as_ref().is_none_or(|after| name > after)
        });
        let max = asked.input.max_buckets.and_then(|max| usize::try_from(max).ok()).unwrap_or(BUCKETS_MAX);
        let more = listed.len() > max;
        let page: Vec<_> = listed.into_iter().take(max).collect();
        let last = page.last().map(|(name, _)| self.tokens.seal(name.as_bytes()));
        let owner = identity.as_ref().map_or(ROOT, Identity::principal);
        let buckets = page.into_iter().map(|(name, creation_date)| ListedBucket {
            name: Some(name),
            creation_date,
            ..Default::default()
        });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            continuation_token: last.filter(|_| more),
            owner: Some(self.owner(owner)),
            prefix: asked.input.prefix,
        }))
    }

    async fn known_buckets(&self) -> S3Result<BTreeMap<String, Option<Timestamp>>> {
        let mut buckets = BTreeMap::new();
        let mut hidden = Vec::new(); // Buckets of that store which clients see under another name.
        let any = self.placement.primary_of_any();
        for bucket in self.placement.named() {
            buckets.insert(bucket.name.to_string(), None);
            let places = bucket.places.iter();
            let renamed = places.filter(|place| any.is_some_and(|any| any.name == place.store.name));
            hidden.extend(renamed.map(|place| place.bucket.to_string()));
        }
        if let Some(store) = any {
            let listed = store.s3.list_buckets(request(ListBucketsInput::default())).await?.output.buckets;
            for bucket in listed.unwrap_or_default() {
                let Some(name) = bucket.name else { continue };
                if buckets.contains_key(&name) || !hidden.contains(&name) {
                    buckets.insert(name, bucket.creation_date);
                }
            }
        }
        Ok(buckets)
    }

    async fn names_of(&self, owner: &str) -> S3Result<BTreeSet<String>> {
        let rows = self.buckets.all().await.map_err(GatewayError::from)?;
        Ok(rows.into_iter().filter(|row| row.owner == owner).map(|row| row.name.to_string()).collect())
    }

    fn token(&self, sealed: &str) -> S3Result<String> {
        let opened = self.tokens.open(sealed).and_then(|name| String::from_utf8(name).ok());
        opened.ok_or_else(|| {
            s3s::s3_error!(InvalidArgument, "the continuation token is not one of this server")
        })
    }
}

pub(crate) async fn head(place: &Place) -> S3Result<()> {
    let input = HeadBucketInput { bucket: place.bucket.to_string(), ..Default::default() };
    place.store.s3.head_bucket(request(input)).await.map(drop)
}

/// Makes the bucket of a place unless it is there; says whether it was made.
pub async fn make_missing(place: &Place) -> S3Result<bool> {
    make(place, false).await
}

/// The same, for a bucket whose objects can be locked.
async fn make(place: &Place, locked: bool) -> S3Result<bool> {
    match head(place).await {
        Ok(()) => return Ok(false),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(error),
    }
    let region = place.store.region.as_deref().filter(|region| *region != DEFAULT_REGION);
    let configuration = region.map(|region| CreateBucketConfiguration {
        location_constraint: Some(BucketLocationConstraint::from(region.to_owned())),
        ..Default::default()
    });
    let input = CreateBucketInput {
        bucket: place.bucket.to_string(),
        create_bucket_configuration: configuration,
        object_lock_enabled_for_bucket: locked.then_some(true),
        ..Default::default()
    };
    match place.store.s3.create_bucket(request(input)).await {
        Ok(_) => Ok(true),
        // Another instance was faster.
        Err(error) if *error.code() == S3ErrorCode::BucketAlreadyOwnedByYou => Ok(false),
        Err(error) => Err(error),
    }
}

/// A HEAD has no body, so a missing bucket shows as a bare 404.
fn is_missing(error: &S3Error) -> bool {
    *error.code() == S3ErrorCode::NoSuchBucket
        || error.status_code() == Some(http::StatusCode::NOT_FOUND) && !is_outage(error)
}
