//! The versions of one key: looked up, and replaced by others, whole. Everything here blocks.
//!
//! # Why bytes and record never disagree
//!
//! Every object has a stamp, a moment that no other object of its key has, and its file carries the stamp as its time of
//! modification. A write first puts the new bytes, synced, into a temporary file, then a record that holds both the versions
//! after the write and those before it, and then moves the file to the key's place. That move is the write: a reader
//! takes the file at the place first and the record then, and the file's stamp tells which of the two lists holds. So at
//! any time, also after a crash at any point, there is one object, with its own bytes and its own record.
//! Where the bytes do not go to the key's place, they get a name that was never used, and writing the record is the write.
//!
//! A reader needs no lock: if the file at the place is another one after the record was read, it looks again. Writers hold
//! the key's lock. A file whose stamp no record knows was put there by hand: it is the current object, without metadata.

use std::fs::File;
use std::io;
use std::sync::Arc;

use s3s::crypto::{Checksum as _, Md5};

use super::checksum::hex;
use super::clock::{Clock, Stamp, stamp, system_time};
use super::disk::{self, Temporary};
use super::layout::Layout;
use super::record::{Headers, Location, Object, Record, Version};

/// How often a reader looks again because the object was replaced under its eyes.
const LOOKS_MAX: usize = 1000;

/// The coarsest step in which a file system keeps time, that of FAT: two seconds.
const COARSEST_STEP: Stamp = 2_000_000_000;

/// One bucket's objects.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) layout: Layout,
    pub(super) clock: Arc<Clock>,
}

/// What there is of a key.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Newest first.
    pub(super) versions: Vec<Version>,
    /// The file at the key's place.
    file: Option<File>,
    /// Hidden files that the record names, used or not.
    data: Vec<String>,
}

impl Shelf {
    /// What there is of a key now.
    pub(super) fn look(&self, key: &str) -> io::Result<Look> {
        let mut look = Look::default();
        for _ in 0..LOOKS_MAX {
            let (found, certain) = self.look_once(key)?;
            look = found;
            let before = look.file.as_ref().map(file_stamp).transpose()?;
            if certain || before == self.open_place(key)?.as_ref().map(file_stamp).transpose()? {
                break;
            }
        }
        Ok(look)
    }

    fn look_once(&self, key: &str) -> io::Result<(Look, bool)> {
        let file = self.open_place(key)?;
        let place = file.as_ref().map(file_stamp).transpose()?;
        let record = self.read_record(key)?;
        let all = record.versions.iter().chain(&record.before);
        let data = all.filter_map(|version| version.data().map(str::to_owned)).collect();
        let by_hand = match (&file, place) {
            (Some(file), Some(place)) if !record.knows(place) => Some(by_hand(file, place)?),
            _ => None,
        };
        let (mut versions, certain) = record.resolve(place);
        if let Some(by_hand) = by_hand {
            versions.retain(|version| version.id.is_some()); // It takes the place of the null version.
            versions.insert(0, by_hand);
        }
        Ok((Look { versions, file, data }, certain))
    }

    /// The bytes of a version that a look found; nothing if they were removed since.
    pub(super) fn open(&self, look: &mut Look, version: &Version) -> io::Result<Option<File>> {
        match version.data() {
            None => Ok(look.file.take()),
            Some(id) => match File::open(self.layout.data(id)) {
                Err(error) if disk::is_absent(&error) => Ok(None),
                opened => opened.map(Some),
            },
        }
    }

    /// Makes these the versions of a key. If there are bytes, they are those of the first, and their file has its stamp.
    pub(super) fn replace(
        &self,
        key: &str,
        look: &Look,
        mut versions: Vec<Version>,
        bytes: Option<Temporary>,
    ) -> io::Result<()> {
        for version in versions.iter_mut().skip(1) {
            self.hide(key, version)?;
        }
        let Some(first) = versions.first_mut() else { return self.clear(key, look) };
        let mut bytes = match bytes {
            None => self.promoted(key, first)?,
            bytes => bytes,
        };
        if let Some(bytes) = &mut bytes {
            self.install(key, look, &mut versions, bytes)?;
        } else {
            self.write_record(key, &versions, look.versions.clone())?;
        }
        self.clean(key, look, &versions)
    }

