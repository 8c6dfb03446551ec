//! `relais adopt`: brings objects under relais that were in a bucket's primary before. See `relais_proxy::replication`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use relais_proxy::Bucket;
use relais_proxy::replication::{Adopted, Adopting, Mode};

use super::progress::Shown;
use super::replication::settle;
use super::{Opened, open_gateway};
use crate::cli::AdoptArguments;
use crate::config::Config;

pub(crate) async fn run(config: &Config, arguments: &AdoptArguments) -> anyhow::Result<ExitCode> {
    let opened = open_gateway(config).await?;
    let adopted = adopt(&opened, arguments).await;
    opened.close().await?;
    adopted
}

async fn adopt(opened: &Opened, arguments: &AdoptArguments) -> anyhow::Result<ExitCode> {
    let name = &arguments.keys.bucket;
    let bucket = opened.gateway.placement().bucket(name);
    let bucket =
        bucket.with_context(|| format!("bucket {name} is not configured; name it in [[buckets]]"))?;
    let prefix = arguments.keys.prefix.as_str();
    let of = |mode| Adopting { bucket: &bucket, prefix, mode, events: arguments.events };

    // Counting first costs a listing, and tells how long the rest will take.
    let shown = Shown::spinner(true);
    let counted = opened.gateway.adopt(of(Mode::Count), |found| shown.tell(found.listed, || in_words(found)));
    let counted = counted.await;
    shown.end();
    let counted = counted?;
    println!("{} has {}", bucket.primary().replica, in_words(&counted));
    if !arguments.yes {
        println!("{}", intention(&bucket, &counted, arguments.events));
        return Ok(ExitCode::SUCCESS);
    }
    if counted.new > 0 {
        let shown = Shown::bar(counted.listed);
        let tell = |found: &Adopted| shown.tell(found.listed, || in_words(found));
        let adopted = opened.gateway.adopt(of(Mode::Adopt), tell).await;
        shown.end();
        let adopted = adopted?;
        println!("adopted {} objects of {} bytes", adopted.new, adopted.new_bytes);
    }
    if bucket.places.len() < 2 {
        return Ok(ExitCode::SUCCESS);
    }
    let left = settle(opened, &bucket, prefix).await?;
    if left > 0 {
        bail!(
            "{left} keys wait to be settled; `relais replication status` tells why. A relais that runs goes on with them, \
             and so does this command when it is started again"
        );
    }
    println!("every replica has its copy");
    Ok(ExitCode::SUCCESS)
}

fn in_words(found: &Adopted) -> String {
    let Adopted { listed, known, new, new_bytes, unusable } = found;
    let mut text = format!("{listed} objects: {known} known to relais, {new} new ({new_bytes} bytes)");
    if *unusable > 0 {
        text.push_str(&format!(", {unusable} with keys that S3 does not allow"));
    }
    text
}

fn intention(bucket: &Bucket, counted: &Adopted, events: bool) -> String {
    let to: Vec<String> = bucket.places[1..].iter().map(|place| place.replica.to_string()).collect();
    let copies = if to.is_empty() { String::new() } else { format!(", copies them to {}", to.join(", ")) };
    let told = if events { ", and tells subscribers of each" } else { "" };
    format!("--yes adopts {}{copies}{told}", counted.new)
}
