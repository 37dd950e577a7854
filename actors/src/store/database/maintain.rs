//! Copying and checking the file while it is in use.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{Database, open};
use crate::store::StoreError;

/// Findings of a check that are told.
const FINDINGS: usize = 5;

pub(super) async fn backup(database: &Database, to: &Path) -> Result<(), StoreError> {
    let to = to.to_owned();
    if to.exists() {
        return Err(StoreError::Failed(format!(
            "`{}` exists already",
            to.display()
        )));
    }
    let source = database.path().to_owned();
    let copied = tokio::task::spawn_blocking(move || copy_and_name(&source, &to)).await;
    copied.unwrap_or_else(|error| {
        Err(StoreError::Failed(format!(
            "the backup ended early: {error}"
        )))
    })
}

/// Copies beside the target and renames at the end, so that half a copy never bears the name of a whole one.
fn copy_and_name(source: &Path, to: &Path) -> Result<(), StoreError> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let copied = copy(source, &partial).and_then(|()| finish(&partial, to));
    if copied.is_err()
        && let Err(error) = std::fs::remove_file(&partial)
    {
        tracing::debug!(%error, "no partial backup to remove");
    }
    copied
}

fn copy(source: &Path, partial: &Path) -> Result<(), StoreError> {
    let from = Connection::open_with_flags(source, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    open::make_private(partial);
    let mut target = Connection::open(partial)?;
    // All pages in one step: one snapshot, which writers in the write-ahead log neither wait for nor restart.
    match Backup::new(&from, &mut target)?.step(-1)? {
        StepResult::Done => {}
        other => {
            return Err(StoreError::Failed(format!(
                "the backup stopped early: {other:?}"
            )));
        }
    }
    target.close().map_err(|(_, error)| StoreError::from(error))
}

fn finish(partial: &Path, to: &Path) -> Result<(), StoreError> {
    File::open(partial)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(partial, to))
        .and_then(|()| match to.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => Ok(()),
        })
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                StoreError::DiskFull
            }
            _ => StoreError::Failed(error.to_string()),
        })
}

pub(super) async fn check(database: &Database) -> Result<(), StoreError> {
    let findings = database
        .read(|connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check")?;
            let mut findings = statement
                .query_map([], |row| row.get::<_, String>(0))?
                .filter(|finding| !matches!(finding.as_deref(), Ok("ok")))
                .take(FINDINGS)
                .collect::<Result<Vec<_>, _>>()?;
            let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
            let dangling = statement
                .query_map([], |row| row.get::<_, String>(0))?
                .take(FINDINGS)
                .collect::<Result<Vec<_>, _>>()?;
            findings.extend(
                dangling
                    .into_iter()
                    .map(|table| format!("a row of `{table}` refers to none")),
            );
            Ok(findings)
        })
        .await?;
    if findings.is_empty() {
        return Ok(());
    }
    Err(StoreError::Damaged(findings.join("; ")))
}
