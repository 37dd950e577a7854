//! Which records the platform has: everything up to a watermark, and ranges above it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Sequence numbers that need not be sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AckSet {
    upto: u64,
    /// First to last, not touching each other or the watermark.
    ranges: BTreeMap<u64, u64>,
}

/// The form on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AckFile {
    version: u32,
    pub(crate) epoch: String,
    upto: u64,
    ranges: Vec<(u64, u64)>,
}

impl AckSet {
    /// Everything up to and including this is acknowledged.
    pub const fn upto(&self) -> u64 {
        self.upto
    }

    /// The highest acknowledged number.
    pub fn highest(&self) -> u64 {
        self.ranges
            .last_key_value()
            .map_or(self.upto, |(_, &last)| last)
    }

    pub fn contains(&self, seq: u64) -> bool {
        seq <= self.upto || self.range_with(seq).is_some()
    }

    fn range_with(&self, seq: u64) -> Option<(u64, u64)> {
        let (&first, &last) = self.ranges.range(..=seq).next_back()?;
        (last >= seq).then_some((first, last))
    }

    pub fn covers(&self, first: u64, last: u64) -> bool {
        last <= self.upto
            || self
                .range_with(first.max(self.upto + 1))
                .is_some_and(|(_, end)| end >= last)
    }

    /// The first number from `seq` on that is not acknowledged.
    pub fn next_missing(&self, seq: u64) -> u64 {
        let seq = seq.max(self.upto.saturating_add(1));
        self.range_with(seq)
            .map_or(seq, |(_, last)| last.saturating_add(1))
    }

    /// How many numbers of `first..=last` are acknowledged.
    pub fn count_within(&self, first: u64, last: u64) -> u64 {
        let below = self.upto.min(last).saturating_add(1).saturating_sub(first);
        let above: u64 = self
            .ranges
            .iter()
            .map(|(&start, &end)| {
                end.min(last)
                    .saturating_add(1)
                    .saturating_sub(start.max(first))
            })
            .sum();
        below + above
    }

    /// Returns whether anything was new.
    pub fn insert(&mut self, first: u64, last: u64) -> bool {
        let mut first = first.max(self.upto.saturating_add(1));
        let mut last = last;
        if first > last || self.covers(first, last) {
            return false;
        }
        // Swallow every range that overlaps or touches.
        while let Some((&start, &end)) = self.ranges.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.ranges.remove(&start);
            first = first.min(start);
            last = last.max(end);
        }
        if first == self.upto.saturating_add(1) {
            self.upto = last;
        } else {
            self.ranges.insert(first, last);
        }
        true
    }

    pub(crate) fn to_file(&self, epoch: &str) -> AckFile {
        AckFile {
            version: 1,
            epoch: epoch.to_owned(),
            upto: self.upto,
            ranges: self
                .ranges
                .iter()
                .map(|(&first, &last)| (first, last))
                .collect(),
        }
    }

    pub(crate) fn from_file(file: &AckFile) -> Self {
        let mut acks = Self {
            upto: file.upto,
            ranges: BTreeMap::new(),
        };
        for &(first, last) in &file.ranges {
            acks.insert(first, last);
        }
        acks
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_watermark_moves_over_closed_holes() {
        let mut acks = AckSet::default();
        assert!(acks.insert(5, 6));
        assert!(acks.insert(1, 1));
        assert_eq!((acks.upto(), acks.highest()), (1, 6));
        assert!(acks.insert(2, 4));
        assert_eq!((acks.upto(), acks.next_missing(0)), (6, 7));
        assert!(!acks.insert(3, 6));
    }

    proptest! {
        #[test]
        fn it_is_a_set(inserts in prop::collection::vec((1..60_u64, 0..8_u64), 0..40)) {
            let mut acks = AckSet::default();
            let mut model = BTreeSet::new();
            for (first, width) in inserts {
                let new = acks.insert(first, first + width);
                let before = model.len();
                model.extend(first..=first + width);
                prop_assert_eq!(new, model.len() > before);
            }
            for seq in 1..80 {
                prop_assert_eq!(acks.contains(seq), model.contains(&seq));
                prop_assert_eq!(acks.next_missing(seq), (seq..).find(|seq| !model.contains(seq)).unwrap());
                prop_assert_eq!(acks.count_within(10, seq), model.range(10..=seq.max(10)).filter(|&&s| s <= seq).count() as u64);
            }
            prop_assert_eq!(acks.upto(), (1..).find(|seq| !model.contains(seq)).unwrap() - 1);
            prop_assert_eq!(AckSet::from_file(&acks.to_file("e")), acks);
        }
    }
}
