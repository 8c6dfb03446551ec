//! Removes what a crash left behind, when a store is opened: temporary files, and uploads whose end was cut short.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk;
use super::layout::Layout;

/// Another process, such as `relais check`, may use the folder too; what nobody has written to for a day, nobody is writing.
const AGE_MIN: Duration = Duration::from_secs(24 * 3600);

pub(super) fn sweep(root: &Path) -> io::Result<()> {
    for bucket in names(&Layout::hidden_root(root))? {
        let layout = Layout::new(root, &bucket);
        for path in old(&layout.temporary())? {
            disk::remove(&path)?;
        }
        for path in old(&layout.uploads())? {
            if !path.join("upload.json").exists() {
                std::fs::remove_dir_all(path)?;
            }
        }
    }
    Ok(())
}

/// What is in a folder and was not touched for long.
fn old(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = names(folder)?.into_iter().map(|name| folder.join(name));
    let is_old = |path: &PathBuf| {
        let time = std::fs::metadata(path).and_then(|found| found.modified());
        matches!(time.map(|time| time.elapsed()), Ok(Ok(age)) if age >= AGE_MIN)
    };
    Ok(paths.filter(is_old).collect())
}

/// The names in a folder that may be missing; those that are no text are none of ours.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if disk::is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
    names.filter_map(Result::transpose).collect()
}
