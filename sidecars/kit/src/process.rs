//! The service's side of a worker process: starts it, feeds it, hears its answer, and always sees it end.
//!
//! The source streams from the gateway into the child without being held here; the answer is bounded. What the child
//! prints is kept to the last lines, and logged only if it dies. What limits the child puts on itself is in
//! [`worker`](crate::worker).

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use futures::TryStreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::{time, try_join};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::failure::Failure;
use crate::gateway::SourceObject;
use crate::sidecar::Output;
use crate::wire::{self, ANSWER_BYTES_MAX, Request};

/// How much of what a worker prints is kept: a few lines, such as the place of a panic or of a failed assertion.
const PRINTED_BYTES_MAX: usize = 1024;

/// How worker processes of one kind are started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worker<'a> {
    pub(crate) program: &'a Path,
    pub(crate) kind: &'static str,
    pub(crate) config: &'a Config,
}

impl Worker<'_> {
    /// Has the work done in a process of its own, which has ended when this returns.
    pub(crate) async fn work(
        &self,
        task: serde_json::Value,
        source: SourceObject,
        cancel: &CancellationToken,
    ) -> Result<Vec<Output>, Failure> {
        let program = self.program.display();
        let mut child = self.start().map_err(|error| {
            Failure::Temporary(format!("cannot start {program} worker {}: {error}", self.kind))
        })?;
        let request = self.request(task, source.length);
        let mut printed = Vec::new();
        let timeout = self.config.timeout;
        let outcome = tokio::select! {
            outcome = converse(&mut child, &request, source, &mut printed) => outcome,
            () = time::sleep(timeout) => Err(Failure::Temporary(format!("not done after {} s", timeout.as_secs()))),
            () = cancel.cancelled() => Err(Failure::Stopped),
        };
        if outcome.is_err() {
            // It has ended already, or it must: either way this waits for the end.
            let _ended = child.kill().await;
        }
        if matches!(outcome, Err(Failure::Crashed(_))) {
            tracing::warn!(kind = self.kind, printed = %printable(&printed), "a worker process died");
        }
        outcome
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(self.program)
            .args(["worker", self.kind])
            .env_clear()
            .env("GGML_NO_BACKTRACE", "1") // whisper.cpp would start a debugger when it aborts.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C in a terminal stops the service, which then stops its workers.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    fn request(&self, task: serde_json::Value, source_bytes: u64) -> Request {
        let processors = thread::available_parallelism().map_or(1, usize::from) as u64;
        Request {
            task,
            source_bytes,
            memory_bytes_max: self.config.memory_bytes_max.0,
            // The clock of the service decides; this ends a worker that nobody watches any more.
            processor_seconds_max: (self.config.timeout.as_secs() + 1).saturating_mul(processors),
        }
    }
}

async fn converse(
    child: &mut Child,
    request: &Request,
    source: SourceObject,
    printed: &mut Vec<u8>,
) -> Result<Vec<Output>, Failure> {
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        unreachable!("all three are piped at the start and taken once");
    };
    let exchange = async { try_join!(feed(stdin, request, source), hear(stdout)) };
    let (exchanged, ()) = tokio::join!(exchange, keep_end(stderr, printed));
    let ((), answer) = exchanged?;
    let status = child.wait().await.map_err(|error| Failure::Crashed(error.to_string()))?;
    match wire::read_answer(&answer) {
        Ok(answer) if status.success() => Ok(answer?),
        _ => Err(Failure::Crashed(format!("the worker process died: {status}"))),
    }
}

/// Streams the request and the source into the child.
async fn feed(mut stdin: ChildStdin, request: &Request, mut source: SourceObject) -> Result<(), Failure> {
    let head = wire::request_head(request).map_err(|error| Failure::Unusable(error.to_string()))?;
    let mut missing = source.length;
    let mut next = bytes::Bytes::from(head);
    loop {
        if stdin.write_all(&next).await.is_err() {
            // A child that does not listen has answered already or died: how it ends tells.
            return Ok(());
        }
        let chunk = source.body.try_next().await;
        let chunk = chunk.map_err(|error| Failure::Temporary(format!("cannot read the source: {error}")))?;
        let Some(chunk) = chunk else { break };
        missing = missing.checked_sub(chunk.len() as u64).ok_or_else(length_differs)?;
        next = chunk;
    }
    if missing == 0 { Ok(()) } else { Err(length_differs()) }
}

fn length_differs() -> Failure {
    Failure::Temporary("the source has another length than the gateway said".to_owned())
}

/// Reads the answer, up to its bound.
async fn hear(stdout: ChildStdout) -> Result<Vec<u8>, Failure> {
    let mut answer = Vec::new();
    let read = stdout.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).await;
    match read {
        Ok(length) if length as u64 > ANSWER_BYTES_MAX => {
            Err(Failure::Unusable(format!("the outputs are larger than {ANSWER_BYTES_MAX} bytes")))
        }
        Ok(_) => Ok(answer),
        Err(error) => Err(Failure::Temporary(format!("cannot read the worker's answer: {error}"))),
    }
}

/// Reads to the end and keeps what came last.
async fn keep_end(mut from: impl AsyncRead + Unpin, kept: &mut Vec<u8>) {
    let mut chunk = [0; PRINTED_BYTES_MAX];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..length]);
        kept.drain(..kept.len().saturating_sub(PRINTED_BYTES_MAX));
    }
}

/// The last lines in one.
fn printable(printed: &[u8]) -> String {
    String::from_utf8_lossy(printed).trim().replace('\n', " | ")
}
