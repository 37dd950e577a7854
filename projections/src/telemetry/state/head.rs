//! The samples of one series that are in no block yet. There may be very many heads, so that an empty one, and one of
//! a few numbers, must be small and lie in few places of memory.

use tellee_actors::time::Timestamp;

use super::newest::{Newest, PlainSample};
use super::origins::Origins;
use super::pool::{Pool, Run, Slices};
use crate::telemetry::catalog::Latest;
use crate::telemetry::columns::{Columns, Origin, Repeated, SampleRef, Values};
use crate::telemetry::model::{Quality, TimeRange, Value};

/// What the allocator adds to a piece of memory, about.
const ALLOCATION: usize = 16;
/// What columns cost before their first sample, about.
const WIDE_COST: usize = 500;

#[derive(Debug)]
enum Samples {
    /// In the pool that all heads share.
    Few(Run),
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
    /// The head before this one had many samples.
    expects_many: bool,
}

/// A head of more samples has a piece of memory for itself.
const FEW: usize = 64;

impl Default for Head {
    fn default() -> Self {
        Self {
            samples: Samples::Few(Run::EMPTY),
            origin: 0,
            sorted: true,
            holds_latest: false,
            expects_many: false,
        }
    }
}

/// The plain samples of a head, in one piece or in several.
#[derive(Clone)]
enum Pieces<'a> {
    One(Option<&'a [PlainSample]>),
    Several(Slices<'a>),
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [PlainSample];

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::One(piece) => piece.take(),
            Self::Several(slices) => slices.next(),
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
        let expects_many = match before.len() {
            0 => before.expects_many,
            length => length > FEW,
        };
        Self {
            expects_many,
            ..Self::default()
        }
    }

    pub const fn len(&self) -> usize {
        match &self.samples {
            Samples::Few(run) => run.len(),
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
            Samples::Few(run) => run.bytes(),
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
            Samples::Few(_) | Samples::Plain(_) => self.is_empty() || self.origin == origin,
            Samples::Wide(_) => false,
        }
    }

    fn last_plain<'a>(&'a self, pool: &'a Pool) -> Option<&'a PlainSample> {
        match &self.samples {
            Samples::Few(run) => pool.last(run),
            Samples::Plain(samples) => samples.last(),
            Samples::Wide(_) => None,
        }
    }

    fn pieces<'a>(&'a self, pool: &'a Pool) -> Pieces<'a> {
        match &self.samples {
            Samples::Few(run) => Pieces::Several(pool.slices(*run)),
            Samples::Plain(samples) => Pieces::One(Some(samples)),
            Samples::Wide(_) => Pieces::One(None),
        }
    }

    /// The samples, if they are plain, rise in time and lie in one piece.
    pub fn plain_in_order(&self) -> Option<&[PlainSample]> {
        match &self.samples {
            Samples::Plain(samples) if self.sorted => Some(samples),
            _ => None,
        }
    }

    /// (time, seq) of the last sample written.
    pub fn last_identity(&self, pool: &Pool) -> Option<(i64, u32)> {
        match &self.samples {
            Samples::Few(_) | Samples::Plain(_) => Some((self.last_plain(pool)?.time, 0)),
            Samples::Wide(columns) => {
                let last = columns.len().checked_sub(1)?;
                Some((columns.times[last], columns.seqs.get(last)))
            }
        }
    }

    /// Adds a sample; [`Self::takes_plain`] must hold. Answers the bytes by which the head has grown.
    pub fn push_plain(&mut self, pool: &mut Pool, origin: u16, sample: PlainSample) -> usize {
        if let Some(last) = self.last_plain(pool) {
            self.sorted &= sample.time > last.time;
        }
        self.origin = origin;
        match &mut self.samples {
            Samples::Few(run) if run.len() < FEW && !self.expects_many => {
                return pool.push(run, sample);
            }
            Samples::Few(run) => {
                let run = *run;
                let mut samples = Vec::with_capacity(2 * FEW);
                samples.extend(pool.slices(run).flatten());
                samples.push(sample);
                pool.give_back(run);
                self.samples = Samples::Plain(samples);
                return self.bytes().saturating_sub(run.bytes());
            }
            Samples::Plain(samples) => {
                if samples.len() == samples.capacity() {
                    // Doubling would waste much where many series have few samples each.
                    samples.reserve_exact(samples.len() / 2);
                }
                samples.push(sample);
            }
            Samples::Wide(_) => return 0,
        }
        size_of::<PlainSample>()
    }

    /// Adds any sample. Answers the bytes by which the head has grown.
    pub fn push_wide(
        &mut self,
        pool: &mut Pool,
        origins: &Origins,
        sample: SampleRef<'_>,
    ) -> usize {
        let mut grown = cost(sample.value);
        if !matches!(self.samples, Samples::Wide(_)) {
            let before = self.bytes();
            let columns = self.columns(pool, origins);
            self.replace(pool, Samples::Wide(Box::new(columns)));
            grown += self.bytes().saturating_sub(before);
        }
        if let Samples::Wide(columns) = &mut self.samples {
            columns.push(sample);
        }
        grown
    }

    fn replace(&mut self, pool: &mut Pool, samples: Samples) {
        if let Samples::Few(run) = std::mem::replace(&mut self.samples, samples) {
            pool.give_back(run);
        }
    }

    /// A copy of the samples, in the order in which they came.
    pub fn columns(&self, pool: &Pool, origins: &Origins) -> Columns {
        if let Samples::Wide(columns) = &self.samples {
            return Columns::clone(columns);
        }
        let mut columns = Columns::default();
        self.copy_plain(pool, origins, &mut columns);
        columns
    }

    /// Puts the samples into `columns` in place of what is in there, whose memory is used again. Answers false, and does
    /// nothing, unless they are plain and sorted and there is at least one.
    pub fn fill(&self, pool: &Pool, origins: &Origins, columns: &mut Columns) -> bool {
        let fits = self.sorted && !self.is_empty() && !matches!(self.samples, Samples::Wide(_));
        if fits {
            self.copy_plain(pool, origins, columns);
        }
        fits
    }

    fn copy_plain(&self, pool: &Pool, origins: &Origins, columns: &mut Columns) {
        let length = self.len();
        if length == 0 {
            *columns = Columns::default();
            return;
        }
        let mut numbers = match std::mem::replace(&mut columns.values, Values::Any(Vec::new())) {
            Values::Numbers(numbers) => numbers,
            Values::Any(_) => Vec::new(),
        };
        numbers.clear();
        numbers.reserve_exact(length);
        columns.times.clear();
        columns.times.reserve_exact(length);
        for piece in self.pieces(pool) {
            numbers.extend(piece.iter().map(|sample| sample.number));
            columns.times.extend(piece.iter().map(|sample| sample.time));
        }
        columns.values = Values::Numbers(numbers);
        let samples = self.pieces(pool).flatten();
        columns
            .received
            .refill(samples.map(|sample| sample.received_at), length);
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
        columns.dictionary.reserve_exact(1);
        columns.dictionary.push(origins.get(self.origin));
        columns.sorted = self.sorted;
    }

    /// The samples; the head is empty afterwards.
    pub fn take(&mut self, pool: &mut Pool, origins: &Origins) -> Columns {
        let mut head = std::mem::replace(self, Self::after(self));
        match head.samples {
            Samples::Wide(columns) => *columns,
            Samples::Few(_) | Samples::Plain(_) => {
                let columns = head.columns(pool, origins);
                head.replace(pool, Samples::Few(Run::EMPTY));
                columns
            }
        }
    }

    /// The least and the greatest time.
    pub fn span(&self, pool: &Pool) -> Option<(i64, i64)> {
        if let Samples::Wide(columns) = &self.samples {
            return columns.span();
        }
        if self.sorted {
            let first = self.pieces(pool).next()?.first()?;
            return Some((first.time, self.last_plain(pool)?.time));
        }
        let times = || self.pieces(pool).flatten().map(|sample| sample.time);
        Some((times().min()?, times().max()?))
    }

    /// The last sample written.
    pub fn last(&self, pool: &Pool) -> Newest {
        if let Samples::Wide(columns) = &self.samples {
            let Some(last) = columns.len().checked_sub(1) else {
                return Newest::None;
            };
            let Origin { unit, protocol } = columns.origin_at(last).clone();
            return Newest::Wide(Box::new(Latest {
                sample: columns.sample(last),
                unit,
                protocol,
            }));
        }
        let last = self.last_plain(pool);
        last.map_or(Newest::None, |last| Newest::Plain(self.origin, *last))
    }

    /// Drops the samples before `before`. Must not hold the newest sample of its series.
    pub fn trim(&mut self, pool: &mut Pool, origins: &Origins, before: i64) {
        if self.span(pool).is_none_or(|(first, _)| first >= before) {
            return;
        }
        let columns = trimmed(self.take(pool, origins), before);
        if !columns.is_empty() {
            self.replace(pool, Samples::Wide(Box::new(columns)));
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
        let mut pool = Pool::default();
        let mut head = Head::default();
        for time in [5, 3] {
            let sample = PlainSample {
                time,
                number: time as f64,
                received_at: 7,
            };
            assert!(head.takes_plain(origin));
            head.push_plain(&mut pool, origin, sample);
        }
        head.push_wide(
            &mut pool,
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
            (head.span(&pool), head.last_identity(&pool)),
            (Some((3, 5)), Some((4, 1)))
        );
        let columns = head.take(&mut pool, &origins).into_sorted();
        assert!(head.is_empty());
        assert_eq!(columns.times, [3, 4, 5]);
        assert_eq!(&*columns.origin_at(0).protocol, "influx");
        assert_eq!(&*columns.origin_at(1).unit, "bar");
        assert_eq!(columns.sample(2).value, Value::Number(5.0));
    }

    #[test]
    fn a_head_that_grows_keeps_its_samples_and_leaves_the_pool() {
        let mut origins = Origins::default();
        let origin = origins.number("", "influx").unwrap();
        let mut pool = Pool::default();
        let mut head = Head::default();
        let mut bytes = 0;
        for time in 0..3 * FEW as i64 {
            let sample = PlainSample {
                time,
                number: time as f64,
                received_at: time / 5,
            };
            bytes += head.push_plain(&mut pool, origin, sample);
            assert_eq!(head.last_identity(&pool), Some((time, 0)));
        }
        assert!(bytes >= head.bytes());
        let mut filled = Columns::default();
        assert!(head.fill(&pool, &origins, &mut filled));
        let next = Head::after(&head);
        let columns = head.take(&mut pool, &origins);
        assert_eq!(columns, filled);
        assert_eq!(columns.times, (0..3 * FEW as i64).collect::<Vec<_>>());
        assert_eq!(columns.sample(7).received_at, Timestamp(1));
        assert!(next.expects_many && next.is_empty() && columns.sorted);
    }
}
