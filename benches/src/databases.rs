//! PostgreSQL and Redis, from Debian's packages, for the length of a run.
//!
//! PostgreSQL is as it comes: a commit is on the disk when it is answered. Redis keeps nothing on disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::process::{Process, free_address};

/// Where Debian puts the programs of PostgreSQL, in a folder for each version.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// PostgreSQL refuses to run as root, so root starts it as this user.
const POSTGRES_USER: &str = "postgres";

const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// A server with what it keeps.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
    _process: Process,
    /// Goes after the process.
    _folder: TempDir,
}

/// An empty PostgreSQL.
pub(crate) async fn postgres() -> anyhow::Result<Database> {
    let (folder, listen, programs) = (TempDir::with_prefix("relais-benches-")?, free_address()?, programs()?);
    if is_root()? {
        run(Command::new("chown").arg(POSTGRES_USER).arg(folder.path()))?;
    }
    let data = folder.path().join("data");
    let mut make = as_postgres(&programs.join("initdb"), folder.path())?;
    make.arg("-D").arg(&data).args(["-U", POSTGRES_USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]);
    run(&mut make)?;
    let mut command = as_postgres(&programs.join("postgres"), folder.path())?;
    let (host, port) = (listen.ip().to_string(), listen.port().to_string());
    command.arg("-D").arg(&data).args(["-p", &port, "-h", &host, "-k", ""]);
    let process = Process::start(command, listen, folder.path()).await.context("PostgreSQL")?;
    let begun = Instant::now();
    while run(Command::new(programs.join("pg_isready")).args(["-q", "-h", &host, "-p", &port])).is_err() {
        ensure!(begun.elapsed() < START_TIMEOUT, "PostgreSQL is not ready: {}", process.printed());
        tokio::time::sleep(POLL).await;
    }
    let url = format!("postgresql://{POSTGRES_USER}@{listen}/postgres");
    Ok(Database { url, _process: process, _folder: folder })
}

/// An empty Redis.
pub(crate) async fn redis() -> anyhow::Result<Database> {
    let (folder, listen) = (TempDir::with_prefix("relais-benches-")?, free_address()?);
    let mut command = Command::new("redis-server");
    command.args(["--bind", &listen.ip().to_string(), "--port", &listen.port().to_string(), "--save", ""]);
    command.current_dir(folder.path());
    let process = Process::start(command, listen, folder.path()).await.context("Redis")?;
    Ok(Database { url: format!("redis://{listen}/0"), _process: process, _folder: folder })
}

/// The programs of the newest PostgreSQL that is installed.
fn programs() -> anyhow::Result<PathBuf> {
    let versions =
        fs::read_dir(POSTGRES_VERSIONS).context("there is no PostgreSQL; `make bench` installs it")?;
    let number = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let folders = versions.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let newest = folders.filter(|folder| folder.join("bin/postgres").is_file()).max_by_key(number);
    Ok(newest.with_context(|| format!("no version in {POSTGRES_VERSIONS} has a server"))?.join("bin"))
}

/// A command in a folder that its user may enter.
fn as_postgres(program: &Path, folder: &Path) -> anyhow::Result<Command> {
    let mut command = if is_root()? {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", POSTGRES_USER, "--regid", POSTGRES_USER, "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(folder);
    Ok(command)
}

fn is_root() -> anyhow::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let Output { status, stderr, .. } =
        command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&stderr));
    }
    Ok(())
}
