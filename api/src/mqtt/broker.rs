//! What all MQTT connections of a node share: sessions, the fan-out, retained messages, wills and counters.

mod attach;
mod deliver;
mod grants;
mod groups;
mod reading;
mod resumption;
mod upkeep;
mod wills;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tellee_actors::ids::{ChannelId, ThingId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::codec::{
    FilterOptions, MessageProperties, Publish, QoS, Reason, RetainHandling, Subscribe, Unsubscribe,
};
use super::config::MqttConfig;
use super::fanout::{Fanout, Subscription, TreeFanout};
use super::gate::Gate;
use super::journal::{Entry, Journal, Orphan, Position, Reservation};
use super::metrics::Metrics;
use super::registry::{End, Registry, SessionHandle};
use super::seat::Seats;
use super::session::{Held, QueueBudget};
use super::share::{Budget, Share};
use super::topic;
use crate::caller::Caller;
use crate::ingest::{AccessView, Forward, Forwarder, Handed, Ingest, Publisher, Reserved, Room};
use crate::tls::CertifiedThing;

pub(super) use attach::{Attached, Ending, WillFate, Wishes};
pub(super) use deliver::Incoming;
pub use grants::Users;

/// Sessions for which messages are read from disk at the same time.
const LOADS_AT_ONCE: usize = 4;

/// What a message takes in the journal beside its payload, about.
const ENTRY_BYTES: usize = 256;

/// The node's MQTT broker.
pub struct Broker {
    config: MqttConfig,
    ingest: Arc<Ingest>,
    access: Arc<dyn AccessView>,
    users: OnceLock<Arc<dyn Users>>,
    sessions: Mutex<Registry>,
    fanout: Box<dyn Fanout<End>>,
    journal: Arc<Journal>,
    queue_budget: Arc<QueueBudget>,
    /// Messages that sessions have left to their share groups and that the journal does not know of.
    orphans: Mutex<VecDeque<Orphan>>,
    /// Who reads messages from disk at the same time.
    loads: Semaphore,
    next_session: AtomicU64,
    gate: Arc<Gate>,
    in_flight: Arc<Budget>,
    seats: Arc<Seats>,
    metrics: Metrics,
    upkept: AtomicBool,
    shutdown: CancellationToken,
}

/// Room in the journal for a message of a client.
pub(super) enum ClientRoom {
    /// It needs none.
    Free,
    Reserved(Reservation),
    /// There is none for so many bytes.
    Wait(u64),
}

/// What a message takes in the journal, about.
pub(super) fn journal_bytes(
    topic: &str,
    payload: &[u8],
    properties: Option<&MessageProperties>,
) -> u64 {
    let properties = properties.map_or(0, MessageProperties::weight);
    (topic.len() + payload.len() + properties + ENTRY_BYTES) as u64
}

/// A client whose key was right.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedIn {
    pub publisher: Publisher,
    /// `None`: it came by a certificate.
    pub key_hash: Option<[u8; 32]>,
    /// A user, who reads the channels of an organisation.
    pub user: Option<Caller>,
}

impl Broker {
    /// A broker that takes messages by `ingest`, and hands on those of other protocols that come by it. What it keeps
    /// of sessions ends with the process.
    pub fn new(ingest: Arc<Ingest>, config: MqttConfig) -> Arc<Self> {
        let journal = Journal::in_memory(config.state_limits());
        Self::open(ingest, config, journal)
    }

    /// The same, with the sessions, retained messages and wills of `journal`.
    pub fn open(ingest: Arc<Ingest>, config: MqttConfig, journal: Arc<Journal>) -> Arc<Self> {
        let next_session = journal.read(|state| state.last_session()) + 1;
        let shutdown = CancellationToken::new();
        let patience = Duration::from_secs(config.handshake_timeout_seconds);
        let broker = Arc::new(Self {
            access: Arc::clone(ingest.access()),
            users: OnceLock::new(),
            sessions: Mutex::default(),
            fanout: Box::new(TreeFanout::default()),
            journal,
            queue_budget: Arc::new(QueueBudget::new(config.node_queue_bytes)),
            orphans: Mutex::default(),
            loads: Semaphore::new(LOADS_AT_ONCE),
            next_session: AtomicU64::new(next_session),
            gate: Gate::new(config.max_connections, config.max_connections_per_address),
            in_flight: Budget::new(config.node_bytes_in_flight),
            seats: Seats::new(config.max_handshakes, patience, shutdown.clone()),
            metrics: Metrics::default(),
            upkept: AtomicBool::new(false),
            shutdown,
            config,
            ingest,
        });
        broker.restore_sessions();
        broker
            .ingest
            .set_forwarder(Box::new(ToSubscribers(Arc::downgrade(&broker))));
        broker
    }

