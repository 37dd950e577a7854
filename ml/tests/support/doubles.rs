//! Doubles of what models need: a directory that keeps commands, a view of models fed by it, a store in memory.
#![allow(dead_code)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tellee_actors::command::{Accepted, AskError, Command, CommandContext};
use tellee_actors::domain::{alarm, model};
use tellee_actors::entity::Directory;
use tellee_actors::ids::{
    ChannelId, CommandId, EntityId, EntityKind, ModelId, OrganisationId, Position, Revision,
    ThingId,
};
use tellee_actors::time::Timestamp;
use tellee_ml::{ModelEntry, ModelsError, ModelsView, StandingAlarm};
use tellee_projections::telemetry::{
    AggregateFunction, Aggregates, Appended, MessageBatch, MessageQuery, Points, Sample,
    SeriesFilter, SeriesId, SeriesInfo, SeriesKey, StoredMessage, TelemetryError, TelemetryStore,
    TimeRange,
};
use tokio::sync::watch;

/// Keeps the commands it was asked, applies those to models, and shows the models.
pub struct RecordingDirectory {
    models: Mutex<HashMap<ModelId, ModelEntry>>,
    failures: Mutex<Vec<String>>,
    alarms: Mutex<Vec<(CommandId, alarm::Command)>>,
    /// Alarms of models that stand, as the read model shows them.
    standing: Mutex<Vec<StandingAlarm>>,
    /// So many next commands to alarms time out.
    pub alarm_timeouts: AtomicUsize,
    changes: watch::Sender<u64>,
}

impl RecordingDirectory {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            models: Mutex::default(),
            failures: Mutex::default(),
            alarms: Mutex::default(),
            standing: Mutex::default(),
            alarm_timeouts: AtomicUsize::new(0),
            changes: watch::channel(0).0,
        })
    }

    pub fn create(&self, definition: model::Definition) -> ModelId {
        let id = ModelId::generate();
        let organisation = OrganisationId::generate();
        self.models.lock().insert(
            id,
            ModelEntry {
                id,
                organisation,
                definition,
                versions: vec![],
                live: None,
                thing_exists: true,
            },
        );
        self.told();
        id
    }

    pub fn promote(&self, id: ModelId, version: Option<u32>) {
        self.models.lock().get_mut(&id).unwrap().live = version;
        self.told();
    }

    pub fn stand(&self, alarm: StandingAlarm) {
        self.standing.lock().push(alarm);
        self.told();
    }

    pub fn entry(&self, id: ModelId) -> ModelEntry {
        self.models.lock()[&id].clone()
    }

    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().clone()
    }

    pub fn alarms(&self) -> Vec<(CommandId, alarm::Command)> {
        self.alarms.lock().clone()
    }

    fn told(&self) {
        self.changes.send_modify(|change| *change += 1);
    }
}

#[async_trait]
impl Directory for RecordingDirectory {
    async fn ask(
        &self,
        entity: EntityId,
        command: Command,
        context: CommandContext,
    ) -> Result<Accepted, AskError> {
        match command {
            Command::Model(model::Command::RegisterVersion { version }) => {
                assert_eq!(entity.kind, EntityKind::Model);
                let mut models = self.models.lock();
                let entry = models.get_mut(&ModelId(entity.id)).unwrap();
                assert_eq!(version.version, entry.next_version());
                entry.versions.push(version);
            }
            Command::Model(model::Command::RecordTrainingFailure { reason }) => {
                self.failures.lock().push(reason)
            }
            Command::Alarm(command) => {
                self.alarms.lock().push((context.command_id, command));
                let left = self.alarm_timeouts.load(Ordering::Relaxed);
                if left > 0 {
                    self.alarm_timeouts.store(left - 1, Ordering::Relaxed);
                    return Err(AskError::TimedOut);
                }
            }
            other => panic!("nobody asks this: {other:?}"),
        }
        self.told();
        Ok(Accepted {
            revision: Revision(1),
            position: Position(1),
            unchanged: false,
        })
    }
}

#[async_trait]
impl ModelsView for RecordingDirectory {
    async fn models(&self) -> Result<Vec<ModelEntry>, ModelsError> {
        Ok(self.models.lock().values().cloned().collect())
    }

    async fn model(&self, id: ModelId) -> Result<Option<ModelEntry>, ModelsError> {
        Ok(self.models.lock().get(&id).cloned())
    }

    async fn standing_alarms(&self) -> Result<Vec<StandingAlarm>, ModelsError> {
        Ok(self.standing.lock().clone())
    }

