//! One MQTT connection, from CONNECT to its end.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode,
    Login, Packet, PingReq, PubAckReason, Publish, PublishProperties,
};
use rumqttc::v5::mqttbytes::{Error as PacketError, QoS};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::bucket::TokenBucket;
use super::cursor::{Cursor, Lane};
use super::end::SessionEnd;
use super::gap::gap_message;
use super::set_aside::SetAside;
use super::window::Window;
use super::wire::Wire;
use super::{Memory, UplinkConfig};
use crate::clock::SharedClock;
use crate::sessions::Sessions;
use crate::spool::{Destination, Fetched, SpoolHandle, SpoolMessage, StoredRecord, Visible};
use crate::status::{StatusBoard, UplinkState};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After a request to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// A record of the backlog that is older than this is history to the platform.
const HISTORICAL_AFTER_NS: i64 = 10_000_000_000;
/// Refusals of one record for its content before it is given up.
const MAX_REFUSALS: u8 = 3;
/// Between two requests for a newer config because of refused records.
const REFETCH_EVERY: Duration = Duration::from_secs(60);
/// Enough for several packets at once, little enough not to delay the first.
const FLUSH_BYTES: usize = 64 * 1024;

pub(crate) struct Session<'a> {
    pub(crate) config: &'a UplinkConfig,
    pub(crate) spool: &'a SpoolHandle,
    pub(crate) clock: &'a SharedClock,
    pub(crate) status: &'a StatusBoard,
    pub(crate) sessions: &'a Sessions,
    /// Hears of refused records.
    pub(crate) refused: &'a mpsc::Sender<()>,
    pub(crate) memory: &'a mut Memory,
}

/// What the platform said in CONNACK.
struct Terms {
    durable: bool,
    window: u16,
    max_packet_bytes: Option<u32>,
    keep_alive: Duration,
}

struct Flow {
    wire: Wire,
    terms: Terms,
    cursor: Cursor,
    window: Window,
    set_aside: SetAside,
    refetch_at: Instant,
    bucket: TokenBucket,
    refilled_at: Instant,
    last_sent: Instant,
    last_heard: Instant,
    sweep_at: Instant,
    acknowledged_any: bool,
}

