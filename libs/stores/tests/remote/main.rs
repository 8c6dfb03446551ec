//! The remote store against a real server on the loopback interface: connections, retries, limits, errors, checksums.
#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;
use relais_stores::{RemoteConfig, Store, StoreConfig, request};
use s3s::dto::{GetObjectInput, HeadObjectInput, PutObjectInput, StreamingBlob};
use s3s::{S3, S3Error, S3ErrorCode, S3Result};

use server::Server;

mod checksums;
mod credentials;
mod errors;
mod limits;
mod retries;
mod server;
mod tls;

/// A store at that server, with what a test wants to be different.
async fn store(server: &Server, set: impl FnOnce(&mut RemoteConfig)) -> Arc<dyn S3> {
    let mut config = RemoteConfig {
        endpoint: Some(server.url()),
        access_key_id: Some("AKIAEXAMPLE".to_owned()),
        secret_access_key: Some("secret".to_owned().into()),
        ca_file: server.ca_file(),
        ..RemoteConfig::in_region("local".to_owned())
    };
    set(&mut config);
    Store::open(&"remote".parse().unwrap(), &StoreConfig::S3(config), Path::new("/")).await.unwrap().s3
}

async fn get(s3: &dyn S3) -> S3Result<Vec<u8>> {
    let input = GetObjectInput { bucket: "media".into(), key: "k".into(), ..Default::default() };
    let body = s3.get_object(request(input)).await?.output.body.unwrap();
    let chunks: Vec<_> = body.try_collect().await.map_err(broken_off)?;
    Ok(chunks.concat())
}

fn broken_off(error: s3s::StdError) -> S3Error {
    let mut broken = S3Error::new(S3ErrorCode::InternalError);
    broken.set_source(error);
    broken
}

async fn head(s3: &dyn S3) -> S3Result<()> {
    let input = HeadObjectInput { bucket: "media".into(), key: "k".into(), ..Default::default() };
    s3.head_object(request(input)).await.map(drop)
}

async fn put(s3: &dyn S3, length: usize, body: StreamingBlob) -> S3Result<()> {
    s3.put_object(request(upload(length, body))).await.map(drop)
}

fn upload(length: usize, body: StreamingBlob) -> PutObjectInput {
    PutObjectInput {
        bucket: "media".into(),
        key: "k".into(),
        content_length: i64::try_from(length).ok(),
        body: Some(body),
        ..Default::default()
    }
}

/// A body that can be read once and says nothing of its length: what a client sends.
fn stream(chunks: impl IntoIterator<Item = &'static str>) -> StreamingBlob {
    let chunks: Vec<_> = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(chunk.into())).collect();
    StreamingBlob::wrap(futures::stream::iter(chunks))
}
