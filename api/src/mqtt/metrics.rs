//! Counters of the MQTT listener.

use std::sync::atomic::{AtomicU64, Ordering};

/// One counter or gauge.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn one_more(&self) {
        self.add(1);
    }

    pub(super) fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Since the start, unless named a gauge.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Gauge: clients that have signed in.
    pub connected: Count,
    /// Gauge: sessions, connected or not.
    pub sessions: Count,
    pub connections_accepted: Count,
    pub connections_refused: Count,
    pub handshakes_given_up: Count,
    pub tls_handshakes_failed: Count,
    pub authentication_failures: Count,
    /// Messages from clients, by QoS.
    pub received: [Count; 3],
    /// Messages to clients, by QoS.
    pub sent: [Count; 3],
    pub publishes_refused: Count,
    pub subscribes_refused: Count,
    /// Messages at QoS 0 that met a full queue.
    pub dropped_queue_full: Count,
    pub dropped_expired: Count,
    /// Messages larger than their subscriber takes.
    pub dropped_too_large: Count,
    /// Messages at QoS 0 that the store did not take.
    pub dropped_not_stored: Count,
    /// Retained messages that met a full table or a full queue.
    pub dropped_retained: Count,
    /// Messages that went with sessions that fell too far behind.
    pub dropped_behind: Count,
    /// Messages that waited for a session on disk and are damaged there.
    pub dropped_damaged: Count,
    /// Messages that a member left to its share group and that no other member had room for.
    pub dropped_unclaimed: Count,
    /// Messages that a member left to its share group and that went to another.
    pub handed_over: Count,
    /// Sessions that ended because their queue was full at QoS 1 or 2.
    pub sessions_overrun: Count,
    pub sessions_taken_over: Count,
    pub sessions_expired: Count,
    /// Connections that ended because their key was revoked.
    pub sessions_revoked: Count,
    pub protocol_errors: Count,
    pub wills_published: Count,
}
