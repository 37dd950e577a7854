//! The newest sample of a series, in as little memory as it needs.

use tellee_actors::time::Timestamp;

use super::origins::Origins;
use crate::telemetry::catalog::Latest;
use crate::telemetry::columns::{Origin, SampleRef};
use crate::telemetry::model::{Quality, Sample, Value};

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
