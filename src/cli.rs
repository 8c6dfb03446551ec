//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::target::Target;

mod accounts;
mod events;
mod replication;

pub(crate) use accounts::{Credits, KeyCommand, SecretsCommand, UserCommand, Who};
pub(crate) use events::{EventsCommand, Mark, ReplayArguments, TailArguments};
pub(crate) use replication::{AdoptArguments, DiffArguments, RepairArguments, ReplicationCommand};

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
    Check {
        /// Also look for what should not be: replicas that differ, work that waits for too long.
        #[arg(long)]
        deep: bool,
    },
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
    /// Print a URL by which whoever has it may read or write one object for a while.
    Presign(PresignArguments),
    /// Events.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Replicas: how they stand, how they differ, and what to do about it.
    #[command(subcommand)]
    Replication(ReplicationCommand),
    /// Bring objects under relais that were in the bucket's primary before: known, and copied to its replicas.
    Adopt(AdoptArguments),
    /// Policies.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Models for transcription.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Turn a token into credentials that any S3 SDK can sign with: for `credential_process` of AWS's configuration.
    Credentials(CredentialsOptions),
    /// Tokens that `SECRET_KEY` signs.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Users of an application: make, list, let in and keep out.
    #[command(subcommand)]
    User(UserCommand),
    /// Access keys: make, list and revoke.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Secrets that relais keeps.
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Work on one job; started by relais itself.
    #[command(hide = true)]
    Worker { kind: WorkerKind },
}

#[derive(Debug, clap::Args)]
pub(crate) struct PresignArguments {
    /// What the URL is for.
    #[arg(long, value_enum, ignore_case = true, default_value = "GET")]
    pub(crate) method: PresignMethod,
    /// How long it works, in seconds; a week at most.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=604_800), value_name = "SECONDS")]
    pub(crate) expires: u64,
    /// Where clients reach the S3 port, instead of the first of `proxy.public_urls` or `proxy.listen`.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Sign for the holder of the token in this file, instead of with the root key.
    #[arg(long, value_name = "FILE")]
    pub(crate) as_token_file: Option<PathBuf>,
    /// Certificates to trust beside the system's where credentials for the token are asked for.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The object, as `s3://bucket/key`.
    pub(crate) place: String,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum PresignMethod {
    #[value(name = "GET")]
    Get,
    #[value(name = "PUT")]
    Put,
}

impl PresignMethod {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Ask the policies whether somebody may do something, and say which statement decides; ends with 1 if refused.
    Simulate(Box<Question>),
}

/// What `policy simulate` asks.
#[derive(Debug, clap::Args)]
pub(crate) struct Question {
    /// For what, such as s3:GetObject.
    #[arg(long)]
    pub(crate) action: String,
    /// In which bucket.
    #[arg(long)]
    pub(crate) bucket: String,
    /// Of which object; without it the bucket itself is asked for.
    #[arg(long)]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) caller: Caller,
    /// A condition key and its value; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) context: Vec<String>,
    /// Judge by this file as the policy of a role, and by nothing that is configured.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Judge by this file as the policy of the bucket, and by nothing that is configured.
    #[arg(long, value_name = "FILE")]
    pub(crate) bucket_policy: Option<PathBuf>,
    /// What credentials of STS were narrowed to.
    #[arg(long, value_name = "FILE")]
    pub(crate) session_policy: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who is taken to ask.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Caller {
    /// The holder of the token in this file; its signature is not checked.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The holder of a token with these claims.
    #[arg(long, value_name = "JSON")]
    pub(crate) claims: Option<String>,
    /// An account, by its id.
    #[arg(long = "as", value_name = "OWNER")]
    pub(crate) account: Option<String>,
    /// Somebody who does not sign.
    #[arg(long)]
    pub(crate) anonymous: bool,
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

#[derive(Args, Debug)]
pub(crate) struct CredentialsOptions {
    /// Print an access key instead whose holder sends a token as session token; made here, from `SECRET_KEY`.
    #[arg(long)]
    pub(crate) pair: bool,
    /// File with the token.
    #[arg(long, value_name = "FILE", env = "AWS_WEB_IDENTITY_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Where relais serves S3.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    pub(crate) endpoint: Option<String>,
    /// How many seconds the credentials are to live, from 900 to 43200; never longer than the token.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) duration: Option<u32>,
    /// Role to name; relais takes any, as the token says what is allowed.
    #[arg(
        long,
        value_name = "ARN",
        env = "AWS_ROLE_ARN",
        default_value = "arn:aws:iam::000000000000:role/relais"
    )]
    pub(crate) role_arn: String,
    /// Name of the session.
    #[arg(long, value_name = "NAME", env = "AWS_ROLE_SESSION_NAME", default_value = "relais")]
    pub(crate) session_name: String,
    /// Certificates to trust beside the system's.
    #[arg(long, value_name = "FILE", env = "AWS_CA_BUNDLE")]
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Sign a token and print it.
    Mint {
        /// Whom it is for.
        #[arg(long, value_name = "SUBJECT")]
        sub: String,
        /// Another claim; the value is JSON where it reads as JSON, and text otherwise. May be given several times.
        #[arg(long = "claim", value_name = "NAME=VALUE")]
        claims: Vec<String>,
        /// How long it is valid, such as 90s, 15m, 12h or 30d.
        #[arg(long, default_value = "1h")]
        ttl: String,
    },
    /// Let tokens no longer be taken, nor what STS gave for them: on every instance within 5 seconds.
    #[command(group = clap::ArgGroup::new("what").required(true))]
    Revoke {
        /// Everything that was issued to this owner until now: a subject of relais's own, or ISSUER:SUBJECT.
        #[arg(long, group = "what")]
        owner: Option<String>,
        /// One token, by the name of its issuer and its claim `jti`.
        #[arg(long, group = "what", value_name = "ISSUER:JTI")]
        id: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum WorkerKind {
    Thumbnail,
    Transcription,
}
