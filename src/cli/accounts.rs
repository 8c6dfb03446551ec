//! The part of the command line that is about who may come in: users, access keys, secrets.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user, who may come in at once. The password is read from a file or, as one line, from standard input.
    Create {
        /// Address; capitals do not count.
        #[arg(long)]
        email: String,
        /// What to call them.
        #[arg(long)]
        name: Option<String>,
        /// File with the password in its first line.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// How many transcriptions they may ask for; any number where it is not given.
        #[arg(long, value_name = "N|unlimited", default_value = "unlimited")]
        credits: Credits,
    },
    /// List all users.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Keep a user out, within seconds, whatever tokens they have.
    Disable {
        #[arg(value_name = "ID|EMAIL")]
        who: Who,
    },
    /// Let a user in again.
    Enable {
        #[arg(value_name = "ID|EMAIL")]
        who: Who,
    },
    /// Note that a user's address is theirs.
    Verify {
        #[arg(value_name = "ID|EMAIL")]
        who: Who,
    },
    /// Say how many transcriptions a user may still ask for.
    Credits {
        #[arg(value_name = "ID|EMAIL")]
        who: Who,
        #[arg(value_name = "N|unlimited")]
        credits: Credits,
    },
    /// Set a user's password, read as with `create`.
    Password {
        #[arg(value_name = "ID|EMAIL")]
        who: Who,
        /// File with the password in its first line.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an access key and show its secret, this once.
    Create {
        /// What to call it.
        #[arg(long)]
        name: String,
        /// The account that it acts for; its name where it is not given.
        #[arg(long)]
        owner: Option<String>,
        /// Policy (IAM JSON): the key may do what it allows, and not all that its owner may.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List all keys that were made, without their secrets.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a key invalid on every instance within seconds: one that was made, or one of temporary credentials.
    Revoke {
        /// Access key id.
        id: String,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Seal anew, with `SECRET_KEY`, what was sealed with one of `SECRET_KEY_BEFORE`.
    Rotate,
}

/// A user, as operators name them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    Id(i64),
    Email(String),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) if text.contains('@') => Ok(Self::Email(text.to_owned())),
            Err(_) => Err("it is neither the id of a user nor an address".to_owned()),
        }
    }
}

/// Credits, nothing where they are not limited. As many as fit into the column, an integer of four bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Credits(pub(crate) Option<i64>);

impl FromStr for Credits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let credits = text.parse::<i64>().ok().filter(|credits| (0..=i64::from(i32::MAX)).contains(credits));
        credits
            .map(|credits| Self(Some(credits)))
            .ok_or_else(|| format!("it is not from 0 to {}, nor `unlimited`", i32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_id_or_address() {
        assert_eq!("42".parse(), Ok(Who::Id(42)));
        assert_eq!("42@example.com".parse(), Ok(Who::Email("42@example.com".to_owned())));
        assert!("ann".parse::<Who>().is_err() && "".parse::<Who>().is_err());
    }

    #[test]
    fn credits_fit_into_their_column() {
        assert_eq!(
            ["unlimited", "0", "2147483647"].map(str::parse),
            [None, Some(0), Some(2_147_483_647)].map(|n| Ok(Credits(n)))
        );
        for wrong in ["-1", "2147483648", "many", "", "1.5"] {
            assert!(wrong.parse::<Credits>().is_err(), "{wrong}");
        }
    }
}
