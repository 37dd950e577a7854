//! Doubles of what the alarm watch speaks to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tellee_actors::command::{Accepted, AskError, Command, CommandContext};
use tellee_actors::domain::{Alarm, alarm};
use tellee_actors::entity::{Aggregate, DecideContext, Directory};
use tellee_actors::event::{EventMeta, NewEvent};
use tellee_actors::ids::{ChannelId, EntityId, Position, Revision};
use tellee_actors::store::{EventStore, ExpectedRevision, MemoryEventStore};
use tellee_actors::time::{SharedClock, Timestamp};
use tokio::sync::Notify;

use crate::telemetry::{
    AggregateFunction, Aggregates, Appended, MessageBatch, MessageQuery, Points, Sample,
    SeriesFilter, SeriesId, SeriesInfo, SeriesKey, StoredMessage, TelemetryError, TelemetryStore,
    TimeRange,
};

/// How the next command is met.
#[derive(Debug)]
pub(crate) enum Script {
    /// Refused before anything happens.
    Fail(AskError),
    /// The command is taken, the answer is lost.
    LoseAnswer,
}

/// Decides alarms by their aggregate over an event store, after its script is played out.
pub(crate) struct ScriptedDirectory {
    store: Arc<MemoryEventStore>,
    clock: SharedClock,
    script: Mutex<VecDeque<Script>>,
    asked: Mutex<Vec<(EntityId, Command, CommandContext)>>,
    answered: Notify,
    /// While held, nobody is answered.
    pub gate: tokio::sync::Mutex<()>,
}

impl ScriptedDirectory {
    pub(crate) fn new(store: &Arc<MemoryEventStore>, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            clock,
            script: Mutex::default(),
            asked: Mutex::default(),
            answered: Notify::new(),
            gate: tokio::sync::Mutex::new(()),
        })
    }

    pub(crate) fn play(&self, script: impl IntoIterator<Item = Script>) {
        self.script.lock().extend(script);
    }

    pub(crate) fn asked(&self) -> Vec<(EntityId, Command, CommandContext)> {
        self.asked.lock().clone()
    }

    /// Waits until `count` commands were asked and answered.
    pub(crate) async fn asked_times(&self, count: usize) {
        let wait = async {
            loop {
                let answered = self.answered.notified();
                if self.asked.lock().len() >= count {
                    return;
                }
                answered.await;
            }
        };
        let waited = tokio::time::timeout(super::DEADLINE, wait).await;
        assert!(
            waited.is_ok(),
            "{count} commands were expected, these came: {:?}",
            self.asked()
        );
    }

    async fn take(
        &self,
        entity: EntityId,
        command: Command,
        context: &CommandContext,
    ) -> Result<Accepted, AskError> {
        let past = self
            .store
            .read_stream(&entity.stream(), Revision::NONE, 10_000)
            .await?;
        let mut state = alarm::State::default();
        for event in &past {
            let event = Alarm::decode(&event.event_type, event.schema, &event.data)
                .expect("the event decodes");
            Alarm::apply(&mut state, &event);
        }
        let revision = Revision(past.len() as u64);
        let position = past.last().map_or(Position::START, |event| event.position);
        let unchanged = Accepted {
            revision,
            position,
            unchanged: true,
        };
        if past
            .iter()
            .any(|event| event.meta.command == context.command_id)
        {
            return Ok(unchanged);
        }
        let command = Alarm::command(command).expect("only alarms are asked");
        let decide = DecideContext {
            entity,
            at: self.clock.now(),
            who: context.who.clone(),
        };
        let events = Alarm::decide(&state, command, &decide)?;
        if events.is_empty() {
            return Ok(unchanged);
        }
        let new = events.iter().enumerate().map(|(index, event)| NewEvent {
            id: context.command_id.event_id(index),
            event_type: Alarm::event_type(event).to_owned(),
            schema: Alarm::event_schema(event),
            data: serde_json::to_value(event).expect("events are JSON"),
            meta: EventMeta {
                who: context.who.clone(),
                organisation: context.organisation,
                command: context.command_id,
                note: context.note.clone(),
                input: None,
            },
            at: decide.at,
        });
        let expected = ExpectedRevision::Exact(revision);
        let appended = self
            .store
            .append(&entity.stream(), expected, new.collect())
            .await?;
        Ok(Accepted {
            revision: appended.revision,
            position: appended.position,
            unchanged: false,
        })
    }
}

