//! Takes connections on the S3 port, and lets requests finish before it goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use relais_events::Bus;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::access::RootKey;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::observe::Connection;
use crate::stack::stack;
use crate::tls::{TlsError, acceptor};

/// How long a client may take to send the head of a request, or to shake hands.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

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
    tls: Option<TlsAcceptor>,
    stack: Router,
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
        let tls = acceptor(config)?;
        let stack = stack(config, gateway.clone(), Arc::new(root))?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        let drain_timeout = Duration::from_secs(config.drain_timeout_seconds);
        Ok(Self { listener, tls, stack, gateway, drain_timeout })
    }

    /// The address that was bound, with its real port.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until told to stop, then lets requests and what follows them finish within the drain timeout.
    pub async fn serve(self, bus: Arc<dyn Bus>, stop: CancellationToken) {
        let background_stop = CancellationToken::new();
        let background = tokio::spawn(self.gateway.clone().run_background(bus, background_stop.clone()));
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, address)) => self.connect(stream, address, &graceful),
                // Too many open files, say: pausing lets some close.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self.listener);
        let drained = async {
            graceful.shutdown().await;
            self.gateway.drain().await;
        };
        if tokio::time::timeout(self.drain_timeout, drained).await.is_err() {
            tracing::warn!("requests were cut off: they did not finish within proxy.drain_timeout_seconds");
        }
        background_stop.cancel();
        if let Err(error) = background.await {
            tracing::error!(%error, "a background loop ended early");
        }
    }

    fn connect(&self, stream: TcpStream, address: SocketAddr, graceful: &GracefulShutdown) {
        let _ = stream.set_nodelay(true); // Only costs latency where it fails.
        let (router, secure) = (self.stack.clone(), self.tls.is_some());
        let service = router.map_request(move |request: http::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Connection { client: address, secure });
            request
        });
        let service = TowerToHyperService::new(service);
        let watcher = graceful.watcher();
        let tls = self.tls.clone();
        tokio::spawn(async move {
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            builder.http2().timer(TokioTimer::new());
            let served = match tls {
                None => {
                    let connection = builder.serve_connection(TokioIo::new(stream), service);
                    watcher.watch(connection.into_owned()).await
                }
                Some(tls) => {
                    let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await else {
                        return;
                    };
                    let connection = builder.serve_connection(TokioIo::new(stream), service);
                    watcher.watch(connection.into_owned()).await
                }
            };
            if let Err(error) = served {
                tracing::debug!(%error, client = %address, "a connection ended early");
            }
        });
    }
}
