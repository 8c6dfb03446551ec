//! The keys of a bucket, in the order of their UTF-8 bytes, from any point on.
//!
//! Two trees are walked as one: the records, and what lies visibly in the bucket, since files may have been put there by
//! hand. A folder is read when the walk comes to it, and only if a key that is wanted can be in it. A name that the walk
//! gives may turn out to be no object any more; whoever asks looks at it.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::disk;
use super::layout::{Layout, Name};

/// Where a listing begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum From {
    /// At the first key.
    Start,
    /// At this key.
    At(String),
    /// Behind this key.
    After(String),
    /// Behind all keys that begin like this.
    Past(String),
}

impl From {
    pub(super) fn takes_key(&self, key: &str) -> bool {
        match self {
            Self::Start => true,
            Self::At(from) => key >= from.as_str(),
            Self::After(from) => key > from.as_str(),
            Self::Past(from) => key > from.as_str() && !key.starts_with(from.as_str()),
        }
    }

    /// Whether a key that begins like this can be behind the beginning.
    fn takes_folder(&self, folder: &str) -> bool {
        match self {
            Self::Start => true,
            Self::At(from) | Self::After(from) => folder > from.as_str() || from.starts_with(folder),
            Self::Past(from) => {
                self.takes_key(folder) || (from.starts_with(folder) && from.as_str() != folder)
            }
        }
    }
}

/// What lies in a folder: a key, or a folder with more. Sorted by the text, which ends with a slash for a folder.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Entry {
    text: String,
    is_folder: bool,
}

/// A walk over the keys of a bucket.
#[derive(Debug)]
pub(super) struct Walk {
    layout: Layout,
    prefix: String,
    from: From,
    /// What is still to be visited, the next at the end, a level each; nothing before the walk begins.
    levels: Option<Vec<Vec<Entry>>>,
}

impl Walk {
    pub(super) fn new(layout: &Layout, prefix: &str, from: From) -> Self {
        Self { layout: layout.clone(), prefix: prefix.to_owned(), from, levels: None }
    }

    /// The next key.
    pub(super) fn next(&mut self) -> io::Result<Option<String>> {
        let mut levels = match self.levels.take() {
            Some(levels) => levels,
            None => vec![self.read(self.deepest_folder())?],
        };
        while let Some(level) = levels.last_mut() {
            match level.pop() {
                None => drop(levels.pop()),
                Some(Entry { text, is_folder: true }) => levels.push(self.read(&text)?),
                Some(Entry { text, .. }) => {
                    self.levels = Some(levels);
                    return Ok(Some(text));
                }
            }
        }
        self.levels = Some(levels);
        Ok(None)
    }

    /// Goes on behind all keys that begin like this.
    pub(super) fn skip_past(&mut self, prefix: &str) {
        self.from = From::Past(prefix.to_owned());
        let from = self.from.clone();
        let takes = |entry: &Entry| {
            if entry.is_folder { from.takes_folder(&entry.text) } else { from.takes_key(&entry.text) }
        };
        for level in self.levels.iter_mut().flatten() {
            level.retain(takes);
        }
    }

    /// The folder that all keys with the prefix are in.
    fn deepest_folder(&self) -> &str {
        self.prefix.rfind('/').map_or("", |slash| &self.prefix[..=slash])
    }

    /// What is in a folder and may be wanted, the first at the end.
    fn read(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let mut entries = BTreeSet::new();
        read_records(&self.layout.records_of_folder(folder), folder, &mut entries)?;
        if let Some(place) = self.layout.place_of_folder(folder) {
            read_visible(&place, folder, &mut entries)?;
        }
        Ok(entries.into_iter().rev().filter(|entry| self.wants(entry)).collect())
    }

    fn wants(&self, entry: &Entry) -> bool {
        let text = entry.text.as_str();
        if entry.is_folder {
            let fits = text.starts_with(&self.prefix) || self.prefix.starts_with(text);
            fits && self.from.takes_folder(text)
        } else {
            text.starts_with(&self.prefix) && self.from.takes_key(text)
        }
    }
}

fn read_records(folder: &Path, before: &str, entries: &mut BTreeSet<Entry>) -> io::Result<()> {
    for name in super::sweep::names(folder)? {
        match Name::parse(&name) {
            Some(Name::Record(end)) => {
                entries.insert(Entry { text: format!("{before}{end}"), is_folder: false });
            }
            Some(Name::Folder(end)) => {
                entries.insert(Entry { text: format!("{before}{end}/"), is_folder: true });
            }
            // Names this long are rare: all that begin so are read at once, which keeps the order simple.
            Some(Name::Beginning(middle)) => {
                read_records(&folder.join(&name), &format!("{before}{middle}"), entries)?;
            }
            None => {}
        }
    }
    Ok(())
}

fn read_visible(folder: &Path, before: &str, entries: &mut BTreeSet<Entry>) -> io::Result<()> {
    let found = match std::fs::read_dir(folder) {
        Ok(found) => found,
        Err(error) if disk::is_absent(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in found {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue }; // No text, so no key.
        let mut kind = entry.file_type()?;
        if kind.is_symlink() {
            let Ok(target) = std::fs::metadata(entry.path()) else { continue };
            kind = target.file_type();
        }
        if kind.is_dir() {
            entries.insert(Entry { text: format!("{before}{name}/"), is_folder: true });
        } else if kind.is_file() {
            entries.insert(Entry { text: format!("{before}{name}"), is_folder: false });
        }
    }
    Ok(())
}
