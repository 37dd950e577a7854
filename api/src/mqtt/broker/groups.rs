//! Share groups: who gets what a member has left, or may not have (MQTT 5, 4.8.2).

use std::sync::Arc;

use hashbrown::HashMap;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::Broker;
use super::upkeep::ticks;
use crate::mqtt::codec::QoS;
use crate::mqtt::fanout::Match;
use crate::mqtt::journal::{
    Assigned, Entry, Left, NextPiece, Orphan, RemainsId, SessionId, Wanted,
};
use crate::mqtt::message::Message;
use crate::mqtt::registry::{End, SessionHandle};
use crate::mqtt::session::{Delivery, Offered};
use crate::mqtt::topic;

/// Members that a message is offered to before it is dropped.
const ATTEMPTS: usize = 16;
/// What is handed over by one commit.
const AT_ONCE: Wanted = Wanted {
    messages: 256,
    bytes: 256 << 10,
};
/// Looks at remains in which nothing is left before they go: a message that was given to the session just before it
/// ended may come behind its end.
const LOOKS: u32 = 4;

/// What is to be appended for messages that went to lasting sessions.
#[derive(Default)]
struct Given {
    entries: Vec<Entry>,
    readers: Vec<Arc<SessionHandle>>,
}

impl Broker {
    /// Puts other members of a group in the place of those who may not use the channel.
    pub(super) fn pass_over(&self, matches: &mut [Match<End>], channel: ChannelId) {
        for found in matches {
            let Some(group) = &found.group else { continue };
            if self.may_use(&found.subscriber.0, channel) {
                continue;
            }
            let members = self.members(group);
            let other = members
                .into_iter()
                .find(|member| self.may_use(&member.subscriber.0, channel));
            if let Some(other) = other {
                *found = other;
            }
        }
    }

    fn members(&self, group: &str) -> Vec<Match<End>> {
        topic::parse_filter(group).map_or_else(
            |_| Vec::new(),
            |filter| self.fanout.members(filter, ATTEMPTS),
        )
    }

    /// Keeps messages until [`Broker::hand_over`] is called, which may be done under no lock of a session.
    pub(super) fn orphan(&self, orphans: impl IntoIterator<Item = Orphan>) {
        for orphan in orphans {
            if orphan.groups.is_empty() {
                continue;
            }
            if !self.queue_budget.take(orphan.message.weight()) {
                self.metrics.dropped_unclaimed.one_more();
                continue;
            }
            self.orphans.lock().push_back(orphan);
        }
    }

    /// Hands over what sessions have left of which the journal does not know.
    pub(super) fn hand_over(&self) {
        let mut given = Given::default();
        loop {
            let Some(orphan) = self.orphans.lock().pop_front() else {
                break;
            };
            self.queue_budget.give_back(orphan.message.weight());
            self.give(&orphan, &mut given);
        }
        self.append_given(given, None);
    }

    pub(super) async fn follow_groups(&self) {
        let mut ticks = ticks();
        let mut looks: HashMap<RemainsId, u32> = HashMap::new();
        loop {
            ticks.tick().await;
            self.hand_over();
            let all: Vec<(RemainsId, SessionId)> = self.journal.read(|state| {
                let all = state.remains();
                all.map(|(number, remains)| (number, remains.session))
                    .collect()
            });
            looks.retain(|number, _| all.binary_search_by_key(number, |(id, _)| *id).is_ok());
            for (number, session) in all {
                if self.hand_over_remains(number, session).await {
                    looks.remove(&number);
                    continue;
                }
                let looked = looks.entry(number).or_default();
                *looked += 1;
                if *looked >= LOOKS {
                    let rested = Entry::Rested {
                        session,
                        remains: number,
                    };
                    self.journal.append_lazily(vec![rested]);
                }
            }
        }
    }

