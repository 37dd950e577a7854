//! Following the log: pages of what there is, then of what comes.

use std::sync::Arc;

use tokio::sync::watch;

use super::{EventStore, StoreError};
use crate::event::RecordedEvent;
use crate::ids::Position;

/// Events in one page of a follower, unless it asks for another number.
const DEFAULT_PAGE: usize = 512;

/// Reads all events after a position and then waits for more. It skips none; one that starts again from an older
/// checkpoint sees events again.
pub struct Follower {
    store: Arc<dyn EventStore>,
    head: watch::Receiver<Position>,
    after: Position,
    page: usize,
}

/// Follows all events of `store` after position `after`.
pub fn follow_all(store: Arc<dyn EventStore>, after: Position) -> Follower {
    let head = store.head();
    Follower {
        store,
        head,
        after,
        page: DEFAULT_PAGE,
    }
}

impl Follower {
    /// With at most `events` in a page.
    #[must_use]
    pub fn with_page(mut self, events: usize) -> Self {
        self.page = events.max(1);
        self
    }

    /// The position of the last event that was given out.
    pub const fn after(&self) -> Position {
        self.after
    }

    /// How far the newest event is ahead of the last that was given out, in positions.
    pub fn lag(&self) -> u64 {
        self.head.borrow().0.saturating_sub(self.after.0)
    }

    /// The next events, at least one; waits until there are any. A dropped future loses nothing.
    ///
    /// # Errors
    /// What the store says. The follower stays where it was and may be asked again.
    pub async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, StoreError> {
        loop {
            // Seen before reading: an event added between the read and the wait ends the wait at once.
            let head = *self.head.borrow_and_update();
            if head > self.after {
                let page = self.store.read_all(self.after, self.page).await?;
                if let Some(last) = page.last() {
                    self.after = last.position;
                    return Ok(page);
                }
            }
            self.head.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }
}
