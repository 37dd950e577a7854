//! Events of alarms into the table of alarms and the journal.

use rusqlite::{Connection, Error, OptionalExtension, params};
use tellee_actors::domain::Alarm;
use tellee_actors::domain::alarm::{Event, Letter, State};
use tellee_actors::domain::alarm_rule::{AlarmClass, Priority};
use tellee_actors::entity::Aggregate;
use uuid::Uuid;

use crate::follower::sql::{get_json, to_json, to_word};
use crate::follower::{DecodedEvent, DomainEvent};

pub(super) fn apply(connection: &Connection, event: &DecodedEvent) -> Result<(), Error> {
    let DomainEvent::Alarm(alarm_event) = &event.event else {
        return Ok(());
    };
    let mut state = load(connection, event.entity.id)?.unwrap_or_default();
    let before = state.letter();
    Alarm::apply(&mut state, alarm_event);
    let letter = state.letter();
    let Some(source) = state.source.clone() else {
        // Its first activation was skipped, and is counted as such; without it there is nothing to show.
        return Ok(());
    };
    let row = Row {
        event,
        letter,
        priority: state
            .activation
            .as_ref()
            .map_or(Priority::P4, |activation| activation.priority),
        class: state
            .activation
            .as_ref()
            .map_or(AlarmClass::Process, |activation| activation.class),
        json: to_json(&state)?,
        state: &state,
        organisation: source.organisation.0,
        thing: source.thing.0,
        rule: source.rule.0,
    };
    row.write_alarm(connection)?;
    row.write_journal(
        connection,
        alarm_event,
        is_annunciated(alarm_event, before, letter),
    )
}

fn load(connection: &Connection, id: Uuid) -> Result<Option<State>, Error> {
    connection
        .prepare_cached("SELECT state FROM alarms WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| get_json(row, "state"))
        .optional()
}

/// The operator is called by each new occurrence and whenever an alarm becomes unacknowledged again, unless it is
/// shelved, suppressed or out of service.
fn is_annunciated(event: &Event, before: Letter, after: Letter) -> bool {
    after == Letter::B && (before != Letter::B || matches!(event, Event::Activated { .. }))
}

pub(super) const fn rank(letter: Letter) -> i64 {
    match letter {
        Letter::B | Letter::D | Letter::E => 0,
        Letter::C | Letter::F => 1,
        Letter::G | Letter::H | Letter::I => 2,
        Letter::A => 3,
    }
}

struct Row<'a> {
    event: &'a DecodedEvent,
    state: &'a State,
    letter: Letter,
    priority: Priority,
    class: AlarmClass,
    json: String,
    organisation: Uuid,
    thing: Uuid,
    rule: Uuid,
}

impl Row<'_> {
    fn write_alarm(&self, connection: &Connection) -> Result<(), Error> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO alarms VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(params![
                self.event.entity.id.as_bytes(),
                self.organisation.as_bytes(),
                self.rule.as_bytes(),
                self.thing.as_bytes(),
                to_word(&self.letter)?,
                rank(self.letter),
                to_word(&self.priority)?,
                to_word(&self.class)?,
                self.state.raised_at.map_or(0, |raised| raised.0.saturating_neg()),
                self.state.shelved.as_ref().map(|shelving| shelving.until.0),
                self.json,
                self.event.revision.0.cast_signed(),
                self.event.at.0,
                self.event.position.0.cast_signed(),
            ])?;
        Ok(())
    }

    fn write_journal(
        &self,
        connection: &Connection,
        event: &Event,
        annunciated: bool,
    ) -> Result<(), Error> {
        let activation = self.state.activation.as_ref();
        let value = match event {
            Event::Returned { value, .. } => *value,
            _ => activation.and_then(|activation| activation.value),
        };
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO alarm_journal
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
            )?
            .execute(params![
                self.event.position.0.cast_signed(),
                self.organisation.as_bytes(),
                self.event.at.0,
                self.event.entity.id.as_bytes(),
                self.thing.as_bytes(),
                kind(event),
                self.state.occurrence.cast_signed(),
                to_word(&self.priority)?,
                to_word(&self.class)?,
                to_word(&self.letter)?,
                annunciated,
                activation.map_or("", |activation| activation.message.as_str()),
                value,
                activation.and_then(|activation| activation.limit),
                activation.map_or("", |activation| activation.unit.as_str()),
                to_json(&self.event.meta.who)?,
                text(event).or_else(|| self.event.meta.note.clone()),
                self.event.revision.0.cast_signed(),
                self.json,
            ])?;
        Ok(())
    }
}

const fn kind(event: &Event) -> &'static str {
    match event {
        Event::Activated { .. } => "activated",
        Event::Escalated { .. } => "escalated",
        Event::Returned { .. } => "returned",
        Event::Acknowledged { .. } => "acknowledged",
        Event::Reset { .. } => "reset",
        Event::Shelved { .. } => "shelved",
        Event::Unshelved { .. } => "unshelved",
        Event::Suppressed { .. } => "suppressed",
        Event::Unsuppressed {} => "unsuppressed",
        Event::TakenOutOfService { .. } => "taken_out_of_service",
        Event::ReturnedToService {} => "returned_to_service",
        Event::Commented { .. } => "commented",
        Event::ReAlarmed { .. } => "re_alarmed",
    }
}

/// What a person wrote.
fn text(event: &Event) -> Option<String> {
    match event {
        Event::Acknowledged { note, .. } => note.clone(),
        Event::Shelved { shelving } => Some(shelving.reason.clone()),
        Event::Suppressed { suppression } => Some(suppression.by.clone()),
        Event::TakenOutOfService { out_of_service } => Some(format!(
            "{}: {}",
            out_of_service.work_order, out_of_service.reason
        )),
        Event::Commented { comment } => Some(comment.text.clone()),
        _ => None,
    }
}
