//! The objects that are read and written.

use std::fs;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;

use crate::plan::{BUCKET, LOADS, Load};

/// Bytes without zeros or repetitions, so that nobody can take a short cut.
pub(crate) fn object(load: &Load) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(load.object_bytes / 8).flatten().collect()
}

/// Writes the objects that are read, as `{bucket}/{key}` below the folder.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    for load in &LOADS {
        let object = object(load);
        for key in load.keys() {
            let path = folder.join(BUCKET).join(key);
            fs::create_dir_all(path.parent().expect("a key is below a bucket"))?;
            fs::write(&path, &object).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
