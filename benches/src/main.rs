//! `relais-benches`: how fast relais is, as ratios.
//!
//! One load, sent in turns to the bare store, to nginx in front of it, to a plain s3s-aws proxy in front of it and to relais
//! in front of it. The turns are short and interleaved, so whatever else the machine does hits all four alike; what counts are
//! the ratios. Everything runs on loopback in processes that this program starts and ends.
//!
//! Not measured here: more than one replica, TLS, sidecars.

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

mod figures;
mod load;
mod machine;
mod objects;
mod peers;
mod plan;
mod presign;
mod process;
mod report;
mod role;
mod row;
mod sdk;
mod stage;

use machine::Machine;
use plan::{Operation, Plan};
use role::Role;

/// Measures GET and PUT against the bare store, nginx and a plain s3s-aws proxy.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    /// A round of very short turns: shows that everything works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// Write the tables to this file too.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// The binary to measure; default: the one beside this program.
    #[arg(long, value_name = "FILE")]
    relais: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.role {
        Some(role) => role::play(role).await,
        None => tokio::select! {
            measured = measure(&cli) => measured,
            stopped = stopped() => stopped,
        },
    }
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    let relais = match &cli.relais {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("relais"),
    };
    anyhow::ensure!(relais.is_file(), "there is no {}; build it with `make build`", relais.display());
    let plan = if cli.quick { Plan::QUICK } else { Plan::FULL };
    let machine = Machine::describe(&relais)?;
    let mut stages = Vec::new();
    for operation in [Operation::Get, Operation::Put] {
        stages.push(stage::run(operation, &plan, &relais).await.with_context(|| operation.name())?);
    }
    let report = report::markdown(&plan, &machine, &stages)?;
    println!("{report}");
    if let Some(path) = &cli.write {
        std::fs::write(path, report).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Ends with an error at the first signal, so that processes are ended by their owners' `Drop`.
async fn stopped() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    anyhow::bail!("stopped before the end")
}
