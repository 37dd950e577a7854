//! Samples of one series as columns: the shape of heads in memory and of decoded blocks.

use std::ops::Range;
use std::sync::Arc;

use tellee_actors::time::Timestamp;

use super::model::{Quality, Sample, TimeRange, Value};

/// A column that costs nothing while all of its values are equal.
#[derive(Debug, Clone, PartialEq)]
pub enum Repeated<T> {
    Constant { value: T, length: usize },
    Each(Vec<T>),
}

impl<T: Copy + PartialEq> Repeated<T> {
    pub fn from_vec(values: Vec<T>) -> Option<Self> {
        let first = *values.first()?;
        if values.iter().all(|value| *value == first) {
            return Some(Self::Constant {
                value: first,
                length: values.len(),
            });
        }
        Some(Self::Each(values))
    }

    /// The value at `index`, which must lie within the column.
    pub fn get(&self, index: usize) -> T {
        match self {
            Self::Constant { value, .. } => *value,
            Self::Each(values) => values[index],
        }
    }

    /// The one value of the column, if there is only one.
    pub const fn constant(&self) -> Option<T> {
        match self {
            Self::Constant { value, .. } => Some(*value),
            Self::Each(_) => None,
        }
    }

    pub fn push(&mut self, added: T) {
        match self {
            Self::Constant { value, length } if *length == 0 => {
                *value = added;
                *length = 1;
            }
            Self::Constant { value, length } if *value == added => *length += 1,
            Self::Constant { value, length } => {
                let mut values = Vec::with_capacity((*length + 1).next_power_of_two());
                values.resize(*length, *value);
                values.push(added);
                *self = Self::Each(values);
            }
            Self::Each(values) => values.push(added),
        }
    }

    /// Becomes a column of the `length` values in `values`, in the memory that it has.
    pub fn refill(&mut self, values: impl Iterator<Item = T>, length: usize) {
        let mut kept = match self {
            Self::Each(kept) => std::mem::take(kept),
            Self::Constant { .. } => Vec::new(),
        };
        kept.clear();
        kept.reserve_exact(length);
        kept.extend(values);
        match kept.first() {
            Some(first) if kept.iter().all(|value| value == first) => {
                *self = Self::Constant {
                    value: *first,
                    length: kept.len(),
                };
            }
            _ => *self = Self::Each(kept),
        }
    }

    fn push_times(&mut self, added: T, times: usize) {
        match self {
            Self::Constant { value, length } if *length == 0 || *value == added => {
                *value = added;
                *length += times;
            }
            Self::Constant { .. } => {
                for _ in 0..times {
                    self.push(added);
                }
            }
            Self::Each(values) => values.resize(values.len() + times, added),
        }
    }

    fn push_slice(&mut self, added: &[T]) {
        let mut rest = added;
        while let Self::Constant { .. } = self
            && let Some((first, others)) = rest.split_first()
        {
            self.push(*first);
            rest = others;
        }
        if let Self::Each(values) = self {
            values.extend_from_slice(rest);
        }
    }

    /// Appends the values of `other` at `range`.
    fn extend_from(&mut self, other: &Self, range: Range<usize>) {
        match other {
            Self::Constant { value, .. } => self.push_times(*value, range.len()),
            Self::Each(values) => self.push_slice(&values[range]),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    pub const fn len(&self) -> usize {
        match self {
            Self::Constant { length, .. } => *length,
            Self::Each(values) => values.len(),
        }
    }
}

/// The values of a column of samples. Most series are numbers and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Numbers(Vec<f64>),
    Any(Vec<Value>),
}

impl Values {
    pub fn get(&self, index: usize) -> Value {
        match self {
            Self::Numbers(numbers) => Value::Number(numbers[index]),
            Self::Any(values) => values[index].clone(),
        }
    }

    /// As charts and rules see it; `None` for texts and data.
    pub fn number(&self, index: usize) -> Option<f64> {
        match self {
            Self::Numbers(numbers) => Some(numbers[index]),
            Self::Any(values) => values[index].as_number(),
        }
    }

    fn push(&mut self, value: &Value) {
        match (&mut *self, value) {
            (Self::Numbers(numbers), Value::Number(number)) => numbers.push(*number),
            (Self::Numbers(numbers), other) => {
                let mut values: Vec<Value> = numbers
                    .iter()
                    .map(|number| Value::Number(*number))
                    .collect();
                values.push(other.clone());
                *self = Self::Any(values);
            }
            (Self::Any(values), other) => values.push(other.clone()),
        }
    }
}

/// What a sample came with besides its value: the same for nearly all samples of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub unit: Arc<str>,
    pub protocol: Arc<str>,
}

