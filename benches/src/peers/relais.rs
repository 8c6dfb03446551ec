//! relais as its defaults are, over one S3 store that is taken for AWS (so no lock of keys is needed for conditions), without
//! sidecars and with a quiet log, as the others log nothing either.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::{Process, free_address};
use crate::sdk::{ACCESS_KEY, REGION, SECRET_KEY};

pub(super) async fn start(program: &Path, folder: &Path, store: SocketAddr) -> anyhow::Result<Process> {
    let (listen, api, data) = (free_address()?, free_address()?, folder.join("data"));
    let text = format!(
        r#"data_dir = "{data}"
root_access_key = "{ACCESS_KEY}"
root_secret_key = "{SECRET_KEY}"

[stores.store]
kind = "s3"
profile = "aws"
endpoint = "http://{store}"
region = "{REGION}"
access_key_id = "{ACCESS_KEY}"
secret_access_key = "{SECRET_KEY}"
path_style = true

[[buckets]]
name = "*"
replicas = ["store"]

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
        data = data.display()
    );
    let config = folder.join("relais.toml");
    fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.env_clear(); // Variables of whoever runs this must not change what is measured.
    command.arg("serve").arg("--config").arg(config);
    Process::start(command, listen, folder).await
}
