//! The words of telemetry.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;

/// One thing's one measured name in one channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesKey {
    pub channel: ChannelId,
    /// The publisher.
    pub thing: ThingId,
    /// Elements joined by `.`; empty if none.
    pub subtopic: String,
    pub name: String,
}

/// The store's short name for a series. The same series keeps it for ever within one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeriesId(pub u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Finite. NaN and infinities are refused on the way in.
    Number(f64),
    Text(String),
    Boolean(bool),
    Data(Vec<u8>),
}

impl Value {
    /// The number that charts and rules see: numbers as they are, booleans as 0 and 1.
    pub const fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Boolean(true) => Some(1.0),
            Self::Boolean(false) => Some(0.0),
            Self::Text(_) | Self::Data(_) => None,
        }
    }
}

/// OPC UA's severity in the upper two bits: 192 good, 64 uncertain, 0 bad. The lowest two bits say how the sample came:
/// 0 live, 1 marked as old by its sender, 2 from a clock that is ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quality(pub u8);

impl Quality {
    pub const GOOD: Self = Self(192);
    pub const UNCERTAIN: Self = Self(64);
    pub const BAD: Self = Self(0);

    pub const fn is_good(self) -> bool {
        self.0 >= 192
    }

    pub const fn is_bad(self) -> bool {
        self.0 < 64
    }
}

impl Default for Quality {
    fn default() -> Self {
        Self::GOOD
    }
}

/// One record of a message, normalised: base fields resolved, time absolute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    /// Empty if none was given.
    pub unit: String,
    pub time: Timestamp,
    /// Tells apart samples of one series with the same time: 0, 1, … in the order of the message.
    pub seq: u32,
    pub value: Value,
    pub sum: Option<f64>,
    pub update_time: Option<f64>,
    pub quality: Quality,
}

/// The records of one message, on their way into the store.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageBatch {
    pub channel: ChannelId,
    pub thing: ThingId,
    pub subtopic: Arc<str>,
    /// `mqtt`, `http`, `ws`, `influx`, `ml`.
    pub protocol: &'static str,
    pub received_at: Timestamp,
    /// The sender says that these samples are old: they fill history, move no latest value and raise no alarm.
    pub historical: bool,
    pub records: Vec<Record>,
}

/// A sample as kept. Identity: series, time, seq. Writing the same identity again replaces the value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub time: Timestamp,
    pub seq: u32,
    pub value: Value,
    pub sum: Option<f64>,
    pub update_time: Option<f64>,
    pub quality: Quality,
    pub received_at: Timestamp,
}

/// From, inclusive, to, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl TimeRange {
    pub const ALL: Self = Self {
        from: Timestamp::MIN,
        to: Timestamp::MAX,
    };

    pub const fn contains(&self, time: Timestamp) -> bool {
        time.0 >= self.from.0 && time.0 < self.to.0
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SeriesInfo {
    pub id: SeriesId,
    pub key: SeriesKey,
    /// Of the newest sample by source time.
    pub unit: String,
    pub protocol: String,
    /// The newest sample by source time.
    pub latest: Option<Sample>,
}

/// Which series. Every given part must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesFilter {
    pub channels: Option<Vec<ChannelId>>,
    pub thing: Option<ThingId>,
    pub subtopic: Option<String>,
    pub name: Option<String>,
    /// A part of the name, without regard to case.
    pub name_contains: Option<String>,
}

/// A line for a chart, thinned to a pixel budget with its extremes kept. Columns of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    pub times: Vec<Timestamp>,
    /// `None` where the sample is no number.
    pub values: Vec<Option<f64>>,
    pub qualities: Vec<Quality>,
    /// How many samples stand behind the line.
    pub samples: u64,
    /// Whether fewer points are given than there are samples.
    pub thinned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    Count,
    Sum,
    Mean,
    Min,
    Max,
    First,
    Last,
    /// Sample standard deviation.
    Deviation,
}

/// One row per interval that holds a numeric sample; intervals are aligned to 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Aggregates {
    pub starts: Vec<Timestamp>,
    /// One column per function asked, in that order.
    pub columns: Vec<Vec<f64>>,
    /// Where rows come from rollups that outlived their samples.
    pub rolled_up: Option<RolledUp>,
}

/// Of a time whose samples are gone, aggregates know whole rows of rollups alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolledUp {
    /// Where that time ends, within what was asked for.
    pub before: Timestamp,
    /// The length of the intervals up to there: the one asked for, brought up to whole minutes, or to whole hours where
    /// the deviation is asked for. A minute (or hour) that lies in the range in part counts as a whole.
    pub step: std::time::Duration,
}

/// Mainflux' reader: stored records of a channel, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageQuery {
    pub channel: ChannelId,
    pub range: TimeRange,
    pub subtopic: Option<String>,
    pub publisher: Option<ThingId>,
    pub protocol: Option<String>,
    pub name: Option<String>,
    pub value: Option<ValueFilter>,
    pub offset: u64,
    /// At most 1,000.
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ValueFilter {
    Equal(f64),
    Less(f64),
    LessOrEqual(f64),
    Greater(f64),
    GreaterOrEqual(f64),
    Text(String),
    Boolean(bool),
    Data(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct StoredMessage {
    pub key: SeriesKey,
    pub unit: String,
    pub protocol: String,
    pub sample: Sample,
}
