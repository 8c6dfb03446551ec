//! `relais policy simulate`: asks the policies one question, and says which statement decided.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use relais_catalog::BucketRow;
use relais_proxy::{SimulatedCaller, Simulation};

use crate::cli::{Caller, Question};
use crate::config::Config;
use crate::serve;

pub(crate) async fn simulate(config: &Config, question: &Question) -> anyhow::Result<ExitCode> {
    let alone = question.policy.is_some() || question.bucket_policy.is_some();
    let kept = if alone { None } else { kept(config, &question.bucket).await? };
    let file = |path: &Option<std::path::PathBuf>| path.as_deref().map(read).transpose();
    let simulation = Simulation {
        access: &config.access,
        buckets: &config.buckets,
        kept,
        caller: caller(&question.caller)?,
        action: question.action.clone(),
        bucket: question.bucket.clone(),
        key: question.key.clone(),
        context: question.context.iter().map(|pair| split(pair)).collect::<anyhow::Result<_>>()?,
        policy: file(&question.policy)?,
        bucket_policy: file(&question.bucket_policy)?,
        session_policy: file(&question.session_policy)?,
    };
    let answer = relais_proxy::simulate(&simulation)?;
    if question.json {
        println!("{}", answer.to_json());
    } else {
        println!("{answer}");
    }
    Ok(if answer.is_allowed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn caller(caller: &Caller) -> anyhow::Result<SimulatedCaller> {
    Ok(match (&caller.token_file, &caller.claims, &caller.account) {
        (Some(path), ..) => SimulatedCaller::of_token(&read(path)?)?,
        (_, Some(claims), _) => SimulatedCaller::of_claims(claims)?,
        (.., Some(account)) => SimulatedCaller::Account(account.clone()),
        _ => SimulatedCaller::Anonymous,
    })
}

/// What the catalog keeps of the bucket; nothing where there are no tables yet.
async fn kept(config: &Config, bucket: &str) -> anyhow::Result<Option<BucketRow>> {
    if !config.data_dir.exists() {
        return Ok(None);
    }
    let catalog = serve::connect(config).await?;
    if !catalog.pending_migrations().await?.is_empty() {
        return Ok(None);
    }
    Ok(catalog.buckets().find(&bucket.parse()?).await?)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn split(pair: &str) -> anyhow::Result<(String, String)> {
    let (key, value) =
        pair.split_once('=').with_context(|| format!("--context {pair:?}: must be KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
