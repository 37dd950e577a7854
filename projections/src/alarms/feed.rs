//! The live feed of alarms: a snapshot, then every change, never conflated.
//!
//! Recent changes are kept in memory for all subscribers. One that falls behind them reads on from the journal by its
//! cursor, so that a slow consumer costs no memory and loses nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tellee_actors::ids::{OrganisationId, Position};
use tellee_actors::store::StoreError;
use tokio::sync::watch;

use super::Alarms;
use super::rows::{AlarmChange, AlarmFeed};

/// Changes kept in memory.
const RECENT: usize = 1_024;
/// Changes taken at once.
const PAGE: usize = 128;
const PAUSE: Duration = Duration::from_millis(200);

/// The newest changes of all organisations.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// All changes after this position are in `changes`.
    floor: Position,
    changes: VecDeque<Arc<AlarmChange>>,
}

impl Recent {
    pub(super) const fn starting_at(floor: Position) -> Self {
        Self {
            floor,
            changes: VecDeque::new(),
        }
    }

    /// The position of the newest change, or where this began.
    pub(super) fn newest(&self) -> Position {
        self.changes
            .back()
            .map_or(self.floor, |change| change.entry.position)
    }

    pub(super) fn push(&mut self, change: AlarmChange) {
        if self.changes.len() == RECENT
            && let Some(oldest) = self.changes.pop_front()
        {
            self.floor = oldest.entry.position;
        }
        self.changes.push_back(Arc::new(change));
    }

    /// Changes of `organisation` after `cursor`, at most [`PAGE`], and the position of the newest change of all; `None`
    /// if some are not here any more.
    fn after(
        &self,
        organisation: OrganisationId,
        cursor: Position,
    ) -> Option<(VecDeque<Arc<AlarmChange>>, Position)> {
        if cursor < self.floor {
            return None;
        }
        let first = self
            .changes
            .partition_point(|change| change.entry.position <= cursor);
        let mut found = VecDeque::new();
        for change in self.changes.iter().skip(first) {
            if change.alarm.organisation != organisation {
                continue;
            }
            found.push_back(Arc::clone(change));
            if found.len() == PAGE {
                break;
            }
        }
        Some((found, self.newest().max(cursor)))
    }
}

struct Subscription {
    alarms: Alarms,
    organisation: OrganisationId,
    /// `None`: the snapshot comes next.
    cursor: Option<Position>,
    /// Whether the cursor that the subscriber brought was looked at.
    checked: bool,
    pending: VecDeque<Arc<AlarmChange>>,
    advanced: watch::Receiver<Position>,
}

/// What a look for more brought.
enum Found {
    Snapshot(AlarmFeed),
    /// Changes are pending now, or a further look is due.
    More,
    Nothing,
}

impl Alarms {
    /// The alarms of `organisation` as they change. Without `after`: first a snapshot, with the cursor taken in the same
    /// instant. With it: every change after that cursor; a cursor from the future, of a store that was set back since,
    /// is answered with a snapshot. Ends when the store is closed.
    pub fn changes(
        &self,
        organisation: OrganisationId,
        after: Option<Position>,
    ) -> impl Stream<Item = AlarmFeed> + Send + use<> {
        let subscription = Subscription {
            alarms: self.clone(),
            organisation,
            cursor: after,
            checked: false,
            pending: VecDeque::new(),
            advanced: self.advanced(),
        };
        unfold(subscription, |mut subscription| async move {
            let item = subscription.next().await?;
            Some((item, subscription))
        })
    }
}

impl Subscription {
    async fn next(&mut self) -> Option<AlarmFeed> {
        loop {
            if let Some(change) = self.pending.pop_front() {
                self.cursor = Some(change.entry.position);
                return Some(AlarmFeed::Change(change));
            }
            match self.look().await {
                Ok(Found::Snapshot(snapshot)) => return Some(snapshot),
                Ok(Found::More) => {}
                Ok(Found::Nothing) => self.advanced.changed().await.ok()?,
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "an alarm feed waits for the store");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    tracing::info!(%error, "an alarm feed ends");
                    return None;
                }
            }
        }
    }

    async fn look(&mut self) -> Result<Found, StoreError> {
        let Some(cursor) = self.cursor else {
            return self.snapshot().await;
        };
        if !self.checked {
            self.checked = true;
            if cursor > self.alarms.position().await? {
                return self.snapshot().await;
            }
        }
        // Seen before looking, so that what comes in between wakes us again.
        self.advanced.borrow_and_update();
        let recent = self
            .alarms
            .recent(|recent| (recent.after(self.organisation, cursor), recent.floor));
        match recent {
            (Some((found, newest)), _) if found.is_empty() => {
                self.cursor = Some(newest);
                Ok(Found::Nothing)
            }
            (Some((found, _)), _) => {
                self.pending = found;
                Ok(Found::More)
            }
            (None, floor) => {
                let found = self
                    .alarms
                    .changes_after(self.organisation, cursor, PAGE)
                    .await?;
                if found.is_empty() {
                    // Everything up to the floor was in the journal already when we looked.
                    self.cursor = Some(floor);
                }
                self.pending = found.into_iter().map(Arc::new).collect();
                Ok(Found::More)
            }
        }
    }

    async fn snapshot(&mut self) -> Result<Found, StoreError> {
        let (alarms, cursor) = self.alarms.snapshot(self.organisation).await?;
        self.cursor = Some(cursor);
        self.checked = true;
        Ok(Found::Snapshot(AlarmFeed::Snapshot { alarms, cursor }))
    }
}
