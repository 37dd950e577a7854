//! The task of one connection: reads, stores, acknowledges, delivers.
//!
//! Many messages of one connection are stored at the same time; their acknowledgements go out in the order in which
//! the messages came (MQTT-4.6.0-2). Whatever is full (the window of unsettled messages, the bytes in flight, the
//! output) stops the reading, and TCP tells the client.

mod answer;
mod deliver;
mod settled;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use hashbrown::HashMap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::broker::{Broker, ClientRoom, Ending, WillFate};
use super::codec::{
    DecodeError, Disconnect, Outgoing, Publish, QoS, Reason, Version, decode, encode, take_frame,
};
use super::connection::{Connection, Step};
use super::handshake::{Established, handshake, renewed_expiry};
use super::journal::{Entry, Position, Reservation};
use super::outbox::Outbox;
use super::seat::Seat;
use super::session::Take;
use super::settle::{Settled, Taking, settle};
use super::share::{FREE_BYTES, Share};
use super::wire::{OUTPUT_HIGH_WATER, Turn, Wire};
use crate::tls::CertifiedThing;

use deliver::Delivered;

/// How long a connection that ends may take to settle what it has taken.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);
/// What a message in flight costs beside its payload: its future, its batch and the names in it, as measured.
const MESSAGE_OVERHEAD_BYTES: usize = 1_536;
/// A client that is slower cannot send the largest packets.
const SLOWEST_BYTES_A_SECOND: u32 = 8 * 1024;

/// Serves one client over `stream` until it leaves or has to. For TCP, TLS and WebSocket alike.
pub async fn serve_stream<S>(broker: Arc<Broker>, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let seat = broker.seats().take();
    serve_seated(broker, stream, seat, None).await;
}

/// As [`serve_stream`], of a client that has used some of its time already, and may have proved to be a thing.
pub(super) async fn serve_seated<S>(
    broker: Arc<Broker>,
    stream: S,
    seat: Seat,
    certified: Option<CertifiedThing>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let mut wire = Wire::new(stream);
    let Some(established) = handshake(&broker, &mut wire, seat, certified).await else {
        wire.close().await;
        return;
    };
    let mut link = Link::new(Arc::clone(&broker), established);
    let end = link.run(&mut wire).await;
    let handle = Arc::clone(&link.established.attached.handle);
    let ending = link.ending(&end);
    broker.detach(&handle, ending).await;
    wire.close().await;
}

/// What a message in flight counts.
const fn weight(publish: &Publish) -> usize {
    publish.payload.len() + MESSAGE_OVERHEAD_BYTES
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client closed the socket, or it broke.
    Lost,
    Left(Disconnect),
    /// The server ends it.
    Ordered(Reason),
}

impl From<DecodeError> for End {
    fn from(error: DecodeError) -> Self {
        Self::Ordered(error.reason)
    }
}

struct Link {
    broker: Arc<Broker>,
    established: Established,
    connection: Connection,
    /// Topics that the client knows by an alias of ours.
    aliases: HashMap<Arc<str>, u16>,
    bytes_in_flight: usize,
    /// Of the bytes that the node may hold.
    share: Share,
    /// Since when the node has had no room for what this client sends.
    starved_since: Option<Instant>,
    last_heard: Instant,
    /// When a large packet began that is not whole yet.
    packet_began: Option<Instant>,
    outbox: Outbox,
    /// A message for which the journal has no room yet. Nothing that comes after it is taken, so that no message waits
    /// for the room of one behind it.
    stalled: Option<Stalled>,
}

struct Stalled {
    publish: Publish,
    bytes: u64,
    /// It need not wait any more.
    room: Option<Reservation>,
}

impl Link {
    fn new(broker: Arc<Broker>, established: Established) -> Self {
        let config = broker.config();
        let connection = Connection::new(
            established.version,
            config.receive_maximum,
            config.topic_alias_maximum,
            established.session_expiry == 0,
        );
        let share = broker.share();
        Self {
            broker,
            established,
            connection,
            aliases: HashMap::new(),
            bytes_in_flight: 0,
            share,
            starved_since: None,
            last_heard: Instant::now(),
            packet_began: None,
            outbox: Outbox::default(),
            stalled: None,
        }
    }

