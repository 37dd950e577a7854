//! Plays a recording row by row.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use tellee_senml::nanoseconds_from_rfc3339;

use super::SimError;
use super::registers::Registers;

pub(crate) const DISCRETE_PLAYING: u16 = 0;
pub(crate) const INPUT_ROW: u16 = 1000;
const MAX_BYTES: u64 = 512 * 1024 * 1024;
const MAX_COLUMNS: usize = 200;
/// Longer pauses of a recording are cut to this, in recorded seconds.
const MAX_PAUSE: f64 = 60.0;
/// Between rows where the recording has no times.
const DEFAULT_PAUSE: f64 = 1.0;

/// Labels of the benchmark, not measurements.
const LABELS: [&str; 2] = ["anomaly", "changepoint"];
const TIME_COLUMNS: [&str; 4] = ["datetime", "timestamp", "time", "date"];

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) header: String,
    /// A SenML name.
    pub(crate) name: String,
    pub(crate) unit: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recording {
    pub(crate) columns: Vec<Column>,
    /// Not a number where the file has none.
    pub(crate) rows: Vec<Vec<f64>>,
    /// Seconds from the start.
    offsets: Vec<f64>,
}

impl Recording {
    pub(crate) fn load(path: &Path) -> Result<Self, SimError> {
        Self::read(path).map_err(|reason| SimError::Recording {
            path: path.to_owned(),
            reason,
        })
    }

    fn read(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let size = file.metadata().map_err(|error| error.to_string())?.len();
        if size > MAX_BYTES {
            return Err(format!("larger than {MAX_BYTES} bytes"));
        }
        let mut reader = BufReader::new(file);
        let head = reader.fill_buf().map_err(|error| error.to_string())?;
        let first_line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let delimiter = if first_line.contains(&b';') {
            b';'
        } else {
            b','
        };
        let mut table = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .trim(csv::Trim::All)
            .from_reader(reader);
        let headers = table.headers().map_err(|error| error.to_string())?.clone();

        let time_column = headers
            .iter()
            .position(|header| TIME_COLUMNS.contains(&header.to_lowercase().as_str()));
        let mut taken: Vec<usize> = Vec::new();
        let mut rows = Vec::new();
        let mut times = Vec::new();
        for (index, record) in table.records().enumerate() {
            let record = record.map_err(|error| error.to_string())?;
            if index == 0 {
                taken = numeric_columns(&headers, &record, time_column)?;
            }
            let number = |column: &usize| {
                record
                    .get(*column)
                    .and_then(|cell| cell.parse().ok())
                    .unwrap_or(f64::NAN)
            };
            rows.push(taken.iter().map(number).collect());
            times.push(
                time_column
                    .and_then(|column| record.get(column))
                    .and_then(nanoseconds_from_rfc3339),
            );
        }
        if rows.is_empty() {
            return Err("no rows".into());
        }
        let is_nab = headers.len() == 2 && headers.get(1) == Some("value");
        let columns = taken
            .iter()
            .filter_map(|&column| headers.get(column))
            .map(|header| column_of(header, is_nab));
        let columns: Vec<Column> = columns.collect();
        if let Some(twice) = columns.iter().enumerate().find(|(index, column)| {
            columns[..*index]
                .iter()
                .any(|earlier| earlier.name == column.name)
        }) {
            return Err(format!("two columns are called `{}`", twice.1.name));
        }
        Ok(Self {
            columns,
            rows,
            offsets: offsets_of(&times),
        })
    }
}

fn numeric_columns(
    headers: &csv::StringRecord,
    first: &csv::StringRecord,
    time_column: Option<usize>,
) -> Result<Vec<usize>, String> {
    let columns: Vec<usize> = (0..headers.len())
        .filter(|&column| Some(column) != time_column)
        .filter(|&column| !LABELS.contains(&headers[column].to_lowercase().as_str()))
        .filter(|&column| {
            first
                .get(column)
                .is_some_and(|cell| cell.parse::<f64>().is_ok())
        })
        .collect();
    match columns.len() {
        0 => Err("no numeric columns".into()),
        count if count > MAX_COLUMNS => Err(format!("more than {MAX_COLUMNS} columns")),
        _ => Ok(columns),
    }
}

/// Units of SKAB's rig, from its description.
fn column_of(header: &str, is_nab: bool) -> Column {
    let name = if is_nab {
        "machine_temperature".to_owned()
    } else {
        series_name(header)
    };
    let unit = match header {
        "Accelerometer1RMS" | "Accelerometer2RMS" => Some("g"),
        "Current" => Some("A"),
        "Pressure" => Some("bar"),
        "Temperature" | "Thermocouple" => Some("Cel"),
        "Voltage" => Some("V"),
        "Volume Flow RateRMS" => Some("l/min"),
        _ => None,
    };
    Column {
        header: header.to_owned(),
        name,
        unit,
    }
}

/// `Volume Flow RateRMS` becomes `volume_flow_rate_rms`.
fn series_name(header: &str) -> String {
    let mut name = String::new();
    let mut before = None;
    for character in header.chars() {
        let breaks_word = character.is_ascii_uppercase()
            && before
                .is_some_and(|before: char| before.is_ascii_lowercase() || before.is_ascii_digit());
        let replaced = if character.is_ascii_alphanumeric() {
            character.to_ascii_lowercase()
        } else {
            '_'
        };
        if (breaks_word || replaced == '_') && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        if replaced != '_' {
            name.push(replaced);
        }
        before = Some(character);
    }
    let name = name.trim_end_matches('_');
    if name.is_empty() {
        "value".to_owned()
    } else {
        name.to_owned()
    }
}

