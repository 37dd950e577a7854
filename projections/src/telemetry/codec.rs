//! How columns of samples become bytes and come back. Nothing in here knows files, threads or clocks.

pub mod block;
pub mod bytes;
pub mod compression;
pub mod integers;
pub mod numbers;
pub mod rollup;
pub mod texts;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("the bytes end too early")]
    Short,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("format {found} is newer than {known}")]
    Newer { found: u32, known: u32 },
}
