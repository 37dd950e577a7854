//! What time and changes of access do to sessions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tellee_actors::time::Timestamp;

use super::Broker;
use crate::mqtt::codec::{Reason, Will};
use crate::mqtt::registry::{SessionHandle, SessionState};

const INTERVAL: Duration = Duration::from_millis(250);

impl Broker {
    /// Runs until the broker is stopped: the effect of revoked keys and withdrawn channels on open sessions, expiry of
    /// sessions and retained messages, and delayed wills.
    pub(in crate::mqtt) async fn upkeep(self: Arc<Self>) {
        // Once, however many listeners there are.
        if self.upkept.swap(true, Ordering::Relaxed) {
            return;
        }
        // Apart, because a will waits for the store and a revoked key must not.
        let upkeep = async { tokio::join!(self.follow_access(), self.follow_time()) };
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            ((), ()) = upkeep => {}
        }
    }

    async fn follow_access(&self) {
        let mut ticks = ticks();
        let mut held_against = self.access.epoch();
        loop {
            ticks.tick().await;
            let epoch = self.access.epoch();
            if epoch == held_against {
                continue;
            }
            held_against = epoch;
            for handle in self.sessions.lock().all() {
                self.recheck(&handle);
            }
        }
    }

    async fn follow_time(&self) {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            let now = self.ingest.clock().now();
            let handles = self.sessions.lock().all();
            for handle in &handles {
                if let Some(will) = self.due(handle, now) {
                    self.publish_will(handle, will).await;
                }
            }
            self.retained.lock().expire(now);
        }
    }

    /// Holds a session against the present state of access.
    fn recheck(&self, handle: &Arc<SessionHandle>) {
        let mut state = handle.state.lock();
        match &state.connected {
            Some(connected) => {
                let known = match &connected.key_hash {
                    Some(key_hash) => self.access.thing_by_key_hash(key_hash),
                    None => self.access.thing(handle.thing),
                };
                if known.is_none_or(|access| access.thing != handle.thing) {
                    self.metrics.sessions_revoked.one_more();
                    handle.end_connection(&mut state, Reason::NOT_AUTHORISED);
                }
            }
            None if self.access.thing(handle.thing).is_none() => {
                state.expires_at = Some(Timestamp::MIN)
            }
            None => {}
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
        for filter in state
            .session
            .withdraw(|channel| self.access.may_use(handle.thing, channel))
        {
            self.unsubscribe_text(&filter, handle.id);
        }
    }

    /// The will that is due now, of a session whose delay or whose own time is over. The latter is removed.
    fn due(&self, handle: &Arc<SessionHandle>, now: Timestamp) -> Option<Will> {
        if handle.online.load(Ordering::Relaxed) {
            return None;
        }
        let mut sessions = self.sessions.lock();
        let mut state = handle.state.lock();
        if state.connected.is_some() {
            return None;
        }
        let expired = state.overrun || state.expires_at.is_some_and(|expires_at| expires_at <= now);
        if expired && sessions.remove(handle) {
            self.metrics.sessions.one_less();
            self.metrics.sessions_expired.one_more();
            for filter in state.session.withdraw(|_| false) {
                self.unsubscribe_text(&filter, handle.id);
            }
            return state.will.take().map(|(_, will)| will);
        }
        state
            .will
            .take_if(|(due, _)| *due <= now)
            .map(|(_, will)| will)
    }
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}
