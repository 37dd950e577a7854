//! What time and changes of access do to sessions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::Broker;
use crate::mqtt::codec::Reason;
use crate::mqtt::journal::{Entry, SessionId};
use crate::mqtt::registry::{SessionHandle, SessionState};

const INTERVAL: Duration = Duration::from_millis(250);
/// Ticks between two looks at the logs of channels.
const RARELY: u32 = 4;

impl Broker {
    /// Runs until the broker is stopped: the effect of revoked keys and withdrawn channels on open sessions, expiry of
    /// sessions and retained messages, delayed wills, and what members have left to share groups.
    pub(in crate::mqtt) async fn upkeep(self: Arc<Self>) {
        // Once, however many listeners there are.
        if self.upkept.swap(true, Ordering::Relaxed) {
            return;
        }
        // Apart, because a will waits for the store and a revoked key must not.
        let upkeep = async {
            tokio::join!(
                self.follow_access(),
                self.follow_time(),
                self.follow_groups()
            )
        };
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            ((), (), ()) = upkeep => {}
        }
    }

    async fn follow_access(&self) {
        let mut ticks = ticks();
        // Sessions from before the start are held against access as it is now.
        let mut held_against = None;
        loop {
            ticks.tick().await;
            let epoch = self.access.epoch();
            if held_against == Some(epoch) {
                continue;
            }
            held_against = Some(epoch);
            for handle in self.sessions.lock().all() {
                self.recheck(&handle);
            }
        }
    }

    async fn follow_time(&self) {
        let mut ticks = ticks();
        let mut count = 0_u32;
        loop {
            ticks.tick().await;
            let now = self.ingest.clock().now();
            let handles = self.sessions.lock().all();
            for handle in &handles {
                // A token expires by itself.
                if handle.user.is_some() {
                    self.recheck(handle);
                }
                if self.end_if_expired(handle, now) {
                    self.publish_pending_will(handle.id).await;
                }
            }
            self.publish_due_wills().await;
            if count.is_multiple_of(RARELY) {
                self.trim_logs(&handles, now).await;
            }
            count = count.wrapping_add(1);
        }
    }

    /// Lets go of what no session needs any more, and of sessions that need more than there is room for.
    async fn trim_logs(&self, handles: &[Arc<SessionHandle>], now: Timestamp) {
        if self.journal.read(|state| state.retained().has_expired(now)) {
            self.journal.append_lazily(vec![Entry::Expired { at: now }]);
        }
        let (journal, limits) = (Arc::clone(&self.journal), self.config.lag_limits());
        // What lies on disk has to be read.
        let behind = tokio::task::spawn_blocking(move || journal.trim(limits, now)).await;
        let behind = behind.unwrap_or_default();
        if behind.is_empty() {
            return;
        }
        let by_id: HashMap<SessionId, &Arc<SessionHandle>> =
            handles.iter().map(|handle| (handle.id, handle)).collect();
        for (session, messages) in behind {
            let Some(handle) = by_id.get(&session) else {
                continue;
            };
            let mut state = handle.state.lock();
            if std::mem::replace(&mut state.overrun, true) {
                continue;
            }
            self.metrics.sessions_overrun.one_more();
            self.metrics.dropped_behind.add(messages as u64);
            tracing::warn!(
                thing = %handle.thing,
                client_id = %handle.client_id,
                messages,
                "a session fell too far behind and ends"
            );
            handle.end_connection(&mut state, Reason::QUOTA_EXCEEDED);
        }
    }

    /// The channels of all retained messages, each once.
    pub fn retained_channels(&self) -> Vec<ChannelId> {
        let channels: HashSet<ChannelId> = self.journal.read(|state| {
            let messages = state.retained().all();
            messages.map(|message| message.channel).collect()
        });
        channels.into_iter().collect()
    }

    /// Forgets the retained messages of channels that are gone; how many there were.
    pub fn forget_retained(&self, is_gone: impl Fn(ChannelId) -> bool) -> usize {
        let removals: Vec<Entry> = self.journal.read(|state| {
            let messages = state.retained().all();
            let gone = messages.filter(|message| is_gone(message.channel));
            gone.map(|message| Entry::removal_of(message)).collect()
        });
        let count = removals.len();
        self.journal.append_lazily(removals);
        count
    }

    /// Holds a session against the present state of access.
    fn recheck(&self, handle: &Arc<SessionHandle>) {
        let mut state = handle.state.lock();
        let stands = match (&handle.user, &state.key_hash) {
            (Some(_), _) => self.user_stands(handle.user.as_ref()),
            (None, Some(key_hash)) => self
                .access
                .thing_by_key_hash(key_hash)
                .is_some_and(|access| access.thing == handle.thing),
            (None, None) => self.access.thing(handle.thing).is_some(),
        };
        if !stands && !std::mem::replace(&mut state.revoked, true) {
            self.metrics.sessions_revoked.one_more();
            handle.end_connection(&mut state, Reason::NOT_AUTHORISED);
        }
        self.withdraw(handle, &mut state);
    }

    /// Ends subscriptions to channels that the thing may no longer use. Cheap while access stands as it was.
    pub(in crate::mqtt) fn withdraw(&self, handle: &SessionHandle, state: &mut SessionState) {
        let epoch = self.access.epoch();
        if state.epoch == epoch {
            return;
        }
        state.epoch = epoch;
        let may_use = |channel: ChannelId| self.may_use(handle, channel);
        let lost: HashSet<ChannelId> = state
            .session
            .channels()
            .filter(|channel| !may_use(*channel))
            .collect();
        if lost.is_empty() {
            return;
        }
        let released = state.session.withdraw(may_use);
        self.release(handle, released);
        if handle.journaled {
            let withdrawn = lost.into_iter().map(|channel| Entry::Withdrawn {
                session: handle.id,
                channel,
            });
            self.journal.append_lazily(withdrawn.collect());
        }
    }

    /// Removes a session whose time is over, or that must not be resumed. Answers whether it did.
    fn end_if_expired(&self, handle: &Arc<SessionHandle>, now: Timestamp) -> bool {
        if handle.online.load(Ordering::Relaxed) {
            return false;
        }
        let mut sessions = self.sessions.lock();
        let mut state = handle.state.lock();
        let expired =
            state.is_void() || state.expires_at.is_some_and(|expires_at| expires_at <= now);
        if state.connected.is_some() || !expired || !sessions.remove(handle) {
            return false;
        }
        self.metrics.sessions.one_less();
        self.metrics.sessions_expired.one_more();
        self.leave_fanout(handle, &mut state);
        if handle.journaled {
            self.journal
                .append_lazily(vec![Entry::Ended { session: handle.id }]);
        }
        true
    }
}

pub(super) fn ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}
