//! How many tasks one commit waits for.
//!
//! A sync costs the same for one message as for a hundred. Where many ask at the same time, the next commit waits a
//! little for those that are about to ask again; where few ask, nothing ever waits.

use std::time::Duration;

/// How long a commit waits for more tasks at most.
const WINDOW: Duration = Duration::from_micros(500);
/// Where so many share a sync, it costs each of them little enough.
const ENOUGH: usize = 64;
/// Fewer than that are not worth a wait.
const FEW: usize = 4;

/// Follows how many tasks come at the same time.
#[derive(Debug)]
pub struct Gather {
    pub window: Duration,
    /// Tasks that came for one commit and while it was made.
    crowd: usize,
    /// Tasks of the last commit.
    taken: usize,
}

impl Default for Gather {
    fn default() -> Self {
        Self {
            window: WINDOW,
            crowd: 0,
            taken: 0,
        }
    }
}

impl Gather {
    /// How many tasks the next commit waits for, given that `arrived` came while the last one was made.
    pub fn least(&mut self, arrived: usize) -> usize {
        // Falls by halves: one small commit does not mean that the crowd has gone.
        self.crowd = (self.taken + arrived).max(self.crowd / 2);
        if self.crowd < FEW {
            return 1;
        }
        // For all of them: one that stays away costs the others the window once, and is not counted again.
        self.crowd.min(ENOUGH)
    }

    /// A commit is made of `tasks`.
    pub const fn took(&mut self, tasks: usize) {
        self.taken = tasks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_never_wait_and_a_crowd_is_waited_for_until_it_has_gone() {
        let mut gather = Gather::default();
        assert_eq!(gather.least(0), 1);
        gather.took(1);
        assert_eq!(gather.least(2), 1, "three are few");
        gather.took(20);
        assert_eq!(gather.least(20), 40);
        for least in [20, 10, 5, 1, 1] {
            gather.took(1);
            assert_eq!(gather.least(0), least);
        }
    }

    #[test]
    fn a_great_crowd_is_not_waited_for_whole() {
        let mut gather = Gather::default();
        gather.took(5_000);
        assert_eq!(gather.least(5_000), ENOUGH);
    }
}
