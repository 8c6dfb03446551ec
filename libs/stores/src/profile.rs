//! Store profiles: what each kind of S3 service understands.
//!
//! "S3 compatible" means a different subset everywhere. A [`Profile`] names a service, [`Profile::features`] says what may be
//! sent to it, and [`FeatureOverrides`] (`[stores.X.features]`) corrects single answers. Where a service is not documented, the
//! answer is the one that does no harm: what is not known to be honoured is not relied on. Nothing is asked of the
//! service itself here; what a store really does is tried by `relais check`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A kind of S3 service.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Amazon S3.
    Aws,
    /// DigitalOcean Spaces.
    Spaces,
    /// Cloudflare R2.
    R2,
    /// A `MinIO` server, of 2025 or later.
    Minio,
    /// Any other service: only what nearly all of them do is relied on.
    Generic,
}

/// What a store understands. "Honoured" means done, not merely accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Features {
    /// `x-amz-checksum-*` headers may be sent, are verified, kept and given back.
    pub checksums: bool,
    /// A checksum may follow the body as a trailer (`STREAMING-UNSIGNED-PAYLOAD-TRAILER`), so that its value need not be known
    /// when the upload begins.
    pub trailers: bool,
    /// A multipart upload may ask for a `FULL_OBJECT` checksum of any CRC, not only for a composite one.
    pub full_object_checksums: bool,
    /// `If-Match` and `If-None-Match` are both honoured by `PutObject` and by `CompleteMultipartUpload`.
    pub conditional_writes: bool,
    /// `If-Match` and `If-None-Match` are honoured for the target of `CopyObject`. (Conditions on the source are in S3 from the
    /// beginning, and taken for granted.)
    pub conditional_copies: bool,
    /// `If-Match` is honoured by `DeleteObject`.
    pub conditional_deletes: bool,
    /// Canned ACLs are honoured.
    pub acls: bool,
    /// Objects have tags.
    pub tagging: bool,
    /// GET and HEAD say how many tags an object has, wherever it has some (`x-amz-tagging-count`).
    pub tag_counts: bool,
    /// Buckets can keep versions of objects.
    pub versioning: bool,
    /// Objects can be locked: retention and legal hold.
    pub object_lock: bool,
    /// `x-amz-server-side-encryption: AES256` is honoured.
    pub encryption_aes256: bool,
    /// `x-amz-server-side-encryption: aws:kms` is honoured.
    pub encryption_kms: bool,
    /// Encryption with a key that the client sends (SSE-C) is honoured.
    pub encryption_customer_keys: bool,
}

impl Profile {
    /// The profile that an endpoint belongs to; without an endpoint it is AWS.
    pub fn of_endpoint(endpoint: Option<&str>) -> Self {
        let Some(endpoint) = endpoint else { return Self::Aws };
        let host = host(endpoint).to_ascii_lowercase();
        let is_below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        if is_below("amazonaws.com") || is_below("amazonaws.com.cn") {
            Self::Aws
        } else if is_below("digitaloceanspaces.com") {
            Self::Spaces
        } else if is_below("r2.cloudflarestorage.com") {
            Self::R2
        } else {
            Self::Generic
        }
    }

    /// How long a service of this kind wants one object to be left alone between two writes. Spaces takes 5 writes of an object in
    /// 5 minutes (<https://docs.digitalocean.com/products/spaces/details/limits/>); others name no such limit.
    pub const fn rewrite_interval(self) -> Duration {
        match self {
            Self::Spaces => Duration::from_secs(60),
            Self::Aws | Self::R2 | Self::Minio | Self::Generic => Duration::ZERO,
        }
    }

    /// What a service of this kind understands.
    pub const fn features(self) -> Features {
        match self {
            Self::Aws => Features::AWS,
            Self::Spaces => Features::SPACES,
            Self::R2 => Features::R2,
            Self::Minio => Features::MINIO,
            Self::Generic => Features::GENERIC,
        }
    }
}

impl Features {
    /// A store that does all: what AWS documents.
    ///
    /// Conditions: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html>, of deletes:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html>. Checksums:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>. A bucket made since April 2023 has
    /// its ACLs switched off and refuses them by name (`AccessControlListNotSupported`), unless its owner says otherwise; and
    /// it refuses SSE-C unless its owner unblocks it.
    pub const AWS: Self = Self {
        checksums: true,
        trailers: true,
        full_object_checksums: true,
        conditional_writes: true,
        conditional_copies: true,
        conditional_deletes: true,
        acls: true,
        tagging: true,
        tag_counts: true,
        versioning: true,
        object_lock: true,
        encryption_aes256: true,
        encryption_kms: true,
        encryption_customer_keys: true,
    };

    /// <https://docs.digitalocean.com/products/spaces/reference/s3-compatibility/> (edited December 2025): versioning, SSE-C, no
    /// encryption settings of buckets, no rules on tags; <https://docs.digitalocean.com/reference/api/spaces-api/>: ACLs; and a
    /// warning not to use SDKs that send the checksums of January 2025. Unverified: whether that still holds, whether
    /// conditional writes and `AES256` are honoured (assumed: no), that tags are kept (assumed: yes), object lock (assumed: no).
    pub const SPACES: Self = Self {
        checksums: false,
        trailers: false,
        full_object_checksums: false,
        conditional_writes: false,
        conditional_copies: false,
        conditional_deletes: false,
        acls: true,
        tagging: true,
        tag_counts: false,
        versioning: true,
        object_lock: false,
        encryption_aes256: false,
        encryption_kms: false,
        encryption_customer_keys: true,
    };

