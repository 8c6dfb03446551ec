//! The commands, each of which ends with a code.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use relais_catalog::Catalog;
use relais_proxy::audit::Audit;
use relais_proxy::{Gateway, Routes};
use relais_stores::Stores;
use tracing_subscriber::EnvFilter;

use crate::cli::{Command, ModelCommand, PolicyCommand, SecretsCommand, WorkerKind};
use crate::config::{self, Config, Misconfigured};
use crate::keys::Keys;
use crate::serve;
use crate::target::Targets;

mod adopt;
mod check;
mod credentials;
mod erase;
mod events;
mod key;
mod policy;
mod presign;
mod progress;
mod replication;
mod secrets;
mod token;
mod user;

/// Runs a command with the configuration.
pub(crate) fn run(file: Option<&Path>, command: Command) -> anyhow::Result<ExitCode> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default(); // Fails only if it is installed already.
    if let Command::Model(ModelCommand::List) = command {
        return Ok(list_models());
    }
    let runtime = || tokio::runtime::Runtime::new().context("cannot start the runtime");
    if let Command::Credentials(options) = &command
        && !options.pair
    {
        return runtime()?.block_on(credentials::run(options)); // A client's machine has no configuration of relais.
    }
    let config = config::load(file)?;
    log(&config)?;
    let runtime = runtime()?;
    match command {
        Command::Serve { targets } => runtime.block_on(serve::run(config, Targets::new(&targets)))?,
        Command::Policy(PolicyCommand::Simulate(question)) => {
            return runtime.block_on(policy::simulate(&config, &question));
        }
        Command::Check { deep } => return runtime.block_on(check::run(&config, deep)),
        Command::Adopt(asked) => return runtime.block_on(adopt::run(&config, &asked)),
        Command::Replication(command) => return runtime.block_on(replication::run(&config, command)),
        Command::Erase { user, dry_run, json } => {
            return runtime.block_on(erase::run(&config, erase::Asked { user: &user, dry_run, json }));
        }
        Command::Config => print!("{}", toml::to_string(&config)?),
        Command::Events(command) => return runtime.block_on(events::run(&config, command)),
        Command::Migrate => runtime.block_on(migrate(&config))?,
        Command::User(command) => runtime.block_on(user::run(&config, command))?,
        Command::Key(command) => runtime.block_on(key::run(&config, command))?,
        Command::Secrets(SecretsCommand::Rotate) => runtime.block_on(secrets::rotate(&config))?,
        Command::Transcribe { file, json } => transcribe(&config, &file, json)?,
        Command::Thumbnail { file, output } => thumbnail(&config, &file, output)?,
        Command::Model(ModelCommand::Fetch { name, from }) => {
            runtime.block_on(fetch_model(&config, &name, from.as_deref()))?;
        }
        Command::Credentials(_) => credentials::print_pair(&config)?,
        Command::Presign(arguments) => runtime.block_on(presign::run(&config, &arguments))?,
        Command::Token(command) => runtime.block_on(token::run(&config, command))?,
        Command::Model(ModelCommand::List) | Command::Worker { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// The child process of a sidecar.
pub(crate) fn worker(kind: WorkerKind) -> ExitCode {
    match kind {
        WorkerKind::Thumbnail => relais_kit::serve_worker(relais_thumbnail::work),
        WorkerKind::Transcription => relais_kit::serve_worker(relais_transcription::work),
    }
}

fn log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log.filter)
        .map_err(|error| Misconfigured(format!("log.filter: {:?}: {error}", config.log.filter)))?;
    let colours = std::io::stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    let done = if config.log.json { log.json().try_init() } else { log.try_init() };
    done.map_err(|error| anyhow::anyhow!("cannot begin the log: {error}"))
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let (catalog, applied) = open_catalog(config).await?;
    println!("{applied} migrations applied; the database is up to date");
    Ok(catalog.close().await?)
}

/// The catalog with its tables up to date, as a server would make them, and how many migrations that took.
async fn open_catalog(config: &Config) -> anyhow::Result<(Catalog, usize)> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("data_dir: cannot make {}", config.data_dir.display()))?;
    let catalog = serve::connect(config).await?;
    let applied = catalog.migrate().await?;
    Ok((catalog, applied))
}

/// The gateway as a server has it, with what must be closed at the end.
struct Opened {
    gateway: Gateway,
    catalog: Catalog,
}

/// Opens the stores and the catalog for a command that works beside a server that runs or does not.
async fn open_gateway(config: &Config) -> anyhow::Result<Opened> {
    let keys = Keys::load(config, true)?;
    let (catalog, _) = open_catalog(config).await?;
    let stores = Stores::open(&config.stores, &config.data_dir).await.map_err(Misconfigured::from_error)?;
    let routes =
        Routes::new(&config.events, serve::publishers(config)?).map_err(Misconfigured::from_error)?;
    let gateway = serve::new_gateway(config, &stores, &catalog, &keys, &Audit::default(), &routes)?;
    Ok(Opened { gateway, catalog })
}

impl Opened {
    /// Lets what was begun come to its end.
    async fn close(self) -> anyhow::Result<()> {
        self.gateway.drain().await;
        Ok(self.catalog.close().await?)
    }
}

fn transcribe(config: &Config, file: &Path, json: bool) -> anyhow::Result<()> {
    let transcript = relais_transcription::transcribe_file(file, &config.transcription)?;
    if json {
        println!("{}", String::from_utf8_lossy(&transcript.to_json()));
    } else {
        println!("{}", transcript.text);
    }
    Ok(())
}

fn thumbnail(config: &Config, file: &Path, output: Option<PathBuf>) -> anyhow::Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let small = relais_thumbnail::thumbnail(&bytes, &config.thumbnail.settings())
        .with_context(|| format!("cannot make a thumbnail of {}", file.display()))?;
    let output = output.unwrap_or_else(|| {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        file.with_file_name(format!("{stem}_thumb.jpg"))
    });
    std::fs::write(&output, small).with_context(|| format!("cannot write {}", output.display()))?;
    println!("{}", output.display());
    Ok(())
}

fn list_models() -> ExitCode {
    for model in relais_transcription::PUBLISHED {
        println!("{:<24} {:>6} MB", model.name, model.bytes / 1_000_000);
    }
    ExitCode::SUCCESS
}

async fn fetch_model(config: &Config, name: &str, from: Option<&str>) -> anyhow::Result<()> {
    let model = relais_transcription::published(name)
        .with_context(|| format!("there is no model {name:?}; `relais model list` names them"))?;
    let folder = config.transcription.model.parent().unwrap_or_else(|| Path::new("."));
    let source = from.unwrap_or(relais_transcription::SOURCE);
    let path = relais_transcription::fetch(model, folder, source).await?;
    println!("{}", path.display());
    if path != config.transcription.model {
        println!("to use it, set RELAIS_TRANSCRIPTION__MODEL={}", path.display());
    }
    Ok(())
}
