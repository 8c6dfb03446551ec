//! The servers of our own: this program again, in another role.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::Process;

pub(super) async fn sink(folder: &Path, listen: SocketAddr) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("sink").arg(listen.to_string());
    Process::start(command, listen, folder).await
}

pub(super) async fn s3s_aws(folder: &Path, listen: SocketAddr, store: SocketAddr) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("s3s-aws").arg(listen.to_string()).arg(store.to_string());
    Process::start(command, listen, folder).await
}