    /// Hands over all that there is of some remains. Answers whether there was anything.
    async fn hand_over_remains(&self, number: RemainsId, session: SessionId) -> bool {
        let mut any = false;
        loop {
            let left = match self.journal.read(|state| state.left(number, AT_ONCE)) {
                Left::Piece(next) => match self.left_in_piece(number, next).await {
                    Some(left) => left,
                    // The disk fails: later.
                    None => return true,
                },
                left => left,
            };
            let Left::Messages {
                orphans,
                unacknowledged,
                before,
            } = left
            else {
                return any;
            };
            any = true;
            while let Some(position) = self.journal.awaits_room() {
                self.journal.reached(position).await;
            }
            let mut given = Given::default();
            for orphan in &orphans {
                self.give(orphan, &mut given);
            }
            // In one: nothing is handed over twice, or lost, by a crash.
            let progress = Entry::HandedOver {
                session,
                remains: number,
                unacknowledged,
                before,
            };
            let position = self.append_given(given, Some(progress));
            self.journal.reached(position).await;
        }
    }

    /// The next messages of remains, from a piece; `None` if it cannot be read now.
    async fn left_in_piece(&self, number: RemainsId, next: NextPiece) -> Option<Left> {
        let journal = Arc::clone(&self.journal);
        let loaded = tokio::task::spawn_blocking(move || journal.load(&next)).await;
        match loaded.ok()? {
            Ok(messages) => Some(
                self.journal
                    .read(|state| state.left_in_piece(number, &next, &messages, AT_ONCE)),
            ),
            Err(error) if error.is_retryable() => None,
            // It may lie elsewhere by now.
            Err(_)
                if self.journal.read(|state| state.left(number, AT_ONCE)) != Left::Piece(next) =>
            {
                None
            }
            Err(error) => {
                tracing::error!(%error, "messages that a session left to its share groups are lost");
                self.metrics
                    .dropped_damaged
                    .add(u64::from(next.piece.count));
                Some(Left::Messages {
                    orphans: Vec::new(),
                    unacknowledged: 0,
                    before: next.piece.last + 1,
                })
            }
        }
    }

    fn append_given(&self, given: Given, progress: Option<Entry>) -> u64 {
        let Given {
            mut entries,
            readers,
        } = given;
        entries.extend(progress);
        self.append_some(entries, readers)
    }

    /// Gives a message to another member of each of its groups, or drops it.
    fn give(&self, orphan: &Orphan, given: &mut Given) {
        let now = self.ingest.clock().now();
        if orphan.message.is_expired(now) {
            self.metrics.dropped_expired.one_more();
            return;
        }
        for group in &orphan.groups {
            let is_given = self
                .members(group)
                .iter()
                .any(|member| self.give_to(member, &orphan.message, now, given));
            if is_given {
                self.metrics.handed_over.one_more();
            } else {
                self.metrics.dropped_unclaimed.one_more();
            }
        }
    }

    fn give_to(
        &self,
        member: &Match<End>,
        message: &Arc<Message>,
        now: Timestamp,
        given: &mut Given,
    ) -> bool {
        let handle = &member.subscriber.0;
        if !self.may_use(handle, message.channel) {
            return false;
        }
        let qos = member.subscription.qos.min(message.qos);
        if handle.journaled && qos != QoS::AtMostOnce {
            let limits = self.config.lag_limits();
            if !self.journal.has_log_room(message.channel, limits) {
                return false;
            }
            given.readers.push(Arc::clone(handle));
            given.entries.push(logged_again(message, now, member));
            return true;
        }
        let delivery = Delivery {
            message: Arc::clone(message),
            qos,
            retain: message.retain && member.subscription.retain_as_published,
            subscription_ids: member.subscription.identifier.into_iter().collect(),
            groups: member.group.iter().cloned().collect(),
            group_only: true,
        };
        let mut state = handle.state.lock();
        // Nobody ends for what another one left.
        if state.connected.is_none() || !state.session.has_room_for(message.weight()) {
            return false;
        }
        let is_given = state.session.offer(delivery) == Offered::Queued;
        drop(state);
        if is_given {
            handle.wake.notify_one();
        }
        is_given
    }
}

/// The message at the end of its channel's log, for one member alone. It waits anew from now on, as long as any.
fn logged_again(message: &Message, now: Timestamp, member: &Match<End>) -> Entry {
    Entry::Message {
        seq: 0,
        logged: true,
        retained: false,
        message: Arc::new(Message {
            received_at: now,
            ..message.clone()
        }),
        assigned: member
            .group
            .iter()
            .map(|group| Assigned {
                session: member.subscriber.0.id,
                group: Arc::clone(group),
                subscription: member.subscription,
            })
            .collect(),
        assigned_only: true,
    }
}
