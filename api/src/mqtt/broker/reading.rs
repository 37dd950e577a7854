//! From the logs of channels to the sessions that have to get their messages.

use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use crate::mqtt::codec::Reason;
use crate::mqtt::journal::{NextPiece, PieceError, Wanted};
use crate::mqtt::registry::{SessionHandle, SessionState};
use crate::mqtt::session::AHEAD_BYTES;

/// What is taken from a piece at once: by bytes alone, since a piece that was read holds many small messages.
const FROM_PIECE: Wanted = Wanted {
    messages: usize::MAX,
    bytes: AHEAD_BYTES,
};
/// How long to wait before a piece that could not be read is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// How reading from disk for a session went.
enum Loaded {
    /// The session has something to send, or nothing more to read.
    Enough,
    /// The disk fails.
    Later,
}

impl Broker {
    /// Lets a session read on in the logs of its channels. What lies on disk is read aside; the session is woken then.
    pub(in crate::mqtt) fn read_ahead(
        self: &Arc<Self>,
        handle: &Arc<SessionHandle>,
        state: &mut SessionState,
    ) {
        if !handle.journaled {
            return;
        }
        let wanted = state.session.wants_ahead();
        if wanted.is_nothing() {
            return;
        }
        let (positions, loading) = (&mut state.positions, state.loading);
        let (mut ahead, waits_for_disk) = self.journal().read(|journal| {
            let ahead = journal.read(handle.id, positions, wanted);
            let waits = !loading
                && journal.disk_bytes() > 0
                && journal.next_piece(handle.id, positions).is_some();
            (ahead, waits)
        });
        // The journal may not know yet that a channel was withdrawn.
        ahead.retain(|ahead| self.may_use(handle, ahead.delivery.message.channel));
        state.session.read_ahead(ahead);
        if waits_for_disk {
            state.loading = true;
            tokio::spawn(load(Arc::clone(self), Arc::clone(handle)));
        }
    }

    /// Reads pieces until the session has something to send. Blocks.
    fn load_ahead(&self, handle: &SessionHandle) -> Loaded {
        loop {
            let Some(next) = self.next_piece(handle) else {
                return Loaded::Enough;
            };
            let messages = match self.journal().load(&next) {
                Ok(messages) => messages,
                // It was copied elsewhere meanwhile, or nobody needs it any more.
                Err(_) if self.next_piece(handle) != Some(next) => continue,
                Err(error) => return self.not_loaded(handle, next.piece.count, &error),
            };
            let mut state = handle.state.lock();
            let positions = &mut state.positions;
            let mut ahead = self.journal().read(|journal| {
                journal.read_piece(handle.id, positions, &next, &messages, FROM_PIECE)
            });
            ahead.retain(|ahead| self.may_use(handle, ahead.delivery.message.channel));
            if !ahead.is_empty() {
                state.session.read_ahead(ahead);
                return Loaded::Enough;
            }
        }
    }

    fn next_piece(&self, handle: &SessionHandle) -> Option<NextPiece> {
        let mut state = handle.state.lock();
        let positions = &mut state.positions;
        self.journal()
            .read(|journal| journal.next_piece(handle.id, positions))
    }

    fn not_loaded(&self, handle: &SessionHandle, messages: u32, error: &PieceError) -> Loaded {
        if error.is_retryable() {
            tracing::warn!(thing = %handle.thing, %error, "messages that wait for a session cannot be read; trying again");
            return Loaded::Later;
        }
        let mut state = handle.state.lock();
        if !std::mem::replace(&mut state.overrun, true) {
            self.metrics().sessions_overrun.one_more();
            self.metrics().dropped_damaged.add(u64::from(messages));
            tracing::error!(
                thing = %handle.thing,
                client_id = %handle.client_id,
                %error,
                "messages that wait for a session are lost, and it ends"
            );
            handle.end_connection(&mut state, Reason::QUOTA_EXCEEDED);
        }
        Loaded::Enough
    }
}

async fn load(broker: Arc<Broker>, handle: Arc<SessionHandle>) {
    // Few at a time: each holds a piece in memory.
    let permit = broker.loads.acquire().await;
    let (reader, reads) = (Arc::clone(&broker), Arc::clone(&handle));
    let loaded = tokio::task::spawn_blocking(move || reader.load_ahead(&reads)).await;
    drop(permit);
    if !matches!(loaded, Ok(Loaded::Enough)) {
        tokio::time::sleep(PAUSE).await;
    }
    handle.state.lock().loading = false;
    handle.wake.notify_one();
}
