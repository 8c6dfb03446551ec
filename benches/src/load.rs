//! The client: some connections, each with one request after the other, or at fixed times; kept alive.
//!
//! An answer that is not what was asked for ends the run: a fast error is no result.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::header::{ETAG, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::plan::{Load, Operation, Plan};

/// What a turn may take beyond its time before the run is given up: a server hangs.
const OVERTIME_MAX: Duration = Duration::from_secs(60);

/// Where a load goes, and for what it asks.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) paths: Vec<Uri>,
}

/// What one turn gave.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Vec<Duration>,
}

/// Sends a load for one turn.
pub(crate) async fn turn(
    operation: Operation,
    load: &Load,
    target: &Target,
    object: &Bytes,
    plan: &Plan,
) -> anyhow::Result<Turn> {
    let measured = async {
        let mut opening = JoinSet::new();
        for paths in target.paths.chunks(load.keys_per_connection) {
            opening.spawn(Connection::open(operation, target.address, paths.to_vec(), object.clone()));
        }
        let connections = opening.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;

        let begun = Instant::now();
        let mut running = JoinSet::new();
        for connection in connections {
            running.spawn(connection.send_until(begun + plan.turn, plan.requests_per_connection_max));
        }
        let latencies = running.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Turn { elapsed: begun.elapsed(), latencies: latencies.concat() })
    };
    tokio::time::timeout(plan.turn + OVERTIME_MAX, measured).await.context("a request hangs")?
}

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    /// Which of the target's paths.
    pub(crate) number: usize,
    pub(crate) at: Instant,
    pub(crate) latency: Duration,
}

/// Sends one request to each path of the target, that many a second, whether or not those before were answered: they
/// take turns on the connections.
pub(crate) async fn steady(
    operation: Operation,
    load: &Load,
    target: &Target,
    object: &Bytes,
    per_second: u32,
) -> anyhow::Result<Vec<Answered>> {
    let mut opening = JoinSet::new();
    for first in 0..load.connections {
        let paths: Vec<_> = target.paths.iter().skip(first).step_by(load.connections).cloned().collect();
        let (address, object) = (target.address, object.clone());
        opening.spawn(async move {
            anyhow::Ok((first, Connection::connect(operation, address, paths, object).await?))
        });
    }
    let connections = opening.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let (begin, distance) = (Instant::now(), Duration::from_secs(1) / per_second);
    let mut running = JoinSet::new();
    for (first, connection) in connections {
        let numbers = (first..target.paths.len()).step_by(load.connections);
        let times = numbers.map(move |number| (number, begin + distance * number as u32));
        running.spawn(connection.send_at(times));
    }
    let answered = running.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    Ok(answered.concat())
}

/// The status of one request without a body, for checks outside the measurement.
pub(crate) async fn status(operation: Operation, target: &Target) -> anyhow::Result<StatusCode> {
    let mut connection =
        Connection::connect(operation, target.address, target.paths.clone(), Bytes::new()).await?;
    Ok(connection.send().await?.status())
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the connection's bytes; ends with it.
    _driver: JoinSet<hyper::Result<()>>,
    host: HeaderValue,
    operation: Operation,
    paths: std::iter::Cycle<std::vec::IntoIter<Uri>>,
    object: Bytes,
}

impl Connection {
    /// Connects and has one request answered that is not measured, so that pools behind the server are warm too.
    async fn open(
        operation: Operation,
        address: SocketAddr,
        paths: Vec<Uri>,
        object: Bytes,
    ) -> anyhow::Result<Self> {
        let mut connection = Self::connect(operation, address, paths, object).await?;
        connection.exchange().await?;
        Ok(connection)
    }

    async fn connect(
        operation: Operation,
        address: SocketAddr,
        paths: Vec<Uri>,
        object: Bytes,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let host = HeaderValue::from_str(&address.to_string())?;
        Ok(Self { sender, _driver: driver, host, operation, paths: paths.into_iter().cycle(), object })
    }

    async fn send_until(mut self, end: Instant, requests_max: usize) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        while Instant::now() < end && latencies.len() < requests_max {
            let begun = Instant::now();
            self.exchange().await?;
            latencies.push(begun.elapsed());
        }
        Ok(latencies)
    }

    async fn send_at(
        mut self,
        times: impl Iterator<Item = (usize, Instant)>,
    ) -> anyhow::Result<Vec<Answered>> {
        let mut answered = Vec::new();
        for (number, time) in times {
            tokio::time::sleep_until(time.into()).await;
            self.exchange().await?;
            // From when it was due: a connection that is late has kept it waiting.
            answered.push(Answered { number, at: Instant::now(), latency: time.elapsed() });
        }
        Ok(answered)
    }

    /// One request and its whole answer.
    async fn exchange(&mut self) -> anyhow::Result<()> {
        let answer = self.send().await?;
        let (status, has_etag) = (answer.status(), answer.headers().contains_key(ETAG));
        let mut body = answer.into_body();
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            received += frame?.data_ref().map_or(0, Bytes::len);
        }
        ensure!(status == StatusCode::OK, "{} was answered with {status}", self.operation.name());
        match self.operation {
            Operation::Get => {
                ensure!(received == self.object.len(), "a GET was answered with {received} bytes")
            }
            Operation::Put => ensure!(has_etag, "a PUT was answered without an ETag"),
        }
        Ok(())
    }

    async fn send(&mut self) -> anyhow::Result<Response<Incoming>> {
        let (method, body) = match self.operation {
            Operation::Get => (Method::GET, Bytes::new()),
            Operation::Put => (Method::PUT, self.object.clone()),
        };
        let path = self.paths.next().context("a connection has nothing to ask for")?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path;
        request.headers_mut().insert(HOST, self.host.clone());
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}
