//! Sessions by thing and client id. Client ids of different things never meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tellee_actors::ids::ThingId;
use tellee_actors::time::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::codec::Reason;
use super::fanout::{Readiness, Subscriber};
use super::journal::Positions;
use super::session::Session;
use crate::caller::Caller;

/// A session with all that is known of its connection. Shared by the registry, the fan-out and the connection.
pub struct SessionHandle {
    pub id: u64,
    /// Of a user, the user's id: nothing is connected to it.
    pub thing: ThingId,
    pub user: Option<Caller>,
    pub client_id: Box<str>,
    /// It may outlive its connection: all that happens to it is in the journal.
    pub journaled: bool,
    pub state: Mutex<SessionState>,
    /// Whether there is a connection. Beside the state, so that the fan-out can ask without its lock.
    pub online: AtomicBool,
    /// The connection takes no more for now. In the same way.
    pub busy: AtomicBool,
    /// Something waits for the connection: a message or the order to end.
    pub wake: Notify,
}

pub struct SessionState {
    pub session: Session,
    pub connected: Option<Connected>,
    /// SHA-256 of the key that its client signed in with last; `None` if it came by another credential.
    pub key_hash: Option<[u8; 32]>,
    /// How far the logs of its channels have been read.
    pub positions: Positions,
    /// Messages are being read from disk for it.
    pub loading: bool,
    /// Set while there is no connection.
    pub expires_at: Option<Timestamp>,
    /// The state of access that the subscriptions were last held against.
    pub epoch: u64,
    /// Messages were lost: the session must not be resumed.
    pub overrun: bool,
    /// The credential was revoked: the same.
    pub revoked: bool,
}

/// The present connection of a session.
pub struct Connected {
    /// Why the connection has to end.
    pub end: Option<Reason>,
    /// Cancelled when the connection has let go of the session.
    pub released: CancellationToken,
}

impl SessionState {
    /// Whether the session is to be removed rather than resumed.
    pub const fn is_void(&self) -> bool {
        self.overrun || self.revoked
    }
}

impl SessionHandle {
    /// Tells the connection to end, if there is one.
    pub fn end_connection(&self, state: &mut SessionState, reason: Reason) {
        if let Some(connected) = &mut state.connected {
            connected.end.get_or_insert(reason);
            self.wake.notify_one();
        }
    }
}

/// How the fan-out holds a session.
#[derive(Clone)]
pub struct End(pub Arc<SessionHandle>);

impl Subscriber for End {
    fn id(&self) -> u64 {
        self.0.id
    }

    fn readiness(&self) -> Readiness {
        if !self.0.online.load(Ordering::Relaxed) {
            Readiness::Away
        } else if self.0.busy.load(Ordering::Relaxed) {
            Readiness::Busy
        } else {
            Readiness::Ready
        }
    }
}

/// All sessions of the node.
#[derive(Default)]
pub struct Registry {
    by_thing: HashMap<ThingId, HashMap<Box<str>, Arc<SessionHandle>>>,
}

impl Registry {
    pub fn get(&self, thing: ThingId, client_id: &str) -> Option<&Arc<SessionHandle>> {
        self.by_thing.get(&thing)?.get(client_id)
    }

    pub fn count_of(&self, thing: ThingId) -> usize {
        self.by_thing.get(&thing).map_or(0, HashMap::len)
    }

    pub fn insert(&mut self, handle: Arc<SessionHandle>) {
        self.by_thing
            .entry(handle.thing)
            .or_default()
            .insert(handle.client_id.clone(), handle);
    }

    /// Removes exactly this session, not a later one of the same client id.
    pub fn remove(&mut self, handle: &SessionHandle) -> bool {
        let Some(of_thing) = self.by_thing.get_mut(&handle.thing) else {
            return false;
        };
        if of_thing
            .get(&handle.client_id)
            .is_none_or(|known| known.id != handle.id)
        {
            return false;
        }
        of_thing.remove(&handle.client_id);
        if of_thing.is_empty() {
            self.by_thing.remove(&handle.thing);
        }
        true
    }

    pub fn all(&self) -> Vec<Arc<SessionHandle>> {
        self.by_thing
            .values()
            .flat_map(HashMap::values)
            .cloned()
            .collect()
    }
}
