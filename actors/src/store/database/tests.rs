use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::{Connection, params};

use super::*;

const TABLE: &str = "CREATE TABLE rows (value INTEGER PRIMARY KEY) STRICT;";

async fn open(folder: &Path, config: DatabaseConfig) -> Database {
    let database = Database::open(&folder.join("events.db"), config).unwrap();
    database.migrate("test", &[TABLE]).await.unwrap();
    database
}

async fn insert(database: &Database, value: i64) -> Result<(), WriteError<String>> {
    database
        .write(move |connection| {
            connection.execute("INSERT INTO rows VALUES (?1)", params![value])?;
            Ok(())
        })
        .await
}

async fn values(database: &Database) -> Vec<i64> {
    database
        .read(|connection| {
            let mut statement = connection.prepare("SELECT value FROM rows ORDER BY value")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_that_fails_or_panics_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), DatabaseConfig::default()).await;
    let mut jobs = tokio::task::JoinSet::new();
    for value in 0..100_i64 {
        let database = database.clone();
        jobs.spawn(async move {
            let outcome: Result<(), WriteError<&'static str>> = database
                .write(move |connection| {
                    connection.execute("INSERT INTO rows VALUES (?1)", params![value])?;
                    match value % 4 {
                        0 => Ok(()),
                        1 => Err(WriteError::Refused("no")),
                        2 => {
                            connection.execute("INSERT INTO rows VALUES (?1)", params![value])?;
                            Ok(())
                        }
                        _ => panic!("a job that panics on purpose"),
                    }
                })
                .await;
            (value, outcome)
        });
    }
    while let Some(done) = jobs.join_next().await {
        let (value, outcome) = done.unwrap();
        match value % 4 {
            0 => assert_eq!(outcome, Ok(())),
            1 => assert_eq!(outcome, Err(WriteError::Refused("no"))),
            _ => assert!(
                matches!(outcome, Err(WriteError::Store(StoreError::Failed(_)))),
                "{outcome:?}"
            ),
        }
    }
    assert_eq!(
        values(&database).await,
        (0..100).step_by(4).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn jobs_that_wait_share_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig {
        group_time: Duration::from_secs(60),
        ..DatabaseConfig::default()
    };
    let database = open(folder.path(), config).await;
    let commits = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&commits);
    let gate = Arc::new(AtomicBool::new(false));
    let hold = Arc::clone(&gate);
    // The first job installs a counter of commits and holds the thread until the others wait.
    let first = database.write(move |connection| -> Result<(), WriteError<String>> {
        connection.commit_hook(Some(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            false
        }));
        while !hold.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        Ok(())
    });
    let others = async {
        let mut jobs = tokio::task::JoinSet::new();
        for value in 0..200 {
            let database = database.clone();
            jobs.spawn(async move { insert(&database, value).await.unwrap() });
        }
        while database.shared.writer.waiting() < 200 {
            tokio::task::yield_now().await;
        }
        gate.store(true, Ordering::SeqCst);
        jobs.join_all().await;
    };
    let (first, ()) = tokio::join!(first, others);
    first.unwrap();
    assert_eq!(values(&database).await.len(), 200);
    assert_eq!(commits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_full_queue_says_overloaded_and_a_withdrawn_job_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig {
        write_queue: 1,
        write_queue_wait: Duration::from_millis(10),
        ..DatabaseConfig::default()
    };
    let database = open(folder.path(), config).await;
    let (begun, wait) = tokio::sync::oneshot::channel();
    let gate = Arc::new(AtomicBool::new(false));
    let hold = Arc::clone(&gate);
    let holder = database.clone();
    let held = tokio::spawn(async move {
        let job = move |_: &rusqlite::Savepoint<'_>| -> Result<(), WriteError<String>> {
            begun.send(()).unwrap();
            while !hold.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            Ok(())
        };
        holder.write(job).await.unwrap();
    });
    wait.await.unwrap();
    // One runs, one has the place in the queue and its caller gives up, the next finds no place.
    let withdrawn = tokio::time::timeout(Duration::from_millis(20), insert(&database, 1)).await;
    assert!(withdrawn.is_err());
    assert_eq!(
        insert(&database, 2).await,
        Err(WriteError::Store(StoreError::Overloaded))
    );
    gate.store(true, Ordering::SeqCst);
    held.await.unwrap();
    insert(&database, 3).await.unwrap();
    assert_eq!(values(&database).await, [3]);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    open(folder.path(), DatabaseConfig::default())
        .await
        .close()
        .await
        .unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .pragma_update(None, "user_version", FORMAT + 1)
        .unwrap();
    drop(other);
    let refused = Database::open(&path, DatabaseConfig::default()).unwrap_err();
    assert_eq!(
        refused,
        StoreError::Newer {
            found: FORMAT + 1,
            known: FORMAT
        }
    );
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), DatabaseConfig::default()).await;
    database
        .migrate("test", &[TABLE, "ALTER TABLE rows ADD COLUMN more TEXT;"])
        .await
        .unwrap();
    assert_eq!(
        database.migrate("test", &[TABLE]).await,
        Err(StoreError::Newer { found: 2, known: 1 })
    );
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), DatabaseConfig::default()).await;
    let broken = [
        "CREATE TABLE first (value TEXT) STRICT;",
        "CREATE TABLE broken (",
    ];
    assert!(database.migrate("other", &broken).await.is_err());
    let whole = [broken[0], "CREATE TABLE second (value TEXT) STRICT;"];
    database.migrate("other", &whole).await.unwrap();
    database.migrate("other", &whole).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, vec![0x5a; 8192]).unwrap();
    assert!(matches!(
        Database::open(&garbage, DatabaseConfig::default()),
        Err(StoreError::Damaged(_))
    ));
    assert_eq!(std::fs::read(&garbage).unwrap(), vec![0x5a; 8192]);

    let foreign = folder.path().join("foreign.db");
    let other = Connection::open(&foreign).unwrap();
    other
        .execute_batch("CREATE TABLE theirs (value TEXT);")
        .unwrap();
    drop(other);
    let before = std::fs::read(&foreign).unwrap();
    assert!(matches!(
        Database::open(&foreign, DatabaseConfig::default()),
        Err(StoreError::Damaged(_))
    ));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);
}

