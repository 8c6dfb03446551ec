//! Settings of a bucket that relais enforces itself: policy, CORS, public access block, ownership of objects.
//!
//! They are kept in the catalog, whatever the stores can do; stores never hear of them. The ACL is in `acl`.

use std::sync::Arc;

use s3s::dto::{
    CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, DeleteBucketOwnershipControlsInput,
    DeleteBucketOwnershipControlsOutput, DeleteBucketPolicyInput, DeleteBucketPolicyOutput,
    DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput, GetBucketCorsInput, GetBucketCorsOutput,
    GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput, GetBucketPolicyInput,
    GetBucketPolicyOutput, GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput,
    GetPublicAccessBlockInput, GetPublicAccessBlockOutput, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, PolicyStatus, PublicAccessBlockConfiguration, PutBucketCorsInput,
    PutBucketCorsOutput, PutBucketOwnershipControlsInput, PutBucketOwnershipControlsOutput,
    PutBucketPolicyInput, PutBucketPolicyOutput, PutPublicAccessBlockInput, PutPublicAccessBlockOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::bucket::head;
use crate::access::acl::Acl;
use crate::access::policy::Policy;
use crate::access::rules::{AccessBlock, Ownership, Rules, Setting};
use crate::config::CorsRule;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::Bucket;

/// CORS rules of one bucket, as S3 has it.
const CORS_RULES_MAX: usize = 100;

/// Methods that a CORS rule may allow.
const CORS_METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

type Answer<T> = S3Result<S3Response<T>>;

impl Gateway {
    /// A bucket that its primary store really has, and its rules.
    pub(super) async fn existing(&self, name: &str) -> S3Result<(Arc<Bucket>, Rules)> {
        let bucket = self.bucket(name)?;
        head(bucket.primary()).await?;
        let rules = self.rules(&bucket).await?;
        Ok((bucket, rules))
    }

    pub(super) async fn policy(
        &self,
        asked: S3Request<GetBucketPolicyInput>,
    ) -> Answer<GetBucketPolicyOutput> {
        let (_, rules) = self.existing(&asked.input.bucket).await?;
        let Some((_, text)) = rules.policy else {
            return Err(s3_error!(NoSuchBucketPolicy, "the bucket has no policy"));
        };
        Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(text) }))
    }

    pub(super) async fn set_policy(
        &self,
        asked: S3Request<PutBucketPolicyInput>,
    ) -> Answer<PutBucketPolicyOutput> {
        let (bucket, rules) = self.existing(&asked.input.bucket).await?;
        let text = asked.input.policy;
        let policy = Policy::parse(&text).map_err(GatewayError::Policy)?;
        policy.check_bucket(bucket.name.as_str()).map_err(GatewayError::Policy)?;
        if rules.block().block_policy && policy.is_public() {
            return Err(s3_error!(
                AccessDenied,
                "the public access block of the bucket allows no public policy"
            ));
        }
        self.keep_text(&bucket, Setting::Policy, Some(&text)).await?;
        Ok(S3Response::new(PutBucketPolicyOutput::default()))
    }

    pub(super) async fn remove_policy(
        &self,
        asked: S3Request<DeleteBucketPolicyInput>,
    ) -> Answer<DeleteBucketPolicyOutput> {
        let (bucket, _) = self.existing(&asked.input.bucket).await?;
        self.keep_text(&bucket, Setting::Policy, None).await?;
        Ok(S3Response::new(DeleteBucketPolicyOutput::default()))
    }

    pub(super) async fn policy_status(
        &self,
        asked: S3Request<GetBucketPolicyStatusInput>,
    ) -> Answer<GetBucketPolicyStatusOutput> {
        let (_, rules) = self.existing(&asked.input.bucket).await?;
        let by_policy = rules.policy.as_ref().is_some_and(|(policy, _)| policy.is_public());
        let by_acl = !rules.acls_are_off() && !rules.block().ignore_acls && rules.acl().is_public();
        let policy_status = Some(PolicyStatus { is_public: Some(by_policy || by_acl) });
        Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status }))
    }

    pub(super) async fn cors_rules(
        &self,
        asked: S3Request<GetBucketCorsInput>,
    ) -> Answer<GetBucketCorsOutput> {
        let (bucket, rules) = self.existing(&asked.input.bucket).await?;
        let configured = || Some(bucket.config.cors.clone()).filter(|rules| !rules.is_empty());
        let Some(rules) = rules.cors.or_else(configured) else {
            return Err(s3_error!(NoSuchCORSConfiguration, "the bucket has no CORS rules"));
        };
        let cors_rules = Some(rules.into_iter().map(cors_to_dto).collect());
        Ok(S3Response::new(GetBucketCorsOutput { cors_rules }))
    }

    pub(super) async fn set_cors(&self, asked: S3Request<PutBucketCorsInput>) -> Answer<PutBucketCorsOutput> {
        let (bucket, _) = self.existing(&asked.input.bucket).await?;
        let rules = asked.input.cors_configuration.cors_rules;
        if rules.is_empty() || rules.len() > CORS_RULES_MAX {
            return Err(s3_error!(MalformedXML, "a CORS configuration has 1 to 100 rules"));
        }
        let rules: Vec<CorsRule> = rules.into_iter().map(cors_of_dto).collect::<S3Result<_>>()?;
        self.keep(&bucket, Setting::Cors, Some(&rules)).await?;
        Ok(S3Response::new(PutBucketCorsOutput::default()))
    }

    pub(super) async fn remove_cors(
        &self,
        asked: S3Request<DeleteBucketCorsInput>,
    ) -> Answer<DeleteBucketCorsOutput> {
        let (bucket, _) = self.existing(&asked.input.bucket).await?;
        self.keep_text(&bucket, Setting::Cors, None).await?;
        Ok(S3Response::new(DeleteBucketCorsOutput::default()))
    }

    pub(super) async fn access_block(
        &self,
        asked: S3Request<GetPublicAccessBlockInput>,
    ) -> Answer<GetPublicAccessBlockOutput> {
        let (_, rules) = self.existing(&asked.input.bucket).await?;
        let Some(block) = rules.access_block else {
            let code = s3s::S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into());
            let mut error = s3s::S3Error::with_message(code, "the bucket has no public access block");
            error.set_status_code(http::StatusCode::NOT_FOUND);
            return Err(error);
        };
        let public_access_block_configuration = Some(PublicAccessBlockConfiguration {
            block_public_acls: Some(block.block_acls),
            ignore_public_acls: Some(block.ignore_acls),
            block_public_policy: Some(block.block_policy),
            restrict_public_buckets: Some(block.restrict),
        });
        Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration }))
    }

    pub(super) async fn set_access_block(
        &self,
        asked: S3Request<PutPublicAccessBlockInput>,
    ) -> Answer<PutPublicAccessBlockOutput> {
        let (bucket, _) = self.existing(&asked.input.bucket).await?;
        let wanted = asked.input.public_access_block_configuration;
        let block = AccessBlock {
            block_acls: wanted.block_public_acls.unwrap_or(false),
            ignore_acls: wanted.ignore_public_acls.unwrap_or(false),
            block_policy: wanted.block_public_policy.unwrap_or(false),
            restrict: wanted.restrict_public_buckets.unwrap_or(false),
        };
        self.keep(&bucket, Setting::AccessBlock, Some(&block)).await?;
        Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
    }

    pub(super) async fn remove_access_block(
        &self,
        asked: S3Request<DeletePublicAccessBlockInput>,
    ) -> Answer<DeletePublicAccessBlockOutput> {
        let (bucket, _) = self.existing(&asked.input.bucket).await?;
        self.keep_text(&bucket, Setting::AccessBlock, None).await?;
        Ok(S3Response::new(DeletePublicAccessBlockOutput::default()))
    }

    pub(super) async fn ownership(
        &self,
        asked: S3Request<GetBucketOwnershipControlsInput>,
    ) -> Answer<GetBucketOwnershipControlsOutput> {
        let (_, rules) = self.existing(&asked.input.bucket).await?;
        let Some(ownership) = rules.ownership else {
            return Err(s3_error!(OwnershipControlsNotFoundError, "the bucket has no ownership controls"));
        };
        let object_ownership = ObjectOwnership::from_static(match ownership {
            Ownership::BucketOwnerEnforced => ObjectOwnership::BUCKET_OWNER_ENFORCED,
            Ownership::BucketOwnerPreferred => ObjectOwnership::BUCKET_OWNER_PREFERRED,
            Ownership::ObjectWriter => ObjectOwnership::OBJECT_WRITER,
        });
        let controls = OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] };
        let ownership_controls = Some(controls);
        Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls }))
    }

    pub(super) async fn set_ownership(
        &self,
        asked: S3Request<PutBucketOwnershipControlsInput>,
    ) -> Answer<PutBucketOwnershipControlsOutput> {
        let (bucket, rules) = self.existing(&asked.input.bucket).await?;
        let [wanted] = asked.input.ownership_controls.rules.as_slice() else {
            return Err(s3_error!(MalformedXML, "ownership controls have exactly one rule"));
        };
        let ownership = ownership(&wanted.object_ownership)?;
        if ownership == Ownership::BucketOwnerEnforced && rules.acl() != Acl::private(&rules.owner) {
            return Err(s3_error!(
                InvalidBucketAclWithObjectOwnership,
                "the bucket's ACL grants something to others; make it private first"
            ));
        }
        self.keep(&bucket, Setting::Ownership, Some(&ownership)).await?;
        Ok(S3Response::new(PutBucketOwnershipControlsOutput::default()))
    }

    pub(super) async fn remove_ownership(
        &self,
        asked: S3Request<DeleteBucketOwnershipControlsInput>,
    ) -> Answer<DeleteBucketOwnershipControlsOutput> {
        let (bucket, _) = self.existing(&asked.input.bucket).await?;
        self.keep_text(&bucket, Setting::Ownership, None).await?;
        Ok(S3Response::new(DeleteBucketOwnershipControlsOutput::default()))
    }
}

