//! What content is, told from its first bytes.
//!
//! A bucket that takes only some media types is not content with what a client declares: [`Examiner`] looks at the first bytes as
//! they pass. It knows the kinds that relais's applications store and those that are most often passed off as them; a type
//! that is not in [`TYPES`] is taken as declared. Nothing is decoded: a file that begins well may be broken further on.

use std::fmt;

use media::mpeg_audio;

mod media;

/// How much of the content is looked at. Two frames of MPEG audio fit in, which at 1,441 bytes are the longest thing asked for.
const FIRST_BYTES: usize = 4096;

/// How much of a text is looked at to take it for one.
const TEXT_BYTES: usize = 64;

/// What content can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Ogg,
    Mp3,
    Mp4,
    Heif,
    QuickTime,
    Wav,
    Flac,
    Aac,
    Amr,
    Matroska,
    Jpeg,
    Png,
    Webp,
    Gif,
    Tiff,
    Pdf,
    Zip,
    Gzip,
    Markup,
    Script,
    Elf,
    Windows,
}

/// What a media type asks of the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Begins(&'static [Kind]),
    /// Samples without a header, two bytes each: nothing tells them but that they are nothing else.
    Samples,
    /// Anything that is not known to be something else.
    Unnamed,
}

/// Media types whose bytes are examined, aliases included.
const TYPES: [(&str, Asked); 52] = [
    ("application/octet-stream", Asked::Unnamed),
    ("application/gzip", Asked::Begins(&[Kind::Gzip])),
    ("application/ogg", Asked::Begins(&[Kind::Ogg])),
    ("application/pdf", Asked::Begins(&[Kind::Pdf])),
    ("application/zip", Asked::Begins(&[Kind::Zip])),
    ("audio/3gpp", Asked::Begins(&[Kind::Mp4])),
    ("audio/3gpp2", Asked::Begins(&[Kind::Mp4])),
    ("audio/aac", Asked::Begins(&[Kind::Aac, Kind::Mp4])),
    ("audio/aacp", Asked::Begins(&[Kind::Aac])),
    ("audio/amr", Asked::Begins(&[Kind::Amr])),
    ("audio/amr-wb", Asked::Begins(&[Kind::Amr])),
    ("audio/flac", Asked::Begins(&[Kind::Flac])),
    ("audio/l16", Asked::Samples),
    ("audio/m4a", Asked::Begins(&[Kind::Mp4])),
    ("audio/mp3", Asked::Begins(&[Kind::Mp3])),
    ("audio/mp4", Asked::Begins(&[Kind::Mp4])),
    ("audio/mpeg", Asked::Begins(&[Kind::Mp3])),
    ("audio/mpeg3", Asked::Begins(&[Kind::Mp3])),
    ("audio/mpg", Asked::Begins(&[Kind::Mp3])),
    ("audio/ogg", Asked::Begins(&[Kind::Ogg])),
    ("audio/opus", Asked::Begins(&[Kind::Ogg])),
    ("audio/pcm", Asked::Samples),
    ("audio/vnd.wave", Asked::Begins(&[Kind::Wav])),
    ("audio/vorbis", Asked::Begins(&[Kind::Ogg])),
    ("audio/wav", Asked::Begins(&[Kind::Wav])),
    ("audio/wave", Asked::Begins(&[Kind::Wav])),
    ("audio/webm", Asked::Begins(&[Kind::Matroska])),
    ("audio/x-aac", Asked::Begins(&[Kind::Aac])),
    ("audio/x-flac", Asked::Begins(&[Kind::Flac])),
    ("audio/x-hx-aac-adts", Asked::Begins(&[Kind::Aac])),
    ("audio/x-m4a", Asked::Begins(&[Kind::Mp4])),
    ("audio/x-mp3", Asked::Begins(&[Kind::Mp3])),
    ("audio/x-mpeg", Asked::Begins(&[Kind::Mp3])),
    ("audio/x-pcm", Asked::Samples),
    ("audio/x-wav", Asked::Begins(&[Kind::Wav])),
    ("image/avif", Asked::Begins(&[Kind::Heif])),
    ("image/gif", Asked::Begins(&[Kind::Gif])),
    ("image/heic", Asked::Begins(&[Kind::Heif])),
    ("image/heif", Asked::Begins(&[Kind::Heif])),
    ("image/jpeg", Asked::Begins(&[Kind::Jpeg])),
    ("image/jpg", Asked::Begins(&[Kind::Jpeg])),
    ("image/pjpeg", Asked::Begins(&[Kind::Jpeg])),
    ("image/png", Asked::Begins(&[Kind::Png])),
    ("image/svg+xml", Asked::Begins(&[Kind::Markup])),
    ("image/tiff", Asked::Begins(&[Kind::Tiff])),
    ("image/webp", Asked::Begins(&[Kind::Webp])),
    ("image/x-png", Asked::Begins(&[Kind::Png])),
    ("video/3gpp", Asked::Begins(&[Kind::Mp4])),
    ("video/mp4", Asked::Begins(&[Kind::Mp4])),
    ("video/ogg", Asked::Begins(&[Kind::Ogg])),
    ("video/quicktime", Asked::Begins(&[Kind::QuickTime, Kind::Mp4])),
    ("video/webm", Asked::Begins(&[Kind::Matroska])),
];