#[test]
fn a_folder_that_is_not_there_is_a_failure_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Database::open(
        &folder.path().join("none/events.db"),
        DatabaseConfig::default(),
    );
    assert!(matches!(opened, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn a_backup_is_whole_while_writers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), DatabaseConfig::default()).await;
    for value in 0..50 {
        insert(&database, value).await.unwrap();
    }
    let to = folder.path().join("copy.db");
    let writer = tokio::spawn({
        let database = database.clone();
        async move {
            for value in 50..150 {
                insert(&database, value).await.unwrap();
            }
        }
    });
    database.backup(&to).await.unwrap();
    writer.await.unwrap();
    assert!(matches!(
        database.backup(&to).await,
        Err(StoreError::Failed(_))
    ));
    let copy = Database::open(&to, DatabaseConfig::default()).unwrap();
    copy.check().await.unwrap();
    let copied = values(&copy).await;
    assert!(copied.len() >= 50);
    assert_eq!(copied, (0..copied.len() as i64).collect::<Vec<_>>());
    assert!(!folder.path().join("copy.db.partial").exists());
}

#[tokio::test]
async fn a_backup_to_nowhere_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), DatabaseConfig::default()).await;
    assert!(
        database
            .backup(&folder.path().join("none/copy.db"))
            .await
            .is_err()
    );
    insert(&database, 1).await.unwrap();
}

#[tokio::test]
async fn a_reader_sees_one_snapshot_and_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), DatabaseConfig::default()).await;
    let refused = database
        .read(|connection| connection.execute("INSERT INTO rows VALUES (1)", []))
        .await;
    assert!(refused.is_err());
    let panicked: Result<(), StoreError> = database
        .read(|_| panic!("a read that panics on purpose"))
        .await;
    assert!(matches!(panicked, Err(StoreError::Failed(_))));
    let (told, wait) = std::sync::mpsc::channel();
    let reader = tokio::spawn({
        let database = database.clone();
        async move {
            database
                .read(move |connection| {
                    let count = |connection: &Connection| -> Result<i64, rusqlite::Error> {
                        connection.query_row("SELECT count(*) FROM rows", [], |row| row.get(0))
                    };
                    let before = count(connection)?;
                    told.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(50));
                    Ok((before, count(connection)?))
                })
                .await
                .unwrap()
        }
    });
    tokio::task::spawn_blocking(move || wait.recv().unwrap())
        .await
        .unwrap();
    insert(&database, 1).await.unwrap();
    assert_eq!(reader.await.unwrap(), (0, 0));
    assert_eq!(values(&database).await, [1]);
}

#[tokio::test]
async fn a_closed_database_says_so_and_keeps_what_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), DatabaseConfig::default()).await;
    let (one, two, closed) =
        tokio::join!(insert(&database, 1), insert(&database, 2), database.close());
    one.unwrap();
    two.unwrap();
    closed.unwrap();
    assert_eq!(
        insert(&database, 3).await,
        Err(WriteError::Store(StoreError::Closed))
    );
    assert_eq!(database.read(|_| Ok(())).await, Err(StoreError::Closed));
    database.close().await.unwrap();
    assert!(!folder.path().join("events.db-wal").exists());
    assert_eq!(
        values(&open(folder.path(), DatabaseConfig::default()).await).await,
        [1, 2]
    );
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_but_the_owner_reads_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), DatabaseConfig::default()).await;
    insert(&database, 1).await.unwrap();
    database
        .backup(&folder.path().join("copy.db"))
        .await
        .unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            file.file_name()
        );
    }
}

#[tokio::test]
async fn a_hook_that_panics_does_not_stop_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), DatabaseConfig::default()).await;
    let outcome: Result<(), WriteError<String>> = database
        .write_then(|_| Ok(()), |()| panic!("a hook that panics on purpose"))
        .await;
    outcome.unwrap();
    insert(&database, 1).await.unwrap();
}
