//! The samples of one series that are in no block yet. There may be very many heads, so that an empty one, and one of
//! a few numbers, must be small and lie in few places of memory.

use tellee_actors::time::Timestamp;

use super::origins::Origins;
use crate::telemetry::catalog::Latest;
use crate::telemetry::columns::{Columns, Origin, Repeated, SampleRef, Values};
use crate::telemetry::model::{Quality, Sample, TimeRange, Value};

/// What the allocator adds to a piece of memory, about.
const ALLOCATION: usize = 16;
/// What columns cost before their first sample, about.
const WIDE_COST: usize = 500;

/// The newest sample of a series.
#[derive(Debug)]
pub enum Newest {
    None,
    /// With the number of its origin.
    Plain(u16, PlainSample),
    Wide(Box<Latest>),
}

impl Newest {
    /// (time, seq).
    pub fn identity(&self) -> Option<(i64, u32)> {
        match self {
            Self::None => None,
            Self::Plain(_, sample) => Some((sample.time, 0)),
            Self::Wide(latest) => Some((latest.sample.time.0, latest.sample.seq)),
        }
    }

    pub fn latest(&self, origins: &Origins) -> Option<Latest> {
        match self {
            Self::None => None,
            Self::Wide(latest) => Some(Latest::clone(latest)),
            Self::Plain(origin, sample) => {
                let Origin { unit, protocol } = origins.get(*origin);
                let sample = Sample {
                    time: Timestamp(sample.time),
                    seq: 0,
                    value: Value::Number(sample.number),
                    sum: None,
                    update_time: None,
                    quality: Quality::GOOD,
                    received_at: Timestamp(sample.received_at),
                };
                Some(Latest {
                    sample,
                    unit,
                    protocol,
                })
            }
        }
    }

    /// `latest`, in as little memory as it needs.
    pub fn of(latest: Latest, origins: &mut Origins) -> Self {
        let sample = &latest.sample;
        let borrowed = SampleRef {
            time: sample.time.0,
            seq: sample.seq,
            value: &sample.value,
            sum: sample.sum,
            update_time: sample.update_time,
            quality: sample.quality,
            received_at: sample.received_at.0,
            unit: &latest.unit,
            protocol: &latest.protocol,
        };
        let plain = PlainSample::of(&borrowed);
        let origin = plain.and_then(|_| origins.number(&latest.unit, &latest.protocol));
        match plain.zip(origin) {
            Some((plain, origin)) => Self::Plain(origin, plain),
            None => Self::Wide(Box::new(latest)),
        }
    }
}

/// A good number with seq 0, no sum and no update time: what nearly all samples are.
#[derive(Debug, Clone, Copy)]
pub struct PlainSample {
    pub time: i64,
    pub number: f64,
    pub received_at: i64,
}

impl PlainSample {
    /// The sample as a plain one, if it is one.
    pub fn of(sample: &SampleRef<'_>) -> Option<Self> {
        let Value::Number(number) = sample.value else {
            return None;
        };
        let is_plain = sample.seq == 0
            && sample.quality == Quality::GOOD
            && sample.sum.is_none()
            && sample.update_time.is_none();
        is_plain.then_some(Self {
            time: sample.time,
            number: *number,
            received_at: sample.received_at,
        })
    }
}

#[derive(Debug)]
enum Samples {
    Plain(Vec<PlainSample>),
    Wide(Box<Columns>),
}

#[derive(Debug)]
pub struct Head {
    samples: Samples,
    /// Of all plain samples.
    origin: u16,
    /// Whether the times of plain samples rise strictly.
    sorted: bool,
    /// The newest sample of the series is the last one in here.
    pub holds_latest: bool,
    /// How many samples to make room for at first.
    expected: u32,
}

/// No head makes room for more samples ahead of them.
const MAX_EXPECTED: usize = 64;

impl Default for Head {
    fn default() -> Self {
        Self {
            samples: Samples::Plain(Vec::new()),
            origin: 0,
            sorted: true,
            holds_latest: false,
            expected: 0,
        }
    }
}

/// What a sample costs in columns, about, in bytes.
pub const fn cost(value: &Value) -> usize {
    match value {
        Value::Number(_) => 26,
        Value::Boolean(_) => 50,
        Value::Text(text) => 50 + text.len(),
        Value::Data(data) => 50 + data.len(),
    }
}

