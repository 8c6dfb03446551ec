//! What `relais serve` tells the person who started it.

use std::net::SocketAddr;

use crate::config::Config;
use crate::keys::Keys;

pub(super) fn print(config: &Config, keys: &Keys, s3: Option<SocketAddr>, api: SocketAddr) {
    let Some(s3) = s3 else {
        println!("relais serves its sidecars; health and metrics on http://{api}");
        return;
    };
    let scheme = if config.proxy.tls_key_file.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{s3}");
    let root = &keys.root;
    let secret = match (&keys.root_file, keys.made) {
        (_, true) => root.secret_key.expose().to_owned(),
        (Some(file), false) => format!("(second line of {})", file.display()),
        (None, _) => "(as configured)".to_owned(),
    };
    let secret_command = match &keys.root_file {
        Some(file) => format!("$(sed -n 2p {})", file.display()),
        None => "…".to_owned(),
    };
    let bucket =
        config.buckets.iter().map(|bucket| bucket.name.as_str()).find(|name| *name != "*").unwrap_or("media");
    let events = match config.events.redis_url {
        Some(_) => {
            let streams = config.events.streams();
            format!("redis-cli XREAD BLOCK 0 STREAMS {}{}", streams.join(" "), " '$'".repeat(streams.len()))
        }
        None => format!("RELAIS_DATA_DIR={} {} events tail", config.data_dir.display(), program()),
    };
    println!(
        "\n\
         relais is ready\n  \
           S3       {url}   region {region}\n  \
           API      http://{api}   /health /ready /metrics\n  \
           key      {access_key}\n  \
           secret   {secret}\n  \
           data     {data}\n  \
           model    {model}\n\
         \n\
         In another shell:\n  \
           export AWS_ACCESS_KEY_ID={access_key} AWS_SECRET_ACCESS_KEY={secret_command} AWS_DEFAULT_REGION={region}\n  \
           aws --endpoint-url {url} s3 cp photo.jpg s3://{bucket}/       # copy a file in\n  \
           aws --endpoint-url {url} s3 ls s3://{bucket}/                 # list: the photo, and its thumbnail\n  \
           aws --endpoint-url {url} s3 presign s3://{bucket}/photo.jpg   # a link that works for an hour\n  \
           {events}   # watch events\n",
        region = config.proxy.region,
        access_key = root.access_key,
        data = config.data_dir.display(),
        model = config.transcription.model.display(),
    );
}

/// How this program was called.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "relais".to_owned())
}
