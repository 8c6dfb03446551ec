//! The figures as Markdown, for the terminal and for `docs/`.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::figures::Spread;
use crate::machine::{Machine, load_average};
use crate::peers::Peer;
use crate::plan::Plan;
use crate::promises::Promise;
use crate::row::Row;
use crate::stage::Stage;

/// What a reader must know to judge the figures.
const METHOD: &str = include_str!("report/method.md");

/// Load average of a machine with nothing to do but this.
const QUIET_LOAD_MAX: f64 = 0.5;

const NOISE: &str = "\
The requests a second of the bare store alone, in the rounds of this run. What it moves by within a run is what the machine and
others on it do; a multiple whose range (in brackets) crosses 1 tells no winner.";

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) stages: Vec<Stage>,
    pub(crate) promises: Vec<Promise>,
}

pub(crate) fn markdown(plan: &Plan, machine: &Machine, measured: &Measured) -> anyhow::Result<String> {
    let Measured { stages, promises } = measured;
    let mut text = String::from(
        "# Benchmarks\n\nWritten by `make bench BENCH_FLAGS=\"--write docs/benchmarks.md\"`.\n\n",
    );
    if plan.rounds == Plan::QUICK.rounds {
        text.push_str("**This was a quick run: it shows that everything works, not how fast it is.**\n\n");
    }
    write_machine(&mut text, plan, machine)?;
    if !promises.is_empty() {
        write_promises(&mut text, promises)?;
    }
    if !stages.is_empty() {
        write_multiples(&mut text, stages)?;
    }
    for stage in stages {
        write_stage(&mut text, stage)?;
    }
    if !stages.is_empty() {
        write_memory(&mut text, stages)?;
        write_noise(&mut text, stages)?;
    }
    write_quiet(&mut text, machine)?;
    text.push_str(METHOD);
    Ok(text)
}

fn write_machine(text: &mut String, plan: &Plan, machine: &Machine) -> anyhow::Result<()> {
    let Plan { rounds, turn, .. } = plan;
    writeln!(text, "| | |\n|---|---|")?;
    writeln!(text, "| date | {} |", machine.date)?;
    writeln!(text, "| command | `{}` |", machine.command)?;
    writeln!(text, "| processors | {} |", machine.processor)?;
    writeln!(text, "| memory | {} |", machine.memory)?;
    writeln!(text, "| system | {} |", machine.system)?;
    writeln!(text, "| versions | {} |", machine.versions)?;
    writeln!(
        text,
        "| rounds | {rounds}, each with a turn of {} s for each server and load |",
        turn.as_secs_f64()
    )?;
    let (before, after) = (&machine.load_before, load_average()?);
    writeln!(text, "| load average | {before} before the first turn, {after} after the last |\n")?;
    Ok(())
}

fn write_promises(text: &mut String, promises: &[Promise]) -> anyhow::Result<()> {
    writeln!(text, "## What relais promises of its own speed\n")?;
    writeln!(text, "| what | goal | measured | kept | beside it |\n|---|---|---|---|---|")?;
    for Promise { what, goal, found, kept, details } in promises {
        writeln!(text, "| {what} | {goal} | **{found}** | {kept} | {details} |")?;
    }
    Ok(writeln!(text)?)
}

fn write_multiples(text: &mut String, stages: &[Stage]) -> anyhow::Result<()> {
    writeln!(text, "## relais, as a multiple of the others' rate\n")?;
    writeln!(text, "| | nginx `proxy_pass` | plain s3s-aws proxy | bare store |\n|---|---|---|---|")?;
    for stage in stages {
        for row in &stage.rows {
            write!(text, "| {} {} |", stage.operation.name(), row.load.name)?;
            let relais = row.of(Peer::Relais)?;
            for other in Peer::OTHERS {
                write!(text, " {} |", Multiple(relais.times(row.of(other)?)))?;
            }
            writeln!(text)?;
        }
    }
    Ok(writeln!(text)?)
}

fn write_stage(text: &mut String, stage: &Stage) -> anyhow::Result<()> {
    let operation = stage.operation;
    writeln!(text, "## {}\n", operation.name())?;
    writeln!(
        text,
        "| object | connections | server | requests | requests/s | MiB/s | p50 | p99 | of the bare store |"
    )?;
    writeln!(text, "|---|--:|---|--:|--:|--:|--:|--:|--:|")?;
    for row in &stage.rows {
        let store = row.of(Peer::Store)?;
        for (peer, figures) in row.figures() {
            let rate = figures.rate().median;
            let (p50, p99) = (Milliseconds(figures.percentile(0.5)), Milliseconds(figures.percentile(0.99)));
            let (requests, share) = (figures.requests(), figures.times(store).median);
            let (load, name) = (&row.load, peer.name(operation));
            write!(text, "| {} | {} | {name} | {requests} |", load.name, load.connections)?;
            writeln!(text, " {} | {:.0} | {p50} | {p99} | {share:.2} |", Rate(rate), mebibytes(rate, row))?;
        }
    }
    Ok(writeln!(text)?)
}

fn write_memory(text: &mut String, stages: &[Stage]) -> anyhow::Result<()> {
    writeln!(
        text,
        "## Memory, MiB\n\n| stage | server | at start (VmRSS) | peak (VmHWM) |\n|---|---|--:|--:|"
    )?;
    for stage in stages {
        for footprint in &stage.memory {
            let (start, peak) = (footprint.start_bytes >> 20, footprint.peak_bytes >> 20);
            let (stage, name) = (stage.operation.name(), footprint.peer.name(stage.operation));
            writeln!(text, "| {stage} | {name} | {start} | {peak} |")?;
        }
    }
    Ok(writeln!(text)?)
}

/// How far the bare store alone went up and down: nothing smaller can be told from these figures.
fn write_noise(text: &mut String, stages: &[Stage]) -> anyhow::Result<()> {
    writeln!(text, "## Noise\n\n{NOISE}\n")?;
    writeln!(text, "| | lowest | median | highest |\n|---|--:|--:|--:|")?;
    for stage in stages {
        for row in &stage.rows {
            let Spread { lowest, median, highest } = row.of(Peer::Store)?.rate();
            let (stage, load) = (stage.operation.name(), row.load.name);
            let (lowest, median, highest) = (Rate(lowest), Rate(median), Rate(highest));
            writeln!(text, "| {stage} {load} | {lowest} | {median} | {highest} |")?;
        }
    }
    Ok(writeln!(text)?)
}

/// Whether anybody else was at work, which is what ratios suffer from least, and latencies most.
fn write_quiet(text: &mut String, machine: &Machine) -> anyhow::Result<()> {
    let others: f64 = machine.load_before.parse()?;
    if others > QUIET_LOAD_MAX {
        writeln!(
            text,
            "**The machine was not quiet**: before the first turn {others} processes of others wanted to run.\n"
        )?;
    }
    Ok(())
}

fn mebibytes(rate: f64, row: &Row<Peer>) -> f64 {
    rate * row.load.object_bytes as f64 / f64::from(1 << 20)
}

/// Requests a second; of large objects there are few.
pub(crate) struct Rate(pub(crate) f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = if self.0 < 100.0 { 1 } else { 0 };
        write!(f, "{:.decimals$}", self.0)
    }
}

struct Multiple(Spread);

impl fmt::Display for Multiple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { lowest, median, highest } = self.0;
        write!(f, "**{median:.2}** ({lowest:.2}–{highest:.2})")
    }
}

pub(crate) struct Milliseconds(pub(crate) Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ms", self.0.as_secs_f64() * 1000.0)
    }
}