impl Head {
    /// An empty head of a series whose head before was `before`: the next flush will find about as many samples.
    pub fn after(before: &Self) -> Self {
        let expected = match before.len() {
            0 => before.expected,
            length => length.min(MAX_EXPECTED) as u32,
        };
        Self {
            expected,
            ..Self::default()
        }
    }

    pub const fn len(&self) -> usize {
        match &self.samples {
            Samples::Plain(samples) => samples.len(),
            Samples::Wide(columns) => columns.len(),
        }
    }

    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that it takes, about.
    pub fn bytes(&self) -> usize {
        match &self.samples {
            Samples::Plain(samples) if samples.is_empty() => 0,
            Samples::Plain(samples) => samples.len() * size_of::<PlainSample>() + ALLOCATION,
            Samples::Wide(columns) => {
                let samples: usize = match &columns.values {
                    Values::Numbers(numbers) => numbers.len() * cost(&Value::Number(0.0)),
                    Values::Any(values) => values.iter().map(cost).sum(),
                };
                samples + WIDE_COST
            }
        }
    }

    /// Whether plain samples of `origin` can be added as such.
    pub const fn takes_plain(&self, origin: u16) -> bool {
        match &self.samples {
            Samples::Plain(samples) => samples.is_empty() || self.origin == origin,
            Samples::Wide(_) => false,
        }
    }

    /// (time, seq) of the last sample written.
    pub fn last_identity(&self) -> Option<(i64, u32)> {
        match &self.samples {
            Samples::Plain(samples) => Some((samples.last()?.time, 0)),
            Samples::Wide(columns) => {
                let last = columns.len().checked_sub(1)?;
                Some((columns.times[last], columns.seqs.get(last)))
            }
        }
    }

    /// Adds a sample; [`Self::takes_plain`] must hold. Answers the bytes by which the head has grown.
    pub fn push_plain(&mut self, origin: u16, sample: PlainSample) -> usize {
        let Samples::Plain(samples) = &mut self.samples else {
            return 0;
        };
        self.origin = origin;
        if let Some(last) = samples.last() {
            self.sorted &= sample.time > last.time;
        }
        if samples.len() == samples.capacity() {
            // Doubling would waste much where very many series have few samples each.
            let more = match samples.len() {
                0 => self.expected as usize,
                length => length / 2,
            };
            samples.reserve_exact(more.max(2));
        }
        let first = if samples.is_empty() { ALLOCATION } else { 0 };
        samples.push(sample);
        first + size_of::<PlainSample>()
    }

    /// Adds any sample. Answers the bytes by which the head has grown.
    pub fn push_wide(&mut self, origins: &Origins, sample: SampleRef<'_>) -> usize {
        let mut grown = cost(sample.value);
        if matches!(self.samples, Samples::Plain(_)) {
            let before = self.bytes();
            self.samples = Samples::Wide(Box::new(self.columns(origins)));
            grown += self.bytes().saturating_sub(before);
        }
        if let Samples::Wide(columns) = &mut self.samples {
            columns.push(sample);
        }
        grown
    }

    /// A copy of the samples, in the order in which they came.
    pub fn columns(&self, origins: &Origins) -> Columns {
        let samples = match &self.samples {
            Samples::Wide(columns) => return Columns::clone(columns),
            Samples::Plain(samples) => samples,
        };
        let length = samples.len();
        let received: Vec<i64> = samples.iter().map(|sample| sample.received_at).collect();
        let Some(received) = Repeated::from_vec(received) else {
            return Columns::default();
        };
        Columns {
            times: samples.iter().map(|sample| sample.time).collect(),
            seqs: Repeated::Constant { value: 0, length },
            values: Values::Numbers(samples.iter().map(|sample| sample.number).collect()),
            qualities: Repeated::Constant {
                value: Quality::GOOD.0,
                length,
            },
            received,
            sums: Repeated::Constant {
                value: None,
                length,
            },
            update_times: Repeated::Constant {
                value: None,
                length,
            },
            origins: Repeated::Constant { value: 0, length },
            dictionary: vec![origins.get(self.origin)],
            sorted: self.sorted,
        }
    }

