//! `relais user`: the accounts of an application, from the command line.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use relais_catalog::{Catalog, NewUser, UserRow, Users};
use relais_model::Secret;

use super::open_catalog;
use crate::cli::{Credits, UserCommand, Who};
use crate::config::Config;

/// Users that are read at once.
const PAGE: u64 = 500;

/// Longest line that is read as a password: far more than is allowed, so that what is too long is told.
const PASSWORD_LINE_BYTES_MAX: u64 = 4096;

pub(crate) async fn run(config: &Config, command: UserCommand) -> anyhow::Result<()> {
    let (catalog, _) = open_catalog(config).await?;
    let done = execute(config, &catalog, command).await;
    catalog.close().await?;
    done
}

async fn execute(config: &Config, catalog: &Catalog, command: UserCommand) -> anyhow::Result<()> {
    let users = catalog.users();
    let (id, said) = match command {
        UserCommand::Create { email, name, password_file, credits } => {
            let hash = || hashed(config, password_file.as_deref());
            return create(&users, email, name, hash, credits).await;
        }
        UserCommand::List { json } => return list(&users, json).await,
        UserCommand::Disable { who } => {
            let id = find(&users, &who).await?;
            users.set_active(id, false).await?;
            (id, "is kept out".to_owned())
        }
        UserCommand::Enable { who } => {
            let id = find(&users, &who).await?;
            users.set_active(id, true).await?;
            (id, "may come in".to_owned())
        }
        UserCommand::Verify { who } => {
            let id = find(&users, &who).await?;
            users.set_verified(id, true).await?;
            (id, "is verified".to_owned())
        }
        UserCommand::Credits { who, credits } => {
            let id = find(&users, &who).await?;
            users.set_credits(id, credits.0).await?;
            (id, format!("has {}", credits_in_words(credits.0)))
        }
        UserCommand::Password { who, password_file } => {
            let id = find(&users, &who).await?;
            users.set_password(id, &hashed(config, password_file.as_deref())?).await?;
            (id, "has another password".to_owned())
        }
    };
    println!("user {id} {said}");
    Ok(())
}

async fn create(
    users: &Users,
    email: String,
    name: Option<String>,
    hash: impl FnOnce() -> anyhow::Result<Secret>,
    credits: Credits,
) -> anyhow::Result<()> {
    let email = email.trim().to_owned();
    if !is_address(&email) {
        bail!("--email: {email:?} is not an address");
    }
    let hashed_password = hash()?;
    let created = users.create(&NewUser { email: email.clone(), hashed_password, name }).await;
    let user = created.with_context(|| format!("cannot make a user of {email}"))?;
    if credits.0.is_some() {
        users.set_credits(user.id, credits.0).await?;
    }
    println!("user {} ({}) was made, with {}", user.id, user.email, credits_in_words(credits.0));
    Ok(())
}

/// No more than what tells an address from a name: only a message shows whether it is somebody's.
fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    let both =
        parts.is_some_and(|(before, after)| !before.is_empty() && !after.is_empty() && !after.contains('@'));
    both && !text.contains(|character: char| character.is_whitespace() || character.is_control())
}

async fn find(users: &Users, who: &Who) -> anyhow::Result<i64> {
    let (user, named) = match who {
        Who::Id(id) => (users.find(*id).await?, id.to_string()),
        Who::Email(email) => (users.find_by_email(email).await?, email.clone()),
    };
    Ok(user.with_context(|| format!("there is no user {named}; `relais user list` names them"))?.id)
}

async fn list(users: &Users, json: bool) -> anyhow::Result<()> {
    let mut all: Vec<UserRow> = Vec::new();
    loop {
        let page = users.list(all.last().map(|user| user.id), PAGE).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if json {
        let all: Vec<_> = all.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for user in &all {
        let state = match (user.is_active, user.is_verified) {
            (false, _) => "disabled",
            (true, true) => "verified",
            (true, false) => "not verified",
        };
        let (credits, name) = (credits_in_words(user.credits), user.name.as_deref().unwrap_or_default());
        println!(
            "{:>8}  {:<40} {state:<12}  {credits:<22} {}",
            user.id,
            user.email.escape_debug(),
            name.escape_debug()
        );
    }
    Ok(())
}

/// What operators may see: neither the hash nor what belongs to the application.
fn as_json(user: &UserRow) -> serde_json::Value {
    serde_json::json!({
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "is_active": user.is_active,
        "is_verified": user.is_verified,
        "credits": user.credits,
        "created_at": user.created_at.to_rfc3339(),
        "updated_at": user.updated_at.to_rfc3339(),
        "last_login": user.last_login.map(|time| time.to_rfc3339()),
    })
}

fn credits_in_words(credits: Option<i64>) -> String {
    credits.map_or_else(|| "unlimited credits".to_owned(), |credits| format!("{credits} credits"))
}

/// The hash of the password in a file or on standard input, at the cost of those that users choose: one of another cost would tell by
/// its time who is a user.
fn hashed(config: &Config, file: Option<&Path>) -> anyhow::Result<Secret> {
    let password = match file {
        Some(path) => {
            let open = std::fs::File::open(path);
            first_line(open.with_context(|| format!("--password-file: cannot read {}", path.display()))?)
        }
        None => first_line(std::io::stdin().lock()),
    };
    let password = password.context("cannot read the password")?;
    Ok(relais_proxy::hash_password(&password, config.accounts.bcrypt_cost.get())?)
}

fn first_line(from: impl Read) -> std::io::Result<Secret> {
    let mut line = String::new();
    BufReader::new(from.take(PASSWORD_LINE_BYTES_MAX)).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned().into())
}
