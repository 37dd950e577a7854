//! Versions of the tables of each component that lives in the file.

use rusqlite::{OptionalExtension, Savepoint, params};

use super::{Database, WriteError};
use crate::store::StoreError;

pub(super) async fn migrate(
    database: &Database,
    component: &str,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let component = component.to_owned();
    let migrations: Vec<String> = migrations.iter().map(|&script| script.to_owned()).collect();
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let outcome: Result<(), WriteError<StoreError>> = database
        .write(move |connection| {
            let found = version_of(connection, &component)?;
            if found > known {
                return Err(WriteError::Refused(StoreError::Newer { found, known }));
            }
            if found == known {
                return Ok(());
            }
            for script in migrations.iter().skip(found as usize) {
                connection.execute_batch(script)?;
            }
            connection.execute(
                "INSERT INTO component_versions (component, version) VALUES (?1, ?2)
                 ON CONFLICT (component) DO UPDATE SET version = excluded.version",
                params![component, known],
            )?;
            Ok(())
        })
        .await;
    outcome.map_err(StoreError::from)
}

fn version_of(connection: &Savepoint<'_>, component: &str) -> Result<u32, rusqlite::Error> {
    let version = connection
        .query_row(
            "SELECT version FROM component_versions WHERE component = ?1",
            params![component],
            |row| row.get(0),
        )
        .optional()?;
    Ok(version.unwrap_or(0))
}
