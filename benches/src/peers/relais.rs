//! relais as its defaults are, over S3 stores that are taken for AWS (so no lock of keys is needed for conditions), without
//! sidecars and with a quiet log, as the others log nothing either.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::{Process, free_address};
use crate::sdk::{ACCESS_KEY, REGION, SECRET_KEY};

/// A relais to be started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relais<'a> {
    program: &'a Path,
    /// Each has every object before a client hears of it.
    pub(crate) stores: &'a [SocketAddr],
    /// SQLite in a folder of its own where there is none.
    pub(crate) database: Option<&'a str>,
    /// Where events go; into the database where there is none.
    pub(crate) redis: Option<&'a str>,
}

impl<'a> Relais<'a> {
    pub(crate) fn over(program: &'a Path, stores: &'a [SocketAddr]) -> Self {
        Self { program, stores, database: None, redis: None }
    }

    pub(crate) async fn start(&self, folder: &Path) -> anyhow::Result<Process> {
        let listen = free_address()?;
        let config = folder.join("relais.toml");
        fs::write(&config, self.config(listen, &folder.join("data"))?)?;
        let mut command = Command::new(self.program);
        command.env_clear(); // Variables of whoever runs this must not change what is measured.
        command.arg("serve").arg("--config").arg(config);
        Process::start(command, listen, folder).await
    }

    fn config(&self, listen: SocketAddr, data: &Path) -> anyhow::Result<String> {
        let mut text = format!(
            r#"data_dir = "{data}"
root_access_key = "{ACCESS_KEY}"
root_secret_key = "{SECRET_KEY}"

[proxy]
listen = "{listen}"
region = "{REGION}"

[api]
listen = "{api}"

[thumbnail]
enabled = false

[transcription]
enabled = false

[log]
filter = "warn"
"#,
            data = data.display(),
            api = free_address()?,
        );
        for (number, store) in self.stores.iter().enumerate() {
            write!(
                text,
                r#"
[stores.store{number}]
kind = "s3"
profile = "aws"
endpoint = "http://{store}"
region = "{REGION}"
access_key_id = "{ACCESS_KEY}"
secret_access_key = "{SECRET_KEY}"
path_style = true
"#
            )?;
        }
        let names: Vec<_> = (0..self.stores.len()).map(|number| format!("store{number}")).collect();
        writeln!(text, "\n[[buckets]]\nname = \"*\"\nreplicas = {names:?}\nwrite_mode = \"all\"")?;
        if let Some(url) = self.database {
            writeln!(text, "\n[database]\nurl = \"{url}\"")?;
        }
        if let Some(url) = self.redis {
            writeln!(text, "\n[events]\nredis_url = \"{url}\"")?;
        }
        Ok(text)
    }
}
