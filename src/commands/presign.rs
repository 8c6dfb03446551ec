//! `relais presign`: a URL by which whoever has it may read or write one object for a while.
//!
//! It is signed with the root key, or for the holder of a token, with credentials that relais gives for that: then it allows what
//! the token allows, and ends with those.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use relais_model::{BucketName, ObjectKey, Secret};
use relais_proxy::CredentialsRequest;
use relais_proxy::api::{PresignedRequest, Presigner, SigningKey};

use crate::cli::PresignArguments;
use crate::config::{Config, Misconfigured};
use crate::keys::Keys;

/// Prints the URL.
pub(super) async fn run(config: &Config, arguments: &PresignArguments) -> anyhow::Result<()> {
    let (bucket, key) = place(&arguments.place)?;
    let endpoint = arguments.endpoint.clone().unwrap_or_else(|| config.proxy.address());
    let signing = match &arguments.as_token_file {
        None => root(config)?,
        Some(file) => of_token(&endpoint, file, arguments.ca_file.clone()).await?,
    };
    let presigner = Presigner {
        endpoint,
        region: config.proxy.region.clone(),
        key: signing,
        signed_at: SystemTime::now(),
        expires: Duration::from_secs(arguments.expires),
    };
    let request = PresignedRequest {
        method: arguments.method.name(),
        bucket: bucket.as_str(),
        key: key.as_str(),
        query: &[],
        headers: &[],
    };
    println!("{}", presigner.url(&request).map_err(Misconfigured::from_error)?);
    Ok(())
}

fn root(config: &Config) -> anyhow::Result<SigningKey> {
    let root = Keys::load(config, false)?.root;
    Ok(SigningKey { access_key_id: root.access_key, secret_access_key: root.secret_key, session_token: None })
}

/// Asks STS at the endpoint for what the token gives.
async fn of_token(endpoint: &str, file: &Path, ca_file: Option<PathBuf>) -> anyhow::Result<SigningKey> {
    let token = std::fs::read_to_string(file)
        .with_context(|| format!("--as-token-file: cannot read {}", file.display()))?;
    let request = CredentialsRequest {
        endpoint: endpoint.to_owned(),
        token: Secret::from(token.trim().to_owned()),
        role_arn: ROLE_ARN.to_owned(),
        session_name: "presign".to_owned(),
        lifetime_seconds: None,
        ca_file,
    };
    Ok(request.send().await?.signing_key())
}

/// STS asks for one; relais takes any.
const ROLE_ARN: &str = "arn:aws:iam::000000000000:role/relais";

/// Bucket and key of `s3://bucket/key`.
fn place(text: &str) -> anyhow::Result<(BucketName, ObjectKey)> {
    let path = text.strip_prefix("s3://").and_then(|path| path.split_once('/'));
    let (bucket, key) = path.with_context(|| format!("{text:?} is no place such as s3://bucket/key"))?;
    Ok((bucket.parse()?, key.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_and_a_key() {
        let (bucket, key) = place("s3://media/a/b c.jpg").unwrap();
        assert_eq!((bucket.as_str(), key.as_str()), ("media", "a/b c.jpg"));
        for wrong in ["", "media/a", "s3://media", "s3://media/", "s3:///a", "s3://M/a", "https://media/a"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
