//! A small HTTP server that a test answers for, and that remembers what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;
type Handler = dyn Fn(usize, Request<Incoming>) -> BoxFuture<'static, Answer> + Send + Sync;

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Log {
    connections: AtomicUsize,
    requests: Mutex<Vec<http::request::Parts>>,
}

impl Log {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> http::request::Parts {
        self.requests.lock().unwrap().last().unwrap().clone()
    }
}

/// A server; it ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    certificate: Option<tempfile::NamedTempFile>,
    pub(crate) log: Arc<Log>,
    task: JoinHandle<()>,
}

impl Server {
    /// Speaks HTTP. The handler gets the number of the request, from 0.
    pub(crate) async fn start<F>(
        handler: impl Fn(usize, Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::begin(None, handler).await
    }

    /// Speaks HTTPS with a certificate of its own.
    pub(crate) async fn start_tls<F>(
        handler: impl Fn(usize, Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certified.cert.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        Self::begin(Some((file, TlsAcceptor::from(Arc::new(config)))), handler).await
    }

    async fn begin<F>(
        tls: Option<(tempfile::NamedTempFile, TlsAcceptor)>,
        handler: impl Fn(usize, Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let handler: Arc<Handler> = Arc::new(move |number, request| Box::pin(handler(number, request)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::<Log>::default();
        let (certificate, acceptor) = tls.unzip();
        let task = tokio::spawn(accept(listener, acceptor, handler, Arc::clone(&log)));
        Self { address, certificate, log, task }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn ca_file(&self) -> Option<PathBuf> {
        self.certificate.as_ref().map(|file| file.path().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Arc<Handler>, log: Arc<Log>) {
    let mut connections = tokio::task::JoinSet::new(); // Aborts them when the server ends.
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        log.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, handler, log) = (tls.clone(), Arc::clone(&handler), Arc::clone(&log));
        let service = service_fn(move |request: Request<Incoming>| {
            let (parts, body) = request.into_parts();
            let mut requests = log.requests.lock().unwrap();
            let number = requests.len();
            requests.push(parts.clone());
            let answer = handler(number, Request::from_parts(parts, body));
            async { Ok::<_, Infallible>(answer.await) }
        });
        connections.spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // A connection may break off: some tests are about that.
            let _ = match tls {
                None => server.serve_connection(TokioIo::new(stream), service).await,
                Some(tls) => {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    server.serve_connection(TokioIo::new(stream), service).await
                }
            };
        });
    }
}

/// An answer with a body.
pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder().status(status).header("etag", "\"e\"").body(Full::new(body.into()).boxed()).unwrap()
}

/// An answer that announces more than it sends, and then neither goes on nor ends.
pub(crate) fn stalled(sent: &'static str, announced: usize) -> Answer {
    let frames = futures::stream::iter([Ok(Frame::data(Bytes::from(sent)))]);
    let body = StreamBody::new(futures::StreamExt::chain(frames, futures::stream::pending()));
    Response::builder().header("content-length", announced).body(BoxBody::new(body)).unwrap()
}

/// The body of a request.
pub(crate) async fn read(request: Request<Incoming>) -> Bytes {
    request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default()
}
