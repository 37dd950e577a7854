//! Shards: a fixed number of parts that all entities fall into, and which node owns which. Pure.

use tellee_actors::ids::EntityId;

/// How many shards there are. Fixed for ever: another number would give every entity another shard.
pub const SHARDS: u16 = 1024;

/// A part of all entities, from 0 to [`SHARDS`] - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(u16);

impl Shard {
    /// The shard of `entity`, the same on every node and in every version.
    pub fn of(entity: EntityId) -> Self {
        let hash = hash(entity.kind.as_str().bytes().chain(*entity.id.as_bytes()));
        // Below 1024, so that it fits.
        Self((hash % u64::from(SHARDS)) as u16)
    }

    pub const fn number(self) -> u16 {
        self.0
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }
}

/// A node that can own shards.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The name of the node, unique in the cluster.
    pub node: String,
    /// Its share in relation to the others'; one that is not above 0 owns nothing.
    pub weight: f64,
}

/// The owner of `shard` among `candidates`, by weighted rendezvous (highest random weight): each pair of shard and node has a
/// score, the highest wins. When a node comes or goes, only the shards that it gains or loses move.
pub fn owner(shard: Shard, candidates: &[Candidate]) -> Option<&Candidate> {
    let scored = candidates
        .iter()
        .filter(|candidate| candidate.weight > 0.0)
        .map(|candidate| (score(shard, candidate), candidate));
    let best = scored.max_by(|(left, one), (right, other)| {
        left.total_cmp(right)
            .then_with(|| one.node.cmp(&other.node))
    });
    best.map(|(_, candidate)| candidate)
}

/// `weight / -ln(u)` with `u` uniform in (0, 1): the chance to be the highest is in proportion to the weight.
fn score(shard: Shard, candidate: &Candidate) -> f64 {
    let hash = hash(candidate.node.bytes().chain(shard.0.to_be_bytes()));
    // The upper 53 bits, moved by a half so that neither end is reached.
    let uniform = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    candidate.weight / -uniform.ln()
}

/// FNV-1a over the bytes, then the finalizer of SplitMix64 so that close inputs end up far apart.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let folded = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (folded ^ (folded >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tellee_actors::ids::{EntityKind, ThingId};

    use super::*;

    fn candidates(weights: &[(&str, f64)]) -> Vec<Candidate> {
        weights
            .iter()
            .map(|&(node, weight)| Candidate {
                node: node.to_owned(),
                weight,
            })
            .collect()
    }

    fn shares(candidates: &[Candidate]) -> HashMap<&str, usize> {
        let mut shares = HashMap::new();
        for shard in Shard::all() {
            *shares
                .entry(owner(shard, candidates).unwrap().node.as_str())
                .or_insert(0) += 1;
        }
        shares
    }

    #[test]
    fn the_shard_of_an_entity_never_changes() {
        let entity = |kind, id: &str| EntityId::from_stream(&format!("{kind}-{id}")).unwrap();
        let id = "0190d4d2-7a51-7cc0-8f5a-000000000001";
        let shards: Vec<u16> = EntityKind::ALL
            .iter()
            .map(|kind| Shard::of(entity(kind, id)).number())
            .collect();
        // What version 0.1 computed. To change it is to move every entity.
        assert_eq!(shards, [6, 502, 657, 106, 706, 947, 283, 486, 395]);
    }

    #[test]
    fn entities_spread_over_the_shards() {
        let mut counts = vec![0_u32; usize::from(SHARDS)];
        for _ in 0..SHARDS as u32 * 50 {
            counts[usize::from(Shard::of(ThingId::generate().into()).number())] += 1;
        }
        assert!(
            counts.iter().all(|&count| (15..=95).contains(&count)),
            "{counts:?}"
        );
    }

    #[test]
    fn owners_share_by_weight() {
        let candidates = candidates(&[("a", 1.0), ("b", 1.0), ("c", 2.0), ("drained", 0.0)]);
        let shares = shares(&candidates);
        assert!((190..=320).contains(&shares["a"]), "{shares:?}");
        assert!((190..=320).contains(&shares["b"]), "{shares:?}");
        assert!((440..=590).contains(&shares["c"]), "{shares:?}");
        assert!(!shares.contains_key("drained"));
    }

    #[test]
    fn only_the_shards_of_a_node_that_leaves_move() {
        let before = candidates(&[("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)]);
        let after: Vec<Candidate> = before
            .iter()
            .filter(|candidate| candidate.node != "b")
            .cloned()
            .collect();
        for shard in Shard::all() {
            let owned = owner(shard, &before).unwrap();
            if owned.node != "b" {
                assert_eq!(owner(shard, &after), Some(owned));
            }
        }
    }

    #[test]
    fn the_order_of_the_candidates_does_not_matter() {
        let forward = candidates(&[("a", 1.0), ("b", 1.5), ("c", 1.0)]);
        let backward: Vec<Candidate> = forward.iter().rev().cloned().collect();
        for shard in Shard::all() {
            assert_eq!(owner(shard, &forward), owner(shard, &backward));
        }
        assert_eq!(owner(Shard(0), &[]), None);
    }
}
