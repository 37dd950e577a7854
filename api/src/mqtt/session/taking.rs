//! QoS 2 messages from the client.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use tellee_actors::time::Timestamp;

/// A QoS 2 message of the client that is not released yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// When it came first. Stored again after a crash, it gets the same time and so is the same sample.
    pub received_at: Timestamp,
    /// It is stored and handed on.
    pub settled: bool,
}

/// What to do about a QoS 2 message from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    New,
    /// It was taken before, but nobody knows whether it was stored.
    Again {
        received_at: Timestamp,
    },
    /// It is on its way into the store, or only awaits its release.
    Duplicate,
}

#[derive(Debug)]
struct Taking {
    taken: Taken,
    /// The present connection stores it.
    running: bool,
}

/// QoS 2 messages that the client has sent and not released, by packet identifier.
#[derive(Debug, Default)]
pub(super) struct Takings(HashMap<u16, Taking>);

impl Takings {
    pub(super) fn restored(taken: &BTreeMap<u16, Taken>) -> Self {
        let taking = |(packet_id, taken): (&u16, &Taken)| {
            let taking = Taking {
                taken: *taken,
                running: false,
            };
            (*packet_id, taking)
        };
        Self(taken.iter().map(taking).collect())
    }

    /// A new connection: whatever the one before was storing is over, one way or the other.
    pub(super) fn resume(&mut self) {
        for taking in self.0.values_mut() {
            taking.running = false;
        }
    }

    pub(super) fn take(&mut self, packet_id: u16, now: Timestamp) -> Take {
        let Some(taking) = self.0.get_mut(&packet_id) else {
            let taken = Taken {
                received_at: now,
                settled: false,
            };
            let taking = Taking {
                taken,
                running: true,
            };
            self.0.insert(packet_id, taking);
            return Take::New;
        };
        if taking.taken.settled || std::mem::replace(&mut taking.running, true) {
            return Take::Duplicate;
        }
        Take::Again {
            received_at: taking.taken.received_at,
        }
    }

    pub(super) fn settled(&mut self, packet_id: u16) {
        if let Some(taking) = self.0.get_mut(&packet_id) {
            taking.taken.settled = true;
        }
    }

    pub(super) fn release(&mut self, packet_id: u16) -> bool {
        self.0.remove(&packet_id).is_some()
    }
}
