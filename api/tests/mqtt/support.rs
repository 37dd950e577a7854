//! A server on a free port, with doubles of the store and of access that tests steer.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};
use tellee_actors::ids::{ChannelId, OrganisationId, ThingId};
use tellee_actors::time::{SystemClock, Timestamp};
use tellee_api::ingest::{AccessView, Ingest, IngestLimits, Publisher, ThingAccess};
use tellee_api::mqtt::journal::JournalError;
use tellee_api::mqtt::{Broker, Journal, MqttConfig};
use tellee_projections::live::LiveHub;
use tellee_projections::telemetry::disk::SimulatedDisk;
use tellee_projections::telemetry::{
    AggregateFunction, Aggregates, Appended, MessageBatch, MessageQuery, Points, Record, Sample,
    SeriesFilter, SeriesId, SeriesInfo, StoredMessage, TelemetryError, TelemetryStore, TimeRange,
};
use tokio::sync::watch;

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("the test hangs")
}

/// Keeps batches in memory. Appends wait while it is shut, and fail while it refuses.
pub struct StoreDouble {
    batches: Mutex<Vec<Arc<MessageBatch>>>,
    open: watch::Sender<bool>,
    refusal: Mutex<Option<fn() -> TelemetryError>>,
    waiting: AtomicU64,
}

impl StoreDouble {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            batches: Mutex::default(),
            open: watch::Sender::new(true),
            refusal: Mutex::default(),
            waiting: AtomicU64::new(0),
        })
    }

    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    pub fn refuse(&self, refusal: Option<fn() -> TelemetryError>) {
        *self.refusal.lock() = refusal;
    }

    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }

    pub fn batches(&self) -> Vec<Arc<MessageBatch>> {
        self.batches.lock().clone()
    }

    pub fn records(&self) -> Vec<Record> {
        self.batches()
            .iter()
            .flat_map(|batch| batch.records.clone())
            .collect()
    }
}

fn not_in_the_double<T>() -> Result<T, TelemetryError> {
    Err(TelemetryError::Failed("the double only appends".into()))
}

#[async_trait]
impl TelemetryStore for StoreDouble {
    async fn append(&self, batch: Arc<MessageBatch>) -> Result<Appended, TelemetryError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let opened = self.open.subscribe().wait_for(|open| *open).await.is_ok();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        if let Some(refusal) = *self.refusal.lock() {
            return Err(refusal());
        }
        if !opened {
            return Err(TelemetryError::Closed);
        }
        let records = batch.records.len();
        self.batches.lock().push(batch);
        Ok(Appended { records })
    }

    async fn series(
        &self,
        _: &SeriesFilter,
        _: usize,
        _: usize,
    ) -> Result<(Vec<SeriesInfo>, usize), TelemetryError> {
        not_in_the_double()
    }

    async fn series_by_id(&self, _: SeriesId) -> Result<Option<SeriesInfo>, TelemetryError> {
        not_in_the_double()
    }

    async fn range(
        &self,
        _: SeriesId,
        _: TimeRange,
        _: usize,
    ) -> Result<Vec<Sample>, TelemetryError> {
        not_in_the_double()
    }

    async fn latest(&self, _: &[SeriesId]) -> Result<Vec<Option<Sample>>, TelemetryError> {
        not_in_the_double()
    }

    async fn points(&self, _: SeriesId, _: TimeRange, _: usize) -> Result<Points, TelemetryError> {
        not_in_the_double()
    }

    async fn aggregate(
        &self,
        _: SeriesId,
        _: TimeRange,
        _: Duration,
        _: &[AggregateFunction],
    ) -> Result<Aggregates, TelemetryError> {
        not_in_the_double()
    }

    async fn messages(
        &self,
        _: &MessageQuery,
    ) -> Result<(Vec<StoredMessage>, u64), TelemetryError> {
        not_in_the_double()
    }

    async fn retain(&self, _: ChannelId, _: Timestamp) -> Result<u64, TelemetryError> {
        not_in_the_double()
    }

    async fn close(&self) -> Result<(), TelemetryError> {
        Ok(())
    }
}

