//! What a second store costs a PUT that waits for both, where the way to a store is long.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::{Kept, Promise};
use crate::figures::Spread;
use crate::peers::{Relais, far, sink, subfolder};
use crate::plan::{LOADS, Load, Operation, Plan};
use crate::process::free_address;
use crate::report::Milliseconds;
use crate::row::{Row, Runner};

/// How much longer a PUT to two stores may take than one to one of them.
const TIMES_MAX: f64 = 1.15;

/// How far away a store is: a request and its answer take that long each.
const DELAY: Duration = Duration::from_millis(20);

/// Few clients at once, so that what counts is the way, and not who gets the processors.
const SMALL: Load = Load { connections: 4, keys_per_connection: 64, ..LOADS[0] };
const LARGE: Load = Load { connections: 2, keys_per_connection: 4, ..LOADS[1] };

/// How many stores have to have an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stores {
    One,
    Two,
}

/// Starts relais over one far store and over two of them, and measures.
pub(crate) async fn run(plan: &Plan, relais: &Path) -> anyhow::Result<Vec<Promise>> {
    let folder = TempDir::with_prefix("relais-benches-")?;
    let folder = |name: &str| subfolder(folder.path(), name);
    let mut stores = Vec::new();
    let mut ways = Vec::new();
    for number in 0..2 {
        let store = sink(&folder(&format!("store{number}"))?, free_address()?).await?;
        ways.push(far(&folder(&format!("way{number}"))?, free_address()?, store.address, DELAY).await?);
        stores.push(store);
    }
    let addresses: Vec<_> = ways.iter().map(|way| way.address).collect();
    let one = Relais::over(relais, &addresses[..1]).start(&folder("one")?).await?;
    let two = Relais::over(relais, &addresses).start(&folder("two")?).await?;
    let runners = [(Stores::One, one.address), (Stores::Two, two.address)];
    let runners = runners.map(|(who, address)| Runner { who, address, checks_signatures: true });
    let mut rows =
        [Row::new(Operation::Put, SMALL, runners).await?, Row::new(Operation::Put, LARGE, runners).await?];
    for round in 0..plan.rounds {
        eprintln!("replicas round {} of {}", round + 1, plan.rounds);
        for row in &mut rows {
            row.round(Operation::Put, plan, round).await?;
        }
    }
    rows.iter().map(promise).collect()
}

/// Each connection has one request at a time, so what the rate falls by the time has risen by.
fn promise(row: &Row<Stores>) -> anyhow::Result<Promise> {
    let (one, two) = (row.of(Stores::One)?, row.of(Stores::Two)?);
    let Spread { lowest, median, highest } = one.times(two);
    let (p50_one, p50_two) = (Milliseconds(one.percentile(0.5)), Milliseconds(two.percentile(0.5)));
    Ok(Promise {
        what: format!(
            "time of a PUT of {} to two stores, {} ms away each, as a multiple of one",
            row.load.name,
            DELAY.as_millis()
        ),
        goal: format!("≤ {TIMES_MAX}"),
        found: format!("{median:.2} ({lowest:.2}–{highest:.2})"),
        kept: Kept::when(median <= TIMES_MAX),
        details: format!("p50 {p50_two}; one store: {p50_one}; {} connections", row.load.connections),
    })
}
