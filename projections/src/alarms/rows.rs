//! What the alarm read model gives.

use tellee_actors::domain::alarm::{Letter, Source, State};
use tellee_actors::domain::alarm_rule::{AlarmClass, Priority};
use tellee_actors::event::Who;
use tellee_actors::ids::{AlarmId, OrganisationId, Position, Revision, ThingId};
use tellee_actors::time::Timestamp;

/// One alarm as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmRow {
    pub id: AlarmId,
    pub organisation: OrganisationId,
    pub source: Source,
    pub state: State,
    pub letter: Letter,
    pub revision: Revision,
    /// Of its last event.
    pub position: Position,
    pub updated_at: Timestamp,
}

/// One event of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// The cursor.
    pub position: Position,
    pub at: Timestamp,
    pub alarm: AlarmId,
    pub thing: ThingId,
    /// `activated`, `escalated`, `returned`, `acknowledged`, `reset`, `shelved`, `unshelved`, `suppressed`,
    /// `unsuppressed`, `taken_out_of_service`, `returned_to_service`, `commented`, `re_alarmed`.
    pub kind: String,
    pub occurrence: u64,
    pub priority: Priority,
    pub class: AlarmClass,
    pub letter: Letter,
    /// The operator was called: the alarm became unacknowledged and is not suppressed.
    pub annunciated: bool,
    pub message: String,
    pub value: Option<f64>,
    pub limit: Option<f64>,
    pub unit: String,
    pub who: Who,
    /// What the person wrote: note, reason, comment.
    pub text: Option<String>,
}

/// Which alarms. Every given part must match.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlarmFilter {
    /// `None`: all but A.
    pub letters: Option<Vec<Letter>>,
    pub priorities: Option<Vec<Priority>>,
    pub classes: Option<Vec<AlarmClass>>,
    pub thing: Option<ThingId>,
    pub unacknowledged: Option<bool>,
}

/// Which journal entries, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JournalQuery {
    pub alarm: Option<AlarmId>,
    pub thing: Option<ThingId>,
    /// Inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
    /// Only entries before this position.
    pub before: Option<Position>,
    /// At most [`crate::registry::PAGE_LIMIT`].
    pub limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriorityCount {
    pub priority: Priority,
    /// B, C, E, F: what the list shows as in alarm.
    pub active: u64,
    /// B, D, E.
    pub unacknowledged: u64,
}

/// For the tally of the header. Process and instrument alarms by priority, the others beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlarmCounts {
    /// P1 to P4, all four.
    pub priorities: Vec<PriorityCount>,
    pub shelved: u64,
    pub suppressed: u64,
    pub out_of_service: u64,
    /// Of class predictive, in B to F.
    pub predictive: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlarmBucket {
    /// Aligned to the clock, UTC, ten minutes long.
    pub start: Timestamp,
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BadActor {
    pub alarm: AlarmId,
    pub thing: ThingId,
    pub message: String,
    pub count: u64,
    /// Of all annunciations in the range.
    pub share: f64,
}

/// How often an alarm of each priority called the operator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriorityShare {
    pub priority: Priority,
    pub count: u64,
    pub share: f64,
}

/// ISA-18.2 / EEMUA 191 figures of annunciated process and instrument alarms.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlarmKpis {
    pub total: u64,
    /// Mean over the range.
    pub per_ten_minutes: f64,
    pub peak_ten_minutes: u64,
    /// The part of the buckets with more than ten.
    pub flood_share: f64,
    /// Buckets that hold at least one, in order of time.
    pub buckets: Vec<AlarmBucket>,
    /// The ten that called most.
    pub bad_actors: Vec<BadActor>,
    pub priorities: Vec<PriorityShare>,
    /// Active for more than 24 hours at the end of the range (or now, if that is earlier).
    pub standing: u64,
    /// Alarms that called three times or more within one minute.
    pub chattering: u64,
}

/// What an alarm feed gives.
#[derive(Debug, Clone, PartialEq)]
pub enum AlarmFeed {
    /// All alarms that are not normal, as of `cursor`.
    Snapshot {
        alarms: Vec<AlarmRow>,
        cursor: Position,
    },
    /// One event and the alarm right after it.
    Change(std::sync::Arc<AlarmChange>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlarmChange {
    pub entry: JournalEntry,
    pub alarm: AlarmRow,
}

impl AlarmFeed {
    /// Where to resume after this.
    pub fn cursor(&self) -> Position {
        match self {
            Self::Snapshot { cursor, .. } => *cursor,
            Self::Change(change) => change.entry.position,
        }
    }
}

/// A place in the list of alarms. As text it is opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmCursor {
    pub(super) rank: i64,
    pub(super) priority: String,
    pub(super) raised_order: i64,
    pub(super) id: AlarmId,
}

impl std::fmt::Display for AlarmCursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}.{}.{}.{}",
            self.rank, self.priority, self.raised_order, self.id
        )
    }
}

impl std::str::FromStr for AlarmCursor {
    type Err = crate::registry::CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.splitn(4, '.');
            Some(Self {
                rank: parts.next()?.parse().ok()?,
                priority: parts.next()?.to_owned(),
                raised_order: parts.next()?.parse().ok()?,
                id: parts.next()?.parse().ok()?,
            })
        };
        parse().ok_or_else(|| crate::registry::CursorError(text.to_owned()))
    }
}

/// One page of alarms: unacknowledged first, then by priority, then the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmListing {
    pub rows: Vec<AlarmRow>,
    pub total: u64,
    pub has_more: bool,
    /// The place after the last row; `None` if there is none.
    pub end: Option<AlarmCursor>,
}

/// One page of the journal, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalListing {
    pub rows: Vec<JournalEntry>,
    pub has_more: bool,
}
