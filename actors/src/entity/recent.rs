//! The commands that an entity took last, so that a retry costs no look into the store.

use std::collections::VecDeque;

use crate::command::Accepted;
use crate::ids::{CommandId, InputDigest};

/// Commands that are remembered for each entity. Older ones are found in the store by the ids of their events.
const REMEMBERED: usize = 16;

#[derive(Debug, Default)]
pub(super) struct RecentCommands {
    answers: VecDeque<(CommandId, Option<InputDigest>, Accepted)>,
}

impl RecentCommands {
    /// The answer to a command, and what it asked for.
    pub(super) fn get(&self, command: CommandId) -> Option<(Option<InputDigest>, Accepted)> {
        self.answers
            .iter()
            .rev()
            .find(|(id, ..)| *id == command)
            .map(|(_, input, answer)| (*input, *answer))
    }

    pub(super) fn remember(
        &mut self,
        command: CommandId,
        input: Option<InputDigest>,
        answer: Accepted,
    ) {
        if self.answers.len() == REMEMBERED {
            self.answers.pop_front();
        }
        self.answers.push_back((command, input, answer));
    }
}
