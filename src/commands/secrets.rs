//! `relais secrets rotate`: after `SECRET_KEY` was changed, seals anew what an earlier one sealed.
//!
//! What is sealed and kept are the secrets of access keys. A key that is made or rotated elsewhere meanwhile stays as it is.

use anyhow::bail;

use super::{key, open_catalog};
use crate::config::Config;

pub(crate) async fn rotate(config: &Config) -> anyhow::Result<()> {
    let sealer = key::sealer(config)?;
    let (catalog, _) = open_catalog(config).await?;
    let keys = catalog.access_keys();
    let (mut rotated, mut current, mut lost) = (0, 0, Vec::new());
    for row in keys.all().await? {
        match sealer.reseal(&row.id, &row.sealed_secret) {
            Ok(None) => current += 1,
            Ok(Some(sealed)) => {
                rotated += usize::from(keys.reseal(&row.id, &row.sealed_secret, &sealed).await?)
            }
            Err(_) => lost.push(row.id),
        }
    }
    catalog.close().await?;
    println!("{rotated} secrets were sealed anew, {current} were sealed with SECRET_KEY already");
    if !lost.is_empty() {
        bail!(
            "sealed with a secret that is in neither SECRET_KEY nor SECRET_KEY_BEFORE: {}; add it, or revoke these access keys",
            lost.join(", ")
        );
    }
    println!(
        "of access keys, nothing needs SECRET_KEY_BEFORE any more; session tokens may until they expire"
    );
    Ok(())
}
