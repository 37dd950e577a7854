//! Room for the samples of short heads. There may be very many of them, and a piece of memory from the allocator for
//! each, moved as it grows, would cost more than the samples.

use super::newest::PlainSample;

/// Samples of one chunk.
const CHUNK: usize = 4;
/// Bytes that a chunk takes, with its link.
pub const CHUNK_BYTES: usize = CHUNK * size_of::<PlainSample>() + size_of::<u32>();
/// Chunks that are asked of the allocator at a time.
const SLAB: usize = 1 << 12;
const NONE: u32 = u32::MAX;

const VOID: PlainSample = PlainSample {
    time: 0,
    number: 0.0,
    received_at: 0,
};

/// Samples in chunks of a pool, in the order in which they came.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    first: u32,
    last: u32,
    length: u32,
}

impl Run {
    pub const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
        length: 0,
    };

    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Bytes of the chunks that it takes.
    pub const fn bytes(&self) -> usize {
        self.len().div_ceil(CHUNK) * CHUNK_BYTES
    }
}

#[derive(Debug)]
pub struct Pool {
    slabs: Vec<Vec<PlainSample>>,
    /// The chunk behind each chunk: of the same run, or of those that are free.
    next: Vec<u32>,
    free: u32,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            slabs: Vec::new(),
            next: Vec::new(),
            free: NONE,
        }
    }
}

impl Pool {
    fn chunk(&self, chunk: u32) -> &[PlainSample] {
        let at = chunk as usize % SLAB * CHUNK;
        &self.slabs[chunk as usize / SLAB][at..at + CHUNK]
    }

    /// Answers the bytes by which `run` has grown.
    pub fn push(&mut self, run: &mut Run, sample: PlainSample) -> usize {
        let place = run.len() % CHUNK;
        let mut grown = 0;
        if place == 0 {
            let chunk = self.take_chunk();
            match run.length {
                0 => run.first = chunk,
                _ => self.next[run.last as usize] = chunk,
            }
            run.last = chunk;
            grown = CHUNK_BYTES;
        }
        let at = run.last as usize % SLAB * CHUNK + place;
        self.slabs[run.last as usize / SLAB][at] = sample;
        run.length += 1;
        grown
    }

    fn take_chunk(&mut self) -> u32 {
        if self.free != NONE {
            let chunk = self.free;
            self.free = std::mem::replace(&mut self.next[chunk as usize], NONE);
            return chunk;
        }
        let chunk = self.next.len();
        if chunk.is_multiple_of(SLAB) {
            self.slabs.push(Vec::with_capacity(SLAB * CHUNK));
        }
        self.slabs[chunk / SLAB].extend([VOID; CHUNK]);
        self.next.push(NONE);
        chunk as u32
    }

    /// The chunks of `run` are free again.
    pub fn give_back(&mut self, run: Run) {
        if run.length > 0 {
            self.next[run.last as usize] = self.free;
            self.free = run.first;
        }
    }

    pub fn last(&self, run: &Run) -> Option<&PlainSample> {
        let place = run.len().checked_sub(1)? % CHUNK;
        self.chunk(run.last).get(place)
    }

    pub const fn slices(&self, run: Run) -> Slices<'_> {
        Slices {
            pool: self,
            chunk: run.first,
            left: run.len(),
        }
    }
}

/// The samples of a run, a chunk at a time.
#[derive(Debug, Clone)]
pub struct Slices<'a> {
    pool: &'a Pool,
    chunk: u32,
    left: usize,
}

impl<'a> Iterator for Slices<'a> {
    type Item = &'a [PlainSample];

    fn next(&mut self) -> Option<Self::Item> {
        let length = self.left.min(CHUNK);
        if length == 0 {
            return None;
        }
        let slice = &self.pool.chunk(self.chunk)[..length];
        self.left -= length;
        self.chunk = self.pool.next[self.chunk as usize];
        Some(slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(pool: &Pool, run: Run) -> Vec<i64> {
        let samples = pool.slices(run).flatten();
        samples.map(|sample| sample.time).collect()
    }

    #[test]
    fn runs_keep_their_samples_and_chunks_are_used_again() {
        let mut pool = Pool::default();
        let mut runs = [Run::EMPTY; 3];
        for time in 0..30_i64 {
            for (number, run) in runs.iter_mut().enumerate() {
                let time = 100 * number as i64 + time;
                let before = run.bytes();
                let grown = pool.push(run, PlainSample { time, ..VOID });
                assert_eq!(run.bytes(), before + grown);
                assert_eq!(pool.last(run).unwrap().time, time);
            }
        }
        for (number, run) in runs.iter().enumerate() {
            let from = 100 * number as i64;
            assert_eq!(times(&pool, *run), (from..from + 30).collect::<Vec<_>>());
        }
        let chunks = pool.next.len();
        pool.give_back(runs[1]);
        let mut again = Run::EMPTY;
        for time in 0..30 {
            pool.push(&mut again, PlainSample { time, ..VOID });
        }
        assert_eq!(pool.next.len(), chunks);
        assert_eq!(times(&pool, again), (0..30).collect::<Vec<_>>());
        assert_eq!(times(&pool, runs[2]), (200..230).collect::<Vec<_>>());
        assert_eq!(pool.last(&Run::EMPTY).map(|sample| sample.time), None);
    }
}
