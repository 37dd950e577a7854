//! When each thing was heard of last, since this node started.

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
    seen: RwLock<HashMap<ThingId, Timestamp>>,
}

impl Presence {
    pub fn last_seen(&self, thing: ThingId) -> Option<Timestamp> {
        self.seen.read().get(&thing).copied()
    }

    fn note(&self, protocol: &str, thing: ThingId, at: Timestamp) {
        if protocol != OF_MODELS {
            self.seen.write().insert(thing, at);
        }
    }
}

/// What models write about a thing is no sign of life of the thing.
const OF_MODELS: &str = "ml";

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
        assert_eq!(presence.last_seen(thing), Some(Timestamp(2)));
    }
}
