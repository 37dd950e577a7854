//! From a stored message to the queues of its subscribers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::Broker;
use crate::ingest::{ContentType, Forward, IngestError, Published, Publisher, subtopic};
use crate::mqtt::codec::{MessageProperties, Publish, QoS, Reason, Will};
use crate::mqtt::fanout::{Match, Subscription};
use crate::mqtt::journal::{Assigned, Entry, Orphan, Position};
use crate::mqtt::message::Message;
use crate::mqtt::registry::{End, SessionHandle};
use crate::mqtt::session::{Delivery, Offered};
use crate::mqtt::topic;

/// What MQTT 5 publishers set to `1` to say that their samples are old and only fill history.
const HISTORICAL_PROPERTY: &str = "hist";

/// A message as it came, before and after the store took it.
pub(in crate::mqtt) struct Incoming<'a> {
    pub topic: &'a Arc<str>,
    pub payload: &'a Bytes,
    pub qos: QoS,
    pub retain: bool,
    /// Seconds.
    pub message_expiry: Option<u32>,
    pub properties: Option<&'a MessageProperties>,
    pub origin: u64,
}

impl<'a> Incoming<'a> {
    pub(in crate::mqtt) fn of_publish(publish: &'a Publish, origin: u64) -> Self {
        Self {
            topic: &publish.topic,
            payload: &publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            message_expiry: publish.message_expiry,
            properties: publish.properties.as_deref(),
            origin,
        }
    }

    pub(super) fn of_will(will: &'a Will, origin: u64) -> Self {
        Self {
            topic: &will.topic,
            payload: &will.payload,
            qos: will.qos,
            retain: will.retain,
            message_expiry: will.message_expiry,
            properties: will.properties.as_deref(),
            origin,
        }
    }
}

impl Broker {
    /// Stores a message. `received_at`: when it came first, if that is known from before. `undeclared_is_opaque`: a message that says nothing of its content and looks like JSON but
    /// is none is kept as it came. For clients that cannot be told of a refusal.
    ///
    /// # Errors
    /// [`IngestError`]; `None` if the topic belongs to no channel.
    pub(in crate::mqtt) async fn store(
        &self,
        publisher: Publisher,
        message: &Incoming<'_>,
        received_at: Option<Timestamp>,
        undeclared_is_opaque: bool,
    ) -> Result<(ChannelId, Published), Option<IngestError>> {
        let target = topic::target(message.topic).ok_or(None)?;
        let subtopic =
            subtopic::normalise_encoded(target.subtopic).map_err(|error| Some(error.into()))?;
        let content = message
            .properties
            .and_then(|properties| properties.content_type.as_deref())
            .map_or(ContentType::Undeclared, |named| {
                ContentType::from_media_type(named).unwrap_or(ContentType::Opaque)
            });
        let historical = message
            .properties
            .and_then(|properties| properties.user_property(HISTORICAL_PROPERTY))
            .is_some_and(|value| value == "1");
        let read = |content| {
            self.ingest.read(
                publisher,
                target.channel,
                subtopic.clone(),
                content,
                message.payload,
                "mqtt",
                historical,
                received_at,
            )
        };
        let batch = match read(content) {
            Err(IngestError::Malformed(_))
                if content == ContentType::Undeclared && undeclared_is_opaque =>
            {
                read(ContentType::Opaque)
            }
            batch => batch,
        };
        let stored = self
            .ingest
            .append(batch.map_err(Some)?, message.payload.len());
        Ok((target.channel, stored.await.map_err(Some)?))
    }

    /// Hands a stored message to its subscribers and keeps it if it is to be retained. `settled` becomes durable with
    /// it. Answers the position that has to be durable before the message is acknowledged; 0 if it may be at once.
    pub(in crate::mqtt) fn deliver(
        &self,
        channel: ChannelId,
        message: &Incoming<'_>,
        received_at: Timestamp,
        settled: Option<Entry>,
    ) -> Position {
        let mut entries: Vec<Entry> = settled.into_iter().collect();
        let mut matches = Vec::new();
        self.fanout.matches(message.topic, &mut matches);
        self.pass_over(&mut matches, channel);
        if matches.is_empty() && !message.retain {
            return self.append_some(entries, Vec::new());
        }
        let mut properties = message
            .properties
            .map(|properties| Box::new(properties.clone()));
        if let Some(properties) = &mut properties {
            properties.detach();
        }
        let message = Arc::new(Message {
            channel,
            topic: Arc::clone(message.topic),
            payload: Bytes::copy_from_slice(message.payload),
            qos: message.qos,
            retain: message.retain,
            received_at,
            expires_at: message
                .message_expiry
                .map(|seconds| received_at.saturating_add(Duration::from_secs(u64::from(seconds)))),
            properties,
            origin: message.origin,
        });
        let (readers, assigned) = self.offer_to(matches, &message);
        let logged = !readers.is_empty();
        if logged || message.retain {
            entries.push(Entry::Message {
                seq: 0,
                logged,
                retained: message.retain,
                message,
                assigned,
                assigned_only: false,
            });
        }
        self.append_some(entries, readers)
    }

    pub(super) fn append_some(
        &self,
        entries: Vec<Entry>,
        readers: Vec<Arc<SessionHandle>>,
    ) -> Position {
        if entries.is_empty() {
            return 0;
        }
        self.journal.append_then(entries, move || {
            for reader in readers {
                reader.wake.notify_one();
            }
        })
    }

