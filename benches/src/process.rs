//! A server that this program starts, watches and ends by its id.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;

/// How long a server may take to listen, and to end.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
    log: PathBuf,
}

/// What Linux keeps about the memory of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Memory {
    Now,
    Peak,
}

impl Process {
    /// Starts a server and waits until it takes connections. What it prints goes to `log` in the folder.
    pub(crate) async fn start(
        mut command: Command,
        address: SocketAddr,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = folder.join("log");
        let out = File::create(&log)?;
        command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
        let program = command.get_program().display().to_string();
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let mut process = Self { address, child, log };
        process.wait_until_listening().await.with_context(|| format!("{program} does not serve"))?;
        Ok(process)
    }

    async fn wait_until_listening(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START_TIMEOUT {
                bail!("nothing listens on {}; it printed:\n{}", self.address, self.printed());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// What the server printed so far.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Memory of the process and its children in bytes. What they share is counted in each.
    pub(crate) fn memory_bytes(&self, memory: Memory) -> anyhow::Result<u64> {
        self.family().into_iter().map(|id| memory_bytes(id, memory)).sum()
    }

    fn family(&self) -> Vec<u32> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        std::iter::once(id)
            .chain(children.split_whitespace().filter_map(|child| child.parse().ok()))
            .collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let family = self.family();
        signal(self.child.id(), Signal::SIGTERM);
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > STOP_TIMEOUT {
                family.into_iter().for_each(|id| signal(id, Signal::SIGKILL));
                let _ = self.child.wait(); // It was killed; there is nothing left to learn from it.
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}

fn signal(id: u32, signal: Signal) {
    if let Ok(id) = i32::try_from(id) {
        let _ = kill(Pid::from_raw(id), signal); // Fails where it has ended already.
    }
}

fn memory_bytes(id: u32, memory: Memory) -> anyhow::Result<u64> {
    let field = match memory {
        Memory::Now => "VmRSS:",
        Memory::Peak => "VmHWM:",
    };
    let path = format!("/proc/{id}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .with_context(|| format!("{path} has no {field}"))?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

/// An address on loopback that was free a moment ago.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
