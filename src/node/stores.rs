//! The stores of one machine.

use std::path::Path;
use std::sync::Arc;

use tellee_actors::store::{Database, DatabaseConfig, EmbeddedEventStore, EventStore};
use tellee_actors::time::SharedClock;
use tellee_api::mqtt::Journal;
use tellee_api::mqtt::journal::StateLimits;
use tellee_projections::telemetry::{EmbeddedTelemetryStore, TelemetryConfig, TelemetryStore};

use crate::failure::Failure;
use crate::folder::DataFolder;

#[derive(Clone)]
pub struct Stores {
    pub database: Database,
    events: Arc<EmbeddedEventStore>,
    telemetry: Arc<EmbeddedTelemetryStore>,
    journal: Arc<Journal>,
}

impl Stores {
    pub async fn open(
        folder: &DataFolder,
        clock: &SharedClock,
        kept: StateLimits,
    ) -> Result<Self, Failure> {
        let (database, events) = open_events(&folder.events()).await?;
        let telemetry = open_telemetry(&folder.telemetry(), clock).await?;
        let journal = open_journal(&folder.mqtt(), kept).await?;
        Ok(Self {
            database,
            events: Arc::new(events),
            telemetry: Arc::new(telemetry),
            journal,
        })
    }

    pub fn events(&self) -> Arc<dyn EventStore> {
        Arc::<EmbeddedEventStore>::clone(&self.events)
    }

    pub fn telemetry(&self) -> Arc<dyn TelemetryStore> {
        Arc::<EmbeddedTelemetryStore>::clone(&self.telemetry)
    }

    /// The telemetry store as it is here, for backups.
    pub fn embedded_telemetry(&self) -> Arc<EmbeddedTelemetryStore> {
        Arc::clone(&self.telemetry)
    }

    /// What MQTT keeps over a restart.
    pub const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Writes out what is in memory and closes all.
    pub async fn close(&self) -> Result<(), Failure> {
        let journal = Arc::clone(&self.journal);
        tokio::task::spawn_blocking(move || journal.close())
            .await
            .map_err(|error| Failure::other("the MQTT journal cannot be closed", &error))?;
        self.telemetry
            .close()
            .await
            .map_err(|error| Failure::telemetry(&error))?;
        self.database
            .close()
            .await
            .map_err(|error| Failure::events(&error))
    }
}

/// Opens `events.db`.
pub async fn open_events(path: &Path) -> Result<(Database, EmbeddedEventStore), Failure> {
    let path = path.to_owned();
    let opened =
        tokio::task::spawn_blocking(move || Database::open(&path, DatabaseConfig::default())).await;
    let database = opened
        .map_err(|error| Failure::other("the event store cannot be opened", &error))?
        .map_err(|error| Failure::events(&error))?;
    let events = EmbeddedEventStore::new(database.clone())
        .await
        .map_err(|error| Failure::events(&error))?;
    Ok((database, events))
}

/// Opens the folder `telemetry`.
pub async fn open_telemetry(
    folder: &Path,
    clock: &SharedClock,
) -> Result<EmbeddedTelemetryStore, Failure> {
    let (folder, clock) = (folder.to_owned(), Arc::clone(clock));
    let open = move || EmbeddedTelemetryStore::open(&folder, TelemetryConfig::default(), clock);
    tokio::task::spawn_blocking(open)
        .await
        .map_err(|error| Failure::other("the telemetry store cannot be opened", &error))?
        .map_err(|error| Failure::telemetry(&error))
}

/// Opens the folder `mqtt`.
async fn open_journal(folder: &Path, kept: StateLimits) -> Result<Arc<Journal>, Failure> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || Journal::open(&folder, kept))
        .await
        .map_err(|error| Failure::other("the MQTT journal cannot be opened", &error))?
        .map_err(|error| Failure::journal(&error))
}
