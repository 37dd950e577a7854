//! What sessions send to their clients.

use std::sync::Arc;

use super::State;
use super::groups::gets_for;
use crate::mqtt::journal::entry::{Sending, SessionId, Source};
use crate::mqtt::session::{Awaiting, Delivery, Inflight};

impl State {
    pub(super) fn sent(&mut self, session: SessionId, sending: &Sending) {
        let Some(record) = self.sessions.get_mut(&session) else {
            return;
        };
        record.last_packet_id = sending.packet_id;
        let found = match sending.source {
            Source::Log { channel, seq } => self.channels.get(&channel).and_then(|log| {
                let in_memory = log
                    .get(seq)
                    .map(|logged| (&logged.message, logged.groups_of(session)));
                let brought = || {
                    let message = sending.message.as_ref()?;
                    log.piece_of(seq)?;
                    Some((message, sending.groups.clone()))
                };
                let (message, mut groups) = in_memory.or_else(brought)?;
                // It may have left one since it was given the message.
                groups.retain(|group| gets_for(record, group, seq));
                Some((Arc::clone(message), groups))
            }),
            Source::Backlog { number } => record
                .backlog
                .iter()
                .find(|(known, _)| *known == number)
                .map(|(_, delivery)| (Arc::clone(&delivery.message), Vec::new())),
        };
        // It is missing where its channel was withdrawn meanwhile, or the journal is damaged.
        if let Some((message, groups)) = found {
            record.inflight.push_back(Inflight {
                packet_id: sending.packet_id,
                awaiting: Awaiting::first_of(sending.qos),
                delivery: Delivery {
                    message,
                    qos: sending.qos,
                    retain: sending.retain,
                    subscription_ids: sending.subscription_ids.clone(),
                    groups,
                    group_only: false,
                },
            });
        }
        self.pass(session, sending.source);
    }

    pub(super) fn pass(&mut self, session: SessionId, source: Source) {
        let Some(record) = self.sessions.get_mut(&session) else {
            return;
        };
        match source {
            Source::Log { channel, seq } => {
                let (Some(cursor), Some(log)) = (
                    record.cursors.get_mut(&channel),
                    self.channels.get(&channel),
                ) else {
                    return;
                };
                let to = seq.saturating_add(1).min(log.next());
                if to > *cursor {
                    let from = std::mem::replace(cursor, to);
                    self.change_log(channel, |log| log.step(from, to));
                }
            }
            Source::Backlog { number } => {
                while record
                    .backlog
                    .pop_front_if(|(known, _)| *known <= number)
                    .is_some()
                {}
            }
        }
    }
}