    /// A message of another protocol, under the topic that MQTT has for it. Answers as [`Broker::deliver`].
    pub(super) fn deliver_forward(&self, forward: &Forward<'_>) -> Position {
        let batch = forward.batch;
        let mut topic = format!("channels/{}/messages", batch.channel);
        for element in batch
            .subtopic
            .split('.')
            .filter(|element| !element.is_empty())
        {
            topic.push('/');
            topic.push_str(element);
        }
        let content_type = match forward.content {
            ContentType::SenmlJson => Some("application/senml+json"),
            ContentType::SenmlCbor => Some("application/senml+cbor"),
            ContentType::Json => Some("application/json"),
            ContentType::Opaque | ContentType::Undeclared => None,
        };
        let properties = MessageProperties {
            content_type: content_type.map(str::to_owned),
            user_properties: batch
                .historical
                .then(|| (HISTORICAL_PROPERTY.to_owned(), "1".to_owned()))
                .into_iter()
                .collect(),
            ..MessageProperties::default()
        };
        let incoming = Incoming {
            topic: &Arc::from(topic),
            payload: &Bytes::copy_from_slice(forward.payload),
            qos: QoS::AtLeastOnce,
            retain: false,
            message_expiry: None,
            properties: Some(&properties),
            origin: 0,
        };
        self.deliver(batch.channel, &incoming, batch.received_at, None)
    }

    /// Offers a message to all that it goes to without the journal. Answers the sessions that read it from the journal,
    /// and those among them that it goes to for a share group.
    fn offer_to(
        &self,
        mut matches: Vec<Match<End>>,
        message: &Arc<Message>,
    ) -> (Vec<Arc<SessionHandle>>, Vec<Assigned>) {
        let (mut readers, mut assigned) = (Vec::new(), Vec::new());
        // A client with overlapping subscriptions gets one message, at the highest QoS, with all identifiers.
        matches.sort_unstable_by_key(|found| found.subscriber.0.id);
        let same = |a: &Match<End>, b: &Match<End>| a.subscriber.0.id == b.subscriber.0.id;
        for group in matches.chunk_by(same) {
            let handle = &group[0].subscriber.0;
            if !self.may_use(handle, message.channel) {
                continue;
            }
            let subscriptions = || {
                group
                    .iter()
                    .map(|found| &found.subscription)
                    .filter(|subscription| !(subscription.no_local && message.origin == handle.id))
            };
            let Some(qos) = subscriptions().map(|subscription| subscription.qos).max() else {
                continue;
            };
            let qos = qos.min(message.qos);
            if handle.journaled && qos != QoS::AtMostOnce {
                readers.push(Arc::clone(handle));
                assigned.extend(group.iter().filter_map(|found| {
                    Some(Assigned {
                        session: handle.id,
                        group: found.group.clone()?,
                        subscription: found.subscription,
                    })
                }));
                continue;
            }
            let delivery = Delivery {
                message: Arc::clone(message),
                qos,
                retain: message.retain
                    && subscriptions().any(|subscription| subscription.retain_as_published),
                subscription_ids: subscriptions()
                    .filter_map(|subscription| subscription.identifier)
                    .collect(),
                groups: group
                    .iter()
                    .filter_map(|found| found.group.clone())
                    .collect(),
                group_only: group.iter().all(|found| found.group.is_some()),
            };
            self.offer(handle, delivery);
        }
        (readers, assigned)
    }

    fn offer(&self, handle: &Arc<SessionHandle>, delivery: Delivery) {
        let mut state = handle.state.lock();
        let connected = state.connected.is_some();
        // It ended since it was found.
        if !connected && !handle.journaled && delivery.qos != QoS::AtMostOnce {
            let groups = delivery.groups;
            return self.orphan(Some(Orphan {
                message: delivery.message,
                groups,
            }));
        }
        if !connected && (delivery.qos == QoS::AtMostOnce || state.overrun) {
            return;
        }
        match state.session.offer(delivery) {
            Offered::Queued => handle.wake.notify_one(),
            Offered::Dropped => self.metrics.dropped_queue_full.one_more(),
            Offered::Overrun if state.overrun => {}
            Offered::Overrun => {
                self.metrics.sessions_overrun.one_more();
                state.overrun = true;
                // Without a connection the session stays as a tombstone until upkeep or its client's return ends it.
                handle.end_connection(&mut state, Reason::QUOTA_EXCEEDED);
            }
        }
    }

    pub(super) fn offer_retained(
        &self,
        handle: &Arc<SessionHandle>,
        filter: &str,
        subscription: Subscription,
    ) {
        let now = self.ingest.clock().now();
        let retained: Vec<Arc<Message>> = self
            .journal
            .read(|journal| journal.retained().matching(filter, now).cloned().collect());
        let mut state = handle.state.lock();
        for message in retained {
            let qos = subscription.qos.min(message.qos);
            // These come by the journal.
            if handle.journaled && qos != QoS::AtMostOnce {
                continue;
            }
            // A filter of a user may match topics of other organisations.
            if !self.may_use(handle, message.channel) {
                continue;
            }
            if !state.session.has_room_for(message.weight()) {
                self.metrics.dropped_retained.one_more();
                continue;
            }
            let delivery = Delivery {
                message,
                qos,
                retain: true,
                subscription_ids: subscription.identifier.into_iter().collect(),
                groups: Vec::new(),
                group_only: false,
            };
            if state.session.offer(delivery) != Offered::Queued {
                self.metrics.dropped_retained.one_more();
            }
        }
        handle.wake.notify_one();
    }
}
