//! Reading alarms and the journal.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Error, OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;
use tellee_actors::domain::alarm::State;
use tellee_actors::ids::{AlarmId, OrganisationId, Position, ThingId};
use tellee_actors::time::Timestamp;

use super::rows::{
    AlarmChange, AlarmCounts, AlarmCursor, AlarmFilter, AlarmListing, AlarmRow, JournalEntry,
    JournalQuery, PriorityCount,
};
use crate::follower::sql::{
    get_count, get_id, get_json, get_position, get_revision, get_stamp, get_word, to_word,
};
use crate::registry::PAGE_LIMIT;

fn blob(id: uuid::Uuid) -> SqlValue {
    SqlValue::Blob(id.as_bytes().to_vec())
}

pub(super) fn alarm_row(row: &Row<'_>) -> Result<AlarmRow, Error> {
    let state: State = get_json(row, "state")?;
    Ok(AlarmRow {
        id: get_id(row, "id")?,
        organisation: get_id(row, "organisation")?,
        source: state.source.clone().ok_or(Error::QueryReturnedNoRows)?,
        letter: get_word(row, "letter")?,
        revision: get_revision(row, "revision")?,
        position: get_position(row, "position")?,
        updated_at: get_stamp(row, "updated_at")?,
        state,
    })
}

fn entry(row: &Row<'_>) -> Result<JournalEntry, Error> {
    Ok(JournalEntry {
        position: get_position(row, "position")?,
        at: get_stamp(row, "at")?,
        alarm: get_id(row, "alarm")?,
        thing: get_id(row, "thing")?,
        kind: row.get("kind")?,
        occurrence: get_count(row, "occurrence")?,
        priority: get_word(row, "priority")?,
        class: get_word(row, "class")?,
        letter: get_word(row, "letter")?,
        annunciated: row.get("annunciated")?,
        message: row.get("message")?,
        value: row.get("value")?,
        limit: row.get("limit_value")?,
        unit: row.get("unit")?,
        who: get_json(row, "who")?,
        text: row.get("text")?,
    })
}

fn change(row: &Row<'_>) -> Result<AlarmChange, Error> {
    let entry = entry(row)?;
    let state: State = get_json(row, "state")?;
    let alarm = AlarmRow {
        id: entry.alarm,
        organisation: get_id(row, "organisation")?,
        source: state.source.clone().ok_or(Error::QueryReturnedNoRows)?,
        letter: entry.letter,
        revision: get_revision(row, "revision")?,
        position: entry.position,
        updated_at: entry.at,
        state,
    };
    Ok(AlarmChange { entry, alarm })
}

/// The alarm with `id`, in whichever organisation.
pub(super) fn find(connection: &Connection, id: AlarmId) -> Result<Option<AlarmRow>, Error> {
    connection
        .prepare_cached("SELECT * FROM alarms WHERE id = ?1")?
        .query_row([id.0.as_bytes()], alarm_row)
        .optional()
}

struct Conditions {
    sql: String,
    values: Vec<SqlValue>,
}

impl Conditions {
    fn new(organisation: OrganisationId) -> Self {
        Self {
            sql: "organisation = ?".to_owned(),
            values: vec![blob(organisation.0)],
        }
    }

    fn and(&mut self, sql: &str, values: impl IntoIterator<Item = SqlValue>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.extend(values);
    }

    fn and_one_of<W: Serialize>(&mut self, column: &str, words: &[W]) -> Result<(), Error> {
        let values = words
            .iter()
            .map(|word| to_word(word).map(SqlValue::Text))
            .collect::<Result<Vec<_>, _>>()?;
        let marks = vec!["?"; values.len()].join(",");
        self.and(&format!("{column} IN ({marks})"), values);
        Ok(())
    }
}

fn alarm_conditions(
    organisation: OrganisationId,
    filter: &AlarmFilter,
) -> Result<Conditions, Error> {
    let mut conditions = Conditions::new(organisation);
    match &filter.letters {
        Some(letters) => conditions.and_one_of("letter", letters)?,
        None => conditions.and("rank < 3", []),
    }
    if let Some(priorities) = &filter.priorities {
        conditions.and_one_of("priority", priorities)?;
    }
    if let Some(classes) = &filter.classes {
        conditions.and_one_of("class", classes)?;
    }
    if let Some(thing) = filter.thing {
        conditions.and("thing = ?", [blob(thing.0)]);
    }
    if let Some(unacknowledged) = filter.unacknowledged {
        conditions.and(
            if unacknowledged {
                "rank = 0"
            } else {
                "rank <> 0"
            },
            [],
        );
    }
    Ok(conditions)
}

