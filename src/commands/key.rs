//! `relais key`: access keys that the catalog keeps, from the command line.

use std::path::Path;

use anyhow::{Context, bail};
use relais_catalog::{AccessKeyRow, Catalog, NewAccessKey, Revocation, RevocationKind};
use relais_proxy::KeySealer;

use super::open_catalog;
use crate::cli::KeyCommand;
use crate::config::{Config, Misconfigured};
use crate::keys;

pub(crate) async fn run(config: &Config, command: KeyCommand) -> anyhow::Result<()> {
    let (catalog, _) = open_catalog(config).await?;
    let done = match command {
        KeyCommand::Create { name, owner, policy, json } => {
            create(config, &catalog, name, owner, policy.as_deref(), json).await
        }
        KeyCommand::List { json } => list(&catalog, json).await,
        KeyCommand::Revoke { id } => revoke(&catalog, &id).await,
    };
    catalog.close().await?;
    done
}

async fn create(
    config: &Config,
    catalog: &Catalog,
    name: String,
    owner: Option<String>,
    policy: Option<&Path>,
    json: bool,
) -> anyhow::Result<()> {
    let owner = owner.unwrap_or_else(|| name.clone());
    relais_proxy::check_owner(&owner).map_err(|wrong| anyhow::anyhow!("--owner: {owner:?} {wrong}"))?;
    let policy = policy.map(read_policy).transpose()?;
    let sealer = sealer(config)?;
    let (id, secret) = keys::new_access_key();
    let sealed_secret = sealer.seal(&id, &secret);
    let new = NewAccessKey { id, name, owner, sealed_secret, policy };
    if !catalog.access_keys().create(&new).await? {
        bail!("the access key {} is there already: try again", new.id); // Once in 2^70.
    }
    let NewAccessKey { id, name, owner, .. } = new;
    let secret = secret.expose();
    if json {
        let shown = serde_json::json!({
            "access_key_id": id,
            "secret_access_key": secret,
            "name": name,
            "owner": owner,
        });
        println!("{shown:#}");
    } else {
        println!("access key id:      {id}\nsecret access key:  {secret}\n");
        println!("It acts for {owner:?}. The secret is not shown again.");
    }
    Ok(())
}

fn read_policy(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("--policy: cannot read {}", path.display()))?;
    match relais_proxy::check_role_policy(&text) {
        Ok(()) => Ok(text),
        Err(wrong) => bail!("--policy: {}: {wrong}", path.display()),
    }
}

/// What the servers open secrets with. A secret key is made only where its server has the same data folder for certain.
pub(super) fn sealer(config: &Config) -> anyhow::Result<KeySealer> {
    let may_make = config.database.url.starts_with("sqlite");
    let keyring = keys::keyring(config, may_make).map_err(|error| match error.is::<Misconfigured>() {
        true => Misconfigured(
            "secret_key (SECRET_KEY): must be what the proxy has: it opens what is sealed".to_owned(),
        )
        .into(),
        false => error,
    })?;
    Ok(KeySealer::new(&keyring))
}

async fn list(catalog: &Catalog, json: bool) -> anyhow::Result<()> {
    let all = catalog.access_keys().all().await?;
    if json {
        let all: Vec<_> = all.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for key in &all {
        let allowed = if key.policy.is_some() { "by its policy" } else { "as its owner" };
        let since = key.revoked_at.map(|at| format!("revoked {}", at.format("%Y-%m-%d %H:%M:%S")));
        let (made, since) = (key.created_at.format("%Y-%m-%d"), since.unwrap_or_else(|| allowed.to_owned()));
        println!(
            "{}  {made}  {since:<28} {} ({})",
            key.id,
            key.name.escape_debug(),
            key.owner.escape_debug()
        );
    }
    Ok(())
}

/// No secret, sealed or not.
fn as_json(key: &AccessKeyRow) -> serde_json::Value {
    let policy: Option<serde_json::Value> =
        key.policy.as_deref().and_then(|text| serde_json::from_str(text).ok());
    serde_json::json!({
        "access_key_id": key.id,
        "name": key.name,
        "owner": key.owner,
        "policy": policy,
        "created_at": key.created_at.to_rfc3339(),
        "revoked_at": key.revoked_at.map(|time| time.to_rfc3339()),
    })
}

async fn revoke(catalog: &Catalog, id: &str) -> anyhow::Result<()> {
    if relais_proxy::is_temporary_key(id) {
        let revocation = Revocation {
            kind: RevocationKind::Credentials,
            value: id.to_owned(),
            revoked_at: chrono::Utc::now(),
            expires_at: None, // How long the credentials live stands in their session token, which is not here.
            reason: Some("relais key revoke".to_owned()),
        };
        catalog.revocations().add(&revocation).await?;
    } else if !catalog.access_keys().revoke(id).await? {
        match catalog.access_keys().find(id).await?.and_then(|key| key.revoked_at) {
            Some(at) => bail!("the access key {id} was revoked already, at {}", at.to_rfc3339()),
            None => bail!(
                "there is no access key {id}; `relais key list` names them, and those of the configuration are removed there"
            ),
        }
    }
    println!("{id} is revoked, on every instance within 5 seconds");
    Ok(())
}