    const fn version(&self) -> Version {
        self.established.version
    }

    fn encode(&mut self, packet: &Outgoing<'_>, output: &mut BytesMut) {
        self.encode_after(0, packet, output);
    }

    /// The client gets the packet once the journal is durable up to `position`.
    fn encode_after(&mut self, position: Position, packet: &Outgoing<'_>, output: &mut BytesMut) {
        let (version, journal) = (self.version(), self.broker.journal());
        let durable = || journal.durable();
        self.outbox.put(position, durable, output, |output| {
            encode(packet, version, output);
        });
    }

    /// What the journal has to know of the session; nothing where it ends with its connection.
    fn note(&self, entry: impl FnOnce(u64) -> Entry) -> Option<Entry> {
        let handle = &self.established.attached.handle;
        handle.journaled.then(|| entry(handle.id))
    }

    /// Appends what somebody waits for. Answers the position to wait for.
    fn append(&self, entry: Option<Entry>) -> Position {
        entry.map_or(0, |entry| self.broker.journal().append(vec![entry]))
    }

    fn append_lazily(&self, entry: Option<Entry>) {
        self.broker
            .journal()
            .append_lazily(entry.into_iter().collect());
    }

    /// Notes that a message came, before it is stored.
    fn take(&self, publish: &Publish) -> Taking {
        if publish.qos != QoS::ExactlyOnce {
            return Taking::Plain;
        }
        let handle = &self.established.attached.handle;
        let now = self.broker.ingest().clock().now();
        let mut state = handle.state.lock();
        match state.session.take(publish.packet_id, now) {
            Take::Duplicate => Taking::Duplicate,
            Take::Again { received_at } => Taking::Known {
                received_at,
                position: 0,
            },
            Take::New => {
                let position = self.append(self.note(|session| Entry::Taken {
                    session,
                    packet_id: publish.packet_id,
                    received_at: now,
                }));
                Taking::Known {
                    received_at: now,
                    position,
                }
            }
        }
    }

    /// Stores a message of the client.
    fn settle(
        &self,
        publish: Publish,
        room: Option<Reservation>,
    ) -> impl Future<Output = Settled> + use<> {
        let taking = self.take(&publish);
        settle(
            Arc::clone(&self.broker),
            self.established.client.publisher,
            self.established.attached.handle.id,
            self.version(),
            publish,
            taking,
            room,
        )
    }

