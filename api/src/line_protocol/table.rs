//! What lines began with before, and which series that was: so that a known line costs a comparison.
//!
//! A cache, nothing more: it holds the beginnings of lines as written, and what it says can be found again by reading
//! them anew. Senders send their lines in the same order again and again, so each entry remembers which came after it.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use parking_lot::{RwLock, RwLockReadGuard};
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_projections::telemetry::SeriesId;

use super::error::LineLimits;
use super::names::{SeriesName, series_name};

const NONE: u32 = u32::MAX;
/// What an entry costs beside its texts, about.
const ENTRY_BYTES: usize = 96;

/// A series that the table does not know: where it begins in the body, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown<'a> {
    pub head: &'a [u8],
    pub field: &'a [u8],
    pub name: SeriesName,
}

/// The series of one thing in one channel. It grows and never forgets; to forget, drop it.
#[derive(Debug)]
pub struct SeriesTable {
    known: RwLock<Known>,
    bytes: AtomicUsize,
    total_bytes: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    hashing: DefaultHashBuilder,
    heads: Vec<Head>,
    head_index: HashTable<u32>,
    fields: Vec<Field>,
    field_index: HashTable<u32>,
    /// The head that the last body began with.
    first_head: AtomicU32,
}

#[derive(Debug)]
pub(super) struct Head {
    pub written: Box<[u8]>,
    first_field: AtomicU32,
    next: AtomicU32,
}

#[derive(Debug)]
pub(super) struct Field {
    head: u32,
    pub written: Box<[u8]>,
    pub series: SeriesId,
    name: Box<str>,
    next: AtomicU32,
}

impl Field {
    /// Whether it is a field of `head`.
    #[inline]
    pub(super) const fn is_of(&self, head: u32) -> bool {
        self.head == head
    }
}

impl Default for SeriesTable {
    fn default() -> Self {
        Self::counted_in(Arc::default())
    }
}

impl SeriesTable {
    fn counted_in(total_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            known: RwLock::default(),
            bytes: AtomicUsize::new(0),
            total_bytes,
        }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read()
    }

    /// Takes in what a body taught; answers the slot of each.
    pub(super) fn learn(&self, unknown: &[Unknown<'_>], series: &[SeriesId]) -> Vec<u32> {
        let mut known = self.known.write();
        let mut added = 0;
        let slots = unknown
            .iter()
            .zip(series)
            .map(|(unknown, series)| {
                let (head, cost) = known.learn_head(unknown.head);
                added += cost;
                let (slot, cost) =
                    known.learn_field(head, unknown.field, *series, &unknown.name.name);
                added += cost;
                slot
            })
            .collect();
        drop(known);
        self.bytes.fetch_add(added, Ordering::Relaxed);
        self.total_bytes.fetch_add(added, Ordering::Relaxed);
        slots
    }

    /// Whether `wanted` is true of the name of any of `slots`. Each slot is asked once.
    pub fn any_name(&self, slots: &[u32], wanted: &mut dyn FnMut(&str) -> bool) -> bool {
        let known = self.known.read();
        let mut seen = hashbrown::HashSet::new();
        let several = slots.len() > 1;
        slots
            .iter()
            .filter(|slot| !several || seen.insert(**slot))
            .filter_map(|slot| known.fields.get(*slot as usize))
            .any(|field| wanted(&field.name))
    }

    /// Name and subtopic of each of `slots`.
    pub fn names(&self, slots: &[u32], limits: &LineLimits) -> Vec<Option<Arc<SeriesName>>> {
        let known = self.known.read();
        let mut made: HashMap<u32, Option<Arc<SeriesName>>> = HashMap::new();
        slots
            .iter()
            .map(|slot| {
                made.entry(*slot)
                    .or_insert_with(|| known.name(*slot, limits))
                    .clone()
            })
            .collect()
    }
}

impl Drop for SeriesTable {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.total_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Known {
    pub(super) const fn hashing(&self) -> &DefaultHashBuilder {
        &self.hashing
    }

    fn hash_of_head(&self, written: &[u8]) -> u64 {
        self.hashing.hash_one(written)
    }

    fn hash_of_field(&self, head: u32, written: &[u8]) -> u64 {
        let mut hasher = self.hashing.build_hasher();
        head.hash(&mut hasher);
        written.hash(&mut hasher);
        hasher.finish()
    }

    #[inline]
    pub(super) fn head(&self, head: u32) -> Option<&Head> {
        self.heads.get(head as usize)
    }

    #[inline]
    pub(super) fn field(&self, field: u32) -> Option<&Field> {
        self.fields.get(field as usize)
    }

    pub(super) fn find_head(&self, written: &[u8]) -> Option<u32> {
        let is_it = |at: &u32| self.heads[*at as usize].written.as_ref() == written;
        self.head_index
            .find(self.hash_of_head(written), is_it)
            .copied()
    }

    pub(super) fn find_field(&self, head: u32, written: &[u8]) -> Option<u32> {
        let is_it = |at: &u32| {
            let field = &self.fields[*at as usize];
            field.head == head && field.written.as_ref() == written
        };
        self.field_index
            .find(self.hash_of_field(head, written), is_it)
            .copied()
    }