    pub const fn config(&self) -> &MqttConfig {
        &self.config
    }

    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Bytes that wait for subscribers.
    pub fn queued_bytes(&self) -> usize {
        self.queue_budget.used()
    }

    /// Bytes that were read of clients and are not in the store, beyond the first 8 KiB of each connection.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight.used()
    }

    pub(super) fn share(&self) -> Share {
        self.in_flight.share()
    }

    /// Where what outlives connections is kept.
    pub const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// How many retained messages there are.
    pub fn retained_messages(&self) -> usize {
        self.journal.read(|state| state.retained().len())
    }

    /// Ends all connections: each finishes what it has taken first. No new ones are let in.
    pub fn stop(&self) {
        self.shutdown.cancel();
        let handles = self.sessions.lock().all();
        for handle in handles {
            handle.end_connection(&mut handle.state.lock(), Reason::SERVER_SHUTTING_DOWN);
        }
    }

    pub(super) const fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    pub(super) const fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    pub(super) const fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    pub(super) const fn ingest(&self) -> &Arc<Ingest> {
        &self.ingest
    }

    /// Keeps room in the journal for a message of a client, before it is stored.
    pub(super) fn room_for(&self, publish: &Publish) -> ClientRoom {
        // At QoS 0 nobody has to get it later.
        if publish.qos == QoS::AtMostOnce && !publish.retain {
            return ClientRoom::Free;
        }
        let bytes = journal_bytes(
            &publish.topic,
            &publish.payload,
            publish.properties.as_deref(),
        );
        if let Some(reservation) = self.journal.room().try_reserve(bytes) {
            return ClientRoom::Reserved(reservation);
        }
        if !publish.retain && !self.fanout.reaches(&publish.topic) {
            return ClientRoom::Free;
        }
        ClientRoom::Wait(bytes)
    }

    /// The thing that signs in: user name is its id, password its key. Or a user. A certificate stands for the key; what
    /// is given beside it must belong to the same thing.
    pub(super) fn sign_in(
        &self,
        certified: Option<CertifiedThing>,
        user_name: Option<&str>,
        password: Option<&[u8]>,
    ) -> Option<SignedIn> {
        let Some(CertifiedThing(thing)) = certified else {
            return self.sign_in_by_password(user_name?, password?);
        };
        let named = user_name.map(str::parse::<ThingId>).transpose().ok()?;
        if named.is_some_and(|named| named != thing) {
            return None;
        }
        if let Some(password) = password {
            return self.sign_in_by_password(&thing.to_string(), password);
        }
        Some(SignedIn {
            publisher: self.access.thing(thing)?.into(),
            key_hash: None,
            user: None,
        })
    }

    fn sign_in_by_password(&self, user_name: &str, password: &[u8]) -> Option<SignedIn> {
        if user_name.contains('@') {
            return self.sign_in_user(user_name, password);
        }
        let key_hash: [u8; 32] = Sha256::digest(password).into();
        let access = self.access.thing_by_key_hash(&key_hash)?;
        let named: ThingId = user_name.parse().ok()?;
        let same: bool = named.0.as_bytes().ct_eq(access.thing.0.as_bytes()).into();
        same.then(|| SignedIn {
            publisher: access.into(),
            key_hash: Some(key_hash),
            user: None,
        })
    }

    /// Whether the thing may publish to or receive from the topic's channel.
    pub(super) fn may_use_topic(&self, thing: ThingId, topic: &str) -> bool {
        topic::target(topic).is_some_and(|target| self.access.may_use(thing, target.channel))
    }

    /// One reason per filter, in order, and the position that has to be durable before they are told. Retained messages
    /// are queued behind.
    pub(super) fn subscribe(
        &self,
        handle: &Arc<SessionHandle>,
        subscribe: &Subscribe,
    ) -> (Vec<Reason>, Position) {
        let mut position = 0;
        let mut one = |(filter, options): &(String, FilterOptions)| {
            self.subscribe_one(handle, filter, *options, subscribe.identifier)
                .map(|(reason, appended)| {
                    position = position.max(appended);
                    reason
                })
                .unwrap_or_else(|refusal| {
                    self.metrics.subscribes_refused.one_more();
                    refusal
                })
        };
        let reasons = subscribe.filters.iter().map(&mut one).collect();
        (reasons, position)
    }

    fn subscribe_one(
        &self,
        handle: &Arc<SessionHandle>,
        text: &str,
        options: FilterOptions,
        identifier: Option<u32>,
    ) -> Result<(Reason, Position), Reason> {
        let filter = topic::parse_filter(text).map_err(|_| Reason::TOPIC_FILTER_INVALID)?;
        let channel = self
            .reach(handle, filter.filter)
            .ok_or(Reason::NOT_AUTHORISED)?;
        let subscription = Subscription {
            qos: options.qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            identifier,
        };
        let mut state = handle.state.lock();
        let known = state.session.subscriptions();
        if !known.contains_key(text) && known.len() >= self.config.max_subscriptions {
            return Err(Reason::QUOTA_EXCEEDED);
        }
        let held = Held {
            channel,
            subscription,
        };
        let is_new = state.session.subscribe(text, held).is_none();
        let wanted = match options.retain_handling {
            RetainHandling::SendAlways => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::Never => false,
        };
        let wanted = wanted && filter.share.is_none();
        // Before the fan-out knows of it: a message that finds the subscription comes behind it in the journal.
        let mut position = 0;
        if handle.journaled {
            let subscribed = Entry::Subscribed {
                session: handle.id,
                filter: text.into(),
                held,
                retained: wanted,
            };
            let woken = Arc::clone(handle);
            position = self
                .journal
                .append_then(vec![subscribed], move || woken.wake.notify_one());
        }
        drop(state);
        self.fanout
            .subscribe(filter, End(Arc::clone(handle)), subscription);
        if wanted {
            self.offer_retained(handle, filter.filter, subscription);
        }
        Ok((Reason(options.qos.bits()), position))
    }

    /// One reason per filter, in order, and the position that has to be durable before they are told.
    pub(super) fn unsubscribe(
        &self,
        handle: &SessionHandle,
        unsubscribe: &Unsubscribe,
    ) -> (Vec<Reason>, Position) {
        let mut position = 0;
        let mut one = |text: &String| {
            let Ok(filter) = topic::parse_filter(text) else {
                return Reason::TOPIC_FILTER_INVALID;
            };
            let mut state = handle.state.lock();
            let held = state.session.unsubscribe(text);
            self.fanout.unsubscribe(filter, handle.id);
            if filter.share.is_some() {
                self.orphan(state.session.leave_group(text));
            }
            if held.is_some() && handle.journaled {
                position = self.journal.append(vec![Entry::Unsubscribed {
                    session: handle.id,
                    filter: text.as_str().into(),
                }]);
            }
            drop(state);
            if held.is_some() {
                Reason::SUCCESS
            } else {
                Reason::NO_SUBSCRIPTION_EXISTED
            }
        };
        let reasons = unsubscribe.filters.iter().map(&mut one).collect();
        self.hand_over();
        (reasons, position)
    }
}

