//! `relais-benches`: how fast relais is, as ratios.
//!
//! One load, sent in turns to the bare store, to nginx in front of it, to a plain s3s-aws proxy in front of it and to relais
//! in front of it. The turns are short and interleaved, so whatever else the machine does hits all four alike; what counts are
//! the ratios. What relais promises of its own speed ([`promises`]) is measured against itself in the same way. Everything
//! runs on loopback in processes that this program starts and ends.
//!
//! Not measured here: TLS, sidecars.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

mod databases;
mod delay;
mod figures;
mod load;
mod machine;
mod objects;
mod peers;
mod plan;
mod presign;
mod process;
mod promises;
mod report;
mod role;
mod row;
mod sdk;
mod stage;

use machine::Machine;
use plan::{Operation, Plan};
use report::Measured;
use role::Role;

/// Measures GET and PUT against the bare store, nginx and a plain s3s-aws proxy, and what relais promises of its own speed.
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
    /// The same without its journal (feature `without-journal`); default: `relais-without-journal` beside this program.
    #[arg(long, value_name = "FILE")]
    without_journal: Option<PathBuf>,
    /// What is measured; default: everything.
    #[arg(long = "only", value_name = "PART", value_delimiter = ',')]
    parts: Vec<Part>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Part {
    /// GET against the others.
    Get,
    /// PUT against the others.
    Put,
    /// What the journal costs.
    Journal,
    /// From a write to its event.
    News,
    /// What a second store costs.
    Replicas,
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
    let relais = program(cli.relais.as_deref(), "relais")?;
    let plan = if cli.quick { Plan::QUICK } else { Plan::FULL };
    let machine = Machine::describe(&relais)?;
    let wants = |part| cli.parts.is_empty() || cli.parts.contains(&part);
    let mut measured = Measured::default();
    if wants(Part::Journal) {
        let without = program(cli.without_journal.as_deref(), "relais-without-journal")?;
        measured.promises.extend(promises::journal(&plan, &relais, &without).await.context("journal")?);
    }
    if wants(Part::News) {
        measured.promises.extend(promises::news(&plan, &relais).await.context("news")?);
    }
    if wants(Part::Replicas) {
        measured.promises.extend(promises::replicas(&plan, &relais).await.context("replicas")?);
    }
    for (part, operation) in [(Part::Get, Operation::Get), (Part::Put, Operation::Put)] {
        if wants(part) {
            let stage = stage::run(operation, &plan, &relais).await;
            measured.stages.push(stage.with_context(|| operation.name())?);
        }
    }
    let report = report::markdown(&plan, &machine, &measured)?;
    println!("{report}");
    if let Some(path) = &cli.write {
        std::fs::write(path, report).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The binary that was named, or the one beside this program.
fn program(named: Option<&Path>, name: &str) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name(name),
    };
    anyhow::ensure!(path.is_file(), "there is no {}; `make bench` builds it", path.display());
    Ok(path)
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
