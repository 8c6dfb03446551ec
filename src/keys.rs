//! The root keys and the secret key: from the configuration, or made once and kept in the data folder with mode 0600.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use relais_model::Secret;
use relais_proxy::{Keyring, RootKey};

use crate::config::{Config, Misconfigured};

const ROOT_FILE: &str = "root.key";
const SECRET_FILE: &str = "secret.key";

/// Length of a made access key and secret, as AWS's are.
const ACCESS_KEY_LENGTH: usize = 20;
const SECRET_KEY_LENGTH: usize = 40;

/// The keys of this process.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) root: RootKey,
    pub(crate) keyring: Keyring,
    /// Set where the root keys were made just now, and are to be shown this once.
    pub(crate) made: bool,
    /// Where the root keys are kept, unless the configuration has them.
    pub(crate) root_file: Option<PathBuf>,
}

impl Keys {
    /// Takes the keys from the configuration, or from the data folder; makes them there if `may_make`.
    pub(crate) fn load(config: &Config, may_make: bool) -> anyhow::Result<Self> {
        let configured = config.root_access_key.clone().zip(config.root_secret_key.clone());
        let root_file = config.data_dir.join(ROOT_FILE);
        let make = || format!("{}\n{}\n", random(ACCESS_KEY_LENGTH, UPPER), random(SECRET_KEY_LENGTH, MIXED));
        let (root, made, root_file) = match configured {
            Some((access_key, secret_key)) => (RootKey { access_key, secret_key }, false, None),
            None => {
                let (text, made) =
                    kept(&root_file, may_make, "root_access_key (RELAIS_ROOT_ACCESS_KEY)", make)?;
                let mut lines = text.lines();
                let (Some(access_key), Some(secret_key)) = (lines.next(), lines.next()) else {
                    anyhow::bail!(
                        "{} is damaged: it should hold the access key and the secret",
                        root_file.display()
                    );
                };
                let secret_key = Secret::from(secret_key.to_owned());
                (RootKey { access_key: access_key.to_owned(), secret_key }, made, Some(root_file))
            }
        };
        Ok(Self { root, keyring: keyring(config, may_make)?, made, root_file })
    }
}

/// The secret key, made if there is none and `may_make`, and the earlier ones.
pub(crate) fn keyring(config: &Config, may_make: bool) -> anyhow::Result<Keyring> {
    let secret = match &config.secret_key {
        Some(secret) => secret.clone(),
        None => {
            let make = || random(64, MIXED);
            let file = config.data_dir.join(SECRET_FILE);
            Secret::from(kept(&file, may_make, "secret_key (SECRET_KEY)", make)?.0)
        }
    };
    Ok(Keyring::new(secret, config.secret_keys_before.iter().cloned()))
}

/// A new access key for the catalog. Its id begins so that one sees where it comes from.
pub(crate) fn new_access_key() -> (String, Secret) {
    let id = format!("{MADE_PREFIX}{}", random(ACCESS_KEY_LENGTH - MADE_PREFIX.len(), UPPER));
    (id, random(SECRET_KEY_LENGTH, MIXED).into())
}

const MADE_PREFIX: &str = "RELAIS";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters of an alphabet whose length divides 256, so that each is as likely.
fn random(length: usize, alphabet: &[u8]) -> String {
    let character = |byte: u8| char::from(alphabet[usize::from(byte) % alphabet.len()]);
    (0..length).map(|_| character(rand::random())).collect()
}

/// What the file holds, made if it is not there; and whether it was made.
fn kept(path: &Path, may_make: bool, key: &str, make: impl Fn() -> String) -> anyhow::Result<(String, bool)> {
    match fs::read_to_string(path) {
        Ok(text) => return Ok((text, false)),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
        Err(_) if !may_make => {
            let text =
                format!("{key}: must be set for a process without the proxy; give it what the proxy has");
            return Err(Misconfigured(text).into());
        }
        Err(_) => {}
    }
    let text = make();
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all())) {
        Ok(()) => Ok((text, true)),
        // Another process of ours was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok((fs::read_to_string(path)?, false)),
        Err(error) => Err(error).with_context(|| format!("cannot keep a made key in {}", path.display())),
    }
}
