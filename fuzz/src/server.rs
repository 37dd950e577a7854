//! A whole broker behind a stream of bytes: framing, codec, session, fan-out, authorisation. It must neither panic nor
//! hang, store nothing outside the granted channel, and still serve an honest client afterwards.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tellee_actors::ids::{ChannelId, OrganisationId, ThingId};
use tellee_actors::time::{ManualClock, Timestamp};
use tellee_api::ingest::{AccessView, Ingest, IngestLimits, ThingAccess};
use tellee_api::mqtt::{Broker, MqttConfig, serve_stream};
use tellee_projections::live::LiveHub;
use tellee_projections::telemetry::{
    AggregateFunction, Aggregates, Appended, MessageBatch, MessageQuery, Points, Sample,
    SeriesFilter, SeriesId, SeriesInfo, StoredMessage, TelemetryError, TelemetryStore, TimeRange,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Id of the one thing, of the one channel, and the thing's key.
pub const THING: &str = "11111111-1111-4111-8111-111111111111";
const CHANNEL: &str = "22222222-2222-4222-8222-222222222222";
const KEY: &str = "k";

/// A session may wait this long, in the simulated time of the test, before it counts as hung.
const HUNG: Duration = Duration::from_secs(24 * 3600);

struct Grants {
    thing: ThingAccess,
    channel: ChannelId,
}

impl AccessView for Grants {
    fn thing_by_key_hash(&self, sha256: &[u8; 32]) -> Option<ThingAccess> {
        (Sha256::digest(KEY).as_slice() == sha256).then_some(self.thing)
    }

    fn thing(&self, thing: ThingId) -> Option<ThingAccess> {
        (thing == self.thing.thing).then_some(self.thing)
    }

    fn may_use(&self, thing: ThingId, channel: ChannelId) -> bool {
        thing == self.thing.thing && channel == self.channel
    }

    fn channel_organisation(&self, channel: ChannelId) -> Option<OrganisationId> {
        (channel == self.channel).then_some(self.thing.organisation)
    }

    fn epoch(&self) -> u64 {
        1
    }
}

/// A store that counts. What it is asked to keep must be of the one granted channel.
struct Counting {
    channel: ChannelId,
    records: AtomicUsize,
}

fn only_appends<T>() -> Result<T, TelemetryError> {
    Err(TelemetryError::Failed("only appends are counted".into()))
}

#[async_trait]
impl TelemetryStore for Counting {
    async fn append(&self, batch: Arc<MessageBatch>) -> Result<Appended, TelemetryError> {
        assert_eq!(
            batch.channel, self.channel,
            "a message outside the granted channel"
        );
        let records = batch.records.len();
        self.records.fetch_add(records, Ordering::Relaxed);
        Ok(Appended { records })
    }

    async fn series(
        &self,
        _: &SeriesFilter,
        _: usize,
        _: usize,
    ) -> Result<(Vec<SeriesInfo>, usize), TelemetryError> {
        only_appends()
    }

    async fn series_by_id(&self, _: SeriesId) -> Result<Option<SeriesInfo>, TelemetryError> {
        only_appends()
    }

    async fn range(
        &self,
        _: SeriesId,
        _: TimeRange,
        _: usize,
    ) -> Result<Vec<Sample>, TelemetryError> {
        only_appends()
    }

    async fn latest(&self, _: &[SeriesId]) -> Result<Vec<Option<Sample>>, TelemetryError> {
        only_appends()
    }

    async fn points(&self, _: SeriesId, _: TimeRange, _: usize) -> Result<Points, TelemetryError> {
        only_appends()
    }

    async fn aggregate(
        &self,
        _: SeriesId,
        _: TimeRange,
        _: Duration,
        _: &[AggregateFunction],
    ) -> Result<Aggregates, TelemetryError> {
        only_appends()
    }

    async fn messages(
        &self,
        _: &MessageQuery,
    ) -> Result<(Vec<StoredMessage>, u64), TelemetryError> {
        only_appends()
    }

    async fn retain(&self, _: ChannelId, _: Timestamp) -> Result<u64, TelemetryError> {
        only_appends()
    }

    async fn close(&self) -> Result<(), TelemetryError> {
        Ok(())
    }
}

struct Stand {
    broker: Arc<Broker>,
    store: Arc<Counting>,
}

impl Stand {
    fn new() -> Self {
        let thing = ThingAccess {
            thing: THING.parse().expect("an id"),
            organisation: OrganisationId::generate(),
        };
        let channel: ChannelId = CHANNEL.parse().expect("an id");
        let store = Arc::new(Counting {
            channel,
            records: AtomicUsize::new(0),
        });
        let ingest = Ingest::new(
            Arc::new(Grants { thing, channel }),
            Arc::<Counting>::clone(&store),
            LiveHub::new(),
            Arc::new(ManualClock::at(Timestamp(1_767_225_600_000_000_000))),
            IngestLimits::default(),
        );
        let config = MqttConfig {
            max_packet_bytes: 4096,
            max_subscriptions: 8,
            receive_maximum: 8,
            inflight_maximum: 8,
            topic_alias_maximum: 4,
            session_queue_messages: 32,
            ..MqttConfig::default()
        };
        Self {
            broker: Broker::new(ingest, config),
            store,
        }
    }

    /// Sends `bytes`, closes, and answers all that came back.
    async fn client(&self, bytes: &[u8]) -> Vec<u8> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let served = serve_stream(Arc::clone(&self.broker), theirs);
        let (mut reading, mut writing) = tokio::io::split(ours);
        let client = async {
            let mut answer = Vec::new();
            let write = async {
                // It may have been cut off already.
                let _ = writing.write_all(bytes).await;
                let _ = writing.shutdown().await;
            };
            let read = reading.read_to_end(&mut answer);
            let _ = tokio::join!(write, read);
            answer
        };
        let both = async { tokio::join!(served, client).1 };
        tokio::time::timeout(HUNG, both)
            .await
            .expect("the session hangs")
    }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        packet.push(if length == 0 { byte } else { byte | 0x80 });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&(text.len() as u16).to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

/// A CONNECT that is let in.
fn connect(version: u8, clean: bool, client: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.push(version);
    body.push(0b1100_0000 | if clean { 2 } else { 0 });
    body.extend_from_slice(&60_u16.to_be_bytes());
    if version == 5 {
        body.push(0);
    }
    text(&mut body, client);
    text(&mut body, THING);
    text(&mut body, KEY);
    packet(0x10, &body)
}

/// A QoS 1 message into the granted channel.
fn publish() -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, &format!("channels/{CHANNEL}/messages/a"));
    body.extend_from_slice(&1_u16.to_be_bytes());
    body.extend_from_slice(br#"[{"n":"x","v":1}]"#);
    packet(0x32, &body)
}