    /// Runs the connection to its end. All that was taken is settled when it returns.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, wire: &mut Wire<S>) -> End {
        let broker = Arc::clone(&self.broker);
        let handle = Arc::clone(&self.established.attached.handle);
        let window = usize::from(broker.config().receive_maximum);
        let packet_limit = broker.config().max_packet_bytes as usize;
        let mut taken = FuturesOrdered::new();
        // Whether something may wait in the session. At first: what an earlier connection left.
        let mut look = true;
        let woken = handle.wake.notified();
        tokio::pin!(woken);
        let idle = tokio::time::sleep_until(self.idle_deadline());
        tokio::pin!(idle);
        let end = 'connection: loop {
            if self.outbox.awaits().is_some() {
                let durable = broker.journal().durable();
                self.outbox.release(durable, &mut wire.output);
            }
            if let Some(stalled) = self.stalled.take_if(|stalled| stalled.room.is_some()) {
                taken.push_back(self.settle(stalled.publish, stalled.room));
            }
            while self.may_take(taken.len(), window, &wire.output)
                && self.may_hold_one_more(taken.is_empty(), wire.input.len())
            {
                let frame = match take_frame(&mut wire.input, packet_limit) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(error) => break 'connection self.protocol_error(error),
                };
                self.packet_began = None;
                let step = decode(frame, self.version())
                    .and_then(|packet| self.connection.receive(packet));
                match step {
                    Ok(Step::Publish(publish)) => {
                        self.bytes_in_flight += weight(&publish);
                        match broker.room_for(&publish) {
                            ClientRoom::Free => taken.push_back(self.settle(publish, None)),
                            ClientRoom::Reserved(room) => {
                                taken.push_back(self.settle(publish, Some(room)));
                            }
                            ClientRoom::Wait(bytes) => {
                                self.stalled = Some(Stalled {
                                    publish,
                                    bytes,
                                    room: None,
                                });
                            }
                        }
                    }
                    Ok(Step::Disconnect(disconnect)) => break 'connection End::Left(disconnect),
                    Ok(step) => {
                        self.answer(step, &mut wire.output);
                        look = true;
                    }
                    Err(error) => break 'connection self.protocol_error(error),
                }
            }
            // A session that lasts reads on from the journal, which tells nobody how far it has come.
            if look || handle.journaled {
                match self.deliver(&mut wire.output) {
                    Delivered::All => look = false,
                    Delivered::Some => look = true,
                    Delivered::End(reason) => break End::Ordered(reason),
                }
            }
            let held = wire.input.len() + self.bytes_in_flight;
            let has_room = self.share.fit(held);
            if has_room {
                self.starved_since = None;
            }
            let may_read = has_room && self.may_take(taken.len(), window, &wire.output);
            self.follow_packet(may_read && wire.input.len() > FREE_BYTES);
            let packet_deadline = self.packet_deadline();
            let awaited = self.awaited();
            let stalled = self.stalled.as_ref().map(|stalled| stalled.bytes);
            tokio::select! {
                biased;
                () = woken.as_mut() => {
                    woken.set(handle.wake.notified());
                    look = true;
                }
                () = broker.journal().reached(awaited.unwrap_or(0)), if awaited.is_some() => look = true,
                room = broker.journal().room().reserve(stalled.unwrap_or(0)), if stalled.is_some() => {
                    if let Some(stalled) = &mut self.stalled {
                        stalled.room = Some(room);
                    }
                }
                Some(settled) = taken.next(), if !taken.is_empty() => {
                    // One commit settles many messages: their acknowledgements go out together.
                    let mut next = Some(settled);
                    while let Some(settled) = next {
                        if let Some(end) = self.settled(settled, &mut wire.output) {
                            break 'connection end;
                        }
                        next = taken.next().now_or_never().flatten();
                    }
                }
                turn = wire.turn(may_read) => match turn {
                    Ok(Turn::Read) => self.last_heard = Instant::now(),
                    Ok(Turn::Written) => {}
                    Ok(Turn::End) | Err(_) => break End::Lost,
                },
                in_time = self.wait_for_room(held), if !has_room => {
                    if !in_time {
                        break End::Ordered(Reason::QUOTA_EXCEEDED);
                    }
                }
                () = at(packet_deadline), if packet_deadline.is_some() => {
                    break End::Ordered(Reason::QUOTA_EXCEEDED);
                }
                () = &mut idle => {
                    if !may_read && wire.output.len() < OUTPUT_HIGH_WATER {
                        // The store is slow: it is not the client that is silent, it is not listened to.
                        self.last_heard = Instant::now();
                    }
                    let deadline = self.idle_deadline();
                    if deadline <= Instant::now() {
                        break End::Ordered(Reason::KEEP_ALIVE_TIMEOUT);
                    }
                    idle.as_mut().reset(deadline);
                }
            }
        };
        // What was taken is stored and handed on even if its sender is gone: only then is the session free.
        let rest = async {
            while let Some(settled) = taken.next().await {
                let _ = self.settled(settled, &mut wire.output);
            }
            if let Some(position) = self.outbox.awaits_last() {
                broker.journal().reached(position).await;
                self.outbox.release(position, &mut wire.output);
            }
        };
        if tokio::time::timeout(SETTLE_PATIENCE, rest).await.is_err() {
            tracing::warn!(client_id = %handle.client_id, "messages were not settled in time at the end of a connection");
        }
        if let End::Ordered(reason) = &end {
            self.encode(&Outgoing::Disconnect(*reason, None), &mut wire.output);
        }
        end
    }

    fn may_take(&self, taken: usize, window: usize, output: &BytesMut) -> bool {
        taken < window
            && self.stalled.is_none()
            && self.bytes_in_flight < self.broker.config().connection_bytes_in_flight
            && output.len() + self.outbox.bytes() < OUTPUT_HIGH_WATER
            && self.broker.journal().has_room()
    }

    /// Whether the node has room for another message of this client. One is always taken, so that all get on.
    fn may_hold_one_more(&mut self, holds_none: bool, input_bytes: usize) -> bool {
        holds_none
            || self
                .share
                .fit(input_bytes + self.bytes_in_flight + MESSAGE_OVERHEAD_BYTES)
    }

    /// What to wait for in the journal, if anything.
    fn awaited(&self) -> Option<Position> {
        self.outbox
            .awaits()
            .or_else(|| self.broker.journal().awaits_room())
    }

    /// Waits until the node has room for `held` bytes of this client. False: it took too long. Without that end
    /// clients that each hold half a packet could wait for each other for ever.
    async fn wait_for_room(&mut self, held: usize) -> bool {
        let patience = Duration::from_secs(self.broker.config().overload_patience_seconds);
        let since = *self.starved_since.get_or_insert_with(Instant::now);
        let room = self.share.wait(held);
        tokio::time::timeout_at(since + patience, room)
            .await
            .is_ok()
    }

    /// Notes since when a packet `is_incomplete` that the node keeps room for.
    fn follow_packet(&mut self, is_incomplete: bool) {
        let began = is_incomplete.then_some(self.last_heard);
        self.packet_began = began.map(|now| self.packet_began.unwrap_or(now));
    }

    /// When such a packet has to be whole, however slow its link: whoever never ends it keeps its room from the others.
    fn packet_deadline(&self) -> Option<Instant> {
        let config = self.broker.config();
        let transfer = u64::from(config.max_packet_bytes / SLOWEST_BYTES_A_SECOND);
        let patience = Duration::from_secs(config.packet_patience_seconds + transfer);
        self.packet_began.map(|began| began + patience)
    }

    fn idle_deadline(&self) -> Instant {
        // Without a keep alive the timer only ever looks again.
        let patience = self
            .established
            .keep_alive
            .unwrap_or(Duration::from_secs(24 * 3_600));
        let deadline = self.last_heard + patience;
        if self.established.keep_alive.is_none() {
            deadline.max(Instant::now() + patience)
        } else {
            deadline
        }
    }

    fn protocol_error(&self, error: DecodeError) -> End {
        self.broker.metrics().protocol_errors.one_more();
        tracing::debug!(thing = %self.established.client.publisher.thing, %error, "a packet breaks the protocol");
        error.into()
    }

    fn ending(&mut self, end: &End) -> Ending {
        let most = self.broker.config().max_session_expiry_seconds;
        let established = self.established.session_expiry;
        let had_will = self.established.will.is_some();
        let mut due = || {
            let will = self.established.will.take();
            will.map_or(WillFate::Dropped, WillFate::Due)
        };
        let (will, session_expiry) = match end {
            End::Left(disconnect) => {
                let wanted = disconnect.reason == Reason::DISCONNECT_WITH_WILL
                    || disconnect.reason.is_error();
                (
                    if wanted { due() } else { WillFate::Dropped },
                    renewed_expiry(established, disconnect.session_expiry, most),
                )
            }
            // Devices did not leave because the server did.
            End::Ordered(Reason::SERVER_SHUTTING_DOWN) => (WillFate::Deferred, established),
            End::Lost | End::Ordered(_) => (due(), established),
        };
        Ending {
            will,
            had_will,
            session_expiry,
        }
    }
}

/// Never, if there is no deadline. A timer is set only when this is polled.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
