//! Samples of series that the sender has resolved: what line protocol and other senders of many known series hand in.

use std::sync::Arc;

use tellee_actors::time::Timestamp;

use super::model::{MessageBatch, SeriesId, Value};

/// Values of one batch. Nearly all batches are numbers and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValues {
    Numbers(Vec<f64>),
    Any(Vec<Value>),
}

impl SampleValues {
    pub const fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Any(values) => values.len(),
        }
    }

    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one value. The first that is no number turns the column into [`SampleValues::Any`].
    pub fn push(&mut self, value: Value) {
        match (&mut *self, value) {
            (Self::Numbers(numbers), Value::Number(number)) => numbers.push(number),
            (Self::Numbers(numbers), other) => {
                let mut values: Vec<Value> = numbers.iter().copied().map(Value::Number).collect();
                values.push(other);
                *self = Self::Any(values);
            }
            (Self::Any(values), other) => values.push(other),
        }
    }
}

/// Samples of series that [`TelemetryStore::resolve`](super::TelemetryStore::resolve) has named, of any channels and
/// things. Columns of one length. Every sample is of good quality, has no unit, and its seq is 0: of two with the same
/// series and time, in one batch or in two, the later stays.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleBatch {
    /// As in [`MessageBatch`].
    pub protocol: &'static str,
    pub received_at: Timestamp,
    /// As in [`MessageBatch`].
    pub historical: bool,
    pub series: Vec<SeriesId>,
    pub times: Vec<Timestamp>,
    pub values: SampleValues,
}

impl SampleBatch {
    pub const fn len(&self) -> usize {
        self.series.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

/// What a commit takes in: a batch of either kind.
#[derive(Debug, Clone, Copy)]
pub enum Incoming<'a> {
    Messages(&'a MessageBatch),
    Samples(&'a SampleBatch),
}

impl Incoming<'_> {
    pub const fn received_at(&self) -> Timestamp {
        match self {
            Self::Messages(batch) => batch.received_at,
            Self::Samples(batch) => batch.received_at,
        }
    }

    /// How many samples it holds.
    pub const fn len(&self) -> usize {
        match self {
            Self::Messages(batch) => batch.records.len(),
            Self::Samples(batch) => batch.len(),
        }
    }

    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> From<&'a MessageBatch> for Incoming<'a> {
    fn from(batch: &'a MessageBatch) -> Self {
        Self::Messages(batch)
    }
}

impl<'a> From<&'a Arc<MessageBatch>> for Incoming<'a> {
    fn from(batch: &'a Arc<MessageBatch>) -> Self {
        Self::Messages(batch)
    }
}

impl<'a> From<&'a Arc<SampleBatch>> for Incoming<'a> {
    fn from(batch: &'a Arc<SampleBatch>) -> Self {
        Self::Samples(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_among_numbers_keeps_the_numbers() {
        let mut values = SampleValues::Numbers(vec![0.5]);
        values.push(Value::Boolean(true));
        values.push(Value::Number(2.0));
        let expected = [Value::Number(0.5), Value::Boolean(true), Value::Number(2.0)];
        assert_eq!(values, SampleValues::Any(expected.to_vec()));
    }
}
