//! Buckets themselves: made, found, listed, removed.

use std::collections::BTreeMap;

use relais_model::BucketName;
use relais_stores::{is_outage, request};
use s3s::dto::{
    Bucket as ListedBucket, BucketLocationConstraint, CreateBucketConfiguration, CreateBucketInput,
    CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
    GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use crate::error::cause;
use crate::gateway::Gateway;
use crate::placement::Place;

/// The region whose buckets S3 wants made without naming it.
const DEFAULT_REGION: &str = "us-east-1";

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
        let bucket = self.bucket(&asked.input.bucket)?;
        let mut made = false;
        for place in &bucket.places {
            made |= make_missing(place).await?;
        }
        if !made {
            return Err(s3s::s3_error!(BucketAlreadyOwnedByYou, "the bucket is there and yours"));
        }
        let location = Some(format!("/{}", bucket.name));
        Ok(S3Response::new(CreateBucketOutput { location, ..Default::default() }))
    }

    pub(super) async fn remove_bucket(
        &self,
        asked: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let bucket = self.bucket(&asked.input.bucket)?;
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
        Ok(answer.unwrap_or_else(|| S3Response::new(DeleteBucketOutput {})))
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

    /// The configured buckets, and those of the store where unnamed buckets are.
    pub(super) async fn all_buckets(
        &self,
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
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
        let listed = buckets.into_iter().map(|(name, creation_date)| ListedBucket {
            name: Some(name),
            creation_date,
            ..Default::default()
        });
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(listed.collect()), ..Default::default() }))
    }
}

async fn head(place: &Place) -> S3Result<()> {
    let input = HeadBucketInput { bucket: place.bucket.to_string(), ..Default::default() };
    place.store.s3.head_bucket(request(input)).await.map(drop)
}

/// Makes the bucket of a place unless it is there; says whether it was made.
pub async fn make_missing(place: &Place) -> S3Result<bool> {
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
