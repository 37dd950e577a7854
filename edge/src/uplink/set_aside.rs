//! Records that the platform refused for their content, until they are sent once more.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Long enough for another config of the device to be fetched, which may be what it takes.
const WAIT: Duration = Duration::from_secs(6);
/// More at once are no odd records: the platform refuses everything.
const MAX_RECORDS: usize = 1024;

/// Of one session. Sans-IO.
#[derive(Debug, Default)]
pub(crate) struct SetAside {
    /// In the order of their time.
    records: VecDeque<(Instant, u64)>,
}

impl SetAside {
    /// Whether there was room.
    pub(crate) fn push(&mut self, seq: u64, now: Instant) -> bool {
        let has_room = self.records.len() < MAX_RECORDS;
        if has_room {
            self.records.push_back((now + WAIT, seq));
        }
        has_room
    }

    /// Takes out a record whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        let (due, seq) = *self.records.front()?;
        if due > now {
            return None;
        }
        self.records.pop_front();
        Some(seq)
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.records.front().map(|&(due, _)| due)
    }

    pub(crate) fn contains(&self, seq: u64) -> bool {
        self.records.iter().any(|&(_, other)| other == seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order_once_their_time_has_come() {
        let mut set_aside = SetAside::default();
        let now = Instant::now();
        assert!(set_aside.push(7, now));
        assert!(set_aside.push(3, now + WAIT / 2));
        assert_eq!(set_aside.pop_due(now), None);
        assert_eq!(set_aside.next_due(), Some(now + WAIT));
        assert_eq!(set_aside.pop_due(now + WAIT), Some(7));
        assert_eq!(set_aside.pop_due(now + WAIT), None);
        assert!(set_aside.contains(3) && !set_aside.contains(7));
    }

    #[test]
    fn only_so_many_are_set_aside() {
        let mut set_aside = SetAside::default();
        let now = Instant::now();
        assert!((0..1024).all(|seq| set_aside.push(seq, now)));
        assert!(!set_aside.push(1024, now));
    }
}
