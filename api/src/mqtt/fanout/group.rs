//! The members of one shared subscription, and whose turn it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Match, Readiness, Subscriber};

pub(super) struct Group<S> {
    pub name: Box<str>,
    pub members: Vec<Match<S>>,
    /// Where the member is whose turn it is. Those who were passed over have had theirs.
    turn: AtomicUsize,
}

impl<S: Subscriber> Group<S> {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            members: Vec::new(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Where all members are, beginning with the one whose turn it is.
    fn in_turn(&self) -> impl Iterator<Item = usize> {
        let count = self.members.len();
        let turn = self.turn.load(Ordering::Relaxed);
        (0..count).map(move |step| turn.wrapping_add(step) % count)
    }

    fn readiness(&self, index: usize) -> Readiness {
        self.members[index].subscriber.readiness()
    }

    fn had_its_turn(&self, index: usize) {
        self.turn.store(index + 1, Ordering::Relaxed);
    }

    /// The next member in turn that is ready, else that is there, else the next in turn.
    pub fn pick(&self) -> Option<&Match<S>> {
        let mut best: Option<(Readiness, usize)> = None;
        for index in self.in_turn() {
            let readiness = self.readiness(index);
            if best.is_none_or(|(known, _)| readiness < known) {
                best = Some((readiness, index));
            }
            if readiness == Readiness::Ready {
                break;
            }
        }
        let (_, index) = best?;
        self.had_its_turn(index);
        Some(&self.members[index])
    }

    /// Up to `most` members, those who are ready first.
    pub fn in_order(&self, most: usize) -> Vec<Match<S>> {
        let mut order: Vec<usize> = self.in_turn().collect();
        order.sort_by_cached_key(|index| self.readiness(*index));
        if let Some(first) = order.first() {
            self.had_its_turn(*first);
        }
        let members = order.into_iter().take(most);
        members.map(|index| self.members[index].clone()).collect()
    }
}

/// The filter of a shared subscription as it was written.
pub(super) fn filter_text(name: &str, filter: &str) -> Arc<str> {
    Arc::from(format!("$share/{name}/{filter}"))
}
