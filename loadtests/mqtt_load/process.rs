//! What a process has used, from /proc.

use std::time::Instant;

#[derive(Clone, Copy)]
pub struct Process(pub u32);

/// CPU and time since a moment.
pub struct Meter {
    process: Process,
    cpu_seconds: f64,
    begin: Instant,
}

impl Process {
    /// User and system time; /proc counts in hundredths of a second.
    fn cpu_seconds(self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |place: usize| {
            fields
                .get(place)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        (ticks(11) + ticks(12)) / 100.0
    }

    pub fn rss_kib(self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    pub fn meter(self) -> Meter {
        Meter {
            process: self,
            cpu_seconds: self.cpu_seconds(),
            begin: Instant::now(),
        }
    }
}

impl Meter {
    pub fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Microseconds of CPU for each of `count`, to a hundredth.
    pub fn cpu_us_per(&self, count: u64) -> f64 {
        let used = self.process.cpu_seconds() - self.cpu_seconds;
        (used * 1e8 / count.max(1) as f64).round() / 100.0
    }
}

pub fn per_second(count: u64, seconds: f64) -> u64 {
    (count as f64 / seconds.max(1e-9)) as u64
}
