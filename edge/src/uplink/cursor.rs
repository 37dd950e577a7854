//! What to send next: the live end of the spool, and beside it what was left from before.

/// Two positions in the spool. Sans-IO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    live_next: u64,
    backlog_next: u64,
    backlog_end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Live,
    Backlog,
}

impl Cursor {
    /// At the start of a session: what is there is backlog, what comes is live.
    pub(crate) const fn new(acknowledged_upto: u64, visible_upto: u64) -> Self {
        Self {
            live_next: visible_upto + 1,
            backlog_next: acknowledged_upto + 1,
            backlog_end: visible_upto,
        }
    }

    /// The lane to read from and the range to look in.
    pub(crate) const fn next(
        &self,
        visible_upto: u64,
        backlog_allowed: bool,
    ) -> Option<(Lane, u64, u64)> {
        if self.live_next <= visible_upto {
            return Some((Lane::Live, self.live_next, visible_upto));
        }
        if backlog_allowed && self.has_backlog() {
            return Some((Lane::Backlog, self.backlog_next, self.backlog_end));
        }
        None
    }

    pub(crate) const fn has_backlog(&self) -> bool {
        self.backlog_next <= self.backlog_end
    }

    /// The lane goes on behind `seq`.
    pub(crate) const fn pass(&mut self, lane: Lane, seq: u64) {
        match lane {
            Lane::Live => self.live_next = seq + 1,
            Lane::Backlog => self.backlog_next = seq + 1,
        }
    }

    /// Goes over what is still not acknowledged once more, such as records that could not be read.
    pub(crate) const fn sweep(&mut self, acknowledged_upto: u64) {
        self.backlog_next = acknowledged_upto + 1;
        self.backlog_end = self.live_next - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_records_go_before_the_backlog() {
        let mut cursor = Cursor::new(10, 20);
        assert_eq!(cursor.next(20, true), Some((Lane::Backlog, 11, 20)));
        assert_eq!(cursor.next(20, false), None);
        assert_eq!(cursor.next(22, true), Some((Lane::Live, 21, 22)));
        cursor.pass(Lane::Live, 22);
        cursor.pass(Lane::Backlog, 15);
        assert_eq!(cursor.next(22, true), Some((Lane::Backlog, 16, 20)));
        cursor.pass(Lane::Backlog, 20);
        assert_eq!(cursor.next(22, true), None);
        cursor.sweep(21);
        assert_eq!(cursor.next(22, true), Some((Lane::Backlog, 22, 22)));
    }
}
