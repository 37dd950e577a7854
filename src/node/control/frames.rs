//! Bytes of a length that is not known beforehand: frames of four bytes of length (big-endian) and as many bytes; one of
//! length 0 is the end. What breaks off is thereby told from what is whole.

use std::io::{self, Read, Write};

/// Most bytes in a frame.
const FRAME: usize = 64 * 1024;

/// Puts what is written into frames.
pub struct Frames<To> {
    to: To,
    bytes: u64,
}

impl<To: Write> Frames<To> {
    pub const fn new(to: To) -> Self {
        Self { to, bytes: 0 }
    }

    /// Writes the end; the number of bytes before it.
    pub fn end(mut self) -> io::Result<u64> {
        self.to.write_all(&0_u32.to_be_bytes())?;
        self.to.flush()?;
        Ok(self.bytes)
    }
}

impl<To: Write> Write for Frames<To> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let frame = &bytes[..bytes.len().min(FRAME)];
        if frame.is_empty() {
            return Ok(0);
        }
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        self.to.write_all(&length.to_be_bytes())?;
        self.to.write_all(frame)?;
        self.bytes += u64::from(length);
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Writes what the frames of `from` hold to `to`, up to their end.
pub fn copy_frames(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u64::from(u32::from_be_bytes(length));
        if length == 0 {
            return Ok(());
        }
        if io::copy(&mut from.by_ref().take(length), to)? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_of_frames_as_they_went_in() {
        let bytes: Vec<u8> = (0..3 * FRAME + 1).map(|byte| (byte % 251) as u8).collect();
        let mut sent = Vec::new();
        let mut frames = Frames::new(&mut sent);
        frames.write_all(&bytes).unwrap();
        assert_eq!(frames.end().unwrap(), bytes.len() as u64);
        sent.extend(b"next");
        let (mut rest, mut came) = (sent.as_slice(), Vec::new());
        copy_frames(&mut rest, &mut came).unwrap();
        assert_eq!(came, bytes);
        assert_eq!(rest, b"next");
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        let mut sent = Vec::new();
        let mut frames = Frames::new(&mut sent);
        frames.write_all(b"whole").unwrap();
        frames.end().unwrap();
        for length in 0..sent.len() {
            let cut = copy_frames(&mut &sent[..length], &mut Vec::new());
            assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
