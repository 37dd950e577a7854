//! InfluxDB's line protocol: `measurement[,tag=value…] field=value[,field=value…] [time]`, one or more samples a line.
//!
//! Sans-IO. [`scan`](self) walks the bytes once; [`read()`](read::read) turns a body into columns of samples, and asks
//! a [`SeriesTable`] for lines that it has seen before, so that a known line costs a comparison and the reading of two
//! numbers. [`points()`] is the same walk without a table, for tools and tests.
//!
//! Source: InfluxDB 1.8 and 2.7, "Line protocol reference". Where they leave something open, the stricter reading
//! holds; `docs/line-protocol.md` lists what that means.

mod error;
mod names;
mod number;
#[cfg(test)]
mod oracle;
mod points;
mod precision;
mod read;
mod scan;
mod table;
#[cfg(test)]
mod tests;

pub use error::{LineError, LineFault, LineLimits};
pub use names::{SeriesName, series_name};
pub use points::{Point, points};
pub use precision::{Precision, UnknownPrecision};
pub use read::{Lines, Reading, read};
pub use scan::FieldValue;
pub use table::{SeriesTable, SeriesTables, Unknown};
