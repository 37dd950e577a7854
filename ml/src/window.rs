//! The window of a model: its last rows, as long as none is missing a value.

use std::collections::VecDeque;

use crate::grid::Row;

/// What a row makes of the window.
#[derive(Debug, Clone, PartialEq)]
pub enum WindowState {
    /// Too few rows since the start or the last gap.
    Filling,
    /// The row misses a value: what the model would say is unknown. The window starts anew.
    Unknown,
    /// The values (samples × signals), oldest first.
    Ready(Vec<f32>),
}

/// Keeps the last `length` rows.
#[derive(Debug, Clone)]
pub struct Window {
    length: usize,
    signals: usize,
    values: VecDeque<f32>,
}

impl Window {
    pub fn new(length: usize, signals: usize) -> Self {
        Self {
            length: length.max(1),
            signals,
            values: VecDeque::with_capacity(length * signals),
        }
    }

    pub fn push(&mut self, row: &Row) -> WindowState {
        if row.after_gap {
            self.values.clear();
        }
        if row.values.len() != self.signals || !row.is_complete() {
            self.values.clear();
            return WindowState::Unknown;
        }
        let full = self.length * self.signals;
        if self.values.len() >= full {
            self.values.drain(..self.signals);
        }
        self.values.extend(&row.values);
        if self.values.len() < full {
            return WindowState::Filling;
        }
        WindowState::Ready(self.values.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use tellee_actors::time::Timestamp;

    use super::*;

    fn row(values: &[f32], after_gap: bool) -> Row {
        Row {
            time: Timestamp(0),
            values: values.to_vec(),
            after_gap,
        }
    }

    #[test]
    fn a_window_moves_by_one_row() {
        let mut window = Window::new(2, 1);
        assert_eq!(window.push(&row(&[1.0], false)), WindowState::Filling);
        assert_eq!(
            window.push(&row(&[2.0], false)),
            WindowState::Ready(vec![1.0, 2.0])
        );
        assert_eq!(
            window.push(&row(&[3.0], false)),
            WindowState::Ready(vec![2.0, 3.0])
        );
    }

    #[test]
    fn a_missing_value_or_a_gap_starts_it_anew() {
        let mut window = Window::new(2, 1);
        window.push(&row(&[1.0], false));
        assert_eq!(window.push(&row(&[f32::NAN], false)), WindowState::Unknown);
        assert_eq!(window.push(&row(&[2.0], false)), WindowState::Filling);
        assert_eq!(window.push(&row(&[3.0], true)), WindowState::Filling);
        assert_eq!(
            window.push(&row(&[4.0], false)),
            WindowState::Ready(vec![3.0, 4.0])
        );
    }
}
