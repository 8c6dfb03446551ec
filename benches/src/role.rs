//! The servers of our own, as processes of this same program.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use clap::Subcommand;
use http::header::ETAG;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{delay, sdk};

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Role {
    /// Reads bodies, keeps nothing and answers with an ETag: a store that costs next to nothing.
    #[command(hide = true)]
    Sink { listen: SocketAddr },
    /// s3s in front of s3s-aws, with a check of signatures and nothing else.
    #[command(hide = true)]
    S3sAws { listen: SocketAddr, store: SocketAddr },
    /// A long way to a store: that many milliseconds in each direction.
    #[command(hide = true)]
    Far { listen: SocketAddr, store: SocketAddr, delay_milliseconds: u64 },
}

pub(crate) async fn play(role: Role) -> anyhow::Result<()> {
    match role {
        Role::Sink { listen } => serve(listen, service_fn(discard)).await,
        Role::S3sAws { listen, store } => {
            let mut builder = S3ServiceBuilder::new(s3s_aws::Proxy::builder(sdk::client(store)).build());
            builder.set_auth(SimpleAuth::from_single(sdk::ACCESS_KEY, sdk::SECRET_KEY));
            serve(listen, builder.build()).await
        }
        Role::Far { listen, store, delay_milliseconds } => {
            delay::serve(listen, store, Duration::from_millis(delay_milliseconds)).await
        }
    }
}

/// Any request succeeds. The ETag is always the same, as nothing is hashed.
async fn discard(request: Request<Incoming>) -> hyper::Result<Response<Empty<Bytes>>> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    let mut response = Response::new(Empty::new());
    response.headers_mut().insert(ETAG, HeaderValue::from_static("\"discarded\""));
    Ok(response)
}

/// Serves until the process is told to stop.
async fn serve<S, B>(listen: SocketAddr, service: S) -> anyhow::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        connections.spawn(async move {
            let served =
                Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            drop(served); // Clients close when they are done; what went wrong for them they say themselves.
        });
        while connections.try_join_next().is_some() {} // Forgets those that ended.
    }
}
