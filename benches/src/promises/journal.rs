//! What the journal costs a small PUT.
//!
//! The same relais without its journal (built with the feature `without-journal`: its intents and outcomes touch no database)
//! has its turns between those of relais over SQLite and over PostgreSQL. Events stay in the database.

use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

use super::{Kept, Promise};
use crate::databases;
use crate::figures::Spread;
use crate::peers::{Relais, sink, subfolder};
use crate::plan::{LOADS, Load, Operation, Plan};
use crate::process::{Process, free_address};
use crate::report::{Milliseconds, Rate};
use crate::row::{Row, Runner};

/// Most of its requests a second that the journal may cost a PUT.
const COST_MAX: f64 = 0.15;

/// As many clients at once as keep the processors busy while others wait for the disk: what is asked is how many PUTs a
/// relais can do, not how long one takes.
const LOAD: Load = Load { connections: 64, keys_per_connection: 16, ..LOADS[0] };

/// Where the journal is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Journal {
    Nowhere,
    Sqlite,
    Postgres,
}

impl Journal {
    const REAL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    fn name(self) -> &'static str {
        match self {
            Self::Nowhere => "no journal",
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Starts all three over one store that keeps nothing, and measures.
pub(crate) async fn run(plan: &Plan, relais: &Path, without: &Path) -> anyhow::Result<Vec<Promise>> {
    let folder = TempDir::with_prefix("relais-benches-")?;
    let postgres = databases::postgres().await?;
    let store = sink(&subfolder(folder.path(), "store")?, free_address()?).await?;
    let stores = [store.address];
    let mut running: Vec<(Journal, Process)> = Vec::new();
    for journal in [Journal::Nowhere, Journal::Sqlite, Journal::Postgres] {
        let program = if journal == Journal::Nowhere { without } else { relais };
        let mut relais = Relais::over(program, &stores);
        relais.database = (journal == Journal::Postgres).then_some(&*postgres.url);
        let process = relais.start(&subfolder(folder.path(), journal.name())?).await;
        running.push((journal, process.context(journal.name())?));
    }
    let runners = running.iter().map(|(who, process)| Runner {
        who: *who,
        address: process.address,
        checks_signatures: true,
    });
    let mut row = Row::new(Operation::Put, LOAD, runners).await?;
    for round in 0..plan.rounds {
        eprintln!("journal round {} of {}", round + 1, plan.rounds);
        row.round(Operation::Put, plan, round).await?;
    }
    Journal::REAL.into_iter().map(|journal| promise(&row, journal)).collect()
}

fn promise(row: &Row<Journal>, journal: Journal) -> anyhow::Result<Promise> {
    let (with, without) = (row.of(journal)?, row.of(Journal::Nowhere)?);
    let Spread { lowest, median, highest } = with.times(without);
    let percent = |share: f64| (1.0 - share) * 100.0;
    let figures = [journal, Journal::Nowhere].map(|who| {
        let figures = row.of(who)?;
        let p50 = Milliseconds(figures.percentile(0.5));
        anyhow::Ok(format!("{}: {} requests/s, p50 {p50}", who.name(), Rate(figures.rate().median)))
    });
    let [with, without] = figures;
    Ok(Promise {
        what: format!("what the journal costs a PUT of 4 KiB in requests a second, {}", journal.name()),
        goal: format!("≤ {:.0} %", COST_MAX * 100.0),
        found: format!("{:.0} % ({:.0}–{:.0})", percent(median), percent(highest), percent(lowest)),
        kept: Kept::when(1.0 - median <= COST_MAX),
        details: format!("{}; {}; {} connections", with?, without?, row.load.connections),
    })
}
