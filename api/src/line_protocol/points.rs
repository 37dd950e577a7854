//! A body as owned points, one a field: for tools, tests and fuzzing. Ingest reads columns instead.

use tellee_actors::time::Timestamp;

use super::error::{LineError, LineFault, LineLimits};
use super::names::{SeriesName, series_name};
use super::precision::Precision;
use super::scan::{After, FieldValue, Scanner};

/// One field of one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub series: SeriesName,
    pub time: Timestamp,
    pub value: FieldValue<'static>,
}

/// All points of `body`, in order. A line without a time takes `now`.
///
/// # Errors
/// [`LineError`] for the first line that cannot be read.
pub fn points(
    body: &[u8],
    precision: Precision,
    now: Timestamp,
    limits: &LineLimits,
) -> Result<Vec<Point>, LineError> {
    let mut scanner = Scanner::new(body, limits);
    let mut all: Vec<Point> = Vec::new();
    while scanner.enter_line() {
        let head = scanner.take_head()?;
        scanner.enter_fields()?;
        let first = all.len();
        loop {
            let key = scanner.take_field_key()?;
            let series = series_name(head, key, limits).map_err(|fault| scanner.wrong(fault))?;
            if all.len() >= limits.max_samples {
                let limit = limits.max_samples;
                return Err(scanner.wrong(LineFault::TooManySamples { limit }));
            }
            if all.len() - first >= limits.max_fields {
                let limit = limits.max_fields;
                return Err(scanner.wrong(LineFault::TooManyFields { limit }));
            }
            let (value, after) = scanner.take_value(key)?;
            all.push(Point {
                series,
                time: now,
                value: owned(value),
            });
            match after {
                After::Field => {}
                After::End => {
                    scanner.end_line()?;
                    break;
                }
                After::Time => {
                    let time = Timestamp(scanner.take_time(precision.nanoseconds())?);
                    for point in &mut all[first..] {
                        point.time = time;
                    }
                    break;
                }
            }
        }
    }
    Ok(all)
}

fn owned(value: FieldValue<'_>) -> FieldValue<'static> {
    match value {
        FieldValue::Number(number) => FieldValue::Number(number),
        FieldValue::Boolean(boolean) => FieldValue::Boolean(boolean),
        FieldValue::Text(text) => FieldValue::Text(text.into_owned().into()),
    }
}
