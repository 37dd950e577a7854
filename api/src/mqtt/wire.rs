//! The two buffers of a connection.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// A silent client costs this much.
const SMALLEST_READ: usize = 512;
const LARGEST_READ: usize = 64 * 1024;
/// How long the other side may take to read the last bytes.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// A stream with what was read and not yet taken, and what is to be written.
pub struct Wire<S> {
    pub reader: Reader<S>,
    pub writer: Writer<S>,
}

pub struct Reader<S> {
    half: ReadHalf<S>,
    pub input: BytesMut,
    /// Grows with a busy client and shrinks with a calm one.
    next_read: usize,
}

pub struct Writer<S> {
    half: WriteHalf<S>,
    pub output: BytesMut,
    /// Something was written that the stream may still hold back.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    pub fn new(stream: S) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader: Reader {
                half: reader,
                input: BytesMut::new(),
                next_read: SMALLEST_READ,
            },
            writer: Writer {
                half: writer,
                output: BytesMut::new(),
                unflushed: false,
            },
        }
    }

    /// Writes what is left, then closes in both directions. Reads on for a moment: closing a socket with unread input
    /// would reset it, and the last packet would be lost.
    pub async fn close(mut self) {
        let farewell = async {
            self.writer.half.write_all(&self.writer.output).await?;
            self.writer.half.shutdown().await?;
            loop {
                self.reader.input.clear();
                if self.reader.read().await? == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        // Whether the client got it is its own affair.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, farewell).await;
    }
}

impl<S: AsyncRead> Reader<S> {
    /// Reads some bytes; 0 at the end. Nothing is lost if it is given up.
    pub async fn read(&mut self) -> io::Result<usize> {
        if self.input.is_empty() && self.input.capacity() > 4 * self.next_read {
            self.input = BytesMut::new();
        }
        self.input.reserve(self.next_read);
        let count = self.half.read_buf(&mut self.input).await?;
        if count >= self.next_read {
            self.next_read = (self.next_read * 2).min(LARGEST_READ);
        } else if count < self.next_read / 8 {
            self.next_read = (self.next_read / 2).max(SMALLEST_READ);
        }
        Ok(count)
    }
}

impl<S: AsyncWrite> Writer<S> {
    /// Whether [`Self::write`] has something to do.
    pub fn has_work(&self) -> bool {
        self.unflushed || !self.output.is_empty()
    }

    /// Writes some of the output, and flushes once all of it is written. Nothing is lost if it is given up.
    pub async fn write(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            if self.half.write_buf(&mut self.output).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.unflushed = true;
        }
        if !self.output.is_empty() {
            return Ok(());
        }
        if self.output.capacity() > 16 * 1024 {
            self.output = BytesMut::new();
        }
        self.half.flush().await?;
        self.unflushed = false;
        Ok(())
    }
}
