//! What each command causes, from the table of states and triggers of ISA-18.2.

use super::{
    Activation, Cause, Command, Comment, Event, Letter, OutOfService, Shelving, Source, State,
    Suppression,
};
use crate::domain::{Rejection, limits, presence, validate};
use crate::entity::DecideContext;
use crate::time::Timestamp;

pub(super) fn decide(
    state: &State,
    command: Command,
    context: &DecideContext,
) -> Result<Vec<Event>, Rejection> {
    // An alarm comes into being with its first occurrence.
    if !matches!(command, Command::Activate { .. }) {
        presence::must_be_there(state.source.is_some(), context)?;
    }
    match command {
        Command::Activate { source, activation } => activate(state, source, activation),
        Command::Return { source_time, value } => returned(state, source_time, value, context),
        Command::Acknowledge { occurrence, note } => acknowledge(state, occurrence, note, context),
        Command::Reset => reset(state, context),
        Command::Shelve {
            reason,
            until,
            one_shot,
        } => shelve(state, reason, until, one_shot, context),
        Command::Unshelve => Ok(unshelve(state, false)),
        Command::ExpireShelving => Ok(expire_shelving(state, context)),
        Command::Suppress { by } => suppress(state, by, context),
        Command::Unsuppress if state.suppressed.is_none() => Ok(Vec::new()),
        Command::Unsuppress => Ok(vec![Event::Unsuppressed {}]),
        Command::TakeOutOfService { work_order, reason } => {
            take_out_of_service(state, work_order, reason, context)
        }
        Command::ReturnToService if state.out_of_service.is_none() => Ok(Vec::new()),
        Command::ReturnToService => Ok(vec![Event::ReturnedToService {}]),
        Command::Comment { text } => comment(text, context),
        // Elsewhere the timer raced with an acknowledgement, a return or a suppression.
        Command::ReAlarm if state.letter() != Letter::C => Ok(Vec::new()),
        Command::ReAlarm => Ok(vec![Event::ReAlarmed {
            occurrence: state.occurrence,
        }]),
    }
}

fn activate(
    state: &State,
    source: Source,
    activation: Activation,
) -> Result<Vec<Event>, Rejection> {
    validate_activation(&activation)?;
    if state
        .source
        .as_ref()
        .is_some_and(|present| *present != source)
    {
        return Err(Rejection::conflict(
            "the alarm is that of another series or rule",
        ));
    }
    if state.condition_abnormal {
        let new = activation.severity();
        let worse = state
            .activation
            .as_ref()
            .is_none_or(|present| new.is_worse_than(present.severity()));
        if !worse {
            return Ok(Vec::new());
        }
        return Ok(vec![Event::Escalated {
            occurrence: state.occurrence,
            activation,
        }]);
    }
    if is_late_news(state.returned_at, &activation) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::Activated {
        source,
        occurrence: state.occurrence + 1,
        activation,
    }])
}

/// Whether the sample is older than the one that ended the last occurrence, as when an owner that was cut off speaks late.
fn is_late_news(returned_at: Option<Timestamp>, activation: &Activation) -> bool {
    // A deadman has the time of this machine's clock, which says nothing against the device's.
    activation.cause != Cause::Deadman
        && returned_at.is_some_and(|returned_at| activation.source_time < returned_at)
}

fn validate_activation(activation: &Activation) -> Result<(), Rejection> {
    validate::optional_text("activation.message", &activation.message)?;
    validate::optional_text("activation.consequence", &activation.consequence)?;
    validate::optional_text("activation.action", &activation.action)?;
    validate::at_most_chars("activation.unit", &activation.unit, limits::UNIT_CHARS)?;
    validate::optional_finite("activation.value", activation.value)?;
    validate::optional_finite("activation.limit", activation.limit)?;
    let contributions = &activation.contributions;
    validate::at_most_items(
        "activation.contributions",
        contributions.len(),
        limits::SIGNALS,
    )?;
    for (index, contribution) in contributions.iter().enumerate() {
        let field = format!("activation.contributions[{index}]");
        validate::name(&format!("{field}.series"), &contribution.series)?;
        validate::finite(&format!("{field}.share"), contribution.share)?;
        validate::optional_finite(&format!("{field}.expected"), contribution.expected)?;
        validate::optional_finite(&format!("{field}.actual"), contribution.actual)?;
    }
    Ok(())
}

fn returned(
    state: &State,
    source_time: Timestamp,
    value: Option<f64>,
    context: &DecideContext,
) -> Result<Vec<Event>, Rejection> {
    validate::optional_finite("value", value)?;
    let older_than_its_cause = state.activation.as_ref().is_some_and(|activation| {
        activation.cause != Cause::Deadman && source_time < activation.source_time
    });
    if !state.condition_abnormal || older_than_its_cause {
        return Ok(Vec::new());
    }
    let occurrence = state.occurrence;
    let mut events = vec![Event::Returned {
        occurrence,
        source_time,
        value,
        at: context.at,
    }];
    if state
        .shelved
        .as_ref()
        .is_some_and(|shelving| shelving.one_shot)
    {
        events.push(Event::Unshelved { automatic: true });
    }
    Ok(events)
}

