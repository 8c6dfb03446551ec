//! Writes the lines, in the order in which they came, and follows the file when it is moved away.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::metrics::AUDIT_LOST;

/// How long an entry may be in memory only.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// The log is for its owner.
const MODE: u32 = 0o600;

/// Why there can be no audit log.
#[derive(Debug, thiserror::Error)]
#[error("audit.file: cannot open {path}")]
pub struct AuditError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The task that writes.
#[derive(Debug)]
pub struct Writer {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

type Output = BufWriter<Box<dyn AsyncWrite + Send + Sync + Unpin>>;

struct Log {
    /// Nothing for standard output.
    path: Option<PathBuf>,
    output: Output,
    /// Device and inode of the file that is open.
    identity: Option<(u64, u64)>,
    failing: bool,
}

impl Writer {
    /// A writer of nothing.
    pub(super) fn idle() -> Self {
        Self { stop: CancellationToken::new(), task: None }
    }

    pub(super) async fn start(
        path: Option<PathBuf>,
        queue: mpsc::Receiver<Vec<u8>>,
    ) -> Result<Self, AuditError> {
        let log = Log::open(path.clone())
            .await
            .map_err(|source| AuditError { path: path.unwrap_or_default(), source })?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(log, queue, stop.clone()));
        Ok(Self { stop, task: Some(task) })
    }

    /// Writes what is in the queue, and ends. Entries that come later are lost.
    pub async fn close(self) {
        self.stop.cancel();
        let Some(task) = self.task else { return };
        if let Err(error) = task.await {
            tracing::error!(%error, "the writer of the audit log failed");
        }
    }
}

async fn run(mut log: Log, mut queue: mpsc::Receiver<Vec<u8>>, stop: CancellationToken) {
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = flush.tick() => log.flush().await,
            line = queue.recv() => match line {
                Some(line) => log.write(&line).await,
                None => break,
            },
        }
    }
    queue.close();
    while let Some(line) = queue.recv().await {
        log.write(&line).await;
    }
    log.flush().await;
}

impl Log {
    async fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let (output, identity) = output(path.as_deref()).await?;
        Ok(Self { path, output, identity, failing: false })
    }

    async fn write(&mut self, line: &[u8]) {
        let written = self.output.write_all(line).await;
        if written.is_err() {
            metrics::counter!(AUDIT_LOST).increment(1);
        }
        self.report(written);
    }

    async fn flush(&mut self) {
        let flushed = self.output.flush().await;
        let failed = flushed.is_err();
        self.report(flushed);
        if failed || self.was_moved().await {
            self.reopen().await;
        }
    }

    /// Whether the file is not where it was opened: moved away or removed, by logrotate say.
    async fn was_moved(&self) -> bool {
        let (Some(path), Some(identity)) = (&self.path, self.identity) else { return false };
        let there = tokio::fs::metadata(path).await;
        there.map_or(true, |there| (there.dev(), there.ino()) != identity)
    }

    async fn reopen(&mut self) {
        match output(self.path.as_deref()).await {
            Ok((output, identity)) => (self.output, self.identity) = (output, identity),
            Err(error) => self.report(Err(error)),
        }
    }

    /// Says once that it fails, and once that it works again.
    fn report(&mut self, outcome: io::Result<()>) {
        match outcome {
            Err(error) if !self.failing => {
                tracing::error!(%error, "the audit log cannot be written; its entries are lost");
                self.failing = true;
            }
            Err(_) => {}
            Ok(()) if self.failing => {
                tracing::info!("the audit log is written again");
                self.failing = false;
            }
            Ok(()) => {}
        }
    }
}

async fn output(path: Option<&Path>) -> io::Result<(Output, Option<(u64, u64)>)> {
    let Some(path) = path else { return Ok((BufWriter::new(Box::new(tokio::io::stdout())), None)) };
    let file: File = OpenOptions::new().create(true).append(true).mode(MODE).open(path).await?;
    let opened = file.metadata().await?;
    Ok((BufWriter::new(Box::new(file)), Some((opened.dev(), opened.ino()))))
}
