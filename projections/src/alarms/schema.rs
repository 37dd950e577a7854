//! The tables of the alarm read model. A change here raises [`VERSION`]; the tables are then made anew from the events.

pub(super) const VERSION: u32 = 1;

pub(super) const TABLES: &[&str] = &["alarms", "alarm_journal"];

/// `rank` orders lists: 0 unacknowledged, 1 acknowledged, 2 suppressed in any way, 3 normal. `raised_order` is the
/// negated time of raising, so that the newest comes first in an ascending order.
pub(super) const SCHEMA: &str = "
CREATE TABLE alarms (
    id BLOB PRIMARY KEY, organisation BLOB NOT NULL, rule BLOB NOT NULL, thing BLOB NOT NULL,
    letter TEXT NOT NULL, rank INTEGER NOT NULL, priority TEXT NOT NULL, class TEXT NOT NULL,
    raised_order INTEGER NOT NULL, shelved_until INTEGER, state TEXT NOT NULL,
    revision INTEGER NOT NULL, updated_at INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX alarms_order ON alarms (organisation, rank, priority, raised_order, id);
CREATE INDEX alarms_thing ON alarms (thing, rank);
CREATE INDEX alarms_rule ON alarms (rule);
CREATE INDEX alarms_shelved ON alarms (shelved_until) WHERE shelved_until IS NOT NULL;

CREATE TABLE alarm_journal (
    position INTEGER PRIMARY KEY, organisation BLOB NOT NULL, at INTEGER NOT NULL, alarm BLOB NOT NULL,
    thing BLOB NOT NULL, kind TEXT NOT NULL, occurrence INTEGER NOT NULL, priority TEXT NOT NULL, class TEXT NOT NULL,
    letter TEXT NOT NULL, annunciated INTEGER NOT NULL, message TEXT NOT NULL, value REAL, limit_value REAL,
    unit TEXT NOT NULL, who TEXT NOT NULL, text TEXT, revision INTEGER NOT NULL, state TEXT NOT NULL
) STRICT;
CREATE INDEX alarm_journal_organisation ON alarm_journal (organisation, position);
CREATE INDEX alarm_journal_alarm ON alarm_journal (alarm, position);
CREATE INDEX alarm_journal_thing ON alarm_journal (thing, position);
CREATE INDEX alarm_journal_annunciated ON alarm_journal (organisation, at, alarm, priority, class) WHERE annunciated = 1;
CREATE INDEX alarm_journal_condition ON alarm_journal (alarm, position, kind, at) WHERE kind IN ('activated', 'returned');
";
