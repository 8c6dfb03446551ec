//! One operation, measured against every peer.

use std::path::Path;

use anyhow::{Context, ensure};
use http::StatusCode;
use tempfile::TempDir;

use crate::load::{self, Target};
use crate::objects;
use crate::peers::{self, Peer, Running};
use crate::plan::{LOADS, Operation, Plan};
use crate::presign;
use crate::process::Memory;
use crate::row::Row;

/// All figures of one operation.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) operation: Operation,
    pub(crate) rows: Vec<Row<Peer>>,
    pub(crate) memory: Vec<Footprint>,
}

/// Memory of a peer, children included.
#[derive(Debug)]
pub(crate) struct Footprint {
    pub(crate) peer: Peer,
    pub(crate) start_bytes: u64,
    pub(crate) peak_bytes: u64,
}

/// Starts the peers, measures, and ends them.
pub(crate) async fn run(operation: Operation, plan: &Plan, relais: &Path) -> anyhow::Result<Stage> {
    let folder = TempDir::with_prefix("relais-benches-")?;
    let files = folder.path().join("files");
    if operation == Operation::Get {
        objects::write(&files)?;
    }
    let peers = peers::start(operation, folder.path(), &files, relais).await?;
    check_that_strangers_are_refused(operation, &peers).await?;
    let start = footprints(&peers, Memory::Now)?;
    let rows = measure(operation, plan, &peers).await.with_context(|| printed(operation, &peers))?;
    let peak = footprints(&peers, Memory::Peak)?;
    let memory = start.into_iter().zip(peak);
    let memory =
        memory.map(|((peer, start_bytes), (_, peak_bytes))| Footprint { peer, start_bytes, peak_bytes });
    Ok(Stage { operation, rows, memory: memory.collect() })
}

async fn measure(operation: Operation, plan: &Plan, peers: &[Running]) -> anyhow::Result<Vec<Row<Peer>>> {
    let mut rows = Vec::new();
    for load in LOADS {
        rows.push(Row::new(operation, load, peers.iter().map(Running::runner)).await?);
    }
    for round in 0..plan.rounds {
        eprintln!("{} round {} of {}", operation.name(), round + 1, plan.rounds);
        for row in &mut rows {
            row.round(operation, plan, round).await?;
        }
    }
    Ok(rows)
}

/// A peer that is said to check signatures and does not would be measured at another job.
async fn check_that_strangers_are_refused(operation: Operation, peers: &[Running]) -> anyhow::Result<()> {
    for Running { peer, process } in peers.iter().filter(|running| running.peer.checks_signatures()) {
        let target = Target { address: process.address, paths: presign::plain(&LOADS[0])? };
        let status = load::status(operation, &target).await?;
        let name = peer.name(operation);
        ensure!(
            status == StatusCode::FORBIDDEN,
            "{name} answers a request without a signature with {status}"
        );
    }
    Ok(())
}

fn footprints(peers: &[Running], memory: Memory) -> anyhow::Result<Vec<(Peer, u64)>> {
    peers.iter().map(|running| Ok((running.peer, running.process.memory_bytes(memory)?))).collect()
}

/// What the servers printed, for whoever looks for the reason of a failure.
fn printed(operation: Operation, peers: &[Running]) -> String {
    let of = |running: &Running| format!("{}: {}\n", running.peer.name(operation), running.process.printed());
    format!("the servers printed:\n{}", peers.iter().map(of).collect::<String>())
}
