//! The alarm read model: every alarm as it stands, and the journal of what happened to each.

mod apply;
mod feed;
mod kpis;
mod read;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::Mutex;
use tellee_actors::ids::{AlarmId, AlarmRuleId, OrganisationId, Position, ThingId};
use tellee_actors::store::StoreError;
use tellee_actors::store::database::Database;
use tellee_actors::time::Timestamp;
use tokio::sync::watch;

use self::feed::Recent;
pub use self::rows::{
    AlarmBucket, AlarmChange, AlarmCounts, AlarmCursor, AlarmFeed, AlarmFilter, AlarmKpis,
    AlarmListing, AlarmRow, BadActor, JournalEntry, JournalListing, JournalQuery, PriorityCount,
    PriorityShare,
};
use crate::follower::{Batch, DomainEvent, Projection, checkpoint};
use crate::registry::PAGE_LIMIT;

pub(crate) const PROJECTION: Projection = Projection {
    name: "alarms",
    version: schema::VERSION,
    tables: schema::TABLES,
    schema: schema::SCHEMA,
    apply: apply::apply,
};

/// Reads alarms. Clones share it.
#[derive(Debug, Clone)]
pub struct Alarms {
    database: Database,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    recent: Mutex<Recent>,
    advanced: watch::Sender<Position>,
}

impl Alarms {
    pub(crate) async fn open(database: Database) -> Result<Self, StoreError> {
        let newest = database.read(read::newest).await?;
        let shared = Shared {
            recent: Mutex::new(Recent::starting_at(newest)),
            advanced: watch::Sender::new(newest),
        };
        Ok(Self {
            database,
            shared: Arc::new(shared),
        })
    }

    /// One alarm of `organisation`, normal ones too.
    pub async fn alarm(
        &self,
        organisation: OrganisationId,
        id: AlarmId,
    ) -> Result<Option<AlarmRow>, StoreError> {
        let alarm = self.present(id).await?;
        Ok(alarm.filter(|alarm| alarm.organisation == organisation))
    }

    /// Alarms that match: unacknowledged first, then by priority, then the newest first.
    pub async fn alarms(
        &self,
        organisation: OrganisationId,
        filter: AlarmFilter,
        after: Option<AlarmCursor>,
        limit: u32,
    ) -> Result<AlarmListing, StoreError> {
        self.database
            .read(move |connection| {
                read::list(connection, organisation, &filter, after.as_ref(), limit)
            })
            .await
    }

    /// The alarm of each of `things` that comes first in a list, for those that have one.
    pub async fn worst_of(
        &self,
        organisation: OrganisationId,
        things: Vec<ThingId>,
    ) -> Result<Vec<AlarmRow>, StoreError> {
        self.database
            .read(move |connection| read::worst_of(connection, organisation, &things))
            .await
    }

    pub async fn counts(&self, organisation: OrganisationId) -> Result<AlarmCounts, StoreError> {
        self.database
            .read(move |connection| read::counts(connection, organisation))
            .await
    }

    /// What happened, newest first.
    pub async fn journal(
        &self,
        organisation: OrganisationId,
        query: JournalQuery,
    ) -> Result<JournalListing, StoreError> {
        let limit = query.limit.min(PAGE_LIMIT) as usize;
        let mut rows = self
            .database
            .read(move |connection| read::journal(connection, organisation, &query))
            .await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(JournalListing { rows, has_more })
    }

    /// The figures of ISA-18.2 from `from`, inclusive, to `to`, exclusive. Give the present time as `to`, not one to come:
    /// rates are means over the whole range.
    pub async fn kpis(
        &self,
        organisation: OrganisationId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<AlarmKpis, StoreError> {
        self.database
            .read(move |connection| kpis::kpis(connection, organisation, from, to))
            .await
    }

    /// The alarm with `id`, in whichever organisation.
    pub(crate) async fn present(&self, id: AlarmId) -> Result<Option<AlarmRow>, StoreError> {
        self.database
            .read(move |connection| read::find(connection, id))
            .await
    }

    /// The alarms of a rule, in whichever state.
    pub(crate) async fn of_rule(&self, rule: AlarmRuleId) -> Result<Vec<AlarmRow>, StoreError> {
        self.database
            .read(move |connection| read::of_rule(connection, rule))
            .await
    }

    /// The rules of all alarms that are not normal.
    pub(crate) async fn standing_rules(&self) -> Result<Vec<AlarmRuleId>, StoreError> {
        self.database.read(read::standing_rules).await
    }

    /// Alarms of models whose condition is abnormal, of all organisations.
    pub async fn standing_scores(&self) -> Result<Vec<AlarmRow>, StoreError> {
        self.database.read(read::standing_scores).await
    }

    pub(crate) async fn overdue_shelvings(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<AlarmRow>, StoreError> {
        self.database
            .read(move |connection| read::overdue_shelvings(connection, now, limit))
            .await
    }

    /// All alarms that are not normal and the position at which they stood so.
    async fn snapshot(
        &self,
        organisation: OrganisationId,
    ) -> Result<(Vec<AlarmRow>, Position), StoreError> {
        self.database
            .read(move |connection| {
                let alarms = read::all_standing(connection, organisation)?;
                Ok((alarms, checkpoint(connection, PROJECTION.name)?))
            })
            .await
    }

    async fn position(&self) -> Result<Position, StoreError> {
        self.database
            .read(|connection| checkpoint(connection, PROJECTION.name))
            .await
    }

    async fn changes_after(
        &self,
        organisation: OrganisationId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<AlarmChange>, StoreError> {
        self.database
            .read(move |connection| {
                read::changes_after(connection, Some(organisation), after, limit)
            })
            .await
    }

    fn recent<T>(&self, look: impl FnOnce(&Recent) -> T) -> T {
        look(&self.shared.recent.lock())
    }

    fn advanced(&self) -> watch::Receiver<Position> {
        self.shared.advanced.subscribe()
    }

    /// Takes in what `batch` added to the journal and wakes the feeds.
    pub(crate) async fn advance(&self, batch: &Batch) -> Result<(), StoreError> {
        if !batch
            .events
            .iter()
            .any(|event| matches!(event.event, DomainEvent::Alarm(_)))
        {
            return Ok(());
        }
        let newest = self.recent(Recent::newest);
        let limit = batch.events.len();
        let changes = self
            .database
            .read(move |connection| read::changes_after(connection, None, newest, limit))
            .await?;
        let mut recent = self.shared.recent.lock();
        for change in changes {
            recent.push(change);
        }
        self.shared.advanced.send_replace(recent.newest());
        Ok(())
    }
}