    /// Puts the samples into `columns` in place of what is in there, whose memory is used again. Answers false, and does
    /// nothing, unless they are plain and sorted and there is at least one.
    pub fn fill(&self, origins: &Origins, columns: &mut Columns) -> bool {
        let samples = match &self.samples {
            Samples::Plain(samples) if self.sorted && !samples.is_empty() => samples,
            Samples::Plain(_) | Samples::Wide(_) => return false,
        };
        let length = samples.len();
        columns.times.clear();
        columns
            .times
            .extend(samples.iter().map(|sample| sample.time));
        let mut numbers = match std::mem::replace(&mut columns.values, Values::Any(Vec::new())) {
            Values::Numbers(numbers) => numbers,
            Values::Any(_) => Vec::new(),
        };
        numbers.clear();
        numbers.extend(samples.iter().map(|sample| sample.number));
        columns.values = Values::Numbers(numbers);
        columns
            .received
            .refill(samples.iter().map(|sample| sample.received_at));
        columns.seqs = Repeated::Constant { value: 0, length };
        columns.qualities = Repeated::Constant {
            value: Quality::GOOD.0,
            length,
        };
        columns.sums = Repeated::Constant {
            value: None,
            length,
        };
        columns.update_times = columns.sums.clone();
        columns.origins = Repeated::Constant { value: 0, length };
        columns.dictionary.clear();
        columns.dictionary.push(origins.get(self.origin));
        columns.sorted = true;
        true
    }

    /// The samples; the head is empty afterwards.
    pub fn take(&mut self, origins: &Origins) -> Columns {
        let head = std::mem::take(self);
        match head.samples {
            Samples::Wide(columns) => *columns,
            Samples::Plain(_) => head.columns(origins),
        }
    }

    /// The least and the greatest time.
    pub fn span(&self) -> Option<(i64, i64)> {
        let samples = match &self.samples {
            Samples::Wide(columns) => return columns.span(),
            Samples::Plain(samples) => samples,
        };
        if self.sorted {
            return Some((samples.first()?.time, samples.last()?.time));
        }
        let times = || samples.iter().map(|sample| sample.time);
        Some((times().min()?, times().max()?))
    }

    /// The last sample written.
    pub fn last(&self) -> Newest {
        match &self.samples {
            Samples::Plain(samples) => samples
                .last()
                .map_or(Newest::None, |last| Newest::Plain(self.origin, *last)),
            Samples::Wide(columns) => match columns.len().checked_sub(1) {
                None => Newest::None,
                Some(last) => {
                    let Origin { unit, protocol } = columns.origin_at(last).clone();
                    Newest::Wide(Box::new(Latest {
                        sample: columns.sample(last),
                        unit,
                        protocol,
                    }))
                }
            },
        }
    }

    /// Drops the samples before `before`. Must not hold the newest sample of its series.
    pub fn trim(&mut self, origins: &Origins, before: i64) {
        if self.span().is_none_or(|(first, _)| first >= before) {
            return;
        }
        let columns = trimmed(self.take(origins), before);
        if !columns.is_empty() {
            self.samples = Samples::Wide(Box::new(columns));
        }
    }
}

/// The samples from `before` on, sorted.
pub fn trimmed(columns: Columns, before: i64) -> Columns {
    let from = TimeRange {
        from: Timestamp(before),
        to: Timestamp::MAX,
    };
    let columns = columns.into_sorted();
    let mut kept = Columns::default();
    // `TimeRange` excludes its end, and a sample may well bear the last stamp there is.
    kept.extend_from_range(&columns, columns.indexes(from).start..columns.len());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_small() {
        assert!(size_of::<Head>() <= 32, "{}", size_of::<Head>());
    }

    #[test]
    fn a_text_after_numbers_keeps_them_all() {
        let mut origins = Origins::default();
        let origin = origins.number("", "influx").unwrap();
        let mut head = Head::default();
        for time in [5, 3] {
            let sample = PlainSample {
                time,
                number: time as f64,
                received_at: 7,
            };
            assert!(head.takes_plain(origin));
            head.push_plain(origin, sample);
        }
        head.push_wide(
            &origins,
            SampleRef {
                time: 4,
                seq: 1,
                value: &Value::Text("off".to_owned()),
                sum: None,
                update_time: None,
                quality: Quality::BAD,
                received_at: 8,
                unit: "bar",
                protocol: "mqtt",
            },
        );
        assert!(!head.takes_plain(origin));
        assert_eq!(
            (head.span(), head.last_identity()),
            (Some((3, 5)), Some((4, 1)))
        );
        let columns = head.take(&origins).into_sorted();
        assert!(head.is_empty());
        assert_eq!(columns.times, [3, 4, 5]);
        assert_eq!(&*columns.origin_at(0).protocol, "influx");
        assert_eq!(&*columns.origin_at(1).unit, "bar");
        assert_eq!(columns.sample(2).value, Value::Number(5.0));
    }
}
