//! Where everything of a folder store lies.
//!
//! `{root}/{bucket}/{key}` is what a person sees: the bytes of current objects. All the rest of a bucket is below
//! `{root}/.relais/{bucket}/`: `keys/` (one record a key, in a tree that mirrors the keys), `data/` (bytes that cannot lie
//! at their key's place: older versions, odd keys), `uploads/`, `tmp/` and `settings.json`.
//!
//! A record's path is made of the key's segments, each with a sign in front (`=` folder, `-` record, `~` the beginning of a
//! name that is too long), so every key has one, `a` beside `a/b`, `..` and `a//b` too, and none can lead elsewhere.

use std::path::{Path, PathBuf};

/// The hidden folder. No bucket may be named like this: bucket names begin with a letter or a digit.
const HIDDEN: &str = ".relais";

/// Longest name of one file: what ext4, xfs and APFS allow.
const FILE_NAME_BYTES_MAX: usize = 255;

/// Longest piece of a key in the name of a record, which has a sign in front.
const PIECE_BYTES_MAX: usize = FILE_NAME_BYTES_MAX - 1;

const FOLDER: char = '=';
const RECORD: char = '-';
const BEGINNING: char = '~';

/// The paths of one bucket.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
    bucket: String,
}

/// What a name in the tree of records stands for.
pub(super) enum Name<'a> {
    /// A folder: more segments follow.
    Folder(&'a str),
    /// The record of a key that ends here.
    Record(&'a str),
    /// The beginning of a long segment, whose rest is inside.
    Beginning(&'a str),
}

impl Layout {
    pub(super) fn new(root: &Path, bucket: &str) -> Self {
        Self { root: root.to_owned(), bucket: bucket.to_owned() }
    }

    /// The folder of all buckets' hidden folders.
    pub(super) fn hidden_root(root: &Path) -> PathBuf {
        root.join(HIDDEN)
    }

    /// Whether a folder of that name can be a bucket.
    pub(super) fn is_bucket_name(name: &str) -> bool {
        let first = name.chars().next();
        first.is_some_and(|first| first.is_ascii_alphanumeric())
            && name.len() <= FILE_NAME_BYTES_MAX
            && !name.contains(['/', '\\', '\0'])
    }

    /// The folder that a person sees.
    pub(super) fn visible(&self) -> PathBuf {
        self.root.join(&self.bucket)
    }

    /// The folder of everything else.
    pub(super) fn hidden(&self) -> PathBuf {
        self.root.join(HIDDEN).join(&self.bucket)
    }

    /// Settings of the bucket; not there while all are as they were made.
    pub(super) fn settings(&self) -> PathBuf {
        self.hidden().join("settings.json")
    }

    /// Files that are being written.
    pub(super) fn temporary(&self) -> PathBuf {
        self.hidden().join("tmp")
    }

    /// The tree of records.
    pub(super) fn records(&self) -> PathBuf {
        self.hidden().join("keys")
    }

    /// Bytes that do not lie at their key's place.
    pub(super) fn data(&self, id: &str) -> PathBuf {
        self.hidden().join("data").join(id)
    }

    /// Uploads in parts that are under way.
    pub(super) fn uploads(&self) -> PathBuf {
        self.hidden().join("uploads")
    }

    /// One upload, if that is an id of ours.
    pub(super) fn upload(&self, id: &str) -> Option<PathBuf> {
        let is_id = !id.is_empty() && id.len() < 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| self.uploads().join(id))
    }

    /// Where a person finds the key's bytes, if a file system can hold such a path.
    pub(super) fn place(&self, key: &str) -> Option<PathBuf> {
        let fits =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.len() <= FILE_NAME_BYTES_MAX;
        (key.split('/').all(fits) && !key.contains('\0')).then(|| self.visible().join(key))
    }

    /// The folder that a person sees for a prefix that is empty or ends with a slash.
    pub(super) fn place_of_folder(&self, prefix: &str) -> Option<PathBuf> {
        match prefix.strip_suffix('/') {
            Some(folder) => self.place(folder),
            None => Some(self.visible()),
        }
    }

    /// The record of a key.
    pub(super) fn record(&self, key: &str) -> PathBuf {
        let (folder, name) =
            key.rsplit_once('/').map_or(("", key), |(folder, name)| (&key[..=folder.len()], name));
        let mut path = self.records_of_folder(folder);
        push(&mut path, name, RECORD);
        path
    }

    /// The folder of records for a prefix that is empty or ends with a slash.
    pub(super) fn records_of_folder(&self, prefix: &str) -> PathBuf {
        let mut path = self.records();
        for segment in prefix.split_inclusive('/') {
            push(&mut path, segment.trim_end_matches('/'), FOLDER);
        }
        path
    }
}

impl<'a> Name<'a> {
    /// What a name in the tree of records stands for; nothing if it is not one of ours.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let mut rest = name.chars();
        match rest.next()? {
            FOLDER => Some(Self::Folder(rest.as_str())),
            RECORD => Some(Self::Record(rest.as_str())),
            BEGINNING => Some(Self::Beginning(rest.as_str())),
            _ => None,
        }
    }
}

fn push(path: &mut PathBuf, segment: &str, sign: char) {
    let mut rest = segment;
    while rest.len() > PIECE_BYTES_MAX {
        let (beginning, end) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES_MAX));
        path.push(format!("{BEGINNING}{beginning}"));
        rest = end;
    }
    path.push(format!("{sign}{rest}"));
}