#[async_trait]
impl Directory for ScriptedDirectory {
    async fn ask(
        &self,
        entity: EntityId,
        command: Command,
        context: CommandContext,
    ) -> Result<Accepted, AskError> {
        let _open = self.gate.lock().await;
        let script = self.script.lock().pop_front();
        let answer = match script {
            Some(Script::Fail(error)) => Err(error),
            Some(Script::LoseAnswer) => {
                self.take(entity, command.clone(), &context).await?;
                Err(AskError::TimedOut)
            }
            None => self.take(entity, command.clone(), &context).await,
        };
        self.asked.lock().push((entity, command, context));
        self.answered.notify_waiters();
        answer
    }
}

/// A telemetry store in memory: what the alarm watch reads, and nothing durable.
#[derive(Debug, Default)]
pub(crate) struct MemoryTelemetry {
    series: Mutex<BTreeMap<SeriesKey, (String, Vec<Sample>)>>,
}

impl MemoryTelemetry {
    fn info(&self, index: usize) -> Option<SeriesInfo> {
        let all = self.series.lock();
        let (key, (unit, samples)) = all.iter().nth(index)?;
        Some(SeriesInfo {
            id: SeriesId(index as u64),
            key: key.clone(),
            unit: unit.clone(),
            protocol: "mqtt".to_owned(),
            latest: samples
                .iter()
                .max_by_key(|sample| (sample.time, sample.seq))
                .cloned(),
        })
    }

    fn unsupported<T>() -> Result<T, TelemetryError> {
        Err(TelemetryError::Failed(
            "the double cannot do this".to_owned(),
        ))
    }
}

#[async_trait]
impl TelemetryStore for MemoryTelemetry {
    async fn append(&self, batch: Arc<MessageBatch>) -> Result<Appended, TelemetryError> {
        let mut all = self.series.lock();
        for record in &batch.records {
            let key = SeriesKey {
                channel: batch.channel,
                thing: batch.thing,
                subtopic: batch.subtopic.to_string(),
                name: record.name.clone(),
            };
            let (unit, samples) = all.entry(key).or_default();
            unit.clone_from(&record.unit);
            samples.push(Sample {
                time: record.time,
                seq: record.seq,
                value: record.value.clone(),
                sum: record.sum,
                update_time: record.update_time,
                quality: record.quality,
                received_at: batch.received_at,
            });
            samples.sort_by_key(|sample| (sample.time, sample.seq));
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
        let count = self.series.lock().len();
        let matching: Vec<SeriesInfo> = (0..count)
            .filter_map(|index| self.info(index))
            .filter(|info| filter.thing.is_none_or(|thing| thing == info.key.thing))
            .filter(|info| {
                filter
                    .channels
                    .as_ref()
                    .is_none_or(|channels| channels.contains(&info.key.channel))
            })
            .filter(|info| {
                filter
                    .subtopic
                    .as_ref()
                    .is_none_or(|subtopic| *subtopic == info.key.subtopic)
            })
            .filter(|info| {
                filter
                    .name
                    .as_ref()
                    .is_none_or(|name| *name == info.key.name)
            })
            .collect();
        let total = matching.len();
        Ok((
            matching.into_iter().skip(offset).take(limit).collect(),
            total,
        ))
    }

    async fn series_by_id(&self, id: SeriesId) -> Result<Option<SeriesInfo>, TelemetryError> {
        Ok(self.info(id.0 as usize))
    }

    async fn range(
        &self,
        id: SeriesId,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Sample>, TelemetryError> {
        let all = self.series.lock();
        let Some((_, samples)) = all.values().nth(id.0 as usize) else {
            return Err(TelemetryError::UnknownSeries(id));
        };
        Ok(samples
            .iter()
            .filter(|sample| range.contains(sample.time))
            .take(limit)
            .cloned()
            .collect())
    }

    async fn latest(&self, ids: &[SeriesId]) -> Result<Vec<Option<Sample>>, TelemetryError> {
        Ok(ids
            .iter()
            .map(|id| self.info(id.0 as usize).and_then(|info| info.latest))
            .collect())
    }

    async fn points(&self, _: SeriesId, _: TimeRange, _: usize) -> Result<Points, TelemetryError> {
        Self::unsupported()
    }

    async fn aggregate(
        &self,
        _: SeriesId,
        _: TimeRange,
        _: Duration,
        _: &[AggregateFunction],
    ) -> Result<Aggregates, TelemetryError> {
        Self::unsupported()
    }

    async fn messages(
        &self,
        _: &MessageQuery,
    ) -> Result<(Vec<StoredMessage>, u64), TelemetryError> {
        Self::unsupported()
    }

    async fn retain(&self, _: ChannelId, _: Timestamp) -> Result<u64, TelemetryError> {
        Self::unsupported()
    }

    async fn close(&self) -> Result<(), TelemetryError> {
        Ok(())
    }
}
