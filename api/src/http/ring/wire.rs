//! The socket of a connection and what was read of it.

use std::io;
use std::os::fd::AsFd as _;

use bytes::Bytes;
use compio::buf::{BufResult, IntoInner as _, IoBuf as _};
use compio::io::{AsyncRead as _, AsyncWriteExt as _};
use compio::net::TcpStream;

/// Room for a request as devices send them.
const USUAL_BYTES: usize = 1_024;

pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
    /// How much of `read` was taken.
    taken: usize,
    /// Lent to the system while it is sent.
    answer: Vec<u8>,
}

impl Wire {
    pub fn new(stream: std::net::TcpStream) -> io::Result<Self> {
        Ok(Self {
            stream: TcpStream::from_std(stream)?,
            read: Vec::with_capacity(USUAL_BYTES),
            taken: 0,
            answer: Vec::new(),
        })
    }

    /// What was read and not taken.
    pub fn unread(&self) -> &[u8] {
        self.read.get(self.taken..).unwrap_or_default()
    }

    pub fn take(&mut self, bytes: usize) {
        self.taken = self.read.len().min(self.taken + bytes);
        if self.taken == self.read.len() {
            self.read.clear();
            self.read.shrink_to(USUAL_BYTES);
            self.taken = 0;
        }
    }

    /// Reads until `bytes` are unread. False: the client has ended before.
    pub async fn read_to(&mut self, bytes: usize) -> io::Result<bool> {
        while self.unread().len() < bytes {
            if !self.read_more(bytes).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads what has come, with room for `bytes` in all. False: the client has ended.
    pub async fn read_more(&mut self, bytes: usize) -> io::Result<bool> {
        let mut read = std::mem::take(&mut self.read);
        read.drain(..std::mem::take(&mut self.taken));
        read.reserve(bytes.saturating_sub(read.len()).max(USUAL_BYTES / 4));
        let end = read.len();
        let BufResult(result, read) = self.stream.read(read.slice(end..)).await;
        self.read = read.into_inner();
        Ok(result? > 0)
    }

    /// Where the next answer is written.
    pub const fn answer(&mut self) -> &mut Vec<u8> {
        &mut self.answer
    }

    /// Sends the answer.
    pub async fn send(&mut self) -> io::Result<()> {
        let answer = std::mem::take(&mut self.answer);
        let BufResult(result, mut answer) = self.stream.write_all(answer).await;
        answer.clear();
        answer.shrink_to(USUAL_BYTES);
        self.answer = answer;
        result
    }

    /// Says that nothing more will be sent, so that the client gets to read what was.
    pub fn end(&self) -> io::Result<()> {
        let stream = std::net::TcpStream::from(self.stream.as_fd().try_clone_to_owned()?);
        stream.shutdown(std::net::Shutdown::Write)
    }

    /// The socket, and what was read of it and not taken.
    pub fn into_parts(self) -> io::Result<(std::net::TcpStream, Bytes)> {
        let stream = self.stream.as_fd().try_clone_to_owned()?;
        let mut unread = self.read;
        unread.drain(..self.taken);
        Ok((stream.into(), unread.into()))
    }
}
