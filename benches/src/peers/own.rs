//! The servers of our own: this program again, in another role.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Process;

pub(crate) async fn sink(folder: &Path, listen: SocketAddr) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("sink").arg(listen.to_string());
    Process::start(command, listen, folder).await
}

pub(super) async fn s3s_aws(folder: &Path, listen: SocketAddr, store: SocketAddr) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("s3s-aws").arg(listen.to_string()).arg(store.to_string());
    Process::start(command, listen, folder).await
}

/// The way to a store, made longer by that much in each direction.
pub(crate) async fn far(
    folder: &Path,
    listen: SocketAddr,
    store: SocketAddr,
    delay: Duration,
) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    let delay = delay.as_millis().to_string();
    command.arg("far").arg(listen.to_string()).arg(store.to_string()).arg(delay);
    Process::start(command, listen, folder).await
}
