//! The time that ages are counted from. A clock that is wrong once must not drop years of history: a leap ahead that the
//! server has not lived through is not believed before it has run for a week with it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tellee_actors::time::Timestamp;

use super::DAY;

/// A stop may take so long without doubt.
const LEAP: Duration = DAY;
/// So long a leap is doubted while the server runs.
const DOUBT: Duration = DAY.saturating_mul(7);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// The latest time that was believed.
    believed: Timestamp,
    /// How long the server has run with a clock that is not.
    doubted_seconds: u64,
}

pub struct Reckoning {
    path: PathBuf,
    kept: Kept,
}

impl Reckoning {
    /// What is kept at `path`; without it `known` is the latest time that was certainly reached.
    pub fn open(path: PathBuf, known: Timestamp) -> Self {
        let first = Kept {
            believed: known,
            doubted_seconds: 0,
        };
        match read(&path) {
            Ok(kept) => return Self { path, kept },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "the time of the last retention cannot be read");
            }
        }
        let reckoning = Self { path, kept: first };
        reckoning.keep();
        reckoning
    }

    /// The time that ages are counted from, where the clock says `now` and the server has run for `ran` since the last
    /// step.
    pub fn step(&mut self, now: Timestamp, ran: Duration) -> Timestamp {
        let (at, kept) = self.kept.step(now, ran);
        if at < now {
            tracing::warn!(
                days_ahead = now.since(at).as_secs() / DAY.as_secs(),
                "the clock has leapt ahead: until the server has run for a week with it, ages of samples are counted from the time before"
            );
        }
        self.kept = kept;
        self.keep();
        at
    }

    fn keep(&self) {
        if let Err(error) = write(&self.path, &self.kept) {
            tracing::warn!(file = %self.path.display(), %error, "the time of the last retention cannot be kept");
        }
    }
}

impl Kept {
    fn step(self, now: Timestamp, ran: Duration) -> (Timestamp, Self) {
        let expected = self.believed.saturating_add(ran);
        let doubted_seconds = self.doubted_seconds.saturating_add(ran.as_secs());
        if now > expected.saturating_add(LEAP) && doubted_seconds < DOUBT.as_secs() {
            let kept = Self {
                believed: expected,
                doubted_seconds,
            };
            return (expected, kept);
        }
        let leapt = now > expected.saturating_add(LEAP);
        let kept = Self {
            // A clock that goes back makes nothing older.
            believed: if leapt { now } else { self.believed.max(now) },
            doubted_seconds: 0,
        };
        (now, kept)
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(kept)?)?;
    std::fs::File::open(&new)?.sync_all()?;
    std::fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const START: Timestamp = Timestamp(1_700_000_000 * 1_000_000_000);

    fn after(days: u32) -> Timestamp {
        START.saturating_add(DAY * days)
    }

    fn kept() -> Kept {
        Kept {
            believed: START,
            doubted_seconds: 0,
        }
    }

    #[test]
    fn a_clock_that_runs_as_the_server_does_is_believed() {
        let mut kept = kept();
        for hour in 1..500 {
            let now = START.saturating_add(HOUR * hour);
            let (at, next) = kept.step(now, HOUR);
            assert_eq!(at, now);
            kept = next;
        }
        assert_eq!(kept.believed, START.saturating_add(HOUR * 499));
    }

    #[test]
    fn a_leap_is_doubted_for_a_week_of_running_also_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("time");
        for hour in 1..168 {
            // Each step is a start: what was received meanwhile has the wrong time too.
            let known = if hour == 1 { START } else { after(800) };
            let mut reckoning = Reckoning::open(path.clone(), known);
            let now = after(800).saturating_add(HOUR * hour);
            let at = reckoning.step(now, HOUR);
            assert_eq!(at, START.saturating_add(HOUR * hour));
        }
        let now = after(808);
        assert_eq!(Reckoning::open(path, START).step(now, HOUR), now);
    }

    #[test]
    fn a_leap_that_is_taken_back_leaves_nothing() {
        let (at, doubting) = kept().step(after(800), HOUR);
        assert_eq!(at, START.saturating_add(HOUR));
        let back = START.saturating_add(HOUR * 2);
        let (at, mended) = doubting.step(back, HOUR);
        assert_eq!((at, mended.believed), (back, back));
        assert_eq!(mended.doubted_seconds, 0);
    }

    #[test]
    fn a_weekend_off_is_doubted_and_a_night_is_not() {
        let night = START.saturating_add(HOUR * 14);
        assert_eq!(kept().step(night, Duration::ZERO).0, night);
        assert_eq!(kept().step(after(2), Duration::ZERO).0, START);
    }

    #[test]
    fn a_clock_that_goes_back_is_followed_and_forgets_nothing() {
        let back = Timestamp(0);
        let (at, kept) = kept().step(back, HOUR);
        assert_eq!((at, kept.believed), (back, START));
        assert_eq!(kept.step(after(1), HOUR).0, after(1));
    }
}
