//! The inbox of devices that asked to bootstrap and are not known. Not a projection: it is not in the event log and a
//! rebuild leaves it alone. The key that a device sent is never kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Error, Row, params};
use tellee_actors::domain::edge_device::normal_external_id;
use tellee_actors::store::StoreError;
use tellee_actors::store::database::{Database, WriteError};
use tellee_actors::time::{SharedClock, Timestamp};

use crate::follower::sql::{get_count, get_stamp};
use crate::registry::PAGE_LIMIT;

/// Devices kept; the one not seen for longest goes first.
pub const UNKNOWN_DEVICES_LIMIT: u32 = 1_000;
/// External ids are no longer than this; what claims to be is cut.
const EXTERNAL_ID_CHARS: usize = 255;
/// One device's attempts are written at most this often; those in between are counted in memory.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// New devices written in a second, at most: a flood of made-up ids must not wear the disk.
const NEW_PER_SECOND: u32 = 20;

const MIGRATIONS: &[&str] = &["
CREATE TABLE unknown_devices (
    external_id_key TEXT PRIMARY KEY, external_id TEXT NOT NULL, first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL, attempts INTEGER NOT NULL, address TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX unknown_devices_last_seen ON unknown_devices (last_seen, external_id_key);
"];

/// A device that asked to bootstrap and is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDevice {
    /// As the device gave it last.
    pub external_id: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub attempts: u64,
    /// Where it last came from.
    pub address: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDeviceListing {
    pub rows: Vec<UnknownDevice>,
    pub total: u64,
}

/// The inbox. Clones share it.
#[derive(Clone)]
pub struct UnknownDevices {
    database: Database,
    clock: SharedClock,
    limiter: Arc<Mutex<Limiter>>,
}

/// What was seen since the last write.
#[derive(Default)]
struct Limiter {
    devices: HashMap<String, Pending>,
    second: i64,
    new_in_second: u32,
    dropped: u64,
}

struct Pending {
    written_at: Timestamp,
    attempts: u64,
}

impl Limiter {
    /// The number of attempts to write now; `None`: not now.
    fn take(&mut self, key: &str, now: Timestamp) -> Option<u64> {
        if let Some(pending) = self.devices.get_mut(key) {
            pending.attempts = pending.attempts.saturating_add(1);
            if now.since(pending.written_at) < WRITE_EVERY {
                return None;
            }
            pending.written_at = now;
            return Some(std::mem::take(&mut pending.attempts));
        }
        let second = now.0.div_euclid(1_000_000_000);
        if second != self.second {
            self.second = second;
            self.new_in_second = 0;
        }
        if self.new_in_second >= NEW_PER_SECOND {
            self.dropped = self.dropped.saturating_add(1);
            return None;
        }
        self.new_in_second += 1;
        self.make_room();
        self.devices.insert(
            key.to_owned(),
            Pending {
                written_at: now,
                attempts: 0,
            },
        );
        Some(1)
    }

    fn make_room(&mut self) {
        if self.devices.len() < UNKNOWN_DEVICES_LIMIT as usize {
            return;
        }
        let oldest = self
            .devices
            .iter()
            .min_by_key(|(_, pending)| pending.written_at)
            .map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            self.devices.remove(&oldest);
        }
    }
}

impl UnknownDevices {
    pub(crate) async fn open(database: Database, clock: SharedClock) -> Result<Self, StoreError> {
        database.migrate("unknown_devices", MIGRATIONS).await?;
        Ok(Self {
            database,
            clock,
            limiter: Arc::default(),
        })
    }

    /// A device with `external_id` asked from `address` and is not known. Writes at most every ten seconds per device.
    ///
    /// # Errors
    /// What the database says; the attempt is then forgotten.
    pub async fn record(&self, external_id: &str, address: &str) -> Result<(), StoreError> {
        let external_id: String = external_id.chars().take(EXTERNAL_ID_CHARS).collect();
        let key = normal_external_id(&external_id);
        let now = self.clock.now();
        let Some(attempts) = self.limiter.lock().take(&key, now) else {
            return Ok(());
        };
        let address: String = address.chars().take(EXTERNAL_ID_CHARS).collect();
        let written: Result<(), WriteError<StoreError>> = self
            .database
            .write(move |connection| {
                connection
                    .prepare_cached(
                        "INSERT INTO unknown_devices VALUES (?1, ?2, ?3, ?3, ?4, ?5)
                         ON CONFLICT (external_id_key) DO UPDATE SET external_id = ?2, last_seen = ?3,
                             attempts = attempts + ?4, address = ?5",
                    )?
                    .execute(params![key, external_id, now.0, attempts.cast_signed(), address])?;
                connection
                    .prepare_cached(
                        "DELETE FROM unknown_devices WHERE external_id_key IN (
                             SELECT external_id_key FROM unknown_devices
                             ORDER BY last_seen DESC, external_id_key DESC LIMIT -1 OFFSET ?1)",
                    )?
                    .execute([UNKNOWN_DEVICES_LIMIT])?;
                Ok(())
            })
            .await;
        Ok(written?)
    }

    /// The devices that were seen last come first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list(&self, offset: u64, limit: u32) -> Result<UnknownDeviceListing, StoreError> {
        self.database
            .read(move |connection| {
                let total = connection
                    .query_row("SELECT count(*) AS devices FROM unknown_devices", [], |row| get_count(row, "devices"))?;
                let rows = connection
                    .prepare_cached(
                        "SELECT * FROM unknown_devices ORDER BY last_seen DESC, external_id_key DESC LIMIT ?1 OFFSET ?2",
                    )?
                    .query_map(params![limit.min(PAGE_LIMIT), i64::try_from(offset).unwrap_or(i64::MAX)], read)?
                    .collect::<Result<_, _>>()?;
                Ok(UnknownDeviceListing { rows, total })
            })
            .await
    }

    /// Takes a device out: it was claimed, or is not wanted. False: it was not there.
    ///
    /// # Errors
    /// What the database says.
    pub async fn remove(&self, external_id: &str) -> Result<bool, StoreError> {
        let key = normal_external_id(external_id);
        self.limiter.lock().devices.remove(&key);
        let removed: Result<usize, WriteError<StoreError>> = self
            .database
            .write(move |connection| {
                Ok(connection.execute(
                    "DELETE FROM unknown_devices WHERE external_id_key = ?1",
                    [key],
                )?)
            })
            .await;
        Ok(removed? > 0)
    }

    /// New devices that were not written because too many came at once.
    pub fn dropped(&self) -> u64 {
        self.limiter.lock().dropped
    }
}

