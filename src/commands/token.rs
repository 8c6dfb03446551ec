//! `relais token`: tokens that `SECRET_KEY` signs, for trying things out and for services of one's own.

use std::time::Duration;

use anyhow::{Context, bail};
use chrono::Utc;
use relais_catalog::{Revocation, RevocationKind};
use relais_proxy::mint_token;

use super::open_catalog;
use crate::cli::TokenCommand;
use crate::config::Config;
use crate::keys;

/// Claims that relais puts in itself.
const OWN_CLAIMS: [&str; 5] = ["sub", "iss", "aud", "iat", "exp"];

pub(super) async fn run(config: &Config, command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Mint { sub, claims, ttl } => mint(config, sub, &claims, &ttl),
        TokenCommand::Revoke { owner: Some(owner), .. } => {
            revoke(config, RevocationKind::Subject, owner).await
        }
        TokenCommand::Revoke { id, .. } => {
            let id = id.filter(|id| id.contains(':')).context("--id: it must be ISSUER:JTI")?;
            revoke(config, RevocationKind::Token, id).await
        }
    }
}

async fn revoke(config: &Config, kind: RevocationKind, value: String) -> anyhow::Result<()> {
    let (catalog, _) = open_catalog(config).await?;
    let revocation = Revocation {
        kind,
        value: value.clone(),
        revoked_at: Utc::now(),
        expires_at: None, // How long the token lives is not known here.
        reason: Some("relais token revoke".to_owned()),
    };
    catalog.revocations().add(&revocation).await?;
    catalog.close().await?;
    println!("{value} is revoked, on every instance within 5 seconds");
    Ok(())
}

fn mint(config: &Config, sub: String, claims: &[String], ttl: &str) -> anyhow::Result<()> {
    let mut all = serde_json::Map::new();
    for claim in claims {
        let (name, value) =
            claim.split_once('=').with_context(|| format!("--claim {claim}: it must be NAME=VALUE"))?;
        if OWN_CLAIMS.contains(&name) {
            bail!(
                "--claim {name}: relais sets this claim itself; use --sub for the subject, --ttl for the time"
            );
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        all.insert(name.to_owned(), value);
    }
    all.insert("sub".to_owned(), sub.into());
    let end = Utc::now().checked_add_signed(chrono::Duration::from_std(duration(ttl)?)?);
    let end = end.with_context(|| format!("--ttl {ttl}: it is too long"))?;
    let keyring = keys::keyring(config, false)?;
    let token = mint_token(&keyring, all, end).context("the token cannot be signed")?;
    println!("{}", token.expose());
    Ok(())
}

/// A number and its unit.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let invalid = || format!("--ttl {text}: it must be a time such as 90s, 15m, 12h or 30d");
    let seconds = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => bail!(invalid()),
    };
    let number: u64 = text[..text.len() - 1].parse().with_context(invalid)?;
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds > 0).with_context(invalid)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        assert_eq!(duration("90s").unwrap().as_secs(), 90);
        assert_eq!(duration("15m").unwrap().as_secs(), 900);
        assert_eq!(duration("30d").unwrap().as_secs(), 30 * 86_400);
        for wrong in
            ["", "d", "0s", "-1h", "1.5h", "10", "1w", "1é", "99999999999999999999d", "9999999999999999d"]
        {
            assert!(duration(wrong).unwrap_err().to_string().contains("--ttl"), "{wrong}");
        }
    }
}
