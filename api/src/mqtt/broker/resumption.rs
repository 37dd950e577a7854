//! From the journal back to sessions, when the server starts.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use tellee_actors::time::Timestamp;
use tokio::sync::Notify;

use super::Broker;
use crate::mqtt::journal::{Entry, Positions, SessionRecord};
use crate::mqtt::registry::{End, SessionHandle, SessionState};
use crate::mqtt::session::Session;
use crate::mqtt::topic;

impl Broker {
    /// Makes the sessions of the journal again. Those whose clients were connected when the server ended have lost
    /// their connections now; their wills wait for them to return.
    pub(super) fn restore_sessions(&self) {
        let now = self.ingest.clock().now();
        let records: Vec<SessionRecord> = self
            .journal
            .read(|state| state.sessions().cloned().collect());
        let mut entries = Vec::new();
        for record in records {
            let expires_at = record.expires_at.unwrap_or_else(|| {
                let expires_at = now.saturating_add(Duration::from_secs(u64::from(record.expiry)));
                entries.push(Entry::Left {
                    session: record.id,
                    expires_at,
                });
                expires_at
            });
            self.restore_session(&record, expires_at);
        }
        let grace = u32::try_from(self.config.will_grace_seconds).unwrap_or(u32::MAX);
        self.journal.read(|state| {
            for (session, pending) in state.wills() {
                if pending.due.is_none() {
                    let delay = pending.will.delay.max(grace);
                    entries.push(Entry::WillDue {
                        session: *session,
                        due: now.saturating_add(Duration::from_secs(u64::from(delay))),
                    });
                }
            }
        });
        self.journal.append_lazily(entries);
    }

    fn restore_session(&self, record: &SessionRecord, expires_at: Timestamp) {
        let budget = Arc::clone(&self.queue_budget);
        let state = SessionState {
            session: Session::restored(self.session_limits(), budget, record),
            connected: None,
            key_hash: record.owner.key_hash,
            positions: Positions::default(),
            loading: false,
            expires_at: Some(expires_at),
            // Before all others: the subscriptions are held against access as it is now.
            epoch: 0,
            overrun: false,
            revoked: false,
        };
        let handle = Arc::new(SessionHandle {
            id: record.id,
            thing: record.owner.thing,
            client_id: record.owner.client_id.clone(),
            user: None,
            journaled: true,
            state: Mutex::new(state),
            online: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            wake: Notify::new(),
        });
        for (text, kept) in &record.subscriptions {
            if let Ok(filter) = topic::parse_filter(text) {
                let end = End(Arc::clone(&handle));
                self.fanout.subscribe(filter, end, kept.held.subscription);
            }
        }
        self.sessions.lock().insert(handle);
        self.metrics.sessions.one_more();
    }
}