/// Who may what, as the test says.
#[derive(Default)]
pub struct AccessDouble {
    things: RwLock<HashMap<[u8; 32], ThingAccess>>,
    connections: RwLock<HashSet<(ThingId, ChannelId)>>,
    epoch: AtomicU64,
}

impl AccessDouble {
    fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    pub fn connect(&self, thing: &Thing, channel: ChannelId) {
        self.connections.write().insert((thing.id, channel));
        self.changed();
    }

    pub fn disconnect(&self, thing: &Thing, channel: ChannelId) {
        self.connections.write().remove(&(thing.id, channel));
        self.changed();
    }

    pub fn revoke(&self, thing: &Thing) {
        self.things
            .write()
            .retain(|_, access| access.thing != thing.id);
        self.changed();
    }
}

impl AccessView for AccessDouble {
    fn thing_by_key_hash(&self, sha256: &[u8; 32]) -> Option<ThingAccess> {
        self.things.read().get(sha256).copied()
    }

    fn thing(&self, thing: ThingId) -> Option<ThingAccess> {
        self.things
            .read()
            .values()
            .find(|access| access.thing == thing)
            .copied()
    }

    fn may_use(&self, thing: ThingId, channel: ChannelId) -> bool {
        self.connections.read().contains(&(thing, channel))
    }

    /// That of a thing that is connected to it.
    fn channel_organisation(&self, channel: ChannelId) -> Option<OrganisationId> {
        let connections = self.connections.read();
        let (thing, _) = connections.iter().find(|(_, known)| *known == channel)?;
        Some(self.thing(*thing)?.organisation)
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Clone)]
pub struct Thing {
    pub id: ThingId,
    pub key: String,
    pub organisation: OrganisationId,
}

impl Thing {
    pub fn publisher(&self) -> Publisher {
        Publisher {
            thing: self.id,
            organisation: self.organisation,
        }
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub broker: Arc<Broker>,
    pub ingest: Arc<Ingest>,
    pub store: Arc<StoreDouble>,
    pub access: Arc<AccessDouble>,
    pub live: Arc<LiveHub>,
    pub channel: ChannelId,
    pub thing: Thing,
    served: tokio::task::JoinHandle<()>,
}

impl Server {
    /// One thing, one channel, connected.
    pub async fn start() -> Self {
        Self::with(MqttConfig::default()).await
    }

    pub async fn with(config: MqttConfig) -> Self {
        let store = StoreDouble::new();
        Self::on(config, Arc::<StoreDouble>::clone(&store), store).await
    }

    /// On any store; the double is not used unless it is that store.
    pub async fn on(
        config: MqttConfig,
        kept: Arc<dyn TelemetryStore>,
        store: Arc<StoreDouble>,
    ) -> Self {
        let journal = Journal::in_memory(config.state_limits());
        let (access, channel) = (Arc::new(AccessDouble::default()), ChannelId::generate());
        let nobody = Thing {
            id: ThingId::generate(),
            key: String::new(),
            organisation: OrganisationId::generate(),
        };
        let server = Self::open(config, kept, store, access, journal, channel, nobody).await;
        let thing = server.new_thing();
        server.access.connect(&thing, channel);
        Self { thing, ..server }
    }

    async fn open(
        config: MqttConfig,
        kept: Arc<dyn TelemetryStore>,
        store: Arc<StoreDouble>,
        access: Arc<AccessDouble>,
        journal: Arc<Journal>,
        channel: ChannelId,
        thing: Thing,
    ) -> Self {
        let live = LiveHub::new();
        let ingest = Ingest::new(
            Arc::<AccessDouble>::clone(&access),
            kept,
            Arc::clone(&live),
            Arc::new(SystemClock::default()),
            IngestLimits::default(),
        );
        let broker = Broker::open(Arc::clone(&ingest), config, journal);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(tellee_api::mqtt::serve(Arc::clone(&broker), listener));
        Self {
            address,
            broker,
            ingest,
            store,
            access,
            live,
            channel,
            thing,
            served,
        }
    }