    async fn titles(
        &self,
        _: OrganisationId,
        _: ThingId,
    ) -> Result<HashMap<String, String>, ModelsError> {
        Ok(HashMap::from([(
            "flow".to_owned(),
            "Discharge flow".to_owned(),
        )]))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

type Samples = BTreeMap<(Timestamp, u32), Sample>;

/// A store in memory, slow and simple; only what models use.
#[derive(Default)]
pub struct MemoryStore {
    series: Mutex<Vec<(SeriesKey, Samples)>>,
}

impl MemoryStore {
    /// All samples of the series called `name`, as times and numbers.
    pub fn values(&self, name: &str) -> Vec<(Timestamp, f64)> {
        let series = self.series.lock();
        let samples = series
            .iter()
            .filter(|(key, _)| key.name == name)
            .flat_map(|(_, samples)| samples);
        samples
            .map(|((time, _), sample)| (*time, sample.value.as_number().unwrap()))
            .collect()
    }
}

fn unused<T>() -> Result<T, TelemetryError> {
    Err(TelemetryError::Failed(
        "the double does not do this".to_owned(),
    ))
}

#[async_trait]
impl TelemetryStore for MemoryStore {
    async fn append(&self, batch: Arc<MessageBatch>) -> Result<Appended, TelemetryError> {
        let mut series = self.series.lock();
        for record in &batch.records {
            let key = SeriesKey {
                channel: batch.channel,
                thing: batch.thing,
                subtopic: batch.subtopic.to_string(),
                name: record.name.clone(),
            };
            let place = series
                .iter()
                .position(|(known, _)| *known == key)
                .unwrap_or_else(|| {
                    series.push((key, BTreeMap::new()));
                    series.len() - 1
                });
            let sample = Sample {
                time: record.time,
                seq: record.seq,
                value: record.value.clone(),
                sum: record.sum,
                update_time: record.update_time,
                quality: record.quality,
                received_at: batch.received_at,
            };
            series[place].1.insert((record.time, record.seq), sample);
        }
        Ok(Appended {
            records: batch.records.len(),
        })
    }

    async fn series(
        &self,
        filter: &SeriesFilter,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<SeriesInfo>, usize), TelemetryError> {
        let series = self.series.lock();
        let found: Vec<SeriesInfo> = series
            .iter()
            .enumerate()
            .filter(|(_, (key, _))| {
                filter
                    .channels
                    .as_ref()
                    .is_none_or(|channels| channels.contains(&key.channel))
                    && filter.thing.is_none_or(|thing| thing == key.thing)
                    && filter
                        .subtopic
                        .as_ref()
                        .is_none_or(|subtopic| *subtopic == key.subtopic)
                    && filter.name.as_ref().is_none_or(|name| *name == key.name)
            })
            .map(|(id, (key, _))| SeriesInfo {
                id: SeriesId(id as u64),
                key: key.clone(),
                unit: String::new(),
                protocol: String::new(),
                latest: None,
            })
            .collect();
        let count = found.len();
        Ok((found.into_iter().skip(offset).take(limit).collect(), count))
    }

    async fn series_by_id(&self, _: SeriesId) -> Result<Option<SeriesInfo>, TelemetryError> {
        unused()
    }

    async fn range(
        &self,
        id: SeriesId,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Sample>, TelemetryError> {
        let series = self.series.lock();
        let (_, samples) = series
            .get(id.0 as usize)
            .ok_or(TelemetryError::UnknownSeries(id))?;
        Ok(samples
            .values()
            .filter(|sample| range.contains(sample.time))
            .take(limit)
            .cloned()
            .collect())
    }

    async fn latest(&self, _: &[SeriesId]) -> Result<Vec<Option<Sample>>, TelemetryError> {
        unused()
    }

    async fn points(&self, _: SeriesId, _: TimeRange, _: usize) -> Result<Points, TelemetryError> {
        unused()
    }

    async fn aggregate(
        &self,
        _: SeriesId,
        _: TimeRange,
        _: Duration,
        _: &[AggregateFunction],
    ) -> Result<Aggregates, TelemetryError> {
        unused()
    }

    async fn messages(
        &self,
        _: &MessageQuery,
    ) -> Result<(Vec<StoredMessage>, u64), TelemetryError> {
        unused()
    }

    async fn retain(&self, _: ChannelId, _: Timestamp) -> Result<u64, TelemetryError> {
        unused()
    }

    async fn close(&self) -> Result<(), TelemetryError> {
        Ok(())
    }
}
