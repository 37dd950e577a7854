//! The aggregate's own fold, under the names that this read model uses.

use tellee_actors::domain::alarm::{Event, Letter, State};

pub(super) fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Activated {
            source,
            occurrence,
            activation,
        } => {
            state.source = Some(source.clone());
            state.occurrence = *occurrence;
            state.condition_abnormal = true;
            state.acknowledged = false;
            state.latched = activation.latching;
            state.activation = Some(activation.clone());
        }
        Event::Returned { at, .. } => {
            state.condition_abnormal = false;
            state.returned_at = Some(*at);
        }
        Event::Acknowledged { .. } => state.acknowledged = true,
        Event::Shelved { shelving } => state.shelved = Some(shelving.clone()),
        Event::Unshelved { .. } => state.shelved = None,
        _ => {}
    }
}

pub(super) fn letter(state: &State) -> Letter {
    if state.shelved.is_some() {
        return Letter::G;
    }
    match (state.condition_abnormal, state.acknowledged) {
        (true, false) => Letter::B,
        (true, true) => Letter::C,
        (false, false) if state.occurrence > 0 => Letter::D,
        _ => Letter::A,
    }
}
