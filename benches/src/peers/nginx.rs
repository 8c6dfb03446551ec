//! nginx, set up well for this: no access log, upstream connections kept alive, no body on disk, buffers larger than its
//! defaults, with which large bodies are slower, and yet a head and 4 KiB in the first of them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::process::Process;

/// Serves files as a store serves objects: `/bucket/key`.
pub(super) async fn store(folder: &Path, files: &Path, listen: SocketAddr) -> anyhow::Result<Process> {
    let files = files.display();
    let http = format!(
        "sendfile on;
         tcp_nopush on;
         open_file_cache max=4096 inactive=1h;
         open_file_cache_valid 1h;
         server {{ listen {listen}; root {files}; }}"
    );
    start(folder, listen, &http).await
}

/// Passes everything on to the store.
pub(super) async fn proxy(folder: &Path, listen: SocketAddr, store: SocketAddr) -> anyhow::Result<Process> {
    let http = format!(
        "upstream store {{ server {store}; keepalive 64; keepalive_requests 1000000000; }}
         client_max_body_size 0;
         proxy_request_buffering off;
         client_body_buffer_size 512k;
         proxy_buffer_size 8k;
         proxy_buffers 16 64k;
         proxy_busy_buffers_size 512k;
         proxy_max_temp_file_size 0;
         proxy_http_version 1.1;
         proxy_set_header Connection '';
         server {{ listen {listen}; location / {{ proxy_pass http://store; }} }}"
    );
    start(folder, listen, &http).await
}

/// Which nginx this is.
pub(crate) fn version() -> anyhow::Result<String> {
    let said = program().arg("-v").output().context("cannot run nginx; `make bench` installs it")?;
    let said = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    Ok(said.trim_start_matches("nginx version: ").to_owned())
}

async fn start(folder: &Path, listen: SocketAddr, http: &str) -> anyhow::Result<Process> {
    let here = folder.display();
    // As root the workers must be root too, to read files below a private temporary folder.
    let text = format!(
        "daemon off;
         user root;
         worker_processes auto;
         pid {here}/pid;
         error_log stderr;
         events {{ worker_connections 1024; }}
         http {{
         access_log off;
         default_type application/octet-stream;
         keepalive_requests 1000000000;
         keepalive_timeout 1h;
         client_body_temp_path {here}/body;
         proxy_temp_path {here}/proxy;
         fastcgi_temp_path {here}/fastcgi;
         uwsgi_temp_path {here}/uwsgi;
         scgi_temp_path {here}/scgi;
         {http}
         }}"
    );
    let config = folder.join("nginx.conf");
    fs::write(&config, text)?;
    let mut command = program();
    command.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(config);
    Process::start(command, listen, folder).await
}

/// nginx is no command of ordinary users on Debian, so it is looked for where it is installed too.
fn program() -> Command {
    let mut command = Command::new("nginx");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}
