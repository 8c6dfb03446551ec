//! What content is.

use crate::kind::{Examiner, KindError};

/// A byte that says how long the chunks are in which the content comes, a line with its declared type; then the content.
pub fn kind(input: &[u8]) {
    let Some((length, rest)) = input.split_first() else { return };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let declared = String::from_utf8_lossy(&rest[..end]);
    let content = rest.get(end + 1..).unwrap_or_default();
    let whole = examine(&declared, content, content.len().max(1));
    let cut = examine(&declared, content, usize::from(*length) + 1);
    assert_eq!(whole.is_ok(), cut.is_ok(), "chunks make a difference");
    assert!(examine("no/such-type", content, 1).is_ok(), "a type that is not known is taken as declared");
}

fn examine(declared: &str, content: &[u8], chunk_bytes: usize) -> Result<(), KindError> {
    let mut examiner = Examiner::of(declared);
    for chunk in content.chunks(chunk_bytes) {
        examiner.take(chunk)?;
    }
    examiner.finish()
}
