//! What is compared: the store, and three servers in front of it.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::plan::Operation;
use crate::process::{Process, free_address};
use crate::row::Runner;

mod nginx;
mod own;
mod relais;

pub(crate) use nginx::version as nginx_version;
pub(crate) use own::{far, sink};
pub(crate) use relais::Relais;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    Store,
    Nginx,
    S3sAws,
    Relais,
}

impl Peer {
    /// Those that relais is compared with.
    pub(crate) const OTHERS: [Self; 3] = [Self::Nginx, Self::S3sAws, Self::Store];

    pub(crate) fn name(self, operation: Operation) -> &'static str {
        match (self, operation) {
            (Self::Store, Operation::Get) => "bare store (nginx, static files)",
            (Self::Store, Operation::Put) => "bare store (sink, keeps nothing)",
            (Self::Nginx, _) => "nginx `proxy_pass`",
            (Self::S3sAws, _) => "plain s3s-aws proxy",
            (Self::Relais, _) => "relais",
        }
    }

    pub(crate) fn checks_signatures(self) -> bool {
        matches!(self, Self::S3sAws | Self::Relais)
    }
}

/// A peer that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) process: Process,
}

impl Running {
    pub(crate) fn runner(&self) -> Runner<Peer> {
        let (who, address) = (self.peer, self.process.address);
        Runner { who, address, checks_signatures: who.checks_signatures() }
    }
}

/// Starts the store of an operation and all that stands in front of it. Objects to read are below `files`.
pub(crate) async fn start(
    operation: Operation,
    folder: &Path,
    files: &Path,
    relais: &Path,
) -> anyhow::Result<Vec<Running>> {
    let store = match operation {
        Operation::Get => nginx::store(&subfolder(folder, "store")?, files, free_address()?).await,
        Operation::Put => sink(&subfolder(folder, "store")?, free_address()?).await,
    }
    .context("the bare store")?;
    let behind = store.address;
    let nginx = nginx::proxy(&subfolder(folder, "nginx")?, free_address()?, behind).await.context("nginx")?;
    let s3s_aws =
        own::s3s_aws(&subfolder(folder, "s3s-aws")?, free_address()?, behind).await.context("s3s-aws")?;
    let relais =
        Relais::over(relais, &[behind]).start(&subfolder(folder, "relais")?).await.context("relais")?;
    Ok(vec![
        Running { peer: Peer::Store, process: store },
        Running { peer: Peer::Nginx, process: nginx },
        Running { peer: Peer::S3sAws, process: s3s_aws },
        Running { peer: Peer::Relais, process: relais },
    ])
}

pub(crate) fn subfolder(folder: &Path, name: &str) -> anyhow::Result<std::path::PathBuf> {
    let path = folder.join(name);
    fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}
