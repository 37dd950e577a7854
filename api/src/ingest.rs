//! The one path of a message into Tellee, for every protocol: authorise, read, store, and only then say so.

pub mod access;
pub mod content;
pub mod error;
mod lines;
pub mod subtopic;

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tellee_actors::ids::{ChannelId, OrganisationId, ThingId};
use tellee_actors::time::{SharedClock, Timestamp};
use tellee_projections::live::LiveHub;
use tellee_projections::telemetry::{MessageBatch, TelemetryStore};
use tellee_senml::Limits;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use access::{AccessView, ThingAccess};
pub use content::ContentType;
pub use error::IngestError;
pub use subtopic::SubtopicError;

use crate::line_protocol::{LineLimits, SeriesTables};

/// Who publishes: a thing that has signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Publisher {
    pub thing: ThingId,
    pub organisation: OrganisationId,
}

impl From<ThingAccess> for Publisher {
    fn from(access: ThingAccess) -> Self {
        Self {
            thing: access.thing,
            organisation: access.organisation,
        }
    }
}

/// What became of a message: it is on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// As stored. It holds no records if the message was empty.
    pub batch: Arc<MessageBatch>,
}

impl Published {
    pub fn records(&self) -> usize {
        self.batch.records.len()
    }

    pub fn received_at(&self) -> Timestamp {
        self.batch.received_at
    }
}

/// A message that was stored, for those who hand its bytes on to subscribers of other protocols.
#[derive(Debug, Clone, Copy)]
pub struct Forward<'a> {
    pub batch: &'a Arc<MessageBatch>,
    pub content: ContentType,
    pub payload: &'a [u8],
}

/// Ends once what was handed on cannot be lost any more. Only then is the message acknowledged.
pub type Handed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Room that is kept for a message until this is dropped, which is once the message was handed on.
pub type Reserved = Box<dyn Any + Send + Sync>;

/// Whether a message can be handed on once it is stored.
pub enum Room {
    /// Nothing has to be kept for it.
    Free,
    Reserved(Reserved),
    /// There will be room when this ends.
    Wait(Pin<Box<dyn Future<Output = Reserved> + Send>>),
}

/// Hands stored messages on as bytes. Called in the publisher's task: it must neither block nor wait.
pub trait Forwarder: Send + Sync + 'static {
    /// `None` if there is nothing to wait for.
    fn forward(&self, message: &Forward<'_>) -> Option<Handed>;

    /// Keeps room for a message of `channel` of so many bytes, before it is stored.
    fn room(&self, _channel: ChannelId, _bytes: usize) -> Room {
        Room::Free
    }

    /// Whether anybody subscribes to messages of `channel`. False saves the making of a message that nobody gets.
    fn wants(&self, _channel: ChannelId) -> bool {
        true
    }
}

/// Bounds of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestLimits {
    /// Payload bytes on their way into the store, over the whole node.
    pub bytes_in_flight: u32,
    /// How long a message may wait for its share of `bytes_in_flight`.
    pub admission_wait: Duration,
    /// How long a stored message may wait until those that have to get it cannot lose it any more.
    pub hand_on_wait: Duration,
    /// A sample with a source time further ahead of its receipt comes from a wrong clock: it only fills history.
    pub max_ahead: Duration,
    pub message: Limits,
    pub lines: LineLimits,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            bytes_in_flight: 64 * 1024 * 1024,
            admission_wait: Duration::from_millis(500),
            hand_on_wait: Duration::from_secs(10),
            max_ahead: MAX_AHEAD,
            message: Limits {
                max_value_bytes: 1024 * 1024,
                ..Limits::default()
            },
            lines: LineLimits::default(),
        }
    }
}

/// How far ahead a source time may be, if nothing else is set. Time servers keep clocks within a second; ten minutes
/// leave room for a device that keeps time by itself for weeks.
pub const MAX_AHEAD: Duration = Duration::from_secs(600);
/// A wrong clock is told of in the log no more often than this.
const CLOCK_WARNINGS: Duration = Duration::from_secs(60);

/// What a message costs beside its payload: the batch, its records and their names.
const MESSAGE_OVERHEAD_BYTES: usize = 512;

/// The path of messages into the store. Shared by all listeners of a node.
pub struct Ingest {
    access: Arc<dyn AccessView>,
    store: Arc<dyn TelemetryStore>,
    live: Arc<LiveHub>,
    clock: SharedClock,
    limits: IngestLimits,
    budget: Semaphore,
    forwarder: ArcSwapOption<Box<dyn Forwarder>>,
    /// Samples from clocks that are ahead.
    ahead: AtomicU64,
    /// Messages that were stored and not confirmed in time.
    unconfirmed: AtomicU64,
    warned_at: Mutex<Option<Timestamp>>,
    known_lines: SeriesTables,
}

