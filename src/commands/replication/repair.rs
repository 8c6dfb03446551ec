//! `relais replication repair`: marks what differs to be settled, sees that it is, and compares again.

use std::process::ExitCode;

use anyhow::{Context, bail};
use relais_proxy::replication::{Asked, Depth, Difference, Summary};

use super::{counts, line};
use crate::cli::RepairArguments;
use crate::commands::progress::Shown;
use crate::commands::{Opened, open_gateway};
use crate::config::Config;

pub(super) async fn run(config: &Config, arguments: &RepairArguments) -> anyhow::Result<ExitCode> {
    let opened = open_gateway(config).await?;
    let repaired = repair(&opened, arguments).await;
    opened.close().await?;
    repaired
}

async fn repair(opened: &Opened, arguments: &RepairArguments) -> anyhow::Result<ExitCode> {
    let gateway = &opened.gateway;
    let name = &arguments.keys.bucket;
    let bucket =
        gateway.placement().bucket(name).with_context(|| format!("bucket {name} is not configured"))?;
    if bucket.places.len() < 2 {
        bail!("bucket {name} has one replica; there is nothing to repair");
    }
    let prefix = arguments.keys.prefix.as_str();
    let depth = if arguments.deep { Depth::Deep } else { Depth::Listed };
    let asked = Asked { bucket: name, prefix, depth, keys_max: None };

    let shown = Shown::spinner(true);
    let compared = if arguments.yes {
        gateway.mark_differences(asked, |differences, summary| tell(&shown, differences, summary)).await
    } else {
        gateway.diff(asked, |differences, summary| tell(&shown, differences, summary)).await
    };
    shown.end();
    let summary = compared?;
    println!("{}", counts(&summary));
    if summary.differences() == 0 {
        println!("nothing is to be repaired");
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes {
        println!(
            "--yes copies {} objects to replicas and removes {} from them",
            summary.missing + summary.different,
            summary.extra
        );
        return Ok(ExitCode::SUCCESS);
    }
    settle(opened, &bucket, prefix).await?;
    verify(opened, asked).await
}

fn tell(shown: &Shown, differences: &[Difference], summary: &Summary) {
    for difference in differences {
        shown.print(&line(difference));
    }
    shown.tell(summary.keys, || counts(summary));
}

/// Waits until the keys are settled, with a bar.
pub(in crate::commands) async fn settle(
    opened: &Opened,
    bucket: &relais_proxy::Bucket,
    prefix: &str,
) -> anyhow::Result<u64> {
    let total = opened.gateway.unsettled_below(bucket, prefix).await?;
    let shown = Shown::bar(total);
    let progress = |left: u64| {
        let done = total.saturating_sub(left);
        shown.tell(done, || format!("{done} of {total} keys settled"));
    };
    let left = opened.gateway.settle_below(bucket, prefix, progress).await;
    shown.end();
    Ok(left?)
}

async fn verify(opened: &Opened, asked: Asked<'_>) -> anyhow::Result<ExitCode> {
    let shown = Shown::spinner(true);
    let compared = opened
        .gateway
        .diff(asked, |differences, summary| {
            for difference in differences {
                shown.print(&format!("left: {}", line(difference)));
            }
            shown.tell(summary.keys, || format!("compared again: {}", counts(summary)));
        })
        .await;
    shown.end();
    let summary = compared?;
    println!("compared again: {}", counts(&summary));
    if summary.differences() == 0 {
        println!("repaired");
        return Ok(ExitCode::SUCCESS);
    }
    println!("some is left; `relais replication status` tells why");
    Ok(ExitCode::FAILURE)
}
