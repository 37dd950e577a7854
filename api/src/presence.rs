//! When each thing was heard of last: since this node started, or as the telemetry store remembers it.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;
use tellee_actors::ids::ThingId;
use tellee_actors::time::Timestamp;
use tellee_projections::live::{KeptSamples, LiveSink};
use tellee_projections::telemetry::MessageBatch;

/// Takes note of each stored batch.
#[derive(Debug, Default)]
pub struct Presence {
    /// `None`: it was looked for in the store, which has nothing of it.
    seen: RwLock<HashMap<ThingId, Option<Timestamp>>>,
}

impl Presence {
    /// When it was heard of; `None` if that is not known here, `Some(None)` if it never was.
    pub fn last_seen(&self, thing: ThingId) -> Option<Option<Timestamp>> {
        self.seen.read().get(&thing).copied()
    }

    /// Keeps what the store says, unless something came in the meantime.
    pub fn remember(&self, thing: ThingId, seen: Option<Timestamp>) {
        self.seen.write().entry(thing).or_insert(seen);
    }

    fn note(&self, protocol: &str, thing: ThingId, at: Timestamp) {
        if protocol != OF_MODELS {
            self.seen.write().insert(thing, Some(at));
        }
    }
}

/// What models write about a thing is no sign of life of the thing.
pub const OF_MODELS: &str = "ml";

impl LiveSink for Presence {
    fn published(&self, batch: &Arc<MessageBatch>) {
        self.note(batch.protocol, batch.thing, batch.received_at);
    }

    fn kept(&self, samples: &KeptSamples<'_>) -> bool {
        self.note(samples.protocol, samples.thing, samples.received_at);
        false
    }
}

#[cfg(test)]
mod tests {
    use tellee_actors::ids::ChannelId;

    use super::*;

    #[test]
    fn a_message_is_a_sign_of_life_and_a_score_is_none() {
        let presence = Presence::default();
        let thing = ThingId::generate();
        let batch = |protocol, at| {
            Arc::new(MessageBatch {
                channel: ChannelId::generate(),
                thing,
                subtopic: Arc::from(""),
                protocol,
                received_at: Timestamp(at),
                historical: false,
                records: Vec::new(),
            })
        };
        presence.published(&batch("ml", 1));
        assert_eq!(presence.last_seen(thing), None);
        presence.published(&batch("mqtt", 2));
        presence.published(&batch("ml", 3));
        assert_eq!(presence.last_seen(thing), Some(Some(Timestamp(2))));
        presence.remember(thing, Some(Timestamp(1)));
        assert_eq!(presence.last_seen(thing), Some(Some(Timestamp(2))));
        let silent = ThingId::generate();
        presence.remember(silent, None);
        assert_eq!(presence.last_seen(silent), Some(None));
    }
}
