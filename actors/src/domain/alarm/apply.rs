//! What each event means for the memories.

use super::{Activation, COMMENTS_LIMIT, Event, Letter, Source, State};

pub(super) fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Activated {
            source,
            occurrence,
            activation,
        } => {
            activate(state, source, *occurrence, activation);
        }
        Event::Escalated { activation, .. } => {
            if state.letter() == Letter::C {
                state.re_alarm_count += 1;
            }
            state.latched |= activation.latching;
            state.activation = Some(activation.clone());
            demand_acknowledgement(state);
        }
        Event::Returned { source_time, .. } => {
            state.condition_abnormal = false;
            state.returned_at = Some(*source_time);
            let required = state
                .activation
                .as_ref()
                .is_none_or(|it| it.acknowledge_required);
            state.acknowledged |= !required;
        }
        Event::Acknowledged { by, at, .. } => {
            state.acknowledged = true;
            state.acknowledged_by = Some(*by);
            state.acknowledged_at = Some(*at);
        }
        Event::Reset { .. } => state.latched = false,
        Event::Shelved { shelving } => state.shelved = Some(shelving.clone()),
        Event::Unshelved { .. } => {
            state.shelved = None;
            end_suppression(state);
        }
        Event::Suppressed { suppression } => state.suppressed = Some(suppression.clone()),
        Event::Unsuppressed {} => {
            state.suppressed = None;
            end_suppression(state);
        }
        Event::TakenOutOfService { out_of_service } => {
            state.out_of_service = Some(out_of_service.clone());
        }
        Event::ReturnedToService {} => {
            state.out_of_service = None;
            end_suppression(state);
        }
        Event::Commented { comment } => {
            if state.comments.len() >= COMMENTS_LIMIT {
                state.comments.remove(0);
            }
            state.comments.push(comment.clone());
        }
        Event::ReAlarmed { .. } => {
            state.re_alarm_count += 1;
            demand_acknowledgement(state);
        }
    }
}

/// A new occurrence: what was remembered of the one before is gone, except what suppresses it.
fn activate(state: &mut State, source: &Source, occurrence: u64, activation: &Activation) {
    *state = State {
        source: Some(source.clone()),
        occurrence,
        condition_abnormal: true,
        latched: activation.latching,
        activation: Some(activation.clone()),
        raised_at: Some(activation.source_time),
        shelved: state.shelved.take(),
        suppressed: state.suppressed.take(),
        out_of_service: state.out_of_service.take(),
        ..State::default()
    };
}

fn demand_acknowledgement(state: &mut State) {
    state.acknowledged = false;
    state.acknowledged_by = None;
    state.acknowledged_at = None;
}

/// The end of a suppression leads to B or to A and nowhere else: what is still abnormal is annunciated again and wants a new
/// acknowledgement; what has returned is done with. Another suppression that is left puts that off.
fn end_suppression(state: &mut State) {
    if state.is_suppressed() {
        return;
    }
    if state.condition_abnormal {
        demand_acknowledgement(state);
    } else {
        state.acknowledged = true;
        state.latched = false;
    }
}
