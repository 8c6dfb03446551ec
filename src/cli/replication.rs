//! The part of the command line that is about replicas: how they stand, how they differ, and what is done about it.

use clap::{Args, Subcommand};
use relais_model::{BucketName, StoreName};

#[derive(Debug, Subcommand)]
pub(crate) enum ReplicationCommand {
    /// Say how far each store is behind, which settling fails and why, and which events wait for their bus.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare the replicas of a bucket with its primary, key by key; ends with 1 if they differ.
    Diff(DiffArguments),
    /// Make the replicas of a bucket equal to its primary. Without `--yes` it says what it would do and changes nothing.
    Repair(RepairArguments),
    /// Have every instance leave this store alone: nothing is settled there until it is resumed.
    Pause {
        /// The store, as the configuration names it.
        store: StoreName,
    },
    /// Go on with a store that was paused.
    Resume {
        /// The store, as the configuration names it.
        store: StoreName,
    },
}

/// Which keys.
#[derive(Args, Debug)]
pub(crate) struct Keys {
    /// The bucket, as clients name it.
    pub(crate) bucket: BucketName,
    /// Only keys that begin so.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
}

#[derive(Args, Debug)]
pub(crate) struct DiffArguments {
    #[command(flatten)]
    pub(crate) keys: Keys,
    /// Look at each object: headers, metadata, tags, checksums; and at the bytes where entity tags tell nothing.
    #[arg(long)]
    pub(crate) deep: bool,
    /// Print JSON: one difference a line, then the summary.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RepairArguments {
    #[command(flatten)]
    pub(crate) keys: Keys,
    /// Look at each object, as `diff --deep` does; without it only at what listings tell.
    #[arg(long)]
    pub(crate) deep: bool,
    /// Do it.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AdoptArguments {
    #[command(flatten)]
    pub(crate) keys: Keys,
    /// Tell subscribers of each object that is new to relais: one `ObjectCreated:Put` each.
    #[arg(long)]
    pub(crate) events: bool,
    /// Do it; without this it only counts.
    #[arg(long)]
    pub(crate) yes: bool,
}
