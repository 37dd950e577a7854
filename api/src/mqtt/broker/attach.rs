//! How a connection takes hold of its session and lets go of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Broker, SignedIn};
use crate::mqtt::codec::{Reason, Will};
use crate::mqtt::registry::{Connected, SessionHandle, SessionState};
use crate::mqtt::session::{ClientLimits, Session, SessionLimits};
use crate::mqtt::topic;

/// How long an earlier connection of the same client may take to finish what it has taken.
const TAKE_OVER_PATIENCE: Duration = Duration::from_secs(15);

/// A session in the hands of a connection.
pub(in crate::mqtt) struct Attached {
    pub handle: Arc<SessionHandle>,
    /// The client finds the session it left.
    pub present: bool,
}

/// How a connection ended.
#[derive(Debug)]
pub(in crate::mqtt) struct Ending {
    /// To be published, now or after its delay.
    pub will: Option<Will>,
    /// Seconds that the session stays; 0 ends it.
    pub session_expiry: u32,
}

enum Attempt {
    Done(Attached, Option<Arc<SessionHandle>>),
    /// An earlier connection was told to end.
    Wait(CancellationToken),
}

impl Broker {
    /// Opens or resumes the session of a client. An earlier connection of the same client is ended first
    /// (MQTT-3.1.4-3), and waited for: what it has taken is then settled.
    pub(in crate::mqtt) async fn attach(
        &self,
        client: SignedIn,
        client_id: &str,
        clean_start: bool,
        limits: ClientLimits,
    ) -> Result<Attached, Reason> {
        loop {
            match self.try_attach(client, client_id, clean_start, limits)? {
                Attempt::Done(attached, ended) => {
                    if let Some(ended) = ended {
                        self.end_session(&ended).await;
                    }
                    self.metrics.connected.one_more();
                    return Ok(attached);
                }
                Attempt::Wait(released) => {
                    tokio::time::timeout(TAKE_OVER_PATIENCE, released.cancelled())
                        .await
                        .map_err(|_| Reason::SERVER_UNAVAILABLE)?
                }
            }
        }
    }

    fn try_attach(
        &self,
        client: SignedIn,
        client_id: &str,
        clean_start: bool,
        limits: ClientLimits,
    ) -> Result<Attempt, Reason> {
        let thing = client.publisher.thing;
        let connected = Connected {
            key_hash: client.key_hash,
            end: None,
            released: CancellationToken::new(),
        };
        let mut sessions = self.sessions.lock();
        if self.shutdown.is_cancelled() {
            return Err(Reason::SERVER_SHUTTING_DOWN);
        }
        let mut ended = None;
        if let Some(handle) = sessions.get(thing, client_id) {
            let mut state = handle.state.lock();
            if let Some(earlier) = &state.connected {
                let released = earlier.released.clone();
                if earlier.end.is_none() {
                    self.metrics.sessions_taken_over.one_more();
                }
                handle.end_connection(&mut state, Reason::SESSION_TAKEN_OVER);
                return Ok(Attempt::Wait(released));
            }
            if !clean_start && !state.overrun {
                state.session.resume(limits);
                state.connected = Some(connected);
                state.expires_at = None;
                state.will = None;
                handle.online.store(true, Ordering::Relaxed);
                drop(state);
                return Ok(Attempt::Done(
                    Attached {
                        handle: Arc::clone(handle),
                        present: true,
                    },
                    None,
                ));
            }
            drop(state);
            ended = Some(Arc::clone(handle));
        }
        if let Some(ended) = &ended {
            sessions.remove(ended);
        } else if sessions.count_of(thing) >= self.config.max_sessions_per_thing {
            return Err(Reason::QUOTA_EXCEEDED);
        } else {
            self.metrics.sessions.one_more();
        }
        let handle = self.new_session(client, client_id, limits, connected);
        sessions.insert(Arc::clone(&handle));
        Ok(Attempt::Done(
            Attached {
                handle,
                present: false,
            },
            ended,
        ))
    }

    fn new_session(
        &self,
        client: SignedIn,
        client_id: &str,
        limits: ClientLimits,
        connected: Connected,
    ) -> Arc<SessionHandle> {
        let session_limits = SessionLimits {
            queue_bytes: self.config.session_queue_bytes,
            queue_messages: self.config.session_queue_messages,
            inflight: self.config.inflight_maximum,
        };
        let state = SessionState {
            session: Session::new(session_limits, limits, Arc::clone(&self.queue_budget)),
            connected: Some(connected),
            will: None,
            expires_at: None,
            epoch: self.access.epoch(),
            overrun: false,
        };
        Arc::new(SessionHandle {
            id: self.next_session.fetch_add(1, Ordering::Relaxed),
            thing: client.publisher.thing,
            client_id: client_id.into(),
            state: Mutex::new(state),
            online: AtomicBool::new(true),
            wake: Notify::new(),
        })
    }

    /// Lets go of a session at the end of its connection. The session stays if it has an expiry.
    pub(in crate::mqtt) async fn detach(&self, handle: &Arc<SessionHandle>, ending: Ending) {
        let now = self.ingest.clock().now();
        let mut will = ending.will;
        let released = {
            // The registry first: nobody may find the session between its end and its removal.
            let mut sessions = self.sessions.lock();
            let mut state = handle.state.lock();
            let stays = ending.session_expiry > 0 && !state.overrun;
            if stays {
                state.expires_at =
                    Some(now.saturating_add(Duration::from_secs(u64::from(ending.session_expiry))));
                if let Some(delayed) = will.take_if(|will| will.delay > 0) {
                    let delay = delayed.delay.min(ending.session_expiry);
                    state.will = Some((
                        now.saturating_add(Duration::from_secs(u64::from(delay))),
                        delayed,
                    ));
                }
            } else {
                sessions.remove(handle);
                self.metrics.sessions.one_less();
                self.leave_fanout(handle, &mut state);
            }
            handle.online.store(false, Ordering::Relaxed);
            state.connected.take().map(|connected| connected.released)
        };
        self.metrics.connected.one_less();
        if let Some(will) = will {
            self.publish_will(handle, will).await;
        }
        if let Some(released) = released {
            released.cancel();
        }
    }

    /// Ends a session that is out of the registry and has no connection. Its delayed will is due now.
    pub(super) async fn end_session(&self, handle: &Arc<SessionHandle>) {
        let will = {
            let mut state = handle.state.lock();
            self.leave_fanout(handle, &mut state);
            state.will.take()
        };
        if let Some((_, will)) = will {
            self.publish_will(handle, will).await;
        }
    }

    fn leave_fanout(&self, handle: &SessionHandle, state: &mut SessionState) {
        for filter in state.session.withdraw(|_| false) {
            self.unsubscribe_text(&filter, handle.id);
        }
    }

    pub(super) fn unsubscribe_text(&self, filter: &str, session: u64) {
        if let Ok(filter) = topic::parse_filter(filter) {
            self.fanout.unsubscribe(filter, session);
        }
    }
}
