//! Messages that were sent and not yet acknowledged.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::cursor::Lane;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) seq: u64,
    pub(crate) lane: Lane,
    pub(crate) sent_at: Instant,
}

#[derive(Debug)]
pub(crate) struct Window {
    size: usize,
    last_packet_id: u16,
    messages: BTreeMap<u16, InFlight>,
}

impl Window {
    pub(crate) fn new(size: u16) -> Self {
        Self {
            size: usize::from(size.max(1)),
            last_packet_id: 0,
            messages: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.messages.len() >= self.size
    }

    /// Half of the window is kept free for live messages.
    pub(crate) fn has_room_for_backlog(&self) -> bool {
        let backlog = self
            .messages
            .values()
            .filter(|message| message.lane == Lane::Backlog)
            .count();
        !self.is_full() && backlog < self.size.div_ceil(2)
    }

    /// Takes a message in and gives it a packet id that is free.
    pub(crate) fn push(&mut self, seq: u64, lane: Lane, sent_at: Instant) -> u16 {
        // At most `size` ids are taken, so one is free.
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if !self.messages.contains_key(&self.last_packet_id) {
                self.messages
                    .insert(self.last_packet_id, InFlight { seq, lane, sent_at });
                return self.last_packet_id;
            }
        }
    }

    pub(crate) fn take(&mut self, packet_id: u16) -> Option<InFlight> {
        self.messages.remove(&packet_id)
    }

    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.messages.values().map(|message| message.sent_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_ids_in_use_are_passed_over() {
        let mut window = Window::new(16);
        let now = Instant::now();
        let first = window.push(1, Lane::Live, now);
        for seq in 2..=65_535 {
            let id = window.push(seq, Lane::Live, now);
            assert!(window.take(id).is_some());
        }
        let next = window.push(65_536, Lane::Live, now);
        assert_ne!(next, first);
        assert_ne!(next, 0);
        assert_eq!(window.take(first).map(|message| message.seq), Some(1));
        assert!(window.take(first).is_none());
    }

    #[test]
    fn the_backlog_gets_half_of_the_window() {
        let mut window = Window::new(4);
        let now = Instant::now();
        window.push(1, Lane::Backlog, now);
        assert!(window.has_room_for_backlog());
        window.push(2, Lane::Backlog, now);
        assert!(!window.has_room_for_backlog() && !window.is_full());
    }
}
