//! Retained messages: the last one of each topic, for those who subscribe later.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use tellee_actors::time::Timestamp;

use super::message::Message;
use super::topic;

/// Retained messages in memory, bounded by number and bytes.
#[derive(Debug, PartialEq)]
pub struct Retained {
    messages: BTreeMap<Arc<str>, Arc<Message>>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

impl Retained {
    pub const fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self {
            messages: BTreeMap::new(),
            bytes: 0,
            max_messages,
            max_bytes,
        }
    }

    /// Keeps `message` in place of the topic's earlier one; an empty payload only removes that. Answers `false` if
    /// there is no room; the earlier one is gone then too, since it is no longer the last.
    pub fn set(&mut self, message: &Arc<Message>) -> bool {
        if let Some(earlier) = self.messages.remove(&message.topic) {
            self.bytes -= earlier.weight();
        }
        if message.payload.is_empty() {
            return true;
        }
        let weight = message.weight();
        if self.messages.len() >= self.max_messages || self.bytes + weight > self.max_bytes {
            return false;
        }
        self.bytes += weight;
        self.messages
            .insert(Arc::clone(&message.topic), Arc::clone(message));
        true
    }

    /// The messages whose topics match `filter`, in the order of their topics.
    pub fn matching<'a>(
        &'a self,
        filter: &'a str,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Arc<Message>> {
        let wildcard = filter.find(['+', '#']).unwrap_or(filter.len());
        // `a/#` also matches `a`, so the slash before the wildcard is no part of what all matches begin with.
        let prefix = filter[..wildcard].trim_end_matches('/');
        self.messages
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(topic, _)| topic.starts_with(prefix))
            .filter(move |(topic, message)| {
                topic::matches(filter, topic) && !message.is_expired(now)
            })
            .map(|(_, message)| message)
    }

    /// Drops what has expired.
    pub fn expire(&mut self, now: Timestamp) {
        let bytes = &mut self.bytes;
        self.messages.retain(|_, message| {
            let keep = !message.is_expired(now);
            if !keep {
                *bytes -= message.weight();
            }
            keep
        });
    }

    /// In the order of their topics.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.values()
    }

    /// Whether one of them has expired.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.messages
            .values()
            .any(|message| message.is_expired(now))
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tellee_actors::ids::ChannelId;

    use super::super::codec::QoS;
    use super::*;

    fn message(topic: &str, payload: &'static [u8], expires_at: Option<i64>) -> Arc<Message> {
        Arc::new(Message {
            channel: ChannelId::generate(),
            topic: Arc::from(topic),
            payload: Bytes::from_static(payload),
            qos: QoS::AtLeastOnce,
            retain: true,
            received_at: Timestamp(0),
            expires_at: expires_at.map(Timestamp),
            properties: None,
            origin: 0,
        })
    }

    fn topics(retained: &Retained, filter: &str) -> Vec<String> {
        retained
            .matching(filter, Timestamp(5))
            .map(|message| message.topic.to_string())
            .collect()
    }

    #[test]
    fn an_empty_retained_message_removes_and_a_new_one_replaces() {
        let mut retained = Retained::new(10, 10_000);
        assert!(retained.set(&message("a/b", b"1", None)));
        assert!(retained.set(&message("a/b", b"2", None)));
        assert_eq!(retained.len(), 1);
        assert!(retained.set(&message("a/b", b"", None)));
        assert!(retained.is_empty());
        assert_eq!(retained.bytes, 0);
    }

    #[test]
    fn filters_find_what_they_match_and_nothing_that_has_expired() {
        let mut retained = Retained::new(10, 10_000);
        for topic in ["a", "a/b", "a/b/c", "ab", "b"] {
            retained.set(&message(topic, b"x", None));
        }
        retained.set(&message("a/old", b"x", Some(5)));
        assert_eq!(topics(&retained, "a/#"), ["a", "a/b", "a/b/c"]);
        assert_eq!(topics(&retained, "a/+"), ["a/b"]);
        assert_eq!(topics(&retained, "+"), ["a", "ab", "b"]);
        assert_eq!(topics(&retained, "a/b"), ["a/b"]);
        retained.expire(Timestamp(5));
        assert_eq!(retained.len(), 5);
    }

    #[test]
    fn a_full_table_refuses_and_forgets_the_outdated() {
        let mut retained = Retained::new(2, 10_000);
        assert!(retained.set(&message("a", b"x", None)));
        assert!(retained.set(&message("b", b"x", None)));
        assert!(!retained.set(&message("c", b"x", None)));
        let mut retained = Retained::new(2, 200);
        assert!(retained.set(&message("a", b"x", None)));
        assert!(!retained.set(&message("a", &[0; 200], None)));
        assert!(retained.is_empty());
    }
}