/// Brings messages of other protocols to MQTT subscribers.
struct ToSubscribers(std::sync::Weak<Broker>);

impl Forwarder for ToSubscribers {
    fn forward(&self, message: &Forward<'_>) -> Option<Handed> {
        let broker = self.0.upgrade()?;
        let position = broker.deliver_forward(message);
        if position == 0 {
            return None;
        }
        let journal = Arc::clone(&broker.journal);
        Some(Box::pin(async move { journal.reached(position).await }))
    }

    fn room(&self, channel: ChannelId, bytes: usize) -> Room {
        let Some(broker) = self.0.upgrade() else {
            return Room::Free;
        };
        let bytes = (bytes + ENTRY_BYTES) as u64;
        let room = broker.journal.room();
        if let Some(reservation) = room.try_reserve(bytes) {
            return Room::Reserved(Box::new(reservation));
        }
        if !self.wants(channel) {
            return Room::Free;
        }
        let room = Arc::clone(room);
        Room::Wait(Box::pin(async move {
            let reserved: Reserved = Box::new(room.reserve(bytes).await);
            reserved
        }))
    }

    fn wants(&self, channel: ChannelId) -> bool {
        let topic = format!("channels/{channel}/messages");
        self.0
            .upgrade()
            .is_some_and(|broker| broker.fanout.reaches(&topic))
    }
}
