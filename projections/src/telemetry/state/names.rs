//! From the key of a series to its place: hashes and places side by side, the keys themselves lie with their series.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use tellee_actors::ids::{ChannelId, ThingId};

use super::Series;
use crate::telemetry::model::SeriesKey;

type State = <DefaultHashBuilder as BuildHasher>::Hasher;

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    place: u32,
}

#[derive(Debug, Default)]
pub struct Names {
    table: HashTable<Entry>,
    build: DefaultHashBuilder,
}

/// The part of a key that the records of one message share, hashed once for all of them.
#[derive(Clone)]
pub struct Source<'a> {
    channel: ChannelId,
    thing: ThingId,
    subtopic: &'a str,
    hashed: State,
}

/// The table keeps 32 bits of a hash. It looks at the upper ones and at the lower ones.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Names {
    pub fn source<'a>(&self, channel: ChannelId, thing: ThingId, subtopic: &'a str) -> Source<'a> {
        let mut hashed = self.build.build_hasher();
        hashed.write(channel.0.as_bytes());
        hashed.write(thing.0.as_bytes());
        hashed.write(subtopic.as_bytes());
        Source {
            channel,
            thing,
            subtopic,
            hashed,
        }
    }

    fn hash(source: &Source<'_>, name: &str) -> u32 {
        let mut hashed = source.hashed.clone();
        hashed.write(name.as_bytes());
        let hash = hashed.finish();
        (hash ^ (hash >> 32)) as u32
    }

    /// The place of the series `name` of `source`.
    pub fn find(&self, series: &[Option<Series>], source: &Source<'_>, name: &str) -> Option<u32> {
        let hash = Self::hash(source, name);
        let is_it = |entry: &Entry| {
            entry.hash == hash
                && series
                    .get(entry.place as usize)
                    .and_then(Option::as_ref)
                    .is_some_and(|series| is_key(&series.key, source, name))
        };
        let found = self.table.find(spread(hash), is_it)?;
        Some(found.place)
    }

    pub fn insert(&mut self, key: &SeriesKey, place: u32) {
        let source = self.source(key.channel, key.thing, &key.subtopic);
        let hash = Self::hash(&source, &key.name);
        self.table
            .insert_unique(spread(hash), Entry { hash, place }, |entry| {
                spread(entry.hash)
            });
    }
}

fn is_key(key: &SeriesKey, source: &Source<'_>, name: &str) -> bool {
    key.channel == source.channel
        && key.thing == source.thing
        && key.name == name
        && key.subtopic == source.subtopic
}
