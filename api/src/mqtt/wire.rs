//! A connection's stream and its two buffers.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_util::io::poll_read_buf;

/// A calm client's bytes are read through the stack, so that a silent one holds no buffer.
const CALM_READ: usize = 8 * 1024;
const LARGEST_READ: usize = 16 * 1024;
/// More than this is not kept for the next output.
const KEPT_OUTPUT: usize = 4 * 1024;
/// Deliveries wait in the session, and packets in the socket, while this much is still to be written.
pub const OUTPUT_HIGH_WATER: usize = 64 * 1024;
/// How long the other side may take to read the last bytes.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// A stream with what was read and not yet taken, and what is to be written.
pub struct Wire<S> {
    stream: S,
    pub input: BytesMut,
    pub output: BytesMut,
    /// Grows with a busy client and shrinks with a calm one.
    next_read: usize,
    /// Something was written that the stream may still hold back.
    unflushed: bool,
}

/// What came of waiting for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is new input.
    Read,
    /// The output fell below [`OUTPUT_HIGH_WATER`].
    Written,
    /// The other side has closed.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            next_read: CALM_READ,
            unflushed: false,
        }
    }

    /// Writes the output as far as the stream takes it, and reads if `may_read`. Nothing is lost if it is given up.
    pub async fn turn(&mut self, may_read: bool) -> io::Result<Turn> {
        poll_fn(|context| self.poll_turn(may_read, context)).await
    }

    /// Reads some bytes; 0 at the end. Nothing is lost if it is given up.
    pub async fn read(&mut self) -> io::Result<usize> {
        poll_fn(|context| self.poll_read(context)).await
    }

    fn poll_turn(&mut self, may_read: bool, context: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        let was_high = self.output.len() >= OUTPUT_HIGH_WATER;
        if let Poll::Ready(Err(error)) = self.poll_write(context) {
            return Poll::Ready(Err(error));
        }
        if may_read && let Poll::Ready(count) = self.poll_read(context)? {
            let turn = if count == 0 { Turn::End } else { Turn::Read };
            return Poll::Ready(Ok(turn));
        }
        if was_high && self.output.len() < OUTPUT_HIGH_WATER {
            return Poll::Ready(Ok(Turn::Written));
        }
        Poll::Pending
    }

    /// Ready once all of the output is written and flushed.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(context, &self.output)?;
            let Poll::Ready(count) = written else {
                return Poll::Pending;
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(count);
            self.unflushed = true;
        }
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        if self.output.capacity() > KEPT_OUTPUT {
            self.output = BytesMut::new();
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context)?;
        if flushed.is_ready() {
            self.unflushed = false;
        }
        flushed.map(Ok)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = if self.next_read <= CALM_READ {
            self.poll_read_calm(context)
        } else {
            self.input.reserve(self.next_read);
            poll_read_buf(Pin::new(&mut self.stream), context, &mut self.input)
        };
        let Poll::Ready(count) = read? else {
            if self.input.is_empty() {
                self.input = BytesMut::new();
            }
            return Poll::Pending;
        };
        if count >= self.next_read {
            self.next_read = (self.next_read * 2).min(LARGEST_READ);
        } else if count < self.next_read / 8 {
            self.next_read = (self.next_read / 2).max(CALM_READ);
        }
        Poll::Ready(Ok(count))
    }

    fn poll_read_calm(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [MaybeUninit::uninit(); CALM_READ];
        let mut scratch = ReadBuf::uninit(&mut scratch);
        let read = Pin::new(&mut self.stream).poll_read(context, &mut scratch)?;
        read.map(|()| {
            self.input.extend_from_slice(scratch.filled());
            Ok(scratch.filled().len())
        })
    }

    /// Writes what is left, then closes in both directions. Reads on for a moment: closing a socket with unread input
    /// would reset it, and the last packet would be lost.
    pub async fn close(mut self) {
        let farewell = async {
            self.stream.write_all(&self.output).await?;
            self.stream.shutdown().await?;
            let mut rest = [0; 512];
            while self.stream.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        };
        // Whether the client got it is its own affair.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, farewell).await;
    }
}
