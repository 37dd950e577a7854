//! Tells an error of the writing from one of what is written.

use std::io::{self, Write};

/// Writes to `To` and keeps the first error that it had.
pub struct Noting<To> {
    to: To,
    error: Option<io::Error>,
}

impl<To: Write> Noting<To> {
    pub const fn new(to: To) -> Self {
        Self { to, error: None }
    }

    pub const fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    fn note<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done
            && error.kind() != io::ErrorKind::Interrupted
            && self.error.is_none()
        {
            self.error = Some(io::Error::new(error.kind(), error.to_string()));
        }
        done
    }
}

impl<To: Write> Write for Noting<To> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.to.write(bytes);
        self.note(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.to.flush();
        self.note(done)
    }
}
