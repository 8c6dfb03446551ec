//! A file as the body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf, Take};

/// Read at a time: each read is a trip to a blocking thread, so small pieces would cost more than the bytes.
const READ_BYTES: usize = 128 * 1024;

pub(super) struct FileBody {
    file: Take<File>,
    remaining: u64,
}

impl FileBody {
    /// A body of `length` bytes from where the file stands.
    pub(super) fn new(file: Take<File>, length: u64) -> Self {
        Self { file, remaining: length }
    }
}

impl Stream for FileBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let size = usize::try_from(self.remaining).map_or(READ_BYTES, |remaining| remaining.min(READ_BYTES));
        let mut buffer = BytesMut::zeroed(size);
        let mut read = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut self.file).poll_read(context, &mut read))?;
        let filled = read.filled().len();
        if filled == 0 {
            let cut = std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            );
            self.remaining = 0;
            return Poll::Ready(Some(Err(Box::new(cut))));
        }
        buffer.truncate(filled);
        self.remaining -= filled as u64;
        Poll::Ready(Some(Ok(buffer.freeze())))
    }
}

impl ByteStream for FileBody {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining)
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}
