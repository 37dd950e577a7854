//! The last words of clients that are gone.

use tellee_actors::ids::ThingId;

use super::deliver::Incoming;
use super::{Broker, journal_bytes};
use crate::mqtt::codec::Will;
use crate::mqtt::journal::{Entry, SessionId};

impl Broker {
    /// Publishes the will of a client that is gone, and returns once that is durable. Its right to the topic is checked
    /// once more.
    pub(super) async fn publish_will(&self, session: SessionId, thing: ThingId, will: &Will) {
        let cleared = Entry::WillCleared { session };
        let Some(access) = self.access.thing(thing) else {
            self.journal.append_lazily(vec![cleared]);
            return;
        };
        let bytes = journal_bytes(&will.topic, &will.payload, will.properties.as_deref());
        let room = self.journal.room().reserve(bytes).await;
        let incoming = Incoming::of_will(will, session);
        match self.store(access.into(), &incoming, None, true).await {
            Ok((channel, published)) => {
                self.metrics.wills_published.one_more();
                let received_at = published.received_at();
                let position = self.deliver(channel, &incoming, received_at, Some(cleared));
                drop(room);
                self.journal.reached(position).await;
            }
            Err(error) => {
                let error = error.map_or_else(
                    || "its topic belongs to no channel".to_owned(),
                    |e| e.to_string(),
                );
                tracing::warn!(%thing, %error, "a will was not published");
                self.journal.append_lazily(vec![cleared]);
            }
        }
    }

    /// The same for a will that the journal knows of; nothing if it knows of none.
    pub(super) async fn publish_pending_will(&self, session: SessionId) {
        let pending = self
            .journal
            .read(|state| state.wills().get(&session).cloned());
        if let Some(pending) = pending {
            self.publish_will(session, pending.thing, &pending.will)
                .await;
        }
    }

    /// Publishes all wills whose time has come.
    pub(super) async fn publish_due_wills(&self) {
        let now = self.ingest.clock().now();
        for (session, pending) in self.journal.read(|state| state.due_wills(now)) {
            self.publish_will(session, pending.thing, &pending.will)
                .await;
        }
    }
}
