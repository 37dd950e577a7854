//! Windows that wait to be scored.

use std::collections::VecDeque;

use tellee_actors::time::Timestamp;

/// Values that may wait: 8 MiB.
const MAX_VALUES: usize = 2 * 1024 * 1024;

/// The window that ends at `time`.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingWindow {
    pub time: Timestamp,
    pub values: Vec<f32>,
}

/// Bounded: when it is full the oldest window goes.
#[derive(Debug)]
pub struct Backlog {
    capacity: usize,
    windows: VecDeque<PendingWindow>,
}

impl Backlog {
    pub fn for_windows_of(values: usize) -> Self {
        Self {
            capacity: (MAX_VALUES / values.max(1)).clamp(64, 4_096),
            windows: VecDeque::new(),
        }
    }

    /// Adds a window; answers how many had to go.
    pub fn push(&mut self, window: PendingWindow) -> u64 {
        self.windows.push_back(window);
        if self.windows.len() <= self.capacity {
            return 0;
        }
        self.windows.pop_front();
        1
    }

    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// The oldest windows, at most `count`.
    pub fn first(&self, count: usize) -> Vec<&PendingWindow> {
        self.windows.iter().take(count).collect()
    }

    pub fn remove(&mut self, count: usize) -> VecDeque<PendingWindow> {
        let rest = self.windows.split_off(count.min(self.windows.len()));
        std::mem::replace(&mut self.windows, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_window_goes_first_and_when_it_is_full() {
        let mut backlog = Backlog::for_windows_of(usize::MAX);
        let dropped: u64 = (0..70)
            .map(|time| {
                backlog.push(PendingWindow {
                    time: Timestamp(time),
                    values: vec![],
                })
            })
            .sum();
        assert_eq!(dropped, 6);
        let removed = backlog.remove(2);
        assert_eq!(
            removed
                .iter()
                .map(|window| window.time.0)
                .collect::<Vec<_>>(),
            [6, 7]
        );
        assert_eq!(backlog.first(1)[0].time, Timestamp(8));
        assert_eq!(backlog.remove(1_000).len(), 62);
        assert!(backlog.is_empty());
    }
}
