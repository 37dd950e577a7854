//! Which of the values read are worth sending.

use std::time::Duration;

use tellee_senml::Value;

use crate::connection::{Deadband, Report};

/// Remembers what was sent last for one point.
#[derive(Debug, Clone)]
pub struct Reporter {
    report: Report,
    deadband: Option<Deadband>,
    heartbeat_ns: i64,
    last: Option<(i64, Value)>,
}

impl Reporter {
    pub fn new(report: Report, deadband: Option<Deadband>, heartbeat: Duration) -> Self {
        // A deadband says by itself that changes are meant.
        let report = if deadband.is_some() {
            Report::OnChange
        } else {
            report
        };
        let heartbeat_ns = i64::try_from(heartbeat.as_nanos()).unwrap_or(i64::MAX);
        Self {
            report,
            deadband,
            heartbeat_ns,
            last: None,
        }
    }

    /// Whether to send `value`; if so it counts as sent.
    pub fn accept(&mut self, now_ns: i64, value: &Value) -> bool {
        if self.report == Report::EverySample {
            return true;
        }
        let send = match &self.last {
            None => true,
            // A clock that was set back must not silence a point.
            Some((sent_at, _)) if now_ns < *sent_at || now_ns - *sent_at >= self.heartbeat_ns => {
                true
            }
            Some((_, last)) => self.has_moved(last, value),
        };
        if send {
            self.last = Some((now_ns, value.clone()));
        }
        send
    }

    /// The next good value is sent, whatever it is.
    pub fn forget(&mut self) {
        self.last = None;
    }

    fn has_moved(&self, last: &Value, value: &Value) -> bool {
        let (Value::Number(last), Value::Number(value)) = (last, value) else {
            return last != value;
        };
        let width = match self.deadband {
            None => 0.0,
            Some(Deadband::Absolute(width)) => width,
            Some(Deadband::Percent { percent }) => last.abs() * percent / 100.0,
        };
        (value - last).abs() > width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn sent(reporter: &mut Reporter, values: &[f64]) -> Vec<f64> {
        (0..)
            .zip(values)
            .filter(|&(second, &value)| reporter.accept(second * SECOND, &Value::Number(value)))
            .map(|(_, &value)| value)
            .collect()
    }

    #[test]
    fn small_moves_are_held_back_but_do_not_add_up_unseen() {
        let mut reporter = Reporter::new(
            Report::OnChange,
            Some(Deadband::Absolute(0.5)),
            Duration::from_secs(60),
        );
        assert_eq!(sent(&mut reporter, &[1.0, 1.4, 1.5, 1.6, 1.2]), [1.0, 1.6]);
        let mut percent = Reporter::new(
            Report::OnChange,
            Some(Deadband::Percent { percent: 10.0 }),
            Duration::MAX,
        );
        assert_eq!(
            sent(&mut percent, &[100.0, 109.0, 111.0, 120.0]),
            [100.0, 111.0]
        );
    }

    #[test]
    fn the_heartbeat_sends_an_unchanged_value() {
        let mut reporter = Reporter::new(Report::OnChange, None, Duration::from_secs(3));
        assert_eq!(sent(&mut reporter, &[7.0; 7]).len(), 3);
    }

    #[test]
    fn a_clock_set_back_silences_nothing() {
        let mut reporter = Reporter::new(Report::OnChange, None, Duration::from_secs(60));
        assert!(reporter.accept(1_000 * SECOND, &Value::Boolean(true)));
        assert!(reporter.accept(SECOND, &Value::Boolean(true)));
    }

    #[test]
    fn every_sample_means_every_sample() {
        let mut reporter = Reporter::new(Report::EverySample, None, Duration::from_secs(60));
        assert_eq!(sent(&mut reporter, &[1.0; 4]).len(), 4);
    }
}