/// Marks at the very beginning that nothing else shares.
const MARKS: [(&[u8], Kind); 17] = [
    (b"OggS", Kind::Ogg),
    (b"fLaC", Kind::Flac),
    (b"ADIF", Kind::Aac),
    (b"#!AMR", Kind::Amr),
    (b"\x1a\x45\xdf\xa3", Kind::Matroska),
    (b"\xff\xd8\xff", Kind::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Kind::Png),
    (b"GIF87a", Kind::Gif),
    (b"GIF89a", Kind::Gif),
    (b"II*\0", Kind::Tiff),
    (b"MM\0*", Kind::Tiff),
    (b"%PDF-", Kind::Pdf),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"\x1f\x8b\x08", Kind::Gzip),
    (b"#!/", Kind::Script),
    (b"\x7fELF", Kind::Elf),
];

impl Kind {
    /// What the bytes are beyond doubt; nothing if they are none of what is known.
    pub(crate) fn of(first: &[u8]) -> Option<Self> {
        let marked = MARKS.iter().find(|(mark, _)| first.starts_with(mark)).map(|(_, kind)| *kind);
        let kind = marked.or_else(|| media::container(first)).or_else(|| tagged(first));
        kind.or_else(|| mpeg_audio(first).filter(|audio| audio.is_certain).map(|audio| audio.kind))
            .or_else(|| is_windows(first).then_some(Self::Windows))
            .or_else(|| is_markup(first).then_some(Self::Markup))
    }

    /// Whether the bytes can be the beginning of this kind, for somebody who says so.
    fn begins(self, first: &[u8]) -> bool {
        match Self::of(first) {
            // Tags come before MPEG audio of every layer, and say nothing of what follows them.
            Some(Self::Mp3) if self == Self::Aac => first.starts_with(b"ID3"),
            Some(kind) => kind == self,
            // A single frame may be all that there is to see of it.
            None => mpeg_audio(first).is_some_and(|audio| audio.kind == self),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ogg => "Ogg",
            Self::Mp3 => "MP3",
            Self::Mp4 => "MP4",
            Self::Heif => "HEIF",
            Self::QuickTime => "QuickTime",
            Self::Wav => "WAV",
            Self::Flac => "FLAC",
            Self::Aac => "AAC",
            Self::Amr => "AMR",
            Self::Matroska => "Matroska or WebM",
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Gif => "GIF",
            Self::Tiff => "TIFF",
            Self::Pdf => "PDF",
            Self::Zip => "ZIP",
            Self::Gzip => "gzip",
            Self::Markup => "HTML or XML",
            Self::Script => "a script",
            Self::Elf => "a program (ELF)",
            Self::Windows => "a program (Windows)",
        })
    }
}