/// Unacknowledged first, then by priority, then the newest first.
const ORDER: &str = "rank, priority, raised_order, id";

pub(super) fn list(
    connection: &Connection,
    organisation: OrganisationId,
    filter: &AlarmFilter,
    after: Option<&AlarmCursor>,
    limit: u32,
) -> Result<AlarmListing, Error> {
    let limit = limit.min(PAGE_LIMIT);
    let mut conditions = alarm_conditions(organisation, filter)?;
    let total: i64 = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM alarms WHERE {}",
            conditions.sql
        ))?
        .query_row(params_from_iter(&conditions.values), |row| row.get(0))?;
    if let Some(cursor) = after {
        conditions.and(
            &format!("({ORDER}) > (?, ?, ?, ?)"),
            [
                SqlValue::Integer(cursor.rank),
                SqlValue::Text(cursor.priority.clone()),
                SqlValue::Integer(cursor.raised_order),
                blob(cursor.id.0),
            ],
        );
    }
    conditions
        .values
        .push(SqlValue::Integer(i64::from(limit) + 1));
    let sql = format!(
        "SELECT * FROM alarms WHERE {} ORDER BY {ORDER} LIMIT ?",
        conditions.sql
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(&conditions.values))?;
    let mut listing = AlarmListing {
        rows: Vec::new(),
        total: total.cast_unsigned(),
        has_more: false,
        end: None,
    };
    while let Some(row) = found.next()? {
        if listing.rows.len() == limit as usize {
            listing.has_more = true;
            break;
        }
        listing.end = Some(AlarmCursor {
            rank: row.get("rank")?,
            priority: row.get("priority")?,
            raised_order: row.get("raised_order")?,
            id: get_id(row, "id")?,
        });
        listing.rows.push(alarm_row(row)?);
    }
    Ok(listing)
}

/// The first alarm of each of `things` in the order of lists.
pub(super) fn worst_of(
    connection: &Connection,
    organisation: OrganisationId,
    things: &[ThingId],
) -> Result<Vec<AlarmRow>, Error> {
    let marks = vec!["?"; things.len()].join(",");
    let mut values: Vec<SqlValue> = things.iter().map(|thing| blob(thing.0)).collect();
    values.push(blob(organisation.0));
    let sql = format!(
        "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY thing ORDER BY {ORDER}) AS place
                        FROM alarms WHERE thing IN ({marks}) AND rank < 3 AND organisation = ?)
         WHERE place = 1"
    );
    connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(&values), alarm_row)?
        .collect()
}

/// Every alarm that is not normal: for the snapshot of a feed, which must be whole.
pub(super) fn all_standing(
    connection: &Connection,
    organisation: OrganisationId,
) -> Result<Vec<AlarmRow>, Error> {
    connection
        .prepare_cached(&format!(
            "SELECT * FROM alarms WHERE organisation = ?1 AND rank < 3 ORDER BY {ORDER}"
        ))?
        .query_map([organisation.0.as_bytes()], alarm_row)?
        .collect()
}

pub(super) fn of_rule(
    connection: &Connection,
    rule: tellee_actors::ids::AlarmRuleId,
) -> Result<Vec<AlarmRow>, Error> {
    connection
        .prepare_cached("SELECT * FROM alarms WHERE rule = ?1")?
        .query_map([rule.0.as_bytes()], alarm_row)?
        .collect()
}

pub(super) fn standing_rules(
    connection: &Connection,
) -> Result<Vec<tellee_actors::ids::AlarmRuleId>, Error> {
    connection
        .prepare_cached("SELECT DISTINCT rule FROM alarms WHERE rank < 3")?
        .query_map([], |row| get_id(row, "rule"))?
        .collect()
}

/// Alarms of models whose condition is abnormal, of all organisations.
pub(super) fn standing_scores(connection: &Connection) -> Result<Vec<AlarmRow>, Error> {
    use tellee_actors::domain::alarm::Cause;

    let rows: Vec<AlarmRow> = connection
        .prepare_cached("SELECT * FROM alarms WHERE rank < 3 AND class = 'predictive'")?
        .query_map([], alarm_row)?
        .collect::<Result<_, _>>()?;
    // A rule may be of class predictive too; its alarms are the business of the alarm watch.
    let of_a_model = |row: &AlarmRow| {
        let cause = row.state.activation.as_ref().map(|now| now.cause);
        row.state.condition_abnormal && cause == Some(Cause::Score)
    };
    Ok(rows.into_iter().filter(of_a_model).collect())
}