    /// Stops, and starts again with what the journal in `folder` says and the same access. `before` happens between.
    pub async fn again(self, folder: &Path, before: impl FnOnce(&Self)) -> Self {
        self.broker.stop();
        before(&self);
        in_time(self.served).await.unwrap();
        self.broker.journal().close();
        let config = self.broker.config().clone();
        // The last of those who hold the folder goes with the last connection.
        drop((self.broker, self.ingest));
        let journal = loop {
            match Journal::open(folder, config.state_limits()) {
                Ok(journal) => break journal,
                Err(JournalError::InUse) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        };
        let kept = Arc::<StoreDouble>::clone(&self.store);
        let (access, channel) = (self.access, self.channel);
        Self::open(
            config, kept, self.store, access, journal, channel, self.thing,
        )
        .await
    }

    /// Starts again from what `disk` holds if the power goes now. What is left of the server before is stopped.
    pub async fn after_power_cut(self, disk: &SimulatedDisk) -> Self {
        let disk = Arc::new(disk.after_power_cut());
        self.broker.stop();
        let config = self.broker.config().clone();
        let journal = Journal::open_on(disk, config.state_limits()).unwrap();
        let kept = Arc::<StoreDouble>::clone(&self.store);
        let (access, channel) = (self.access, self.channel);
        Self::open(
            config, kept, self.store, access, journal, channel, self.thing,
        )
        .await
    }

    /// As [`Self::with`], with a journal in `folder`.
    pub async fn journaled(config: MqttConfig, folder: &Path) -> Self {
        let journal = Journal::open(folder, config.state_limits()).unwrap();
        Self::with_journal(config, journal).await
    }

    /// As [`Self::with`], with a journal on `disk`.
    pub async fn journaled_on(config: MqttConfig, disk: &SimulatedDisk) -> Self {
        let disk = Arc::new(disk.clone());
        let journal = Journal::open_on(disk, config.state_limits()).unwrap();
        Self::with_journal(config, journal).await
    }

    async fn with_journal(config: MqttConfig, journal: Arc<Journal>) -> Self {
        let first = Self::with(MqttConfig::default()).await;
        let store = StoreDouble::new();
        let kept = Arc::<StoreDouble>::clone(&store);
        let (access, channel) = (Arc::clone(&first.access), first.channel);
        let thing = first.thing.clone();
        first.stop().await;
        Self::open(config, kept, store, access, journal, channel, thing).await
    }

    /// A thing that is connected to nothing.
    pub fn new_thing(&self) -> Thing {
        self.new_thing_of(self.thing.organisation)
    }

    pub fn new_thing_of(&self, organisation: OrganisationId) -> Thing {
        let id = ThingId::generate();
        let thing = Thing {
            id,
            key: format!("key of {id}"),
            organisation,
        };
        let hash: [u8; 32] = Sha256::digest(&thing.key).into();
        let access = ThingAccess {
            thing: id,
            organisation: thing.organisation,
        };
        self.access.things.write().insert(hash, access);
        self.access.changed();
        thing
    }

    /// A thing that is connected to the channel.
    pub fn another_thing(&self) -> Thing {
        let thing = self.new_thing();
        self.access.connect(&thing, self.channel);
        thing
    }

    pub fn topic(&self, subtopic: &str) -> String {
        let slash = if subtopic.is_empty() { "" } else { "/" };
        format!("channels/{}/messages{slash}{subtopic}", self.channel)
    }

    pub async fn stop(self) {
        self.broker.stop();
        in_time(self.served).await.unwrap();
    }
}

/// Waits until `holds`. Tests wait for states, never for times.
pub async fn until(holds: impl Fn() -> bool) {
    in_time(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
