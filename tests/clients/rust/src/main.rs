//! Asks relais what programs ask that reach S3 through the `object_store` crate.
//!
//! `relais-clients CHECK BUCKET` runs one check in an empty bucket and ends with 1 if it fails. `test_object_store.py`
//! starts it and gives the endpoint, the keys, the certificate to trust and the names of objects by the environment.
//! Nothing here knows relais: what its replicas hold is looked at by the tests in Python.

mod checks;
mod target;

use anyhow::{Context, Result, bail};

use target::Target;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(check), Some(bucket)) = (arguments.next(), arguments.next()) else {
        bail!("say which check and which bucket");
    };
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok()
        .context("another TLS provider is installed already")?;
    let target = Target::from_environment(bucket)?;
    match check.as_str() {
        "odd-keys" => checks::odd_keys(&target).await,
        "attributes-and-tags" => checks::attributes_and_tags(&target).await,
        "ranges-and-conditions" => checks::ranges_and_conditions(&target).await,
        "conditional-writes" => checks::conditional_writes(&target).await,
        "checksums" => checks::checksums(&target).await,
        "parts" => checks::parts(&target).await,
        "copies" => checks::copies(&target).await,
        "presigned-urls" => checks::presigned_urls(&target).await,
        other => bail!("there is no check named {other}"),
    }
    .with_context(|| format!("{check} failed"))
}