/// Alarms whose shelving ended before `now`, the longest over first.
pub(super) fn overdue_shelvings(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<AlarmRow>, Error> {
    connection
        .prepare_cached(
            "SELECT * FROM alarms WHERE shelved_until IS NOT NULL AND shelved_until <= ?1
             ORDER BY shelved_until LIMIT ?2",
        )?
        .query_map(params![now.0, limit], alarm_row)?
        .collect()
}

pub(super) fn counts(
    connection: &Connection,
    organisation: OrganisationId,
) -> Result<AlarmCounts, Error> {
    use tellee_actors::domain::alarm::Letter;
    use tellee_actors::domain::alarm_rule::{AlarmClass, Priority};

    let mut counts = AlarmCounts {
        priorities: [Priority::P1, Priority::P2, Priority::P3, Priority::P4]
            .map(|priority| PriorityCount {
                priority,
                active: 0,
                unacknowledged: 0,
            })
            .to_vec(),
        ..AlarmCounts::default()
    };
    let mut statement = connection.prepare_cached(
        "SELECT letter, class, priority, count(*) AS alarms FROM alarms
         WHERE organisation = ?1 AND rank < 3 GROUP BY letter, class, priority",
    )?;
    let mut found = statement.query([organisation.0.as_bytes()])?;
    while let Some(row) = found.next()? {
        let letter: Letter = get_word(row, "letter")?;
        let class: AlarmClass = get_word(row, "class")?;
        let priority: Priority = get_word(row, "priority")?;
        let alarms = get_count(row, "alarms")?;
        match letter {
            Letter::A => continue,
            Letter::G => counts.shelved += alarms,
            Letter::H => counts.suppressed += alarms,
            Letter::I => counts.out_of_service += alarms,
            _ if class == AlarmClass::Predictive => counts.predictive += alarms,
            _ => {
                let Some(count) = counts
                    .priorities
                    .iter_mut()
                    .find(|count| count.priority == priority)
                else {
                    continue;
                };
                if letter != Letter::D {
                    count.active += alarms;
                }
                if matches!(letter, Letter::B | Letter::D | Letter::E) {
                    count.unacknowledged += alarms;
                }
            }
        }
    }
    Ok(counts)
}

/// Newest first, one more than asked where there are more.
pub(super) fn journal(
    connection: &Connection,
    organisation: OrganisationId,
    query: &JournalQuery,
) -> Result<Vec<JournalEntry>, Error> {
    let mut conditions = Conditions::new(organisation);
    if let Some(alarm) = query.alarm {
        conditions.and("alarm = ?", [blob(alarm.0)]);
    }
    if let Some(thing) = query.thing {
        conditions.and("thing = ?", [blob(thing.0)]);
    }
    if let Some(from) = query.from {
        conditions.and("at >= ?", [SqlValue::Integer(from.0)]);
    }
    if let Some(to) = query.to {
        conditions.and("at < ?", [SqlValue::Integer(to.0)]);
    }
    if let Some(before) = query.before {
        conditions.and("position < ?", [SqlValue::Integer(before.0.cast_signed())]);
    }
    conditions.values.push(SqlValue::Integer(
        i64::from(query.limit.min(PAGE_LIMIT)) + 1,
    ));
    let sql = format!(
        "SELECT * FROM alarm_journal WHERE {} ORDER BY position DESC LIMIT ?",
        conditions.sql
    );
    connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(&conditions.values), entry)?
        .collect()
}

/// Changes after `after`, oldest first, of one organisation or of all.
pub(super) fn changes_after(
    connection: &Connection,
    organisation: Option<OrganisationId>,
    after: Position,
    limit: usize,
) -> Result<Vec<AlarmChange>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = after.0.cast_signed();
    match organisation {
        Some(organisation) => connection
            .prepare_cached(
                "SELECT * FROM alarm_journal WHERE organisation = ?1 AND position > ?2 ORDER BY position LIMIT ?3",
            )?
            .query_map(params![organisation.0.as_bytes(), after, limit], change)?
            .collect(),
        None => connection
            .prepare_cached("SELECT * FROM alarm_journal WHERE position > ?1 ORDER BY position LIMIT ?2")?
            .query_map(params![after, limit], change)?
            .collect(),
    }
}

/// The position of the newest entry of the journal.
pub(super) fn newest(connection: &Connection) -> Result<Position, Error> {
    connection.query_row(
        "SELECT coalesce(max(position), 0) AS position FROM alarm_journal",
        [],
        |row| get_position(row, "position"),
    )
}
