//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::target::Target;

/// One S3 endpoint in front of the buckets an application already has.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Configuration file; what it does not set has the default (see config/default.toml).
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve S3, and turn voice into text and photos into thumbnails.
    Serve {
        /// What runs in this process; may be given several times.
        #[arg(long = "target", value_enum, default_value = "all")]
        targets: Vec<Target>,
    },
    /// Test the configuration, every store, the database, Redis and the model, and say in words what is wrong.
    Check,
    /// Print the effective configuration, secrets hidden.
    Config,
    /// Bring the tables of the database up to date.
    Migrate,
    /// Print what is said in a recording.
    Transcribe {
        /// WAV, OGG, MP3, M4A or PCM16 (s16le, 24 kHz, mono).
        file: PathBuf,
        /// Print the whole transcript as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the thumbnail of a picture beside it.
    Thumbnail {
        /// JPEG, PNG or WebP.
        file: PathBuf,
        /// Where to write it instead.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Erase everything that belongs to a user: objects, versions, derived objects, uploads, on every replica. Not the account.
    Erase {
        /// Id of the user: the owner of the objects.
        user: String,
        /// Only count what there is.
        #[arg(long)]
        dry_run: bool,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Events.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Models for transcription.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Work on one job; started by relais itself.
    #[command(hide = true)]
    Worker { kind: WorkerKind },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Print each event as it comes, one JSON record a line: those that are still there, then new ones.
    Tail {
        /// End at the last event instead of waiting for more.
        #[arg(long)]
        no_wait: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the public models.
    List,
    /// Download a public model, check it and put it where the configuration looks.
    Fetch {
        /// A name of `relais model list`.
        name: String,
        /// Where to fetch from instead of the public place; `{base}/{file}`.
        #[arg(long, value_name = "URL")]
        from: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum WorkerKind {
    Thumbnail,
    Transcription,
}