fn offsets_of(times: &[Option<i64>]) -> Vec<f64> {
    let mut offset = 0.0;
    let mut offsets = vec![0.0];
    for pair in times.windows(2) {
        let pause = match (pair[0], pair[1]) {
            (Some(before), Some(after)) if after > before => {
                ((after - before) as f64 / 1e9).min(MAX_PAUSE)
            }
            _ => DEFAULT_PAUSE,
        };
        offset += pause;
        offsets.push(offset);
    }
    offsets
}

pub(crate) struct Replay {
    recording: Recording,
    every: Option<Duration>,
    speed: f64,
    repeat: bool,
}

impl Replay {
    pub(crate) const fn new(
        recording: Recording,
        every: Option<Duration>,
        speed: f64,
        repeat: bool,
    ) -> Self {
        Self {
            recording,
            every,
            speed,
            repeat,
        }
    }

    /// The row at a time, and whether the recording still plays.
    fn row_at(&self, elapsed: Duration) -> (usize, bool) {
        let count = self.recording.rows.len();
        let last = count - 1;
        if let Some(every) = self.every {
            let turn =
                usize::try_from(elapsed.as_nanos() / every.as_nanos().max(1)).unwrap_or(usize::MAX);
            return if self.repeat {
                (turn % count, true)
            } else {
                (turn.min(last), turn <= last)
            };
        }
        let offsets = &self.recording.offsets;
        let length = offsets[last] + DEFAULT_PAUSE;
        let mut at = elapsed.as_secs_f64() * self.speed;
        if self.repeat {
            at %= length;
        }
        let row = offsets
            .partition_point(|&offset| offset <= at)
            .saturating_sub(1);
        (row, self.repeat || at < length)
    }

    pub(crate) fn write_at(&self, elapsed: Duration, registers: &mut Registers) {
        let (row, playing) = self.row_at(elapsed);
        for (index, &value) in (0..).zip(&self.recording.rows[row]) {
            registers.set_input_f32(index * 2, value);
        }
        registers.set_input_u32(INPUT_ROW, u32::try_from(row).unwrap_or(u32::MAX));
        registers.discrete.insert(DISCRETE_PLAYING, playing);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn recording(text: &str) -> Result<Recording, SimError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, text).unwrap();
        Recording::load(&path)
    }

    fn names(recording: &Recording) -> Vec<&str> {
        recording
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect()
    }

    const SKAB: &str = "datetime;Accelerometer1RMS;Current;Volume Flow RateRMS;anomaly;changepoint\n\
        2020-03-09 10:14:33;0.0265878;1.3302;32.0;0.0;0.0\n\
        2020-03-09 10:14:35;0.0261697;1.35399;31.0;1.0;0.0\n";

    #[test]
    fn skab_is_recognised_and_its_labels_are_not_measurements() {
        let recording = recording(SKAB).unwrap();
        assert_eq!(
            names(&recording),
            ["accelerometer1_rms", "current", "volume_flow_rate_rms"]
        );
        assert_eq!(recording.columns[2].unit, Some("l/min"));
        assert_eq!(recording.offsets, [0.0, 2.0]);
    }

    #[test]
    fn nab_is_recognised() {
        let recording =
            recording("timestamp,value\n2013-12-02 21:15:00,73.97\n2013-12-02 21:20:00,74.93\n")
                .unwrap();
        assert_eq!(names(&recording), ["machine_temperature"]);
        assert_eq!(recording.offsets, [0.0, MAX_PAUSE]);
    }

    #[test]
    fn any_numeric_columns_are_taken() {
        let recording = recording("A b,note,C2\n1,x,2\n3,y,\n").unwrap();
        assert_eq!(names(&recording), ["a_b", "c2"]);
        assert!(recording.rows[1][1].is_nan());
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        assert!(recording("a,b\nx,y\n").is_err());
        assert!(recording("a,b\n").is_err());
        assert!(recording("").is_err());
        assert!(recording("a,A\n1,2\n").is_err());
        assert!(Recording::load(Path::new("/nowhere.csv")).is_err());
    }

    #[test]
    fn rows_follow_their_times_or_a_fixed_pace() {
        let at = |replay: &Replay, seconds: f64| replay.row_at(Duration::from_secs_f64(seconds));
        let by_time = Replay::new(recording(SKAB).unwrap(), None, 2.0, false);
        assert_eq!(at(&by_time, 0.9), (0, true));
        assert_eq!(at(&by_time, 1.1), (1, true));
        assert_eq!(at(&by_time, 9.0), (1, false));
        let repeated = Replay::new(
            recording(SKAB).unwrap(),
            Some(Duration::from_secs(1)),
            1.0,
            true,
        );
        assert_eq!(at(&repeated, 2.5), (0, true));
        let once = Replay::new(
            recording(SKAB).unwrap(),
            Some(Duration::from_secs(1)),
            1.0,
            false,
        );
        assert_eq!(at(&once, 2.5), (1, false));
    }
}
