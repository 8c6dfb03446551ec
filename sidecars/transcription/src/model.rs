//! The model on disk: found, unpacked if need be, and checked before anything loads it.
//!
//! whisper.cpp trusts the file it loads, so what is known of a file is checked here: its first bytes, and for the
//! published models their hash. This is done once, when the sidecar or a command starts, and not by each worker.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::published::PUBLISHED;

/// A model that is ready to be loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Model {
    /// The file's name without `ggml-` and extension: the name of a published model.
    pub name: String,
    /// The file, unpacked.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// A model that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No file there.
    #[error("there is no model at {}: `relais model fetch base` downloads one, transcription.model says where it is", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file that cannot be read.
    #[error("cannot read the model {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A packed model that cannot be unpacked beside itself.
    #[error("cannot unpack the model into {}: unpack it with gunzip, or make the folder writable", folder.display())]
    Unpack {
        /// Where it would go.
        folder: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// Some other file.
    #[error("{} is not a Whisper model in whisper.cpp's format (ggml)", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A file that has a published model's name and not its content.
    #[error("{} is damaged or not what its name says: `relais model fetch {name}` downloads it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The published model.
        name: &'static str,
    },
    /// A language that Whisper does not know.
    #[error("transcription.language {0:?} is not a code that Whisper knows, such as en or fr")]
    Language(String),
}

impl Model {
    /// Finds the model at `path`, which may be packed with gzip, and checks it. Reads the whole file.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let read = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ModelError::Missing { path: path.to_owned() },
            _ => ModelError::Read { path: path.to_owned(), source },
        };
        let mut sha256 = sha256_of(path).map_err(read)?;
        let packed_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file_name = packed_name.strip_suffix(".gz").unwrap_or(&packed_name);
        let mut unpacked = path.to_owned();
        if file_name != packed_name {
            unpacked = unpack(path, file_name, &sha256)?;
            sha256 = sha256_of(&unpacked).map_err(read)?;
        }
        check(path, &unpacked, file_name, &sha256)?;
        let stem = file_name.strip_suffix(".bin").unwrap_or(file_name);
        let name = stem.strip_prefix("ggml-").unwrap_or(stem).to_owned();
        let path = std::path::absolute(unpacked).map_err(read)?; // It goes into jobs, which others may take up.
        Ok(Self { name, path, sha256 })
    }
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

fn check(path: &Path, unpacked: &Path, file_name: &str, sha256: &str) -> Result<(), ModelError> {
    let mut magic = [0; GGML_MAGIC.len()];
    let begins = File::open(unpacked).and_then(|mut file| file.read_exact(&mut magic));
    if begins.is_err() || magic != GGML_MAGIC {
        return Err(ModelError::Format { path: path.to_owned() });
    }
    match PUBLISHED.iter().find(|model| model.file() == file_name) {
        Some(model) if model.sha256 != sha256 => {
            Err(ModelError::Damaged { path: path.to_owned(), name: model.name })
        }
        _ => Ok(()),
    }
}

/// Unpacks into a folder beside the packed file, unless that was done before. The packed file's hash in the name tells.
fn unpack(path: &Path, file_name: &str, sha256: &str) -> Result<PathBuf, ModelError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("")).join(UNPACKED_FOLDER);
    let unpacked = folder.join(format!("{}-{file_name}", &sha256[..16]));
    if unpacked.exists() {
        return Ok(unpacked);
    }
    let write = || {
        fs::create_dir_all(&folder)?;
        // Renamed when it is whole, so that nobody ever loads half a model.
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        io::copy(&mut GzDecoder::new(File::open(path)?), &mut file)?;
        file.as_file().set_permissions(fs::metadata(path)?.permissions())?; // Temporary files are private.
        file.as_file().sync_all()?;
        file.persist(&unpacked)?;
        Ok(())
    };
    write().map_err(|source| ModelError::Unpack { folder, source })?;
    Ok(unpacked)
}

/// Beside a packed model.
const UNPACKED_FOLDER: &str = ".unpacked";

/// `0x67676d6c`, little-endian.
const GGML_MAGIC: [u8; 4] = *b"lmgg";

#[cfg(test)]
mod tests;
