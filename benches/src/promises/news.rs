//! How soon a subscriber on a Redis stream hears of a write.
//!
//! PUTs begin at a fixed rate, whether or not those before are answered. The clock runs from the end of each answer until
//! the subscriber, which blocks on the stream, has the event; an event that overtakes its answer took no time. Every PUT
//! must have its event.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{Commands, Connection};
use tempfile::TempDir;

use super::{Kept, Promise};
use crate::databases;
use crate::figures::percentile;
use crate::load::{self, Answered, Target};
use crate::objects;
use crate::peers::{Relais, sink, subfolder};
use crate::plan::{LOADS, Load, Operation, Plan};
use crate::presign;
use crate::process::free_address;
use crate::report::Milliseconds;

/// In 99 of 100 cases an event is there after this time.
const P99_MAX: Duration = Duration::from_millis(20);

/// PUTs a second.
const RATE: u32 = 500;

/// Ten seconds of PUTs, each of a key of its own. A connection that is free again within a tenth of a second is in time.
const LOAD: Load = Load { connections: 50, keys_per_connection: 100, ..LOADS[0] };

/// The stream of relais's defaults.
const STREAM: &str = "relais:events";

/// How long the last event may take before those that are missing count as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Entries that one read takes.
const ENTRIES_MAX: usize = 1000;

/// Measures with the journal in SQLite, and in PostgreSQL.
pub(crate) async fn run(plan: &Plan, relais: &Path) -> anyhow::Result<Vec<Promise>> {
    let postgres = databases::postgres().await?;
    Ok(vec![
        measure(plan, relais, "SQLite", None).await.context("SQLite")?,
        measure(plan, relais, "PostgreSQL", Some(&postgres.url)).await.context("PostgreSQL")?,
    ])
}

async fn measure(
    plan: &Plan,
    relais: &Path,
    journal: &str,
    database: Option<&str>,
) -> anyhow::Result<Promise> {
    eprintln!("news from {journal}");
    let folder = TempDir::with_prefix("relais-benches-")?;
    let redis = databases::redis().await?;
    let store = sink(&subfolder(folder.path(), "store")?, free_address()?).await?;
    let stores = [store.address];
    let mut relais = Relais::over(relais, &stores);
    (relais.database, relais.redis) = (database, Some(&*redis.url));
    let relais = relais.start(&subfolder(folder.path(), "relais")?).await?;

    let load =
        Load { keys_per_connection: plan.requests_per_connection_max.min(LOAD.keys_per_connection), ..LOAD };
    let paths = presign::signed(Operation::Put, &load, relais.address).await?;
    let expected = paths.len();
    let url = redis.url.clone();
    let subscriber = tokio::task::spawn_blocking(move || subscribe(&url, expected));
    let target = Target { address: relais.address, paths };
    let answered = load::steady(Operation::Put, &load, &target, &objects::object(&load), RATE).await?;
    let received = subscriber.await??;
    promise(journal, &load, answered, &received)
}

/// When the event of each key came; gives up once nothing came for a long time.
fn subscribe(url: &str, expected: usize) -> anyhow::Result<HashMap<String, Instant>> {
    let mut connection: Connection = redis::Client::open(url)?.get_connection()?;
    let options = StreamReadOptions::default().block(PATIENCE.as_millis() as usize).count(ENTRIES_MAX);
    let mut received = HashMap::with_capacity(expected);
    let mut last = "0".to_owned();
    while received.len() < expected {
        let reply: Option<StreamReadReply> = connection.xread_options(&[STREAM], &[&last], &options)?;
        let now = Instant::now();
        let Some(reply) = reply else { break };
        for entry in reply.keys.into_iter().flat_map(|stream| stream.ids) {
            let key: String = entry.get("key").context("an event without a key")?;
            received.entry(key).or_insert(now);
            last = entry.id;
        }
    }
    Ok(received)
}

fn promise(
    journal: &str,
    load: &Load,
    answered: Vec<Answered>,
    received: &HashMap<String, Instant>,
) -> anyhow::Result<Promise> {
    let keys: Vec<_> = load.keys().collect();
    let mut times = Vec::with_capacity(answered.len());
    for Answered { number, at, .. } in &answered {
        times.extend(received.get(&keys[*number]).map(|received| received.saturating_duration_since(*at)));
    }
    let lost = answered.len() - times.len();
    ensure!(!times.is_empty(), "no event came");
    let mut latencies: Vec<_> = answered.iter().map(|answered| answered.latency).collect();
    let (p50, p99) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
    let put = percentile(&mut latencies, 0.5);
    Ok(Promise {
        what: format!(
            "from the answer to a PUT to its event on a Redis stream, p99, {RATE} PUTs/s, {journal}"
        ),
        goal: format!("≤ {} ms, none lost", P99_MAX.as_millis()),
        found: format!("{}, {lost} lost of {}", Milliseconds(p99), answered.len()),
        kept: Kept::when(p99 <= P99_MAX && lost == 0),
        details: format!("p50 {}; the PUT itself: p50 {}", Milliseconds(p50), Milliseconds(put)),
    })
}
