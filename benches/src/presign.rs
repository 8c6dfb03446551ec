//! What is asked for: the paths of a load's keys, presigned where the server checks signatures.
//!
//! Signing happens before the clock starts, so it costs the client nothing while it measures. A presigned PUT signs no
//! payload, so no server has to hash one.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use http::Uri;

use crate::plan::{BUCKET, Load, Operation};
use crate::sdk;

/// Longer than any run.
const VALID_FOR: Duration = Duration::from_secs(6 * 60 * 60);

pub(crate) fn plain(load: &Load) -> anyhow::Result<Vec<Uri>> {
    load.keys().map(|key| Ok(format!("/{BUCKET}/{key}").parse()?)).collect()
}

pub(crate) async fn signed(
    operation: Operation,
    load: &Load,
    server: SocketAddr,
) -> anyhow::Result<Vec<Uri>> {
    let client = sdk::client(server);
    let mut uris = Vec::new();
    for key in load.keys() {
        let request = presign(&client, operation, key).await?;
        ensure!(request.headers().next().is_none(), "a presigned request asks for headers of its own");
        let uri: Uri = request.uri().parse()?;
        let path = uri.into_parts().path_and_query.expect("a presigned URL has a path and a query");
        uris.push(path.into());
    }
    Ok(uris)
}

async fn presign(client: &Client, operation: Operation, key: String) -> anyhow::Result<PresignedRequest> {
    let valid = PresigningConfig::expires_in(VALID_FOR)?;
    Ok(match operation {
        Operation::Get => client.get_object().bucket(BUCKET).key(key).presigned(valid).await?,
        Operation::Put => client.put_object().bucket(BUCKET).key(key).presigned(valid).await?,
    })
}