    /// The head that probably comes after `head`, or first in a body.
    #[inline]
    pub(super) fn head_after(&self, head: Option<u32>) -> u32 {
        match head {
            Some(head) => self
                .head(head)
                .map_or(NONE, |head| head.next.load(Ordering::Relaxed)),
            None => self.first_head.load(Ordering::Relaxed),
        }
    }

    pub(super) fn note_head_after(&self, head: Option<u32>, next: u32) {
        match head.and_then(|head| self.head(head)) {
            Some(head) => head.next.store(next, Ordering::Relaxed),
            None => self.first_head.store(next, Ordering::Relaxed),
        }
    }

    /// The field that probably comes after `field` of `head`, or first.
    #[inline]
    pub(super) fn field_after(&self, head: u32, field: Option<u32>) -> u32 {
        match field {
            Some(field) => self
                .field(field)
                .map_or(NONE, |field| field.next.load(Ordering::Relaxed)),
            None => self
                .head(head)
                .map_or(NONE, |head| head.first_field.load(Ordering::Relaxed)),
        }
    }

    pub(super) fn note_field_after(&self, head: u32, field: Option<u32>, next: u32) {
        match field.and_then(|field| self.field(field)) {
            Some(field) => field.next.store(next, Ordering::Relaxed),
            None => {
                if let Some(head) = self.head(head) {
                    head.first_field.store(next, Ordering::Relaxed);
                }
            }
        }
    }

    fn learn_head(&mut self, written: &[u8]) -> (u32, usize) {
        if let Some(head) = self.find_head(written) {
            return (head, 0);
        }
        let head = u32::try_from(self.heads.len()).unwrap_or(NONE);
        let hash = self.hash_of_head(written);
        self.heads.push(Head {
            written: written.into(),
            first_field: AtomicU32::new(NONE),
            next: AtomicU32::new(NONE),
        });
        let Self {
            hashing,
            heads,
            head_index,
            ..
        } = self;
        head_index.insert_unique(hash, head, |at| {
            hashing.hash_one(heads[*at as usize].written.as_ref())
        });
        (head, written.len() + ENTRY_BYTES)
    }

    fn learn_field(
        &mut self,
        head: u32,
        written: &[u8],
        series: SeriesId,
        name: &str,
    ) -> (u32, usize) {
        if let Some(field) = self.find_field(head, written) {
            return (field, 0);
        }
        let field = u32::try_from(self.fields.len()).unwrap_or(NONE);
        let hash = self.hash_of_field(head, written);
        self.fields.push(Field {
            head,
            written: written.into(),
            series,
            name: name.into(),
            next: AtomicU32::new(NONE),
        });
        let Self {
            hashing,
            fields,
            field_index,
            ..
        } = self;
        field_index.insert_unique(hash, field, |at| {
            let field = &fields[*at as usize];
            let mut hasher = hashing.build_hasher();
            field.head.hash(&mut hasher);
            field.written.as_ref().hash(&mut hasher);
            hasher.finish()
        });
        (field, written.len() + name.len() + ENTRY_BYTES)
    }

    fn name(&self, slot: u32, limits: &LineLimits) -> Option<Arc<SeriesName>> {
        let field = self.field(slot)?;
        let head = self.head(field.head)?;
        // It was read before, within the same limits.
        series_name(&head.written, &field.written, limits)
            .ok()
            .map(Arc::new)
    }
}

/// The tables of a node, bounded together.
#[derive(Debug)]
pub struct SeriesTables {
    tables: RwLock<HashMap<(ChannelId, ThingId), Arc<SeriesTable>>>,
    total_bytes: Arc<AtomicUsize>,
    max_bytes: usize,
}

impl Default for SeriesTables {
    fn default() -> Self {
        Self::new(64 * 1024 * 1024)
    }
}

impl SeriesTables {
    /// Tables of together about `max_bytes`; beyond that all are forgotten and learned anew.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            tables: RwLock::default(),
            total_bytes: Arc::default(),
            max_bytes,
        }
    }

    /// The table of `thing` in `channel`.
    pub fn of(&self, channel: ChannelId, thing: ThingId) -> Arc<SeriesTable> {
        if let Some(table) = self.tables.read().get(&(channel, thing)) {
            return Arc::clone(table);
        }
        let mut tables = self.tables.write();
        if self.bytes() > self.max_bytes || tables.len() > self.max_bytes / 1_024 {
            tables.clear();
        }
        let new = || Arc::new(SeriesTable::counted_in(Arc::clone(&self.total_bytes)));
        Arc::clone(tables.entry((channel, thing)).or_insert_with(new))
    }

    /// Forgets all, if there is more than there may be. Who holds a table keeps it.
    pub fn trim(&self) {
        if self.bytes() > self.max_bytes {
            self.tables.write().clear();
        }
    }

    /// Bytes that all tables take, about.
    pub fn bytes(&self) -> usize {
        self.total_bytes.load(Ordering::Relaxed)
    }
}
