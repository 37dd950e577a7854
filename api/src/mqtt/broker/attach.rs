//! How a connection takes hold of its session and lets go of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Broker, SignedIn};
use crate::mqtt::codec::{Reason, Will};
use crate::mqtt::journal::{Entry, Owner, Position, Positions};
use crate::mqtt::registry::{Connected, SessionHandle, SessionState};
use crate::mqtt::session::{ClientLimits, Released, Session, SessionLimits};
use crate::mqtt::topic;

/// How long an earlier connection of the same client may take to finish what it has taken.
const TAKE_OVER_PATIENCE: Duration = Duration::from_secs(15);

/// A session in the hands of a connection.
pub(in crate::mqtt) struct Attached {
    pub handle: Arc<SessionHandle>,
    /// The client finds the session it left.
    pub present: bool,
    /// Has to be durable before the client is told.
    pub position: Position,
}

/// What a client asks of its session.
#[derive(Debug, Clone)]
pub(in crate::mqtt) struct Wishes<'a> {
    pub client_id: &'a str,
    pub clean_start: bool,
    /// Seconds that the session outlives the connection.
    pub expiry: u32,
    pub will: Option<&'a Will>,
}

/// What becomes of a will when its connection ends.
#[derive(Debug)]
pub(in crate::mqtt) enum WillFate {
    /// There is none, or the client does not want it any more.
    Dropped,
    /// To be published, now or after its delay.
    Due(Will),
    /// The server ends: the will waits for its next start, and for its client to return.
    Deferred,
}

