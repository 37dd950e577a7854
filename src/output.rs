//! What commands say. A full disk or a closed pipe behind stdout is an error of the command, never a panic.

use std::fmt::Display;
use std::io::{self, Write as _};

use crate::failure::Failure;

/// Writes a line to stdout.
pub fn say(line: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::other("stdout cannot be written", &error))
}

/// Writes a line to stderr, if anyone can read it: there is nowhere left to tell that nobody can.
pub fn remark(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