impl Ingest {
    pub fn new(
        access: Arc<dyn AccessView>,
        store: Arc<dyn TelemetryStore>,
        live: Arc<LiveHub>,
        clock: SharedClock,
        limits: IngestLimits,
    ) -> Arc<Self> {
        let budget = Semaphore::new(limits.bytes_in_flight as usize);
        Arc::new(Self {
            access,
            store,
            live,
            clock,
            limits,
            budget,
            forwarder: ArcSwapOption::empty(),
            ahead: AtomicU64::new(0),
            unconfirmed: AtomicU64::new(0),
            warned_at: Mutex::default(),
            known_lines: SeriesTables::default(),
        })
    }

    /// Names who hands on the bytes of messages that came in by [`Ingest::publish`].
    pub fn set_forwarder(&self, forwarder: Box<dyn Forwarder>) {
        self.forwarder.store(Some(Arc::new(forwarder)));
    }

    pub const fn access(&self) -> &Arc<dyn AccessView> {
        &self.access
    }

    pub const fn clock(&self) -> &SharedClock {
        &self.clock
    }

    pub const fn live(&self) -> &Arc<LiveHub> {
        &self.live
    }

    /// Samples since the start whose source time was too far ahead.
    pub fn ahead(&self) -> u64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Messages since the start that were stored, and whose senders were not told so because subscribers might still lose
    /// them.
    pub fn unconfirmed(&self) -> u64 {
        self.unconfirmed.load(Ordering::Relaxed)
    }

    /// Takes a message and hands it on to all subscribers. When this returns `Ok`, its records are on disk.
    ///
    /// `subtopic` may be written with `/` or `.` between its elements. `historical`: the samples are old and only fill
    /// history.
    ///
    /// # Errors
    /// [`IngestError`]; nothing was kept unless it is [`IngestError::Store`] or [`IngestError::Unconfirmed`].
    #[allow(clippy::too_many_arguments)]
    pub async fn publish(
        &self,
        publisher: Publisher,
        channel: ChannelId,
        subtopic: &str,
        content: ContentType,
        payload: &[u8],
        protocol: &'static str,
        historical: bool,
    ) -> Result<Published, IngestError> {
        let subtopic = subtopic::normalise(subtopic)?;
        let batch = self.read(
            publisher, channel, subtopic, content, payload, protocol, historical, None,
        )?;
        let room = self.wait_for_forwarder(channel, payload.len()).await?;
        let published = self.append(batch, payload.len()).await?;
        let handed = self.forward(&Forward {
            batch: &published.batch,
            content,
            payload,
        });
        drop(room);
        self.confirm(handed).await?;
        Ok(published)
    }

    /// Takes records that are decoded already (line protocol) and hands them on. The payload that subscribers of raw
    /// messages see is their SenML JSON.
    ///
    /// # Errors
    /// As [`Ingest::publish`].
    pub async fn publish_batch(
        &self,
        batch: MessageBatch,
        weight_bytes: usize,
    ) -> Result<Published, IngestError> {
        self.authorise(batch.thing, batch.channel)?;
        let room = self.wait_for_forwarder(batch.channel, weight_bytes).await?;
        let published = self.append(batch, weight_bytes).await?;
        if self.forwarder.load().is_some()
            && let Some(payload) = senml_json(&published.batch)
        {
            let content = ContentType::SenmlJson;
            let handed = self.forward(&Forward {
                batch: &published.batch,
                content,
                payload: &payload,
            });
            drop(room);
            self.confirm(handed).await?;
        }
        Ok(published)
    }

    /// Authorises and reads a message. Nothing is kept yet. `subtopic` is normalised. `received_at`: when the message
    /// came first, if it is one that was taken before; else it comes now.
    ///
    /// # Errors
    /// As [`Ingest::publish`].
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn read(
        &self,
        publisher: Publisher,
        channel: ChannelId,
        subtopic: String,
        content: ContentType,
        payload: &[u8],
        protocol: &'static str,
        historical: bool,
        received_at: Option<Timestamp>,
    ) -> Result<MessageBatch, IngestError> {
        self.authorise(publisher.thing, channel)?;
        let received_at = received_at.unwrap_or_else(|| self.clock.now());
        let records = content::records(content, payload, received_at, &self.limits.message)?;
        Ok(MessageBatch {
            channel,
            thing: publisher.thing,
            subtopic: Arc::from(subtopic),
            protocol,
            received_at,
            historical,
            records,
        })
    }

    fn authorise(&self, thing: ThingId, channel: ChannelId) -> Result<(), IngestError> {
        if self.access.may_use(thing, channel) {
            return Ok(());
        }
        Err(IngestError::NotAuthorised { thing, channel })
    }

