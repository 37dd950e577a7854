//! A message on its way to subscribers.

use std::sync::Arc;

use bytes::Bytes;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::codec::{MessageProperties, QoS};

/// Shared by all of its deliveries. Its payload is memory of its own, not part of a read buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub channel: ChannelId,
    pub topic: Arc<str>,
    pub payload: Bytes,
    /// As published.
    pub qos: QoS,
    /// As published.
    pub retain: bool,
    pub received_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub properties: Option<Box<MessageProperties>>,
    /// The session that published it; 0 if none did.
    pub origin: u64,
}

/// What a message costs beside its texts.
const OVERHEAD_BYTES: usize = 128;

impl Message {
    /// Bytes of memory, about.
    pub fn weight(&self) -> usize {
        let properties = self
            .properties
            .as_ref()
            .map_or(0, |properties| properties.weight());
        self.payload.len() + self.topic.len() + properties + OVERHEAD_BYTES
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Seconds that are left of the message's expiry interval, rounded up.
    pub fn expiry_left(&self, now: Timestamp) -> Option<u32> {
        let left = self.expires_at?.since(now).as_millis().div_ceil(1_000);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }
}