/// How a connection ended.
#[derive(Debug)]
pub(in crate::mqtt) struct Ending {
    pub will: WillFate,
    pub had_will: bool,
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
        wishes: &Wishes<'_>,
        limits: ClientLimits,
    ) -> Result<Attached, Reason> {
        loop {
            match self.try_attach(client, wishes, limits)? {
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
        wishes: &Wishes<'_>,
        limits: ClientLimits,
    ) -> Result<Attempt, Reason> {
        let (thing, client_id) = (client.publisher.thing, wishes.client_id);
        let connected = Connected {
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
            if !wishes.clean_start && !state.is_void() {
                state.session.resume(limits);
                state.connected = Some(connected);
                state.expires_at = None;
                state.key_hash = client.key_hash;
                handle.busy.store(false, Ordering::Relaxed);
                handle.online.store(true, Ordering::Relaxed);
                let resumed = Entry::Resumed {
                    session: handle.id,
                    key_hash: client.key_hash,
                    expiry: wishes.expiry,
                };
                let will = will_entry(handle, wishes.will)
                    .unwrap_or(Entry::WillCleared { session: handle.id });
                let position = self.journal.append(vec![resumed, will]);
                drop(state);
                return Ok(Attempt::Done(
                    Attached {
                        handle: Arc::clone(handle),
                        present: true,
                        position,
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
        let handle = self.new_session(client, wishes, limits, connected);
        sessions.insert(Arc::clone(&handle));
        let mut entries: Vec<Entry> = ended
            .iter()
            .filter(|ended| ended.journaled)
            .map(|ended| Entry::Ended { session: ended.id })
            .collect();
        if handle.journaled {
            entries.push(Entry::Opened {
                session: handle.id,
                owner: Owner {
                    thing,
                    client_id: client_id.into(),
                    key_hash: client.key_hash,
                },
                expiry: wishes.expiry,
            });
        }
        entries.extend(will_entry(&handle, wishes.will));
        let position = if entries.is_empty() {
            0
        } else {
            self.journal.append(entries)
        };
        Ok(Attempt::Done(
            Attached {
                handle,
                present: false,
                position,
            },
            ended,
        ))
    }

    fn new_session(
        &self,
        client: SignedIn,
        wishes: &Wishes<'_>,
        limits: ClientLimits,
        connected: Connected,
    ) -> Arc<SessionHandle> {
        let budget = Arc::clone(&self.queue_budget);
        let state = SessionState {
            session: Session::new(self.session_limits(), limits, budget),
            connected: Some(connected),
            key_hash: client.key_hash,
            positions: Positions::default(),
            loading: false,
            expires_at: None,
            epoch: self.access.epoch(),
            overrun: false,
            revoked: false,
        };
        Arc::new(SessionHandle {
            id: self.next_session.fetch_add(1, Ordering::Relaxed),
            thing: client.publisher.thing,
            client_id: wishes.client_id.into(),
            user: client.user,
            journaled: wishes.expiry > 0,
            state: Mutex::new(state),
            online: AtomicBool::new(true),
            busy: AtomicBool::new(false),
            wake: Notify::new(),
        })
    }

    pub(super) const fn session_limits(&self) -> SessionLimits {
        SessionLimits {
            queue_bytes: self.config.session_queue_bytes,
            queue_messages: self.config.session_queue_messages,
            inflight: self.config.inflight_maximum,
        }
    }

    /// Lets go of a session at the end of its connection. The session stays if it has an expiry.
    pub(in crate::mqtt) async fn detach(&self, handle: &Arc<SessionHandle>, ending: Ending) {
        let now = self.ingest.clock().now();
        let after = |seconds: u32| now.saturating_add(Duration::from_secs(u64::from(seconds)));
        let session = handle.id;
        let mut entries = Vec::new();
        let (released, will) = {
            // The registry first: nobody may find the session between its end and its removal.
            let mut sessions = self.sessions.lock();
            let mut state = handle.state.lock();
            let stays = ending.session_expiry > 0 && !state.is_void();
            if stays {
                let expires_at = after(ending.session_expiry);
                state.expires_at = Some(expires_at);
                entries.push(Entry::Left {
                    session,
                    expires_at,
                });
            } else {
                sessions.remove(handle);
                self.metrics.sessions.one_less();
                self.leave_fanout(handle, &mut state);
                entries.extend(handle.journaled.then_some(Entry::Ended { session }));
            }
            let will = match ending.will {
                WillFate::Due(will) if stays && will.delay > 0 => {
                    let due = after(will.delay.min(ending.session_expiry));
                    entries.push(Entry::WillDue { session, due });
                    None
                }
                WillFate::Due(will) => Some(will),
                WillFate::Dropped if ending.had_will => {
                    entries.push(Entry::WillCleared { session });
                    None
                }
                WillFate::Dropped | WillFate::Deferred => None,
            };
            handle.online.store(false, Ordering::Relaxed);
            // Under the lock: the next connection's entries come behind these.
            self.journal.append_lazily(entries);
            (
                state.connected.take().map(|connected| connected.released),
                will,
            )
        };
        self.metrics.connected.one_less();
        self.hand_over();
        if let Some(will) = will {
            self.publish_will(session, handle.thing, &will).await;
        }
        if let Some(released) = released {
            released.cancel();
        }
    }

    /// Ends a session that is out of the registry and has no connection. Its delayed will is due now.
    pub(super) async fn end_session(&self, handle: &Arc<SessionHandle>) {
        self.leave_fanout(handle, &mut handle.state.lock());
        self.publish_pending_will(handle.id).await;
    }

    /// The session ends. What it leaves to its share groups is handed over by [`Broker::hand_over`], or by the journal's
    /// entry of its end.
    pub(super) fn leave_fanout(&self, handle: &SessionHandle, state: &mut SessionState) {
        let released = state.session.end();
        self.release(handle, released);
    }

    pub(super) fn release(&self, handle: &SessionHandle, released: Released) {
        for filter in released.filters {
            self.unsubscribe_text(&filter, handle.id);
        }
        if !handle.journaled {
            self.orphan(released.orphans);
        }
    }

    pub(super) fn unsubscribe_text(&self, filter: &str, session: u64) {
        if let Ok(filter) = topic::parse_filter(filter) {
            self.fanout.unsubscribe(filter, session);
        }
    }
}

fn will_entry(handle: &SessionHandle, will: Option<&Will>) -> Option<Entry> {
    Some(Entry::WillSet {
        session: handle.id,
        thing: handle.thing,
        will: Arc::new(detached(will?)),
    })
}

/// The same, in memory of its own rather than in that of the packet it came in.
fn detached(will: &Will) -> Will {
    let mut will = will.clone();
    will.payload = Bytes::copy_from_slice(&will.payload);
    if let Some(properties) = &mut will.properties {
        properties.detach();
    }
    will
}
