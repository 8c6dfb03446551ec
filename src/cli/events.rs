//! The part of the command line that is about events: watching them, publishing them again.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand};
use relais_model::BucketName;

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Print each event as it comes, one JSON record a line: those that are still there, then new ones.
    Tail(TailArguments),
    /// Publish again, with the same ids, what the log still has. Without `--yes` it only counts.
    Replay(ReplayArguments),
}

#[derive(Args, Debug)]
pub(crate) struct TailArguments {
    /// Begin behind what this bus has, such as `redis`.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["group", "from"])]
    pub(crate) bus: Option<String>,
    /// Begin behind what this group of the embedded bus has read, such as `thumbnail`; its place does not move.
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    pub(crate) group: Option<String>,
    /// Begin at this position of the log, or at this time (RFC 3339, or a date).
    #[arg(long, value_name = "POSITION|TIME")]
    pub(crate) from: Option<Mark>,
    /// End at the last event instead of waiting for more.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Print `{"position": …, "record": …}` instead of the record alone.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArguments {
    /// The first position of the log, or the first time (RFC 3339, or a date).
    #[arg(long, value_name = "POSITION|TIME")]
    pub(crate) from: Mark,
    /// The last position, or the end of the time; the end of the log where it is not given.
    #[arg(long, value_name = "POSITION|TIME")]
    pub(crate) to: Option<Mark>,
    /// Only to this bus; to all that are configured where it is not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) bus: Option<String>,
    /// Only events of this bucket.
    #[arg(long)]
    pub(crate) bucket: Option<BucketName>,
    /// Only events of keys that begin so.
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// Do it.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mark {
    Position(i64),
    Time(DateTime<Utc>),
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|begin| begin.and_utc());
        text.parse::<DateTime<Utc>>().ok().or_else(day).map(Self::Time).ok_or_else(|| {
            "it is neither a position of the log nor a time such as 2026-11-20T18:00:00Z or 2026-11-20"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_a_position_or_a_time() {
        let time = |text: &str| Ok(Mark::Time(text.parse().unwrap()));
        assert_eq!("42".parse(), Ok(Mark::Position(42)));
        assert_eq!("2026-11-20T18:00:00Z".parse(), time("2026-11-20T18:00:00Z"));
        assert_eq!("2026-11-20T18:00:00+02:00".parse(), time("2026-11-20T16:00:00Z"));
        assert_eq!("2026-11-20".parse(), time("2026-11-20T00:00:00Z"));
        for wrong in ["", "yesterday", "2026-13-01", "4.2"] {
            assert!(wrong.parse::<Mark>().is_err(), "{wrong}");
        }
    }
}