/// A sample on its way into the columns, borrowed from its record.
#[derive(Debug, Clone, Copy)]
pub struct SampleRef<'a> {
    pub time: i64,
    pub seq: u32,
    pub value: &'a Value,
    pub sum: Option<f64>,
    pub update_time: Option<f64>,
    pub quality: Quality,
    pub received_at: i64,
    pub unit: &'a str,
    pub protocol: &'a str,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    pub times: Vec<i64>,
    pub seqs: Repeated<u32>,
    pub values: Values,
    pub qualities: Repeated<u8>,
    pub received: Repeated<i64>,
    pub sums: Repeated<Option<f64>>,
    pub update_times: Repeated<Option<f64>>,
    /// Indexes into `dictionary`.
    pub origins: Repeated<u32>,
    pub dictionary: Vec<Origin>,
    /// Whether (time, seq) rises strictly from sample to sample.
    pub sorted: bool,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            times: Vec::new(),
            seqs: Repeated::Constant {
                value: 0,
                length: 0,
            },
            values: Values::Numbers(Vec::new()),
            qualities: Repeated::Constant {
                value: 0,
                length: 0,
            },
            received: Repeated::Constant {
                value: 0,
                length: 0,
            },
            sums: Repeated::Constant {
                value: None,
                length: 0,
            },
            update_times: Repeated::Constant {
                value: None,
                length: 0,
            },
            origins: Repeated::Constant {
                value: 0,
                length: 0,
            },
            dictionary: Vec::new(),
            sorted: true,
        }
    }
}

