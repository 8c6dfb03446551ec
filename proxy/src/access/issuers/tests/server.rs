//! A provider on this machine that publishes a key set, or does not.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::serve::Listener;
use http::StatusCode;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What the provider answers.
#[derive(Clone)]
pub(super) enum Answer {
    Set(Value),
    Status(StatusCode),
    Redirect(String),
    Bytes(Vec<u8>),
    /// After a moment, so that others come meanwhile.
    Later(Value),
    Never,
}

pub(super) struct Provider {
    pub(super) url: String,
    shared: Arc<Shared>,
    /// Ends with the provider.
    _serving: JoinSet<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    asked: AtomicUsize,
}

impl Provider {
    pub(super) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        Self::on(listener, url, answer)
    }

    /// Speaks HTTPS with a certificate of its own, which comes back as PEM.
    pub(super) async fn start_tls(answer: Answer) -> (Self, String) {
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/jwks.json", listener.local_addr().unwrap());
        let listener = TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
        (Self::on(listener, url, answer), certified.cert.pem())
    }

    fn on<L: Listener<Addr = SocketAddr>>(listener: L, url: String, answer: Answer) -> Self {
        let shared = Arc::new(Shared { answer: Mutex::new(answer), asked: AtomicUsize::new(0) });
        let router = Router::new().fallback(respond).with_state(shared.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, _serving: serving }
    }

    pub(super) fn answers(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn respond(State(shared): State<Arc<Shared>>) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let answer = shared.answer.lock().unwrap().clone();
    match answer {
        Answer::Set(set) => axum::Json(set).into_response(),
        Answer::Status(status) => status.into_response(),
        Answer::Redirect(to) => Redirect::temporary(&to).into_response(),
        Answer::Bytes(bytes) => bytes.into_response(),
        Answer::Later(set) => {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            axum::Json(set).into_response()
        }
        Answer::Never => std::future::pending().await,
    }
}
