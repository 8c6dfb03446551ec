//! What the service and a worker process say to each other over the worker's standard input and output.
//!
//! Each says one thing: the service a request and the bytes of the source, the worker an answer and the bytes of its
//! outputs. The head is JSON with its length in front, the bytes follow as they are, so nothing of an object is ever
//! escaped or copied into text. Neither side trusts a length beyond its bound. Nothing is versioned: both are the same
//! executable.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::sidecar::{Output, Source, WorkError};

/// Longest head: settings or a list of outputs, never content.
const HEAD_BYTES_MAX: u32 = 64 * 1024;

/// Longest answer. The largest outputs there are, transcripts of nine hours with times, stay below 4 MB.
pub(crate) const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What a worker is asked; `source_bytes` bytes follow.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Request {
    /// What the sidecar said of the source.
    pub(crate) task: serde_json::Value,
    /// Length of the source.
    pub(crate) source_bytes: u64,
    /// Address space that the worker may use.
    pub(crate) memory_bytes_max: u64,
    /// Processor time that the worker may use, all its threads together.
    pub(crate) processor_seconds_max: u64,
}

/// What a worker answers; the bytes of the outputs follow, in this order.
#[derive(Debug, Deserialize, Serialize)]
enum Answer {
    Made(Vec<OutputHead>),
    Failed(WorkError),
}

#[derive(Debug, Deserialize, Serialize)]
struct OutputHead {
    suffix: String,
    content_type: String,
    bytes: u64,
}

/// The head of a request, as it goes over the pipe.
pub(crate) fn request_head(request: &Request) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    write_head(&mut head, request)?;
    Ok(head)
}

/// Reads the head of a request.
pub(crate) fn read_request(from: &mut impl Read) -> io::Result<Request> {
    read_head(from)
}

/// Reads the source that follows a request.
pub(crate) fn read_source(from: &mut impl Read, request: Request) -> io::Result<Source> {
    let bytes = read_bytes(from, request.source_bytes)?;
    Ok(Source { task: request.task, bytes })
}

/// Writes what came of the work.
pub(crate) fn write_answer(to: &mut impl Write, answer: &Result<Vec<Output>, WorkError>) -> io::Result<()> {
    match answer {
        Err(error) => write_head(to, &Answer::Failed(error.clone()))?,
        Ok(outputs) => {
            write_head(to, &Answer::Made(outputs.iter().map(OutputHead::of).collect()))?;
            outputs.iter().try_for_each(|output| to.write_all(&output.bytes))?;
        }
    }
    to.flush()
}

/// Reads a whole answer; one that is cut short or too long is an error.
pub(crate) fn read_answer(mut answer: &[u8]) -> io::Result<Result<Vec<Output>, WorkError>> {
    let made = match read_head(&mut answer)? {
        Answer::Failed(error) => Err(error),
        Answer::Made(heads) => {
            Ok(heads.into_iter().map(|head| head.output(&mut answer)).collect::<io::Result<_>>()?)
        }
    };
    if answer.is_empty() { Ok(made) } else { Err(io::Error::other("the answer is longer than it says")) }
}

impl OutputHead {
    fn of(output: &Output) -> Self {
        Self {
            suffix: output.suffix.clone(),
            content_type: output.content_type.clone(),
            bytes: output.bytes.len() as u64,
        }
    }

    fn output(self, from: &mut impl Read) -> io::Result<Output> {
        let bytes = read_bytes(from, self.bytes)?;
        Ok(Output { suffix: self.suffix, content_type: self.content_type, bytes })
    }
}

fn write_head(to: &mut impl Write, head: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_vec(head)?;
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= HEAD_BYTES_MAX);
    to.write_all(&length.ok_or_else(too_long)?.to_be_bytes())?;
    to.write_all(&json)
}

fn read_head<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > HEAD_BYTES_MAX {
        return Err(too_long());
    }
    Ok(serde_json::from_slice(&read_bytes(from, length.into())?)?)
}

/// Reads exactly that many bytes, taking memory as they come: a length that lies costs nothing.
fn read_bytes(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(length).read_to_end(&mut bytes)?;
    if read as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn too_long() -> io::Error {
    io::Error::other("the head of a message is too long")
}

#[cfg(test)]
mod tests;
