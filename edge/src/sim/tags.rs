//! Titles, ranges and suggested alarm limits of the simulator's series.

use serde::Serialize;

use super::replay::Recording;
use super::{SimError, SimKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmLimit {
    LoLo,
    Lo,
    Hi,
    HiHi,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuggestedAlarm {
    pub limit: AlarmLimit,
    /// In the tag's unit.
    pub value: f64,
    pub deadband: f64,
    pub on_delay_s: f64,
}

impl SuggestedAlarm {
    /// Whether `value` is past the limit.
    pub fn is_beyond(&self, value: f64) -> bool {
        match self.limit {
            AlarmLimit::Lo | AlarmLimit::LoLo => value < self.value,
            AlarmLimit::Hi | AlarmLimit::HiHi => value > self.value,
        }
    }
}

/// What an engineer would say of a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimTag {
    /// The series' name, as the edge agent sends it.
    pub name: String,
    pub title: String,
    pub unit: Option<String>,
    /// Of the display.
    pub low: f64,
    pub high: f64,
    pub decimals: u8,
    pub expected_interval_s: f64,
    pub alarms: Vec<SuggestedAlarm>,
}

/// The tags of a simulator, in the order of its registers.
///
/// # Errors
/// If a recording cannot be read.
pub fn tags(kind: &SimKind) -> Result<Vec<SimTag>, SimError> {
    match kind {
        SimKind::Pump => Ok(pump_tags()),
        SimKind::Csv(path) => Ok(recording_tags(&Recording::load(path)?)),
    }
}

const fn alarm(limit: AlarmLimit, value: f64, deadband: f64, on_delay_s: f64) -> SuggestedAlarm {
    SuggestedAlarm {
        limit,
        value,
        deadband,
        on_delay_s,
    }
}

fn tag(
    name: &str,
    title: &str,
    unit: &str,
    range: (f64, f64),
    decimals: u8,
    alarms: Vec<SuggestedAlarm>,
) -> SimTag {
    SimTag {
        name: name.into(),
        title: title.into(),
        unit: Some(unit.into()),
        low: range.0,
        high: range.1,
        decimals,
        expected_interval_s: 1.0,
        alarms,
    }
}

/// In the order of the input registers.
pub(crate) fn pump_tags() -> Vec<SimTag> {
    use AlarmLimit::{Hi, HiHi, Lo, LoLo};
    let vibration = || vec![alarm(Hi, 4.5, 0.3, 5.0), alarm(HiHi, 7.1, 0.3, 3.0)];
    let bearing = || vec![alarm(Hi, 75.0, 2.0, 5.0), alarm(HiHi, 85.0, 2.0, 3.0)];
    vec![
        tag("speed", "Speed", "1/min", (0.0, 3600.0), 0, vec![]),
        tag(
            "flow",
            "Flow",
            "m3/h",
            (0.0, 200.0),
            1,
            vec![alarm(Lo, 70.0, 3.0, 5.0), alarm(LoLo, 45.0, 3.0, 5.0)],
        ),
        tag(
            "suction_pressure",
            "Suction pressure",
            "bar",
            (-1.0, 4.0),
            2,
            vec![alarm(Lo, 0.7, 0.05, 5.0)],
        ),
        tag(
            "discharge_pressure",
            "Discharge pressure",
            "bar",
            (0.0, 10.0),
            2,
            vec![alarm(Hi, 6.9, 0.1, 5.0)],
        ),
        tag(
            "differential_head",
            "Differential head",
            "m",
            (0.0, 80.0),
            1,
            vec![],
        ),
        tag(
            "motor_current",
            "Motor current",
            "A",
            (0.0, 80.0),
            1,
            vec![alarm(Hi, 60.0, 1.0, 5.0)],
        ),
        tag("motor_power", "Motor power", "kW", (0.0, 45.0), 1, vec![]),
        tag(
            "bearing_temperature_de",
            "Bearing temperature, drive end",
            "Cel",
            (0.0, 120.0),
            1,
            bearing(),
        ),
        tag(
            "bearing_temperature_nde",
            "Bearing temperature, non-drive end",
            "Cel",
            (0.0, 120.0),
            1,
            bearing(),
        ),
        tag(
            "vibration_de",
            "Vibration, drive end",
            "mm/s",
            (0.0, 15.0),
            2,
            vibration(),
        ),
        tag(
            "vibration_nde",
            "Vibration, non-drive end",
            "mm/s",
            (0.0, 15.0),
            2,
            vibration(),
        ),
        tag(
            "casing_temperature",
            "Casing temperature",
            "Cel",
            (0.0, 90.0),
            1,
            vec![alarm(Hi, 50.0, 1.0, 5.0)],
        ),
        tag(
            "valve_opening",
            "Valve opening",
            "%",
            (0.0, 100.0),
            0,
            vec![],
        ),
    ]
}

/// Ranges from the data; limits are for an engineer to say.
fn recording_tags(recording: &Recording) -> Vec<SimTag> {
    let column_tag = |(index, column): (usize, &super::replay::Column)| {
        let values = recording
            .rows
            .iter()
            .map(|row| row[index])
            .filter(|value| value.is_finite());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
        let margin = (high - low) * 0.1;
        SimTag {
            name: column.name.clone(),
            title: column.header.clone(),
            unit: column.unit.map(str::to_owned),
            low: low - margin,
            high: high + margin,
            decimals: if high - low < 1.0 { 4 } else { 2 },
            expected_interval_s: 1.0,
            alarms: Vec::new(),
        }
    };
    recording
        .columns
        .iter()
        .enumerate()
        .map(column_tag)
        .collect()
}
