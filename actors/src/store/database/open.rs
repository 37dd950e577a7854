//! Opening the file: whose it is, which version wrote it, and how its connections are set.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::DatabaseConfig;
use crate::store::StoreError;

/// `Tell` in the header of the file (`PRAGMA application_id`).
const APPLICATION_ID: u32 = 0x5465_6c6c;

/// The layout of the file as a whole (`PRAGMA user_version`). Tables of components have versions of their own.
pub const FORMAT: u32 = 1;

/// What SQLite's `max_page_count` is without a limit of ours.
pub(super) const NO_PAGE_LIMIT: u32 = 4_294_967_294;

/// The write-ahead log is cut back to this after a checkpoint.
const WAL_SIZE_LIMIT_BYTES: u32 = 64 * 1024 * 1024;

pub(super) fn open_writer(path: &Path, config: &DatabaseConfig) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    make_private(path);
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(config.busy_timeout)?;
    let fresh = check_owner(&connection, path)?;
    set_journal(&connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(
        None,
        "max_page_count",
        config.page_limit.unwrap_or(NO_PAGE_LIMIT),
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    if fresh {
        mark_as_ours(&mut connection)?;
    }
    Ok(connection)
}

pub(super) fn open_reader(
    path: &Path,
    config: &DatabaseConfig,
) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(config.busy_timeout)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Makes the file, if there is none, readable for its owner alone; it holds hashes and sealed keys. SQLite gives the files
/// beside it the same mode. If it cannot be made, SQLite says why when it opens it.
pub(super) fn make_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if let Err(error) = options.open(path) {
        tracing::trace!(%error, path = %path.display(), "not made anew");
    }
}

/// True if the file is new. Looks only, so that another program's file stays untouched.
fn check_owner(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let owner = read_header(connection, "application_id")?;
    let format = read_header(connection, "user_version")?;
    let tables: u64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if owner == 0 && format == 0 && tables == 0 {
        return Ok(true);
    }
    if owner != APPLICATION_ID {
        return Err(StoreError::Damaged(format!(
            "`{}` is no database of tellee's",
            path.display()
        )));
    }
    if format > FORMAT {
        return Err(StoreError::Newer {
            found: format,
            known: FORMAT,
        });
    }
    Ok(false)
}

/// The header keeps both numbers as signed; ours are not.
fn read_header(connection: &Connection, pragma: &str) -> Result<u32, StoreError> {
    let value: i32 = connection.pragma_query_value(None, pragma, |row| row.get(0))?;
    Ok(value.cast_unsigned())
}

fn set_journal(connection: &Connection) -> Result<(), StoreError> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Failed(format!(
            "the file system allows no write-ahead log (journal mode `{mode}`)"
        )));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", WAL_SIZE_LIMIT_BYTES)?;
    Ok(())
}

fn mark_as_ours(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE component_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(())
}