impl Session<'_> {
    /// The reason of the end, and whether anything was acknowledged.
    pub(crate) async fn run(mut self, shutdown: &mut watch::Receiver<bool>) -> (SessionEnd, bool) {
        let connected = tokio::select! {
            connected = timeout(CONNECT_TIMEOUT, self.connect()) => connected,
            _ = shutdown.changed() => return (SessionEnd::Stopped, false),
        };
        let (wire, terms) = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err(end)) => return (end, false),
            Err(_) => {
                return (
                    SessionEnd::Lost(format!("no answer from `{}`", self.config.mqtt)),
                    false,
                );
            }
        };
        self.status.announce(|board| {
            board.uplink.state = UplinkState::Connected;
            board.uplink.durable_acknowledgement = terms.durable;
            board.uplink.error = None;
        });
        if !terms.durable {
            tracing::warn!(
                "platform does not promise durable acknowledgements; the spool keeps what was sent"
            );
        }
        let mut visible = self.spool.visible();
        let now = Instant::now();
        let Visible {
            upto,
            acknowledged_upto,
        } = *visible.borrow_and_update();
        self.sessions.begin();
        let mut flow = Flow {
            window: Window::new(terms.window),
            cursor: Cursor::new(acknowledged_upto, upto),
            set_aside: SetAside::default(),
            refetch_at: now,
            bucket: TokenBucket::new(self.config.backfill_bytes_per_second),
            wire,
            terms,
            refilled_at: now,
            last_sent: now,
            last_heard: now,
            sweep_at: now + SWEEP_EVERY,
            acknowledged_any: false,
        };
        let end = match self.pump(&mut flow, &mut visible, shutdown).await {
            Ok(()) => SessionEnd::Stopped,
            Err(end) => end,
        };
        (end, flow.acknowledged_any)
    }

    async fn connect(&self) -> Result<(Wire, Terms), SessionEnd> {
        let config = self.config;
        let mut wire = Wire::connect(&config.mqtt, config.tls.as_ref())
            .await
            .map_err(|error| {
                SessionEnd::Lost(format!("cannot connect to `{}`: {error}", config.mqtt))
            })?;
        let keep_alive = u16::try_from(config.keep_alive.as_secs()).unwrap_or(u16::MAX);
        let connect = Connect {
            keep_alive,
            client_id: config.client_id.clone(),
            // What is in flight is known from the spool, not from a session at the broker.
            clean_start: true,
            properties: Some(ConnectProperties::new()),
        };
        let login = Login {
            username: config.thing.clone(),
            password: config.key.clone(),
        };
        wire.queue(&Packet::Connect(connect, None, Some(login)), None)
            .map_err(|error| SessionEnd::Lost(format!("cannot write CONNECT: {error}")))?;
        wire.flush().await?;
        match wire.read().await? {
            Packet::ConnAck(answer) => Ok((wire, self.terms(&answer)?)),
            _ => Err(SessionEnd::Lost(
                "platform answered CONNECT with another packet".into(),
            )),
        }
    }

    fn terms(&self, answer: &ConnAck) -> Result<Terms, SessionEnd> {
        match answer.code {
            ConnectReturnCode::Success => {}
            code @ (ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::NotAuthorized
            | ConnectReturnCode::Banned) => {
                return Err(SessionEnd::Unauthorised(format!("{code:?}")));
            }
            code => {
                return Err(SessionEnd::Lost(format!(
                    "platform refuses the connection: {code:?}"
                )));
            }
        }
        let properties = answer.properties.as_ref();
        let promised =
            |(name, value): &(String, String)| name == "durable-ack" && value == "puback";
        Ok(Terms {
            durable: properties
                .is_some_and(|properties| properties.user_properties.iter().any(promised)),
            window: properties
                .and_then(|properties| properties.receive_max)
                .map_or(self.config.window, |receive_max| {
                    receive_max.min(self.config.window)
                }),
            max_packet_bytes: properties.and_then(|properties| properties.max_packet_size),
            keep_alive: properties
                .and_then(|properties| properties.server_keep_alive)
                .map_or(self.config.keep_alive, |seconds| {
                    Duration::from_secs(u64::from(seconds))
                }),
        })
    }

    async fn pump(
        &mut self,
        flow: &mut Flow,
        visible: &mut watch::Receiver<Visible>,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Result<(), SessionEnd> {
        let mut stop_at: Option<Instant> = None;
        loop {
            let seen = *visible.borrow_and_update();
            self.fill(flow, seen).await?;
            if stop_at.is_some_and(|stop_at| flow.window.len() == 0 || Instant::now() >= stop_at) {
                flow.wire
                    .queue(
                        &Packet::Disconnect(Disconnect::new(
                            DisconnectReasonCode::NormalDisconnection,
                        )),
                        None,
                    )
                    .map_err(|error| SessionEnd::Lost(error.to_string()))?;
                flow.wire.flush().await?;
                return Ok(());
            }
            let wake_at = self.wake_at(flow, stop_at);
            tokio::select! {
                packet = flow.wire.read() => self.incoming(flow, packet?).await?,
                changed = visible.changed() => changed.map_err(|_| SessionEnd::SpoolClosed)?,
                changed = shutdown.changed(), if stop_at.is_none() => {
                    if changed.is_err() || *shutdown.borrow() {
                        stop_at = Some(Instant::now() + DRAIN_TIMEOUT);
                    }
                }
                () = sleep_until(wake_at) => self.check_time(flow, seen)?,
            }
        }
    }

    /// Sends as much as the window takes.
    async fn fill(&mut self, flow: &mut Flow, visible: Visible) -> Result<(), SessionEnd> {
        let now = Instant::now();
        flow.bucket.refill(now - flow.refilled_at);
        flow.refilled_at = now;
        self.send_set_aside(flow, now).await?;
        while !flow.window.is_full() {
            let backlog_allowed =
                flow.window.has_room_for_backlog() && flow.bucket.wait().is_zero();
            let Some((lane, from, upto)) = flow.cursor.next(visible.upto, backlog_allowed) else {
                break;
            };
            let from = self.memory.confirmed.next_missing(from);
            let fetched = if from > upto {
                None
            } else {
                self.spool
                    .fetch(from, upto)
                    .await
                    .map_err(|_| SessionEnd::SpoolClosed)?
            };
            let Some(fetched) = fetched else {
                flow.cursor.pass(lane, upto);
                continue;
            };
            flow.cursor.pass(lane, fetched.seq);
            let waits = lane == Lane::Backlog && flow.set_aside.contains(fetched.seq);
            if !waits && !self.memory.confirmed.contains(fetched.seq) {
                self.send(flow, lane, fetched).await?;
            }
        }
        flow.wire.flush().await?;
        self.status
            .update(|board| board.uplink.in_flight = flow.window.len());
        Ok(())
    }

    async fn send_set_aside(&mut self, flow: &mut Flow, now: Instant) -> Result<(), SessionEnd> {
        while flow.window.has_room_for_backlog()
            && let Some(seq) = flow.set_aside.pop_due(now)
        {
            let fetched = self.spool.fetch(seq, seq).await;
            // One that cannot be read is found again by a later sweep.
            if let Some(fetched) = fetched.map_err(|_| SessionEnd::SpoolClosed)? {
                self.send(flow, Lane::Backlog, fetched).await?;
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        flow: &mut Flow,
        lane: Lane,
        fetched: Fetched,
    ) -> Result<(), SessionEnd> {
        let seq = fetched.seq;
        let Some((topic, message)) = self.address(fetched.record) else {
            return self
                .spool
                .acknowledge(seq)
                .await
                .map_err(|_| SessionEnd::SpoolClosed);
        };
        let historical = lane == Lane::Backlog
            && self.clock.now_ns().saturating_sub(message.newest_ns) > HISTORICAL_AFTER_NS;
        let mut user_properties = vec![("seq".to_owned(), seq.to_string())];
        if historical {
            user_properties.push(("hist".to_owned(), "1".to_owned()));
        }
        let properties = PublishProperties {
            content_type: Some(message.content_type.media_type().to_owned()),
            user_properties,
            ..PublishProperties::default()
        };
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, message.body, Some(properties));
        let now = Instant::now();
        publish.pkid = flow.window.push(seq, lane, now);
        let packet_id = publish.pkid;
        let packet = Packet::Publish(publish);
        match flow.wire.queue(&packet, flow.terms.max_packet_bytes) {
            Ok(()) => {}
            Err(PacketError::OutgoingPacketTooLarge { pkt_size, max }) => {
                flow.window.take(packet_id);
                tracing::error!(
                    seq,
                    pkt_size,
                    max,
                    "message is larger than the platform takes"
                );
                return self
                    .spool
                    .give_up(seq)
                    .await
                    .map_err(|_| SessionEnd::SpoolClosed);
            }
            Err(error) => return Err(SessionEnd::Lost(format!("cannot write PUBLISH: {error}"))),
        }
        if lane == Lane::Backlog {
            flow.bucket.take(packet.size());
        }
        flow.last_sent = now;
        self.status.update(|board| {
            board.uplink.sent += 1;
            board.uplink.sent_historical += u64::from(historical);
        });
        if flow.wire.queued_bytes() >= FLUSH_BYTES {
            flow.wire.flush().await?;
        }
        Ok(())
    }

    /// Topic and message of a record; `None` if it is for a control channel and there is none.
    fn address(&self, record: StoredRecord) -> Option<(String, SpoolMessage)> {
        let message = match record {
            StoredRecord::Message(message) => message,
            StoredRecord::Gap(gap) => gap_message(&gap)?,
        };
        let channel = match message.destination {
            Destination::Data => &self.config.data_channel,
            Destination::Control => self.config.control_channel.as_ref()?,
        };
        let topic = if message.subtopic.is_empty() {
            format!("channels/{channel}/messages")
        } else {
            format!("channels/{channel}/messages/{}", message.subtopic)
        };
        Some((topic, message))
    }

    async fn incoming(&mut self, flow: &mut Flow, packet: Packet) -> Result<(), SessionEnd> {
        flow.last_heard = Instant::now();
        match packet {
            Packet::PubAck(ack) => {
                let Some(sent) = flow.window.take(ack.pkid) else {
                    return Err(SessionEnd::Lost(format!(
                        "platform acknowledged packet {}, which is not sent",
                        ack.pkid
                    )));
                };
                self.acknowledged(flow, sent.seq, ack.reason).await
            }
            Packet::Disconnect(goodbye) => {
                let reason = format!("{:?}", goodbye.reason_code);
                Err(match goodbye.reason_code {
                    DisconnectReasonCode::NotAuthorized => SessionEnd::Unauthorised(reason),
                    _ => SessionEnd::Lost(format!("platform ended the session: {reason}")),
                })
            }
            // Answers to pings need nothing; nothing else is asked for.
            _ => Ok(()),
        }
    }

    async fn acknowledged(
        &mut self,
        flow: &mut Flow,
        seq: u64,
        reason: PubAckReason,
    ) -> Result<(), SessionEnd> {
        let closed = |_| SessionEnd::SpoolClosed;
        match reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                flow.acknowledged_any = true;
                self.memory.refusals.remove(&seq);
                self.status.update(|board| board.uplink.acknowledged += 1);
                if flow.terms.durable {
                    return self.spool.acknowledge(seq).await.map_err(closed);
                }
                self.memory.confirmed.insert(seq, seq);
                Ok(())
            }
            PubAckReason::PayloadFormatInvalid | PubAckReason::TopicNameInvalid => {
                if self.refused_again(flow, seq, reason)? {
                    return Ok(());
                }
                tracing::error!(
                    seq,
                    ?reason,
                    "record given up: the platform refuses its content"
                );
                self.spool.give_up(seq).await.map_err(closed)
            }
            reason => Err(SessionEnd::Refused(format!("record {seq}: {reason:?}"))),
        }
    }

    /// Counts a refusal for the content. The record waits for another try, which holds up nothing else; false once it
    /// has had enough of them.
    fn refused_again(
        &mut self,
        flow: &mut Flow,
        seq: u64,
        reason: PubAckReason,
    ) -> Result<bool, SessionEnd> {
        let now = Instant::now();
        let end = SessionEnd::Refused(format!("record {seq}: {reason:?}"));
        self.status
            .update(|board| board.uplink.error = Some(end.to_string()));
        if now >= flow.refetch_at {
            flow.refetch_at = now + REFETCH_EVERY;
            tracing::warn!(reason = %end, "uplink goes on");
            // A full queue means that the refusal is known.
            let _ = self.refused.try_send(());
        }
        let refusals = self.memory.refusals.entry(seq).or_insert(0);
        *refusals += 1;
        if *refusals >= MAX_REFUSALS {
            self.memory.refusals.remove(&seq);
            return Ok(false);
        }
        if flow.set_aside.push(seq, now) {
            return Ok(true);
        }
        Err(end)
    }

    fn wake_at(&self, flow: &Flow, stop_at: Option<Instant>) -> Instant {
        let mut wake_at = flow.sweep_at;
        if !flow.terms.keep_alive.is_zero() {
            wake_at = wake_at.min(flow.last_sent + flow.terms.keep_alive / 2);
        }
        if let Some(oldest) = flow.window.oldest() {
            wake_at = wake_at.min(oldest + self.config.ack_timeout);
        }
        if let Some(due) = flow.set_aside.next_due()
            && flow.window.has_room_for_backlog()
        {
            wake_at = wake_at.min(due);
        }
        if flow.cursor.has_backlog() && flow.window.has_room_for_backlog() {
            wake_at = wake_at.min(flow.refilled_at + flow.bucket.wait());
        }
        stop_at.map_or(wake_at, |stop_at| wake_at.min(stop_at))
    }

    fn check_time(&self, flow: &mut Flow, visible: Visible) -> Result<(), SessionEnd> {
        let now = Instant::now();
        if flow
            .window
            .oldest()
            .is_some_and(|oldest| now - oldest >= self.config.ack_timeout)
        {
            return Err(SessionEnd::Lost(format!(
                "no acknowledgement within {:?}",
                self.config.ack_timeout
            )));
        }
        if !flow.terms.keep_alive.is_zero() {
            if now - flow.last_heard > flow.terms.keep_alive * 3 / 2 {
                return Err(SessionEnd::Lost("platform is silent".into()));
            }
            if now - flow.last_sent >= flow.terms.keep_alive / 2 {
                flow.wire
                    .queue(&Packet::PingReq(PingReq), None)
                    .map_err(|error| SessionEnd::Lost(format!("cannot write PINGREQ: {error}")))?;
                flow.last_sent = now;
            }
        }
        if now >= flow.sweep_at {
            flow.sweep_at = now + SWEEP_EVERY;
            if flow.window.len() == 0 && !flow.cursor.has_backlog() {
                flow.cursor.sweep(visible.acknowledged_upto);
            }
        }
        Ok(())
    }
}
