//! `relais replication diff`: compares the replicas of a bucket with its primary. Ends with 0 where they are equal, with 1
//! where they are not.

use std::process::ExitCode;

use anyhow::bail;
use relais_proxy::replication::{Asked, Depth, Difference, Summary, What};
use serde_json::json;

use super::{counts, line};
use crate::cli::DiffArguments;
use crate::commands::open_gateway;
use crate::commands::progress::Shown;
use crate::config::Config;

pub(super) async fn run(config: &Config, arguments: &DiffArguments) -> anyhow::Result<ExitCode> {
    let opened = open_gateway(config).await?;
    let bucket = &arguments.keys.bucket;
    if opened.gateway.placement().bucket(bucket).is_some_and(|bucket| bucket.places.len() < 2) {
        bail!("bucket {bucket} has one replica; there is nothing to compare it with");
    }
    let depth = if arguments.deep { Depth::Deep } else { Depth::Listed };
    let asked = Asked { bucket, prefix: &arguments.keys.prefix, depth, keys_max: None };
    let shown = Shown::spinner(!arguments.json);
    let compared = opened
        .gateway
        .diff(asked, |differences, summary| {
            for difference in differences {
                let told = if arguments.json { as_json(difference).to_string() } else { line(difference) };
                shown.print(&told);
            }
            shown.tell(summary.keys, || counts(summary));
        })
        .await;
    shown.end();
    opened.close().await?;
    let summary = compared?;
    if arguments.json {
        println!("{}", json!({ "summary": summary_as_json(&summary) }));
    } else {
        println!("{}", counts(&summary));
        print_verdict(&summary, arguments);
    }
    Ok(if summary.differences() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_verdict(summary: &Summary, arguments: &DiffArguments) {
    let deep = if arguments.deep { " --deep" } else { "" };
    if summary.differences() > 0 {
        println!("to make them equal: relais replication repair {}{deep}", arguments.keys.bucket);
    } else if summary.unclear > 0 {
        println!("no difference was found; --deep tells of the unclear ones");
    } else if arguments.deep {
        println!("the replicas are equal");
    } else {
        println!(
            "the replicas are equal by keys, sizes and entity tags; --deep looks at metadata and tags too"
        );
    }
}

fn as_json(difference: &Difference) -> serde_json::Value {
    let Difference { key, replica, what, known } = difference;
    let (state, what) = match what {
        What::Missing => ("missing", json!([])),
        What::Extra => ("extra", json!([])),
        What::Different(what) => ("different", json!(what)),
        What::Unclear => ("unclear", json!(["bytes"])),
        What::Unread(reason) => ("unread", json!([reason])),
    };
    json!({ "key": key, "replica": replica, "state": state, "what": what, "known": known })
}

fn summary_as_json(summary: &Summary) -> serde_json::Value {
    let Summary { keys, bytes, missing, extra, different, unclear, unread, known } = summary;
    json!({
        "keys": keys,
        "bytes": bytes,
        "missing": missing,
        "extra": extra,
        "different": different,
        "unclear": unclear,
        "unread": unread,
        "known": known,
        "equal": summary.differences() == 0 && *unclear == 0,
    })
}
