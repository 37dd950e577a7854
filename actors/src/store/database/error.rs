//! What SQLite's errors mean to us.

use rusqlite::ffi;

use crate::store::StoreError;

/// Why a write job left nothing behind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<E> {
    /// The job said no.
    #[error("{0}")]
    Refused(E),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E> From<rusqlite::Error> for WriteError<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(StoreError::from(error))
    }
}

impl From<WriteError<StoreError>> for StoreError {
    fn from(error: WriteError<StoreError>) -> Self {
        match error {
            WriteError::Refused(error) | WriteError::Store(error) => error,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error() else {
            return Self::Failed(error.to_string());
        };
        // An I/O error while writing, syncing or growing a file is how a disk that is full, over quota or failing looks
        // where SQLite cannot tell; the caller's answer is the same: nothing was kept, try again when there is room.
        match code.extended_code {
            ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_FSYNC
            | ffi::SQLITE_IOERR_DIR_FSYNC
            | ffi::SQLITE_IOERR_TRUNCATE
            | ffi::SQLITE_IOERR_SHMSIZE => return Self::DiskFull,
            _ => {}
        }
        match code.extended_code & 0xff {
            ffi::SQLITE_FULL => Self::DiskFull,
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Self::Damaged(error.to_string()),
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => Self::Overloaded,
            _ => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> StoreError {
        StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn a_full_disk_is_told_from_a_damaged_file() {
        assert_eq!(sqlite(ffi::SQLITE_FULL), StoreError::DiskFull);
        assert_eq!(sqlite(ffi::SQLITE_IOERR_WRITE), StoreError::DiskFull);
        assert!(matches!(sqlite(ffi::SQLITE_NOTADB), StoreError::Damaged(_)));
        assert!(matches!(
            sqlite(ffi::SQLITE_CORRUPT),
            StoreError::Damaged(_)
        ));
        assert!(matches!(
            sqlite(ffi::SQLITE_IOERR_READ),
            StoreError::Failed(_)
        ));
        assert!(sqlite(ffi::SQLITE_BUSY).is_retryable());
    }
}
