//! A map that many read without a lock while one writes: each shard is an immutable map behind an atomic pointer.
//!
//! A change copies only the shards that it touches, so that creating 10,000 things does not copy 10,000 maps of 10,000.

use std::hash::Hash;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use tellee_actors::ids::{ChannelId, ThingId, UserId};

const SHARDS: usize = 256;

/// A key with a byte that spreads evenly.
pub(super) trait ShardKey: Copy + Eq + Hash {
    fn shard(&self) -> u8;
}

macro_rules! shard_by_last_byte {
    ($($id:ty),*) => {
        $(impl ShardKey for $id {
            fn shard(&self) -> u8 {
                self.0.as_bytes()[15]
            }
        })*
    };
}
shard_by_last_byte!(ThingId, ChannelId, UserId);

impl ShardKey for [u8; 32] {
    fn shard(&self) -> u8 {
        self[31]
    }
}

pub(super) struct Shards<K, V> {
    shards: Box<[ArcSwap<HashMap<K, V>>]>,
}

impl<K: ShardKey, V: Clone> Shards<K, V> {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS)
                .map(|_| ArcSwap::from_pointee(HashMap::new()))
                .collect(),
        }
    }

    /// What `read` makes of the value of `key`.
    pub(super) fn with<R>(&self, key: &K, read: impl FnOnce(&V) -> R) -> Option<R> {
        self.shards[usize::from(key.shard())]
            .load()
            .get(key)
            .map(read)
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.with(key, V::clone)
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(&K, &V)) {
        for shard in &self.shards {
            for (key, value) in shard.load().iter() {
                visit(key, value);
            }
        }
    }

    pub(super) fn edit(&self) -> Edit<'_, K, V> {
        Edit {
            target: self,
            copies: HashMap::new(),
        }
    }
}

/// Changes that become visible, shard by shard, on [`Edit::publish`].
pub(super) struct Edit<'a, K, V> {
    target: &'a Shards<K, V>,
    copies: HashMap<u8, HashMap<K, V>>,
}

impl<K: ShardKey, V: Clone> Edit<'_, K, V> {
    /// The map of the shard of `key`, to change.
    fn copy(&mut self, key: &K) -> &mut HashMap<K, V> {
        let shard = key.shard();
        self.copies
            .entry(shard)
            .or_insert_with(|| HashMap::clone(&self.target.shards[usize::from(shard)].load()))
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        match self.copies.get(&key.shard()) {
            Some(copy) => copy.get(key).cloned(),
            None => self.target.get(key),
        }
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.copy(&key).insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.copy(key).remove(key)
    }

    /// Whether anything was touched.
    pub(super) fn publish(self) -> bool {
        let touched = !self.copies.is_empty();
        for (shard, copy) in self.copies {
            self.target.shards[usize::from(shard)].store(Arc::new(copy));
        }
        touched
    }
}
