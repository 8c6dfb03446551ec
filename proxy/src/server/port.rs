//! One port: takes connections, keeps them within their limits, and lets requests finish before it goes.
//!
//! Both ports are served from here. A connection ends when nothing happens on it for as long as the head of a request may take;
//! so a client that connects and says nothing, in whatever protocol, costs no more than that.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::activity::{Activity, Progress, UnderWay};
use super::places::{Place, Places};
use super::timed::Timed;
use crate::config::Config;
use crate::limits::HEADERS_MAX;
use crate::limits::body::{Fate, Holding, Lively};
use crate::observe::Connection;
use crate::tls::Tls;

/// How much hyper reads ahead of a connection, unless the headers may be larger. Whoever connects can make it hold that much, so
/// it is less than its own default of 408 KiB: `connections_max` times this is 512 MiB.
const READ_BYTES: usize = 128 * 1024;

/// How often a quiet HTTP/2 client is asked whether it is still there; it has hyper's 20 seconds to answer.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long a connection that is told to end may take for it when no request is under way.
const LINGER: Duration = Duration::from_secs(2);

/// How long to wait when no connection can be accepted: too many open files, say; some may close meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a port allows its connections.
#[derive(Clone, Debug)]
pub(crate) struct PortLimits {
    places: Places,
    header_bytes_max: usize,
    head_timeout: Duration,
    body_idle_timeout: Duration,
    write_idle_timeout: Duration,
}

impl PortLimits {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            places: Places::new(config.connections_max, config.connections_per_address_max),
            header_bytes_max: usize::try_from(config.header_bytes_max.0).unwrap_or(usize::MAX),
            head_timeout: Duration::from_secs(config.head_timeout_seconds),
            body_idle_timeout: Duration::from_secs(config.body_idle_timeout_seconds),
            write_idle_timeout: Duration::from_secs(config.write_idle_timeout_seconds),
        }
    }
}

/// What is served, and how.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) router: Router,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: PortLimits,
}

impl Port {
    /// Takes connections until told to stop; the tracker then has those that still go on.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) -> TaskTracker {
        let (port, connections) = (Arc::new(self), TaskTracker::new());
        let crowded = AtomicBool::new(false);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, client)) => match port.limits.places.take(client.ip()) {
                    Ok(place) => {
                        crowded.store(false, Ordering::Relaxed);
                        connections.spawn(Arc::clone(&port).connection(stream, client, place, stop.clone()));
                    }
                    // Closed at once: a client that is told nothing would wait in vain. Logged once, not once a connection.
                    Err(limit) if !crowded.swap(true, Ordering::Relaxed) => {
                        tracing::warn!(limit, client = %client.ip(), "there are too many connections; more are closed");
                    }
                    Err(_) => {}
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.close();
        connections
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        client: SocketAddr,
        place: Place,
        stop: CancellationToken,
    ) {
        let _ = stream.set_nodelay(true); // Only costs latency where it fails.
        let activity = Activity::new();
        let stream = Timed::new(stream, self.limits.write_idle_timeout, activity.clone());
        let connection = Connection { client, secure: self.tls.is_some() };
        match &self.tls {
            None => self.serve_http(stream, connection, activity, stop).await,
            Some(tls) => {
                let shaken = tokio::select! {
                    shaken = tokio::time::timeout(self.limits.head_timeout, tls.accept(stream)) => shaken,
                    () = lingered(&stop) => return, // Who says nothing must not keep a process from its end.
                };
                if let Ok(Ok(stream)) = shaken {
                    self.serve_http(stream, connection, activity, stop).await;
                }
            }
        }
        drop(place);
    }

    async fn serve_http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        connection: Connection,
        activity: Activity,
        stop: CancellationToken,
    ) {
        let builder = self.builder();
        let service = self.service(connection, activity.clone());
        let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut ending = pin!(async {
            tokio::select! {
                () = activity.idle(self.limits.head_timeout) => {}
                () = stop.cancelled() => {}
            }
        });
        let mut has_to_end = false;
        let outcome = loop {
            tokio::select! {
                outcome = served.as_mut() => break outcome,
                () = &mut ending, if !has_to_end => {
                    has_to_end = true;
                    served.as_mut().graceful_shutdown();
                }
                () = activity.idle(LINGER), if has_to_end => break Ok(()),
                () = activity.cut() => break Ok(()),
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, client = %connection.client, "a connection ended early");
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let headers = self.limits.header_bytes_max;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_headers(HEADERS_MAX)
            .max_buf_size(headers.max(READ_BYTES));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(headers).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_EVERY);
        builder
    }

    /// The router, told who asks, with bodies that are watched.
    fn service(
        &self,
        connection: Connection,
        activity: Activity,
    ) -> TowerToHyperService<
        impl tower::Service<
            http::Request<Incoming>,
            Response = http::Response<Body>,
            Error = std::convert::Infallible,
            Future: Send,
        > + Clone
        + Send
        + 'static,
    > {
        let router = self.router.clone();
        let (body_idle, write_idle) = (self.limits.body_idle_timeout, self.limits.write_idle_timeout);
        let service = tower::service_fn(move |request: http::Request<Incoming>| {
            let (router, under_way, fate) = (router.clone(), activity.begin(), Fate::default());
            let is_http2 = request.version() == http::Version::HTTP_2;
            let mut request =
                request.map(|body| Body::new(Lively::new(Body::new(body), body_idle, fate.clone())));
            request.extensions_mut().insert(connection);
            request.extensions_mut().insert(fate);
            async move {
                let response = router.oneshot(request).await?;
                Ok(response.map(|body| taken(body, under_way, is_http2.then_some(write_idle))))
            }
        });
        TowerToHyperService::new(service)
    }
}

/// Waits until the end was told and a connection without a request has had its time.
async fn lingered(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LINGER).await;
}

/// A body that belongs to a request under way until it was taken. Where answers share a connection each is watched.
fn taken(body: Body, under_way: UnderWay, patience: Option<Duration>) -> Body {
    match patience.filter(|_| !body.is_end_stream()) {
        None => Body::new(Holding::new(body, under_way)),
        Some(patience) => {
            let (under_way, progress) = under_way.watch(patience);
            Body::new(Holding::new(Body::new(Watched { inner: body, progress }), under_way))
        }
    }
}

/// A body that notes when its next frame is asked for.
struct Watched {
    inner: Body,
    progress: Progress,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.progress.asked();
        let polled = std::pin::Pin::new(&mut self.inner).poll_frame(context);
        if polled.is_ready() {
            self.progress.given();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