/// Why content was not taken for what it was declared as.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KindError {
    #[error("the content is declared as {declared}, but its bytes are {found}")]
    Other { declared: String, found: Kind },
    #[error("the content is declared as {declared}, but its bytes do not begin as such")]
    Unlike { declared: String },
    #[error("the content is declared as {declared}, but has an odd number of bytes")]
    HalfSample { declared: String },
}

/// Looks at the bytes of one object while they pass.
#[derive(Debug)]
pub(crate) struct Examiner {
    declared: String,
    asked: Option<Asked>,
    first: Vec<u8>,
    length: u64,
}

impl Examiner {
    /// One that lets everything pass.
    pub(crate) fn of_nothing() -> Self {
        Self { declared: String::new(), asked: None, first: Vec::new(), length: 0 }
    }

    /// For content that was declared as a media type; parameters and case do not matter.
    pub(crate) fn of(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let asked = TYPES.iter().find(|(name, _)| *name == essence).map(|(_, asked)| *asked);
        Self { declared: essence, asked, ..Self::of_nothing() }
    }

    /// The same for a part of the content: its length says nothing of the whole.
    pub(crate) fn for_first_part(self) -> Self {
        let asked = self.asked.map(|asked| if asked == Asked::Samples { Asked::Unnamed } else { asked });
        Self { asked, ..self }
    }

    /// Whether the bytes are looked at at all.
    pub(crate) fn is_needed(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether the content is samples of two bytes each.
    pub(crate) fn is_of_samples(&self) -> bool {
        self.asked == Some(Asked::Samples)
    }

    /// Takes the next bytes; fails as soon as enough of them are known.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> Result<(), KindError> {
        self.length += chunk.len() as u64;
        if self.asked.is_none() || self.first.len() == FIRST_BYTES {
            return Ok(());
        }
        let wanted = chunk.len().min(FIRST_BYTES - self.first.len());
        self.first.extend_from_slice(&chunk[..wanted]);
        if self.first.len() == FIRST_BYTES { self.judge() } else { Ok(()) }
    }

    /// Judges content that has ended.
    pub(crate) fn finish(&self) -> Result<(), KindError> {
        self.check_length(self.length)?;
        if self.first.len() < FIRST_BYTES { self.judge() } else { Ok(()) }
    }

    /// Refuses a length that whole samples do not have.
    pub(crate) fn check_length(&self, length: u64) -> Result<(), KindError> {
        if self.is_of_samples() && !length.is_multiple_of(2) {
            return Err(KindError::HalfSample { declared: self.declared.clone() });
        }
        Ok(())
    }

    fn judge(&self) -> Result<(), KindError> {
        let declared = || self.declared.clone();
        let Some(asked) = self.asked else { return Ok(()) };
        let found = Kind::of(&self.first);
        match (asked, found) {
            (Asked::Begins(kinds), _) if kinds.iter().any(|kind| kind.begins(&self.first)) => Ok(()),
            (Asked::Begins(_), None) => Err(KindError::Unlike { declared: declared() }),
            (Asked::Samples | Asked::Unnamed, None) => Ok(()),
            (_, Some(found)) => Err(KindError::Other { declared: declared(), found }),
        }
    }
}

/// A tag comes before MPEG audio, and now and then before FLAC.
fn tagged(first: &[u8]) -> Option<Kind> {
    (first.starts_with(b"ID3") && first.get(3).is_some_and(|version| *version < 0xff)).then_some(Kind::Mp3)
}

/// "MZ" alone may be a sample; the header that it points to is none.
fn is_windows(first: &[u8]) -> bool {
    let at = first.get(0x3c..0x40).map(|at| u32::from_le_bytes([at[0], at[1], at[2], at[3]]) as usize);
    first.starts_with(b"MZ")
        && at.and_then(|at| first.get(at..)).is_some_and(|rest| rest.starts_with(b"PE\0\0"))
}

/// Text that begins with a tag, a declaration or a comment.
fn is_markup(first: &[u8]) -> bool {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    let text = &text[..text.len().min(TEXT_BYTES)];
    let opens = matches!(text, [b'<', next, ..] if next.is_ascii_alphabetic() || b"!?/".contains(next));
    opens && text.iter().all(|byte| *byte >= b' ' || byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests;
