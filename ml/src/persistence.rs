//! When a row of scores becomes an alarm, and when it is over.

/// What the scores make of the condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    Raise,
    Return,
}

/// The condition is true after `needed` windows in a row above the limit and false after as many in a row not above it. What
/// could not be scored says neither and breaks no row.
#[derive(Debug, Clone)]
pub struct Persistence {
    needed: u32,
    above: u32,
    below: u32,
    /// `None` until the scores have said either: after a start an alarm may still stand from before.
    active: Option<bool>,
}

impl Persistence {
    pub const fn new(needed: u32) -> Self {
        let needed = if needed == 0 { 1 } else { needed };
        Self {
            needed,
            above: 0,
            below: 0,
            active: None,
        }
    }

    /// Whether the condition stands, as far as these scores have said.
    pub const fn is_active(&self) -> bool {
        matches!(self.active, Some(true))
    }

    pub const fn observe(&mut self, is_above: bool) -> Option<Transition> {
        if is_above {
            self.above = self.above.saturating_add(1);
            self.below = 0;
        } else {
            self.below = self.below.saturating_add(1);
            self.above = 0;
        }
        let settled = if is_above { self.above } else { self.below } >= self.needed;
        let changes = match self.active {
            Some(active) => active != is_above,
            None => true,
        };
        if !settled || !changes {
            return None;
        }
        self.active = Some(is_above);
        Some(if is_above {
            Transition::Raise
        } else {
            Transition::Return
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(needed: u32, scores: &[bool]) -> Vec<(usize, Transition)> {
        let mut persistence = Persistence::new(needed);
        scores
            .iter()
            .enumerate()
            .filter_map(|(index, above)| {
                persistence
                    .observe(*above)
                    .map(|transition| (index, transition))
            })
            .collect()
    }

    #[test]
    fn one_window_above_the_limit_is_no_alarm() {
        let transitions = run(
            3,
            &[
                false, true, true, false, true, true, true, true, false, false, false,
            ],
        );
        assert_eq!(
            transitions,
            [(6, Transition::Raise), (10, Transition::Return)]
        );
    }

    #[test]
    fn after_a_start_the_first_settled_scores_say_so_either_way() {
        assert_eq!(run(2, &[false, false]), [(1, Transition::Return)]);
        assert_eq!(run(2, &[true, true]), [(1, Transition::Raise)]);
        assert_eq!(run(0, &[true]), [(0, Transition::Raise)]);
    }

    proptest! {
        #[test]
        fn transitions_alternate_and_each_ends_a_row(needed in 1_u32..5, scores in proptest::collection::vec(any::<bool>(), 0..60)) {
            let transitions = run(needed, &scores);
            for pair in transitions.windows(2) {
                prop_assert_ne!(pair[0].1, pair[1].1);
            }
            for (index, transition) in transitions {
                let row = &scores[index + 1 - needed as usize..=index];
                prop_assert!(row.iter().all(|above| *above == (transition == Transition::Raise)));
            }
        }
    }
}
