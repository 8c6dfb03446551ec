//! Ids of what settling makes on replicas whose bucket keeps versions: the catalog learns them, so that what is later asked of a
//! version by its id reaches it there too. A replica has the latest version of each key, not those between.

use relais_catalog::ObjectRow;
use s3s::S3Result;

use super::side::Side;
use crate::error::GatewayError;
use crate::gateway::Gateway;

/// The version that was made latest at a replica: the primary's id, and its own. Nothing is written where one has no id.
pub(super) async fn made(
    gateway: &Gateway,
    row: &ObjectRow,
    replica: &Side<'_>,
    (version, own): (Option<&str>, Option<&str>),
) -> S3Result<()> {
    let (Some(version), Some(own)) = (version, own) else { return Ok(()) };
    let name = replica.place.replica.to_string();
    let owner = row.object.as_ref().map(|object| object.owner.as_str());
    let known = (owner, row.acl.as_deref());
    let linked = gateway.versions.link(&row.bucket, &row.key, version, (&name, own), known).await;
    Ok(linked.map_err(GatewayError::from)?)
}

/// The version that was found latest at a replica, and equal to the primary's: it is learnt if it was not known.
pub(super) async fn found(
    gateway: &Gateway,
    row: &ObjectRow,
    replica: &Side<'_>,
    (version, own): (Option<&str>, Option<&str>),
) -> S3Result<()> {
    let (Some(id), Some(_)) = (version, own) else { return Ok(()) };
    let known = gateway.versions.find(&row.bucket, &row.key, id).await.map_err(GatewayError::from)?;
    let name = replica.place.replica.to_string();
    if known.is_some_and(|known| known.replicas.contains_key(&name)) {
        return Ok(());
    }
    made(gateway, row, replica, (version, own)).await
}