    /// The bytes of what becomes current, if they can be at the key's place and are not.
    fn promoted(&self, key: &str, first: &Version) -> io::Result<Option<Temporary>> {
        match (first.data(), self.layout.place(key)) {
            (Some(id), Some(place)) if self.can_hold(&place) => {
                Temporary::link(&self.layout.data(id), &self.layout.temporary(), &self.clock.name()).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn can_hold(&self, place: &std::path::Path) -> bool {
        !place.is_dir() && place.parent().is_some_and(|folder| disk::make_folder(folder).is_ok())
    }

    /// Puts bytes where those of the first version belong, at the key's place if that can be.
    fn install(
        &self,
        key: &str,
        look: &Look,
        versions: &mut [Version],
        bytes: &mut Temporary,
    ) -> io::Result<()> {
        if let Some(place) = self.layout.place(key).filter(|place| self.can_hold(place)) {
            locate(versions, Location::Place);
            self.write_record(key, versions, look.versions.clone())?;
            match bytes.persist(&place) {
                Err(error) if disk::is_taken(&error) => {} // A neighbour came in between, such as `a/b` beside `a`.
                done => return done,
            }
        }
        let id = self.clock.name();
        bytes.persist(&self.layout.data(&id))?;
        locate(versions, Location::Data(id));
        self.write_record(key, versions, look.versions.clone())
    }

    /// Sees to it that a version which is no longer current has a hidden file.
    fn hide(&self, key: &str, version: &mut Version) -> io::Result<()> {
        let (Some(object), Some(place)) = (&mut version.object, self.layout.place(key)) else {
            return Ok(());
        };
        if object.at == Location::Place {
            let id = self.clock.name();
            disk::link(&place, &self.layout.data(&id))?;
            object.at = Location::Data(id);
        }
        Ok(())
    }

    /// Removes all that there is of a key: the file that is seen first, which is the deletion, then the record.
    fn clear(&self, key: &str, look: &Look) -> io::Result<()> {
        self.clean(key, look, &[])?;
        let record = self.layout.record(key);
        disk::remove(&record)?;
        disk::prune(&record, &self.layout.hidden());
        self.remove_data(look, &[])
    }

    /// Removes the files that no version needs any more.
    fn clean(&self, key: &str, look: &Look, versions: &[Version]) -> io::Result<()> {
        let is_needed = versions.first().is_some_and(Version::is_at_place);
        if let Some(place) = self.layout.place(key).filter(|_| look.file.is_some() && !is_needed) {
            disk::remove(&place)?;
            disk::prune(&place, &self.layout.visible());
        }
        if versions.is_empty() { Ok(()) } else { self.remove_data(look, versions) }
    }

    fn remove_data(&self, look: &Look, versions: &[Version]) -> io::Result<()> {
        let is_needed = |id: &&String| versions.iter().any(|version| version.data() == Some(id));
        for id in look.data.iter().filter(|id| !is_needed(id)) {
            disk::remove(&self.layout.data(id))?;
        }
        Ok(())
    }

    /// Gives a file the time that tells it from all others of its key: later than that of the newest version. The file
    /// system may keep time in coarse steps; what it kept counts.
    pub(super) fn stamp_file(&self, file: &File, newest: Stamp) -> io::Result<Stamp> {
        file.set_modified(system_time(self.clock.after(newest)))?;
        if file_stamp(file)? <= newest {
            file.set_modified(system_time(newest.saturating_add(COARSEST_STEP)))?;
        }
        file.sync_all()?;
        file_stamp(file)
    }

    fn open_place(&self, key: &str) -> io::Result<Option<File>> {
        let Some(place) = self.layout.place(key) else { return Ok(None) };
        let opened = match std::fs::metadata(&place) {
            Ok(found) if found.is_file() => File::open(place),
            Ok(_) => return Ok(None), // A folder; or something that would keep us waiting, such as a pipe.
            Err(error) => Err(error),
        };
        match opened {
            Err(error) if disk::is_absent(&error) => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn read_record(&self, key: &str) -> io::Result<Record> {
        let Some(bytes) = disk::read(&self.layout.record(key))? else { return Ok(Record::default()) };
        serde_json::from_slice(&bytes).map_err(io::Error::from)
    }

    fn write_record(&self, key: &str, versions: &[Version], before: Vec<Version>) -> io::Result<()> {
        let record = Record { key: key.to_owned(), versions: versions.to_vec(), before };
        let bytes = serde_json::to_vec(&record)?;
        disk::write(&self.layout.temporary(), &self.clock.name(), &self.layout.record(key), &bytes)
    }
}

fn locate(versions: &mut [Version], at: Location) {
    if let Some(object) = versions.first_mut().and_then(|first| first.object.as_mut()) {
        object.at = at;
    }
}

fn file_stamp(file: &File) -> io::Result<Stamp> {
    Ok(stamp(file.metadata()?.modified()?))
}

/// A file that somebody put there. Its etag is made of its time and size, and looks like none that is the MD5 of bytes.
fn by_hand(file: &File, stamp: Stamp) -> io::Result<Version> {
    let size = file.metadata()?.len();
    let mut hash = Md5::new();
    hash.update(&stamp.to_be_bytes());
    hash.update(&size.to_be_bytes());
    let object = Object {
        at: Location::Place,
        size,
        etag: format!("{}-1", hex(&hash.finalize())),
        headers: Headers::default(),
        metadata: Default::default(),
        tags: Vec::new(),
        checksum: Default::default(),
        parts: Vec::new(),
        upload_id: None,
    };
    Ok(Version { id: None, stamp, object: Some(object) })
}
