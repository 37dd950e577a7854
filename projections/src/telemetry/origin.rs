//! How a sample came: live, marked as old by its sender, or by a clock that is ahead. It is kept in the lowest two bits of
//! the sample's quality, so that whoever reads the sample later knows it too.

use std::time::Duration;

use super::model::{MessageBatch, Quality};

/// The bits of a quality that say how its sample came. A device's own limit bits have no place there.
const BITS: u8 = 0b11;
const HISTORICAL: u8 = 0b01;
const AHEAD: u8 = 0b10;

impl Quality {
    /// The same quality of a sample that its sender marked as old.
    #[must_use]
    pub const fn historical(self) -> Self {
        Self((self.0 & !BITS) | HISTORICAL)
    }

    /// The quality of a sample from a clock that is ahead: uncertain at best, since nobody knows when it was taken.
    #[must_use]
    pub const fn ahead(self) -> Self {
        let severity = if self.is_good() {
            Self::UNCERTAIN
        } else {
            self
        };
        Self((severity.0 & !BITS) | AHEAD)
    }

    /// Neither marked as old nor from a clock that is ahead. Nothing else may raise or end an alarm.
    pub const fn is_live(self) -> bool {
        self.0 & BITS == 0
    }

    /// From a clock that is ahead: kept as history, and never the newest sample.
    pub const fn is_ahead(self) -> bool {
        self.0 & BITS == AHEAD
    }
}

impl MessageBatch {
    /// Marks each record by how it came: further ahead of its receipt than `max_ahead`, or old by the word of the sender.
    /// Answers how many are ahead.
    pub fn mark_origin(&mut self, max_ahead: Duration) -> usize {
        let newest = self.received_at.saturating_add(max_ahead);
        let mut ahead = 0;
        for record in &mut self.records {
            if record.time > newest {
                record.quality = record.quality.ahead();
                ahead += 1;
            } else if self.historical {
                record.quality = record.quality.historical();
            }
        }
        ahead
    }

    /// The records that are not ahead as they came, and those that are as a batch that only fills history. Neither may
    /// be empty.
    pub fn split_ahead(&self) -> (Option<Self>, Option<Self>) {
        let part = |ahead: bool| {
            let of_part = |record: &&super::model::Record| record.quality.is_ahead() == ahead;
            let records: Vec<_> = self.records.iter().filter(of_part).cloned().collect();
            let empty = records.is_empty();
            let batch = Self {
                channel: self.channel,
                thing: self.thing,
                subtopic: self.subtopic.clone(),
                protocol: self.protocol,
                received_at: self.received_at,
                historical: self.historical || ahead,
                records,
            };
            (!empty).then_some(batch)
        };
        (part(false), part(true))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tellee_actors::ids::{ChannelId, ThingId};
    use tellee_actors::time::Timestamp;

    use super::super::model::{Record, Value};
    use super::*;

    fn batch(received_at: i64, times: &[i64], historical: bool) -> MessageBatch {
        let record = |time: &i64| Record {
            name: "pressure".to_owned(),
            unit: String::new(),
            time: Timestamp(*time),
            seq: 0,
            value: Value::Number(1.0),
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
        };
        MessageBatch {
            channel: ChannelId::generate(),
            thing: ThingId::generate(),
            subtopic: Arc::from(""),
            protocol: "mqtt",
            received_at: Timestamp(received_at),
            historical,
            records: times.iter().map(record).collect(),
        }
    }

    #[test]
    fn what_is_further_ahead_than_allowed_is_uncertain_and_the_rest_as_it_was() {
        let mut batch = batch(1_000, &[900, 1_010, 1_011], false);
        assert_eq!(batch.mark_origin(Duration::from_nanos(10)), 1);
        let qualities: Vec<_> = batch.records.iter().map(|record| record.quality).collect();
        assert_eq!(
            qualities,
            [Quality::GOOD, Quality::GOOD, Quality::GOOD.ahead()]
        );
        assert!(!qualities[2].is_good() && !qualities[2].is_bad() && !qualities[2].is_live());
        let (live, ahead) = batch.split_ahead();
        let (live, ahead) = (live.unwrap(), ahead.unwrap());
        assert_eq!((live.records.len(), live.historical), (2, false));
        assert_eq!((ahead.records.len(), ahead.historical), (1, true));
    }

    #[test]
    fn old_samples_are_marked_one_by_one_and_stay_good() {
        let mut batch = batch(1_000, &[900, 2_000], true);
        assert_eq!(batch.mark_origin(Duration::from_nanos(10)), 1);
        assert_eq!(batch.records[0].quality, Quality::GOOD.historical());
        assert!(batch.records[0].quality.is_good() && !batch.records[0].quality.is_ahead());
        assert!(batch.records[1].quality.is_ahead());
        let empty = MessageBatch {
            records: Vec::new(),
            ..batch
        };
        assert_eq!(empty.split_ahead(), (None, None));
    }

    proptest! {
        #[test]
        fn a_mark_changes_no_severity_but_good_to_uncertain(bits in any::<u8>()) {
            let quality = Quality(bits);
            let old = quality.historical();
            prop_assert_eq!((old.is_good(), old.is_bad()), (quality.is_good(), quality.is_bad()));
            prop_assert!(!old.is_live() && !old.is_ahead());
            let ahead = quality.ahead();
            prop_assert!(!ahead.is_good() && ahead.is_ahead() && !ahead.is_live());
            prop_assert_eq!(ahead.is_bad(), quality.is_bad());
            prop_assert!(Quality(bits & !BITS).is_live());
        }
    }
}