/// Input: two clients, each a byte of flags, two bytes of length, and that many bytes. Flag 1: MQTT 5; flag 2: the bytes
/// come after a CONNECT that is let in; flag 4: with a session that stays; flag 8: both have the same client id.
pub fn mqtt_server(input: &[u8]) {
    thread_local! {
        static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
    }
    RUNTIME.with(|runtime| {
        let runtime = runtime.get_or_init(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime")
        });
        runtime.block_on(two_clients(input));
    });
}

async fn two_clients(input: &[u8]) {
    let stand = Stand::new();
    let mut rest = input;
    for index in 0..2 {
        let [flags, high, low, more @ ..] = rest else {
            break;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
        let (bytes, left) = more.split_at(length);
        rest = left;
        let version = if flags & 1 == 0 { 4 } else { 5 };
        let id = if flags & 8 == 0 {
            ["a", "b"][index]
        } else {
            "a"
        };
        let mut stream = Vec::new();
        if flags & 2 != 0 {
            stream = connect(version, flags & 4 == 0, id);
        }
        stream.extend_from_slice(bytes);
        stand.client(&stream).await;
    }
    let before = stand.store.records.load(Ordering::Relaxed);
    let mut honest = connect(4, true, "honest");
    honest.extend_from_slice(&publish());
    honest.extend_from_slice(&packet(0xe0, &[]));
    let answer = stand.client(&honest).await;
    assert!(
        answer.starts_with(&[0x20, 2, 0, 0, 0x40, 2, 0, 1]),
        "an honest client is not served any more: {answer:?}"
    );
    assert_eq!(stand.store.records.load(Ordering::Relaxed), before + 1);
}