fn acknowledge(
    state: &State,
    occurrence: u64,
    note: Option<String>,
    context: &DecideContext,
) -> Result<Vec<Event>, Rejection> {
    let by = presence::person(context, "acknowledge an alarm")?;
    if let Some(note) = &note {
        validate::optional_text("note", note)?;
    }
    // Only what was there when the button was pressed.
    if occurrence != state.occurrence {
        return Err(Rejection::StaleOccurrence {
            given: occurrence,
            present: state.occurrence,
        });
    }
    match state.letter() {
        Letter::B | Letter::D | Letter::E => Ok(vec![Event::Acknowledged {
            occurrence,
            by,
            note,
            at: context.at,
        }]),
        Letter::A => Err(Rejection::conflict("the alarm is normal")),
        Letter::C | Letter::F => Err(Rejection::conflict("the alarm is acknowledged already")),
        Letter::G | Letter::H | Letter::I => Err(off_the_list(state)),
    }
}

fn reset(state: &State, context: &DecideContext) -> Result<Vec<Event>, Rejection> {
    let by = presence::person(context, "reset an alarm")?;
    match state.letter() {
        Letter::F => Ok(vec![Event::Reset {
            occurrence: state.occurrence,
            by,
        }]),
        Letter::E => Err(Rejection::conflict(
            "the alarm must be acknowledged before its reset",
        )),
        Letter::B | Letter::C => Err(Rejection::conflict("the condition is still abnormal")),
        Letter::A | Letter::D => Err(Rejection::conflict("the alarm is not latched")),
        Letter::G | Letter::H | Letter::I => Err(off_the_list(state)),
    }
}

fn off_the_list(state: &State) -> Rejection {
    Rejection::conflict(match state.letter() {
        Letter::I => "the alarm is out of service",
        Letter::H => "the alarm is suppressed by design",
        _ => "the alarm is shelved",
    })
}

/// Shelves, or shelves anew with another end. Who may shelve which priority is the policy of the API.
fn shelve(
    state: &State,
    reason: String,
    until: Timestamp,
    one_shot: bool,
    context: &DecideContext,
) -> Result<Vec<Event>, Rejection> {
    let by = presence::person(context, "shelve an alarm")?;
    validate::text("reason", &reason)?;
    if until <= context.at {
        return Err(Rejection::invalid("until", "must be in the future"));
    }
    if until > context.at.saturating_add(limits::SHELVING) {
        let hours = limits::SHELVING.as_secs() / 3_600;
        return Err(Rejection::invalid(
            "until",
            format!("must be at most {hours} h ahead"),
        ));
    }
    let shelving = Shelving {
        by,
        reason,
        until,
        one_shot,
    };
    if state.shelved.as_ref() == Some(&shelving) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::Shelved { shelving }])
}

fn unshelve(state: &State, automatic: bool) -> Vec<Event> {
    if state.shelved.is_some() {
        vec![Event::Unshelved { automatic }]
    } else {
        Vec::new()
    }
}

/// The timer may be that of a shelving which was changed since; then its time is not up.
fn expire_shelving(state: &State, context: &DecideContext) -> Vec<Event> {
    match &state.shelved {
        Some(shelving) if shelving.until <= context.at => unshelve(state, true),
        _ => Vec::new(),
    }
}

fn suppress(state: &State, by: String, context: &DecideContext) -> Result<Vec<Event>, Rejection> {
    validate::name("by", &by)?;
    // An alarm that suppressed itself would hide its own cause.
    let rule = state.source.as_ref().map(|source| source.rule.to_string());
    if by == context.entity.id.to_string() || Some(&by) == rule.as_ref() {
        return Err(Rejection::invalid(
            "by",
            "must not be the alarm itself or its rule",
        ));
    }
    match &state.suppressed {
        None => Ok(vec![Event::Suppressed {
            suppression: Suppression { by },
        }]),
        Some(present) if present.by == by => Ok(Vec::new()),
        Some(present) => {
            let reason = format!("the alarm is suppressed already by `{}`", present.by);
            Err(Rejection::conflict(reason))
        }
    }
}

fn take_out_of_service(
    state: &State,
    work_order: String,
    reason: String,
    context: &DecideContext,
) -> Result<Vec<Event>, Rejection> {
    let by = presence::person(context, "take an alarm out of service")?;
    validate::name("work_order", &work_order)?;
    validate::text("reason", &reason)?;
    let out_of_service = OutOfService {
        by,
        work_order,
        reason,
    };
    match &state.out_of_service {
        None => Ok(vec![Event::TakenOutOfService { out_of_service }]),
        Some(present) if *present == out_of_service => Ok(Vec::new()),
        Some(present) => {
            let order = &present.work_order;
            let reason = format!("the alarm is out of service already, by work order `{order}`");
            Err(Rejection::conflict(reason))
        }
    }
}

fn comment(text: String, context: &DecideContext) -> Result<Vec<Event>, Rejection> {
    let by = presence::person(context, "comment")?;
    validate::text("text", &text)?;
    Ok(vec![Event::Commented {
        comment: Comment {
            by,
            at: context.at,
            text,
        },
    }])
}
