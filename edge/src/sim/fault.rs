//! Faults that can be injected into the pump.

use std::str::FromStr;
use std::time::Duration;

use super::SimError;
use crate::connection::parse_duration;

const DEFAULT_RAMP: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    BearingWear,
    Cavitation,
    ValveClosing,
    SensorStuck,
}

impl FaultKind {
    /// In the order of the control registers.
    pub const ALL: [Self; 4] = [
        Self::BearingWear,
        Self::Cavitation,
        Self::ValveClosing,
        Self::SensorStuck,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::BearingWear => "bearing-wear",
            Self::Cavitation => "cavitation",
            Self::ValveClosing => "valve-closing",
            Self::SensorStuck => "sensor-stuck",
        }
    }
}

/// `bearing-wear@60s`, also with `,severity=0.8` and `,ramp=120s`. Times are simulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultSpec {
    pub kind: FaultKind,
    pub onset: Duration,
    /// 0 to 1.
    pub severity: f64,
    /// From nothing to full severity.
    pub ramp: Duration,
}

impl FromStr for FaultSpec {
    type Err = SimError;

    fn from_str(text: &str) -> Result<Self, SimError> {
        let fail = |reason: String| SimError::Fault {
            text: text.to_owned(),
            reason,
        };
        let mut parts = text.split(',');
        let head = parts.next().unwrap_or_default();
        let (name, onset) = head.split_once('@').unwrap_or((head, "0s"));
        let kind = FaultKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                let known: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
                fail(format!("`{name}` is not one of {}", known.join(", ")))
            })?;
        let duration = |text: &str| {
            parse_duration(text).ok_or_else(|| fail(format!("`{text}` is not a duration")))
        };
        let mut spec = Self {
            kind,
            onset: duration(onset)?,
            severity: 1.0,
            ramp: DEFAULT_RAMP,
        };
        for part in parts {
            match part.split_once('=') {
                Some(("ramp", ramp)) => spec.ramp = duration(ramp)?,
                Some(("severity", severity)) => {
                    spec.severity = severity
                        .parse()
                        .ok()
                        .filter(|severity| (0.0..=1.0).contains(severity))
                        .ok_or_else(|| {
                            fail(format!("severity `{severity}` is not a number from 0 to 1"))
                        })?;
                }
                _ => {
                    return Err(fail(format!(
                        "`{part}` is neither `severity=…` nor `ramp=…`"
                    )));
                }
            }
        }
        Ok(spec)
    }
}

/// One fault over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultState {
    onset: Option<f64>,
    severity: f64,
    ramp: f64,
}

impl FaultState {
    pub(crate) const NONE: Self = Self {
        onset: None,
        severity: 0.0,
        ramp: 1.0,
    };

    pub(crate) fn planned(spec: &FaultSpec) -> Self {
        Self {
            onset: Some(spec.onset.as_secs_f64()),
            severity: spec.severity,
            ramp: spec.ramp.as_secs_f64().max(0.001),
        }
    }

    /// From 0 to its severity.
    pub(crate) fn at(&self, seconds: f64) -> f64 {
        let Some(onset) = self.onset else {
            return 0.0;
        };
        self.severity * ((seconds - onset) / self.ramp).clamp(0.0, 1.0)
    }

    pub(crate) const fn inject(&mut self, seconds: f64, severity: f64, ramp: f64) {
        *self = Self {
            onset: Some(seconds),
            severity,
            ramp,
        };
    }

    pub(crate) const fn clear(&mut self) {
        *self = Self::NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_flags() {
        let spec: FaultSpec = "cavitation@1m,severity=0.5,ramp=10s".parse().unwrap();
        assert_eq!(
            (spec.kind, spec.onset.as_secs(), spec.severity),
            (FaultKind::Cavitation, 60, 0.5)
        );
        let state = FaultState::planned(&spec);
        assert_eq!(
            [59.0, 65.0, 70.0, 900.0].map(|seconds| state.at(seconds)),
            [0.0, 0.25, 0.5, 0.5]
        );
        for text in [
            "rust@1s",
            "cavitation@soon",
            "cavitation,severity=2",
            "cavitation,colour=red",
            "",
        ] {
            assert!(text.parse::<FaultSpec>().is_err(), "{text}");
        }
    }
}
