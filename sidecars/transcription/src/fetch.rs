//! Downloads a published model.
//!
//! The file grows as `ggml-NAME.bin.part` and gets its name when its hash is right, so a model that is there is whole.
//! A download that is cut goes on where it stopped, by itself a few times, and at the next call. Two downloads of one
//! model at once are not told apart: the hash finds out.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

use crate::model::sha256_of;
use crate::published::PublishedModel;

/// A model that was not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody answers there.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The model's URL.
        url: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// An answer without the model.
    #[error("{url} answered {status}: is the source right, and does it have this model?")]
    Refused {
        /// The model's URL.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The connection broke again and again.
    #[error("the download stopped after {have} of {bytes} bytes: run the command again to go on from there")]
    Cut {
        /// What is in the part file.
        have: u64,
        /// What the model has.
        bytes: u64,
    },
    /// Something else came.
    #[error("{url} is not the published model: its SHA-256 or length is wrong, nothing was kept")]
    Wrong {
        /// The model's URL.
        url: String,
    },
    /// The disk, mostly.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Downloads a model into a folder from `source`, which is [`SOURCE`](crate::SOURCE) or a mirror of it, unless it is
/// there already. Shows its progress on standard error if that is a terminal.
pub async fn fetch(model: &PublishedModel, folder: &Path, source: &str) -> Result<PathBuf, FetchError> {
    let url = format!("{}/{}", source.trim_end_matches('/'), model.file());
    let target = folder.join(model.file());
    let part = folder.join(format!("{}.part", model.file()));
    fs::create_dir_all(folder).await.map_err(writing(folder))?;
    if is_whole(&target, model).await {
        return Ok(target);
    }
    let download =
        Download { client: client(&url)?, url, part, bytes: model.bytes, bar: progress_bar(model) };
    download.run().await?;
    if !is_whole(&download.part, model).await {
        fs::remove_file(&download.part).await.map_err(writing(&download.part))?;
        return Err(FetchError::Wrong { url: download.url });
    }
    fs::rename(&download.part, &target).await.map_err(writing(&target))?;
    download.bar.finish_and_clear();
    Ok(target)
}

/// One model on its way.
struct Download {
    client: Client,
    url: String,
    part: PathBuf,
    bytes: u64,
    bar: ProgressBar,
}

impl Download {
    /// Fills the part file, taking up again what was cut.
    async fn run(&self) -> Result<(), FetchError> {
        for _ in 1..TRIES_MAX {
            match self.run_once().await {
                Err(FetchError::Cut { .. }) => tokio::time::sleep(PAUSE).await,
                end => return end,
            }
        }
        self.run_once().await
    }

    async fn run_once(&self) -> Result<(), FetchError> {
        let have = fs::metadata(&self.part).await.map_or(0, |metadata| metadata.len());
        if have >= self.bytes {
            return Ok(());
        }
        let mut response = self.ask(have).await?;
        let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
        let mut have = if resumed { have } else { 0 };
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(resumed).truncate(!resumed);
        let mut file = options.open(&self.part).await.map_err(writing(&self.part))?;
        while let Ok(Some(chunk)) = response.chunk().await {
            have += chunk.len() as u64;
            if have > self.bytes {
                break; // Not the model; what is in the file already will not have its hash either.
            }
            file.write_all(&chunk).await.map_err(writing(&self.part))?;
            self.bar.set_position(have);
        }
        self.close(file).await?;
        if have < self.bytes { Err(FetchError::Cut { have, bytes: self.bytes }) } else { Ok(()) }
    }

    /// Asks for everything from `have` on. The answer is 200, or 206 with just that.
    async fn ask(&self, have: u64) -> Result<Response, FetchError> {
        let mut request = self.client.get(&self.url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let response = request.send().await.map_err(unreachable(&self.url))?;
        let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
        let starts_there = range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")));
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::PARTIAL_CONTENT if starts_there => Ok(response),
            status => Err(FetchError::Refused { url: self.url.clone(), status }),
        }
    }

    async fn close(&self, mut file: File) -> Result<(), FetchError> {
        file.flush().await.map_err(writing(&self.part))?;
        file.sync_all().await.map_err(writing(&self.part))
    }
}

/// Whether the file is there and is the model.
async fn is_whole(path: &Path, model: &PublishedModel) -> bool {
    let path = path.to_owned();
    let sha256 = tokio::task::spawn_blocking(move || sha256_of(&path).ok()).await;
    sha256.is_ok_and(|sha256| sha256.as_deref() == Some(model.sha256))
}

fn client(url: &str) -> Result<Client, FetchError> {
    // A second call finds the first one's provider, which is the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("relais/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(unreachable(url))
}

fn unreachable(url: &str) -> impl FnOnce(reqwest::Error) -> FetchError {
    // The error would say the URL a second time.
    move |source| FetchError::Unreachable { url: url.to_owned(), source: source.without_url() }
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    move |source| FetchError::Write { path: path.to_owned(), source }
}

fn progress_bar(model: &PublishedModel) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        .expect("the template is right");
    ProgressBar::new(model.bytes).with_style(style).with_message(model.name)
}

/// Times that a download is begun or taken up again.
const TRIES_MAX: u32 = 5;

/// Before a download that was cut is taken up again.
const PAUSE: Duration = Duration::from_secs(1);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Silence after which a connection counts as cut.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
