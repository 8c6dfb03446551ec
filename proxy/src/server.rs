//! The two ports: S3, and the JSON API.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::access::RootKey;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::stack::stack;
use crate::tls::{Tls, TlsError};
use port::{Port, PortLimits};

mod activity;
mod places;
mod port;
mod timed;

/// Why the S3 port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("proxy.listen: cannot listen on {address}; is another server running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificate is not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address is none.
    #[error("proxy.public_urls: {0:?} is no address such as https://s3.example")]
    PublicUrl(String),
    /// A domain is none.
    #[error("proxy.domains: {0}")]
    Domains(String),
}

/// The S3 port, bound and not yet serving.
pub struct Server {
    listener: TcpListener,
    port: Port,
    gateway: Gateway,
    drain_timeout: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Server {
    /// Binds the port; clients can connect from now on, and wait.
    pub async fn bind(config: &Config, gateway: Gateway, root: RootKey) -> Result<Self, ServeError> {
        let address = config.listen;
        let tls = Tls::new(config)?;
        let router = stack(config, gateway.clone(), Arc::new(root))?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        let drain_timeout = Duration::from_secs(config.drain_timeout_seconds);
        let port = Port { router, tls, limits: PortLimits::new(config) };
        Ok(Self { listener, port, gateway, drain_timeout })
    }

    /// The address that was bound, with its real port.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until told to stop, then lets requests and what follows them finish within the drain timeout, also mutations whose
    /// client is gone. [`Gateway::run_background`] has to go on for longer than that.
    pub async fn serve(self, stop: CancellationToken) {
        let tls = self.port.tls.clone();
        let connections = tokio::select! {
            connections = self.port.serve(self.listener, stop) => connections,
            never = reload(tls) => match never {},
        };
        let drained = async {
            connections.wait().await;
            self.gateway.drain().await;
        };
        if tokio::time::timeout(self.drain_timeout, drained).await.is_err() {
            tracing::warn!("requests were cut off: they did not finish within proxy.drain_timeout_seconds");
        }
    }
}

/// Serves the JSON port until told to stop, and then until its requests have finished, which is bounded by who calls it. Its
/// connections are limited like those of the S3 port, and without TLS.
pub async fn serve_api(listener: TcpListener, router: Router, config: &Config, stop: CancellationToken) {
    let port = Port { router, tls: None, limits: PortLimits::new(config) };
    port.serve(listener, stop).await.wait().await;
}

/// Looks after the certificates for as long as it is waited for.
async fn reload(tls: Option<Tls>) -> Infallible {
    match tls {
        Some(tls) => tls.reload_when_changed().await,
        None => std::future::pending().await,
    }
}