/// What a client calls a kind of ownership.
pub(super) fn ownership(wanted: &ObjectOwnership) -> S3Result<Ownership> {
    match wanted.as_str() {
        ObjectOwnership::BUCKET_OWNER_ENFORCED => Ok(Ownership::BucketOwnerEnforced),
        ObjectOwnership::BUCKET_OWNER_PREFERRED => Ok(Ownership::BucketOwnerPreferred),
        ObjectOwnership::OBJECT_WRITER => Ok(Ownership::ObjectWriter),
        _ => Err(s3_error!(MalformedXML, "there is no such object ownership")),
    }
}

fn cors_to_dto(rule: CorsRule) -> CORSRule {
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    CORSRule {
        allowed_headers: some(rule.allowed_headers),
        allowed_methods: rule.allowed_methods,
        allowed_origins: rule.allowed_origins,
        expose_headers: some(rule.expose_headers),
        id: rule.id,
        max_age_seconds: rule.max_age_seconds.and_then(|seconds| i32::try_from(seconds).ok()),
    }
}

fn cors_of_dto(rule: CORSRule) -> S3Result<CorsRule> {
    let unknown = rule.allowed_methods.iter().find(|method| !CORS_METHODS.contains(&method.as_str()));
    if let Some(method) = unknown {
        return Err(s3_error!(InvalidRequest, "a CORS rule cannot allow the method {method:?}"));
    }
    let patterns = rule.allowed_origins.iter().chain(rule.allowed_headers.iter().flatten());
    if patterns.clone().any(|pattern| pattern.matches('*').count() > 1) {
        return Err(s3_error!(InvalidRequest, "an origin or header of a CORS rule has at most one *"));
    }
    Ok(CorsRule {
        allowed_origins: rule.allowed_origins,
        allowed_methods: rule.allowed_methods,
        allowed_headers: rule.allowed_headers.unwrap_or_default(),
        expose_headers: rule.expose_headers.unwrap_or_default(),
        max_age_seconds: rule.max_age_seconds.and_then(|seconds| u32::try_from(seconds).ok()),
        id: rule.id,
    })
}