    /// <https://developers.cloudflare.com/r2/api/s3/api/>: no ACL, tags, versions, object lock or SSE but SSE-C; CRC32, CRC32C,
    /// SHA1 and SHA256 only composite. <https://developers.cloudflare.com/r2/api/s3/conditional-operations/>: conditions of
    /// `PutObject` and `CompleteMultipartUpload` under their usual names, of `CopyObject` under names of R2's own, of deletes none.
    /// <https://developers.cloudflare.com/r2/examples/aws/aws-sdk-net/>: no signed streaming payload. Unverified: unsigned
    /// trailers (assumed: no). All objects are encrypted at rest without being asked.
    pub const R2: Self = Self {
        checksums: true,
        trailers: false,
        full_object_checksums: false,
        conditional_writes: true,
        conditional_copies: false,
        conditional_deletes: false,
        acls: false,
        tagging: false,
        tag_counts: false,
        versioning: false,
        object_lock: false,
        encryption_aes256: false,
        encryption_kms: false,
        encryption_customer_keys: true,
    };

    /// <https://docs.min.io/enterprise/aistor-object-store/reference/s3-api-compatibility.html>: no ACLs; `If-Match` also for
    /// copies and deletes. That `CompleteMultipartUpload` looks at conditions is read in the open server's
    /// `cmd/object-multipart-handlers.go`; servers of before 2024 do not. Unverified for the open server, hence not relied on:
    /// conditions of copies and deletes. `AES256` and `aws:kms` need a key service and are refused by name without one.
    pub const MINIO: Self = Self {
        checksums: true,
        trailers: true,
        full_object_checksums: true,
        conditional_writes: true,
        conditional_copies: false,
        conditional_deletes: false,
        acls: false,
        tagging: true,
        tag_counts: true,
        versioning: true,
        object_lock: true,
        encryption_aes256: true,
        encryption_kms: true,
        encryption_customer_keys: true,
    };

    /// A service that nothing is known of: old S3, without what came in and after 2022. What a client asks for by name
    /// (ACL, tags, versions, locks, encryption) is passed on, and the service may refuse it by name.
    pub const GENERIC: Self = Self {
        checksums: false,
        trailers: false,
        full_object_checksums: false,
        conditional_writes: false,
        conditional_copies: false,
        conditional_deletes: false,
        acls: true,
        tagging: true,
        tag_counts: false,
        versioning: true,
        object_lock: true,
        encryption_aes256: true,
        encryption_kms: true,
        encryption_customer_keys: true,
    };

    /// A folder of files on this machine.
    pub const FOLDER: Self = Self {
        checksums: true,
        trailers: true,
        full_object_checksums: true,
        conditional_writes: true,
        conditional_copies: true,
        conditional_deletes: true,
        acls: false,
        tagging: true,
        tag_counts: true,
        versioning: true,
        object_lock: false,
        encryption_aes256: false,
        encryption_kms: false,
        encryption_customer_keys: false,
    };

    /// Whether the store encrypts in the way that a bucket's `encryption`, or a client's header, names.
    pub fn encrypts(&self, algorithm: &str) -> bool {
        match algorithm {
            "AES256" => self.encryption_aes256,
            _ if algorithm.starts_with("aws:kms") => self.encryption_kms,
            _ => false,
        }
    }
}

/// The fields of [`Features`] as optional keys: one list for the struct, its documentation and the merge.
macro_rules! overrides {
    ($($feature:ident)+) => {
        /// Answers that differ from the profile's: `[stores.X.features]`, one key for each field of [`Features`].
        #[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct FeatureOverrides {
            $(
                #[doc = concat!("See [`Features::", stringify!($feature), "`].")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $feature: Option<bool>,
            )+
        }

        impl FeatureOverrides {
            /// The features of a profile, corrected.
            pub fn over(&self, features: Features) -> Features {
                Features { $($feature: self.$feature.unwrap_or(features.$feature),)+ }
            }
        }
    };
}

overrides! {
    checksums trailers full_object_checksums
    conditional_writes conditional_copies conditional_deletes
    acls tagging tag_counts versioning object_lock
    encryption_aes256 encryption_kms encryption_customer_keys
}

/// The host in `scheme://host[:port][/path]`, also where the scheme is missing.
fn host(endpoint: &str) -> &str {
    let authority = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_tells_the_profile() {
        let profile = |endpoint| Profile::of_endpoint(Some(endpoint));
        assert_eq!(Profile::of_endpoint(None), Profile::Aws);
        assert_eq!(profile("https://s3.eu-west-1.amazonaws.com"), Profile::Aws);
        assert_eq!(profile("https://s3.cn-north-1.amazonaws.com.cn/"), Profile::Aws);
        assert_eq!(profile("https://nyc3.digitaloceanspaces.com:443/"), Profile::Spaces);
        assert_eq!(profile("https://0123.R2.cloudflarestorage.com"), Profile::R2);
        assert_eq!(profile("https://0123.eu.r2.cloudflarestorage.com"), Profile::R2);
        assert_eq!(profile("http://127.0.0.1:9000"), Profile::Generic);
        assert_eq!(profile("https://notamazonaws.com"), Profile::Generic);
        assert_eq!(profile("https://amazonaws.com.example.org"), Profile::Generic);
    }

    #[test]
    fn overrides_replace_single_answers() {
        let overrides = FeatureOverrides { checksums: Some(true), acls: Some(false), ..Default::default() };
        let expected = Features { checksums: true, acls: false, ..Features::GENERIC };
        assert_eq!(overrides.over(Profile::Generic.features()), expected);
        assert_eq!(FeatureOverrides::default().over(Features::R2), Features::R2);
    }

    #[test]
    fn bucket_encryption_is_looked_up_by_its_name() {
        assert!(Features::AWS.encrypts("AES256") && Features::AWS.encrypts("aws:kms:dsse"));
        assert!(!Features::SPACES.encrypts("AES256") && !Features::AWS.encrypts("ROT13"));
    }
}