    /// Waits for the share of the node's budget that a payload takes, as long as it may.
    async fn admit(&self, payload_bytes: usize) -> Result<SemaphorePermit<'_>, IngestError> {
        let weight = payload_bytes
            .saturating_add(MESSAGE_OVERHEAD_BYTES)
            .min(self.limits.bytes_in_flight as usize);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        if let Ok(permit) = self.budget.try_acquire_many(weight) {
            return Ok(permit);
        }
        // Rare and large: every message in flight would carry it.
        Box::pin(tokio::time::timeout(
            self.limits.admission_wait,
            self.budget.acquire_many(weight),
        ))
        .await
        .map_err(|_| IngestError::Overloaded)?
        .map_err(|_| IngestError::Stopping)
    }

    /// Waits until a message can be handed on, as long as it may wait for its admission. Nothing is stored before.
    async fn wait_for_forwarder(
        &self,
        channel: ChannelId,
        bytes: usize,
    ) -> Result<Option<Reserved>, IngestError> {
        let room = self
            .forwarder
            .load()
            .as_ref()
            .map_or(Room::Free, |forwarder| forwarder.room(channel, bytes));
        match room {
            Room::Free => Ok(None),
            Room::Reserved(reserved) => Ok(Some(reserved)),
            Room::Wait(room) => tokio::time::timeout(self.limits.admission_wait, room)
                .await
                .map(Some)
                .map_err(|_| IngestError::Overloaded),
        }
    }

    /// Waits until what was handed on cannot be lost any more, as long as it may.
    async fn confirm(&self, handed: Option<Handed>) -> Result<(), IngestError> {
        let Some(handed) = handed else {
            return Ok(());
        };
        tokio::time::timeout(self.limits.hand_on_wait, handed)
            .await
            .map_err(|_| {
                self.unconfirmed.fetch_add(1, Ordering::Relaxed);
                IngestError::Unconfirmed
            })
    }

    /// What [`Ingest::read`] made is on disk when this returns `Ok`. Its bytes are not handed on.
    ///
    /// # Errors
    /// As [`Ingest::publish`].
    pub(crate) async fn append(
        &self,
        mut batch: MessageBatch,
        payload_bytes: usize,
    ) -> Result<Published, IngestError> {
        let ahead = batch.mark_origin(self.limits.max_ahead);
        let batch = Arc::new(batch);
        if batch.records.is_empty() {
            return Ok(Published { batch });
        }
        let _admitted = self.admit(payload_bytes).await?;
        self.store.append(Arc::clone(&batch)).await?;
        self.publish_live(&batch, ahead);
        Ok(Published { batch })
    }

    /// Hands on a stored batch; those of its records that are from a clock that is `ahead` only as history.
    fn publish_live(&self, batch: &Arc<MessageBatch>, ahead: usize) {
        if ahead == 0 {
            self.live.publish(batch);
            return;
        }
        self.ahead.fetch_add(ahead as u64, Ordering::Relaxed);
        self.warn_of_clock(batch, ahead);
        let (usual, ahead) = batch.split_ahead();
        for part in [usual, ahead].into_iter().flatten() {
            self.live.publish(&Arc::new(part));
        }
    }

    fn warn_of_clock(&self, batch: &MessageBatch, samples: usize) {
        let now = batch.received_at;
        let mut warned_at = self.warned_at.lock();
        if warned_at.is_some_and(|before| now.since(before) < CLOCK_WARNINGS) {
            return;
        }
        *warned_at = Some(now);
        drop(warned_at);
        tracing::warn!(
            thing = %batch.thing,
            channel = %batch.channel,
            samples,
            "the clock of this thing is ahead; such samples are kept as uncertain and shown in history only"
        );
    }

    fn forward(&self, message: &Forward<'_>) -> Option<Handed> {
        self.forwarder
            .load()
            .as_ref()
            .and_then(|forwarder| forwarder.forward(message))
    }
}

/// The batch as SenML JSON, for subscribers of raw messages. `None` if a record cannot be written as SenML.
fn senml_json(batch: &MessageBatch) -> Option<Vec<u8>> {
    use tellee_projections::telemetry::Value;
    let records: Vec<tellee_senml::Record> = batch
        .records
        .iter()
        .map(|record| tellee_senml::Record {
            name: record.name.clone(),
            unit: Some(record.unit.clone()).filter(|unit| !unit.is_empty()),
            time: Some(record.time.0),
            value: Some(match &record.value {
                Value::Number(number) => tellee_senml::Value::Number(*number),
                Value::Text(text) => tellee_senml::Value::Text(text.clone()),
                Value::Boolean(boolean) => tellee_senml::Value::Boolean(*boolean),
                Value::Data(data) => tellee_senml::Value::Data(data.clone()),
            }),
            sum: record.sum,
            update_time: record.update_time,
        })
        .collect();
    tellee_senml::encode_json(&records).ok()
}
