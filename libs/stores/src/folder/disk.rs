//! Changes to a file system that survive a crash: a file appears whole under its name or not at all, and what returned is
//! on the disk. Everything here blocks.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How often a folder that another task took away is made again. Each time, a neighbour must just have been deleted.
const FOLDER_ATTEMPTS_MAX: usize = 100;

/// A file that goes away unless it is moved to its place.
#[derive(Debug)]
pub(super) struct Temporary {
    path: Option<PathBuf>,
}

impl Temporary {
    /// A new file to write to.
    pub(super) fn create(folder: &Path, name: &str) -> io::Result<(Self, File)> {
        let path = folder.join(name);
        let file =
            in_folder(&path, |path| File::options().read(true).write(true).create_new(true).open(path))?;
        Ok((Self { path: Some(path) }, file))
    }

    /// The same bytes as an existing file has, under a new name.
    pub(super) fn link(existing: &Path, folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name);
        link(existing, &path)?;
        Ok(Self { path: Some(path) })
    }

    /// Moves the file to its place, over what is there, and sees to it that it stays.
    pub(super) fn persist(&mut self, target: &Path) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        in_folder(target, |target| fs::rename(path, target))?;
        self.path = None;
        sync_parent(target)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path); // What stays is swept when the store is opened.
        }
    }
}

/// Replaces a file by one with these bytes.
pub(super) fn write(temporary: &Path, name: &str, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut guard, mut file) = Temporary::create(temporary, name)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    guard.persist(target)
}

/// Gives a file a second name; on file systems without links, a copy with the same time.
pub(super) fn link(existing: &Path, target: &Path) -> io::Result<()> {
    if !existing.try_exists()? {
        return Err(io::ErrorKind::NotFound.into());
    }
    in_folder(target, |target| match fs::hard_link(existing, target) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
            copy(existing, target)
        }
        done => done,
    })?;
    sync_parent(target)
}

fn copy(existing: &Path, target: &Path) -> io::Result<()> {
    let mut from = File::open(existing)?;
    let mut to = File::create(target)?;
    io::copy(&mut from, &mut to)?;
    to.set_modified(from.metadata()?.modified()?)?;
    to.sync_all()
}

/// Does something in the folder of a path, which is made if it is missing.
fn in_folder<T>(path: &Path, act: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match act(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < FOLDER_ATTEMPTS_MAX => {
                make_folder(path.parent().unwrap_or(path))?;
            }
            done => return done,
        }
    }
}

/// Makes a folder and those above it.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => sync_parent(folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match folder.parent() {
            Some(parent) => make_folder(parent).and_then(|()| make_folder_in(folder)),
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

fn make_folder_in(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_parent(folder),
    }
}

/// Removes a file; that it is not there is as good.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the folders above a path that are empty now, up to a folder that stays.
pub(super) fn prune(path: &Path, stays: &Path) {
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != stays) {
        if fs::remove_dir(folder).is_err() {
            break; // Not empty: others live here.
        }
    }
}

/// The bytes of a small file, or nothing if it is not there.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that a path cannot be there: nothing of that name, a file where a folder would be, a long name.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

/// Whether an error says that this path cannot be had, because of its form or because of what lies there.
pub(super) fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::InvalidFilename
    )
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent().map(File::open) {
        Some(Ok(folder)) => folder.sync_all(),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()), // Pruned since: nothing to keep.
        Some(Err(error)) => Err(error),
        None => Ok(()),
    }
}