fn read(row: &Row<'_>) -> Result<UnknownDevice, Error> {
    Ok(UnknownDevice {
        external_id: row.get("external_id")?,
        first_seen: get_stamp(row, "first_seen")?,
        last_seen: get_stamp(row, "last_seen")?,
        attempts: get_count(row, "attempts")?,
        address: row.get("address")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn a_device_is_listed_once_in_whichever_spelling_and_can_be_taken_out() {
        let world = World::new().await;
        let inbox = world.projections.unknown_devices();
        inbox.record("AA:BB", "10.0.0.1").await.unwrap();
        world.clock.advance(WRITE_EVERY);
        inbox.record("aa-bb", "10.0.0.2").await.unwrap();
        inbox.record("cc", "10.0.0.3").await.unwrap();
        let listing = inbox.list(0, 10).await.unwrap();
        assert_eq!(listing.total, 2);
        let device = listing
            .rows
            .iter()
            .find(|device| device.external_id == "aa-bb")
            .unwrap();
        assert_eq!((device.attempts, device.address.as_str()), (2, "10.0.0.2"));
        assert_eq!(device.last_seen.since(device.first_seen), WRITE_EVERY);
        assert!(inbox.remove("AABB").await.unwrap());
        assert!(!inbox.remove("AABB").await.unwrap());
        assert_eq!(inbox.list(0, 10).await.unwrap().total, 1);
    }

    #[tokio::test]
    async fn attempts_between_two_writes_are_counted() {
        let world = World::new().await;
        let inbox = world.projections.unknown_devices();
        for _ in 0..50 {
            inbox.record("aa", "10.0.0.1").await.unwrap();
        }
        assert_eq!(inbox.list(0, 10).await.unwrap().rows[0].attempts, 1);
        world.clock.advance(WRITE_EVERY);
        inbox.record("aa", "10.0.0.1").await.unwrap();
        assert_eq!(inbox.list(0, 10).await.unwrap().rows[0].attempts, 51);
    }

    #[tokio::test]
    async fn a_flood_of_made_up_ids_is_slowed_and_never_more_than_the_limit_is_kept() {
        let world = World::new().await;
        let inbox = world.projections.unknown_devices();
        for number in 0..100 {
            inbox
                .record(&format!("device {number}"), "10.0.0.1")
                .await
                .unwrap();
        }
        assert_eq!(
            inbox.list(0, 1).await.unwrap().total,
            u64::from(NEW_PER_SECOND)
        );
        assert_eq!(inbox.dropped(), 100 - u64::from(NEW_PER_SECOND));
        for number in 0..UNKNOWN_DEVICES_LIMIT {
            world.clock.advance(Duration::from_secs(1));
            inbox
                .record(&format!("later {number}"), "10.0.0.1")
                .await
                .unwrap();
        }
        let listing = inbox.list(0, UNKNOWN_DEVICES_LIMIT).await.unwrap();
        assert_eq!(listing.total, u64::from(UNKNOWN_DEVICES_LIMIT));
        assert!(
            listing
                .rows
                .iter()
                .all(|device| device.external_id.starts_with("later"))
        );
    }
}