impl Columns {
    pub const fn len(&self) -> usize {
        self.times.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    pub fn push(&mut self, sample: SampleRef<'_>) {
        if let Some(&last) = self.times.last()
            && self.sorted
        {
            let last_seq = self.seqs.get(self.seqs.len() - 1);
            self.sorted = (sample.time, sample.seq) > (last, last_seq);
        }
        self.times.push(sample.time);
        self.seqs.push(sample.seq);
        self.values.push(sample.value);
        self.qualities.push(sample.quality.0);
        self.received.push(sample.received_at);
        self.sums.push(sample.sum);
        self.update_times.push(sample.update_time);
        let origin = self.origin(sample.unit, sample.protocol);
        self.origins.push(origin);
    }

    fn origin(&mut self, unit: &str, protocol: &str) -> u32 {
        // The newest entry is the likeliest.
        let known = self
            .dictionary
            .iter()
            .rposition(|origin| &*origin.unit == unit && &*origin.protocol == protocol);
        if let Some(index) = known {
            return index as u32;
        }
        // Nearly all series have one origin, and there may be very many heads.
        self.dictionary.reserve_exact(1);
        self.dictionary.push(Origin {
            unit: Arc::from(unit),
            protocol: Arc::from(protocol),
        });
        (self.dictionary.len() - 1) as u32
    }

    pub fn origin_at(&self, index: usize) -> &Origin {
        &self.dictionary[self.origins.get(index) as usize]
    }

    pub fn sample(&self, index: usize) -> Sample {
        Sample {
            time: Timestamp(self.times[index]),
            seq: self.seqs.get(index),
            value: self.values.get(index),
            sum: self.sums.get(index),
            update_time: self.update_times.get(index),
            quality: Quality(self.qualities.get(index)),
            received_at: Timestamp(self.received.get(index)),
        }
    }

    /// Appends the samples of `other` at `indexes`, in that order.
    pub fn extend_from(&mut self, other: &Self, indexes: impl Iterator<Item = usize>) {
        for index in indexes {
            let origin = other.origin_at(index);
            let number;
            let value = match &other.values {
                Values::Numbers(numbers) => {
                    number = Value::Number(numbers[index]);
                    &number
                }
                Values::Any(values) => &values[index],
            };
            self.push(SampleRef {
                time: other.times[index],
                seq: other.seqs.get(index),
                value,
                sum: other.sums.get(index),
                update_time: other.update_times.get(index),
                quality: Quality(other.qualities.get(index)),
                received_at: other.received.get(index),
                unit: &origin.unit,
                protocol: &origin.protocol,
            });
        }
    }

    /// Appends the samples of `other` at `range`, as [`Self::extend_from`] does, many at a time.
    pub fn extend_from_range(&mut self, other: &Self, range: Range<usize>) {
        let (Some(&first), Some(&last)) = (other.times[range.clone()].first(), self.times.last())
        else {
            if !range.is_empty() {
                self.sorted = other.sorted;
                self.append_range(other, range);
            }
            return;
        };
        let before = (last, self.seqs.get(self.seqs.len() - 1));
        self.sorted &= other.sorted && (first, other.seqs.get(range.start)) > before;
        self.append_range(other, range);
    }

    fn append_range(&mut self, other: &Self, range: Range<usize>) {
        match (&mut self.values, &other.values) {
            (Values::Numbers(numbers), Values::Numbers(others)) => {
                numbers.extend_from_slice(&others[range.clone()]);
            }
            (Values::Any(values), Values::Any(others)) => {
                values.extend_from_slice(&others[range.clone()]);
            }
            (values, others) => {
                for index in range.clone() {
                    values.push(&others.get(index));
                }
            }
        }
        self.times.extend_from_slice(&other.times[range.clone()]);
        self.seqs.extend_from(&other.seqs, range.clone());
        self.qualities.extend_from(&other.qualities, range.clone());
        self.received.extend_from(&other.received, range.clone());
        self.sums.extend_from(&other.sums, range.clone());
        self.update_times
            .extend_from(&other.update_times, range.clone());
        if let Some(origin) = other.origins.constant() {
            let Origin { unit, protocol } = &other.dictionary[origin as usize];
            let own = self.origin(unit, protocol);
            self.origins.push_times(own, range.len());
            return;
        }
        for index in range {
            let Origin { unit, protocol } = other.origin_at(index);
            let own = self.origin(unit, protocol);
            self.origins.push(own);
        }
    }

    /// In order of (time, seq), each identity once; of equal identities the one written last stays.
    pub fn into_sorted(self) -> Self {
        if self.sorted {
            return self;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&index| (self.times[index], self.seqs.get(index)));
        let identity = |index: usize| (self.times[index], self.seqs.get(index));
        let kept = order
            .iter()
            .enumerate()
            .filter(|&(place, &index)| {
                order
                    .get(place + 1)
                    .is_none_or(|&next| identity(next) != identity(index))
            })
            .map(|(_, &index)| index);
        let mut sorted = Self::default();
        sorted.extend_from(&self, kept);
        sorted
    }

    /// The indexes whose times lie in `range`; the columns must be sorted.
    pub fn indexes(&self, range: TimeRange) -> Range<usize> {
        let from = self.times.partition_point(|&time| time < range.from.0);
        let to = self.times.partition_point(|&time| time < range.to.0);
        from..to.max(from)
    }

    /// The least and the greatest time.
    pub fn span(&self) -> Option<(i64, i64)> {
        if self.sorted {
            return Some((*self.times.first()?, *self.times.last()?));
        }
        let least = *self.times.iter().min()?;
        let greatest = *self.times.iter().max()?;
        Some((least, greatest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(time: i64, seq: u32, value: &Value) -> SampleRef<'_> {
        SampleRef {
            time,
            seq,
            value,
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
            received_at: time,
            unit: "bar",
            protocol: "mqtt",
        }
    }

    #[test]
    fn the_last_write_of_an_identity_wins() {
        let mut columns = Columns::default();
        for (time, value) in [(3, 1.0), (1, 2.0), (3, 3.0), (2, 4.0)] {
            columns.push(sample(time, 0, &Value::Number(value)));
        }
        let sorted = columns.into_sorted();
        assert_eq!(sorted.times, [1, 2, 3]);
        assert_eq!(sorted.values, Values::Numbers(vec![2.0, 4.0, 3.0]));
    }

    #[test]
    fn a_range_is_appended_as_its_samples_are_one_by_one() {
        let values = [Value::Number(1.0), Value::Number(2.0), Value::Boolean(true)];
        for kinds in 1..=values.len() {
            let mut other = Columns::default();
            for index in 0..24_usize {
                let mut added = sample(index as i64, index as u32 / 20, &values[index % kinds]);
                added.sum = (index > 12).then_some(0.5);
                added.unit = if index / 8 == 1 { "bar" } else { "psi" };
                other.push(added);
            }
            let (mut at_once, mut singly) = (Columns::default(), Columns::default());
            for range in [3..9, 9..9, 9..17, 20..24, 0..2] {
                at_once.extend_from_range(&other, range.clone());
                singly.extend_from(&other, range);
            }
            assert_eq!(at_once, singly);
            assert!(!at_once.sorted);
        }
    }

    #[test]
    fn a_text_among_numbers_keeps_the_numbers() {
        let mut columns = Columns::default();
        columns.push(sample(1, 0, &Value::Number(1.5)));
        columns.push(sample(2, 0, &Value::Text("off".to_owned())));
        assert_eq!(columns.sample(0).value, Value::Number(1.5));
        assert_eq!(columns.sample(1).value, Value::Text("off".to_owned()));
    }
}
