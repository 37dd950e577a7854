//! The entities that are in memory, in the order of their last use. Pure.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use tellee_actors::ids::EntityId;
use tokio::time::Instant;

/// Resident entities, each with a handle.
#[derive(Debug)]
pub(crate) struct Residents<H> {
    entries: HashMap<EntityId, Entry<H>>,
    /// The number of the last use of each, oldest first.
    by_use: BTreeMap<u64, EntityId>,
    uses: u64,
}

#[derive(Debug)]
struct Entry<H> {
    handle: H,
    use_number: u64,
    used_at: Instant,
}

impl<H> Default for Residents<H> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }
}

impl<H> Residents<H> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The handle of `entity`, which is the most recently used from now on.
    pub(crate) fn touch(&mut self, entity: EntityId, now: Instant) -> Option<&H> {
        let entry = self.entries.get_mut(&entity)?;
        self.by_use.remove(&entry.use_number);
        self.uses += 1;
        entry.use_number = self.uses;
        entry.used_at = now;
        self.by_use.insert(self.uses, entity);
        Some(&entry.handle)
    }

    pub(crate) fn insert(&mut self, entity: EntityId, handle: H, now: Instant) {
        self.uses += 1;
        let entry = Entry {
            handle,
            use_number: self.uses,
            used_at: now,
        };
        if let Some(replaced) = self.entries.insert(entity, entry) {
            self.by_use.remove(&replaced.use_number);
        }
        self.by_use.insert(self.uses, entity);
    }

    pub(crate) fn get(&self, entity: EntityId) -> Option<&H> {
        self.entries.get(&entity).map(|entry| &entry.handle)
    }

    pub(crate) fn remove(&mut self, entity: EntityId) -> Option<H> {
        let entry = self.entries.remove(&entity)?;
        self.by_use.remove(&entry.use_number);
        Some(entry.handle)
    }

    /// Takes out the least recently used of which `may_go`; looks at no more than `scan`.
    pub(crate) fn take_oldest(&mut self, scan: usize, may_go: impl Fn(&H) -> bool) -> Option<H> {
        let goes = self
            .by_use
            .values()
            .take(scan)
            .find(|entity| {
                self.entries
                    .get(*entity)
                    .is_some_and(|entry| may_go(&entry.handle))
            })
            .copied()?;
        self.remove(goes)
    }

    /// Takes out those not used since `since` of which `may_go`, at most `limit`.
    pub(crate) fn take_unused(
        &mut self,
        since: Instant,
        limit: usize,
        may_go: impl Fn(&H) -> bool,
    ) -> Vec<H> {
        let unused: Vec<EntityId> = self
            .by_use
            .values()
            .map_while(|entity| {
                self.entries
                    .get_key_value(entity)
                    .filter(|(_, entry)| entry.used_at <= since)
            })
            .filter(|(_, entry)| may_go(&entry.handle))
            .map(|(entity, _)| *entity)
            .take(limit)
            .collect();
        unused
            .into_iter()
            .filter_map(|entity| self.remove(entity))
            .collect()
    }

    pub(crate) fn take_all(&mut self) -> Vec<H> {
        self.by_use.clear();
        self.entries
            .drain()
            .map(|(_, entry)| entry.handle)
            .collect()
    }

    /// The handles, most recently used first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &H> {
        self.by_use
            .values()
            .rev()
            .filter_map(|entity| self.get(*entity))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tellee_actors::ids::ThingId;

    use super::*;

    fn filled(count: u64) -> (Residents<u64>, Vec<EntityId>, Instant) {
        let start = Instant::now();
        let mut residents = Residents::default();
        let entities: Vec<EntityId> = (0..count).map(|_| ThingId::generate().into()).collect();
        for (number, &entity) in (0..).zip(&entities) {
            residents.insert(entity, number, start + Duration::from_secs(number));
        }
        (residents, entities, start)
    }

    #[test]
    fn the_least_recently_used_goes_first_unless_it_may_not() {
        let (mut residents, entities, start) = filled(5);
        assert_eq!(
            residents.touch(entities[0], start + Duration::from_secs(9)),
            Some(&0)
        );
        assert_eq!(residents.take_oldest(10, |_| true), Some(1));
        assert_eq!(residents.take_oldest(10, |&number| number != 2), Some(3));
        assert_eq!(residents.take_oldest(1, |&number| number != 2), None);
        assert_eq!(
            residents.newest_first().copied().collect::<Vec<_>>(),
            [0, 4, 2]
        );
        assert_eq!(residents.len(), 3);
    }

    #[test]
    fn the_unused_go_together() {
        let (mut residents, entities, start) = filled(6);
        residents.touch(entities[1], start + Duration::from_secs(9));
        let gone = residents.take_unused(start + Duration::from_secs(3), 10, |&number| number != 2);
        assert_eq!(gone, [0, 3]);
        assert_eq!(
            residents.take_unused(start + Duration::from_secs(99), 2, |_| true),
            [2, 4]
        );
        assert_eq!(residents.len(), 2);
    }

    #[test]
    fn a_replaced_handle_leaves_no_trace() {
        let (mut residents, entities, start) = filled(2);
        residents.insert(entities[0], 7, start);
        assert_eq!(
            residents.newest_first().copied().collect::<Vec<_>>(),
            [7, 1]
        );
        assert_eq!(residents.remove(entities[0]), Some(7));
        assert_eq!(residents.remove(entities[0]), None);
        assert_eq!(residents.take_all(), [1]);
        assert_eq!(residents.newest_first().count(), 0);
    }
}
