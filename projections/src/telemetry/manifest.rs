//! The manifest: what makes up the store. As a file, it is replaced as a whole, by rename, and holds its contents twice.

use std::sync::Arc;

use tellee_actors::ids::ChannelId;
use uuid::Uuid;

use super::codec::CodecError;
use super::codec::bytes::{Reader, put_signed, put_varint};
use super::damage::DamageLog;
use super::disk::{Disk, failed, read_all};
use super::store::TelemetryError;

pub const NAME: &str = "manifest";
const DRAFT: &str = "manifest.tmp";
const MAGIC: &[u8; 8] = b"tellemfs";
/// In a store of format 1, the catalog has no entries of kind 4; before format 3, no rollup outlived its samples, and
/// no file had packed columns.
pub const FORMAT: u32 = 3;

/// Samples of `channel` before `before` are gone from all sets of an order up to `order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    pub channel: ChannelId,
    pub before: i64,
    pub order: u64,
}

/// Adds `added` to `all`, and takes out what it stands for as well.
pub fn add_tombstone(all: &mut Vec<Tombstone>, added: Tombstone) {
    let dominates = |left: &Tombstone, right: &Tombstone| {
        left.channel == right.channel && left.before >= right.before && left.order >= right.order
    };
    if all.iter().any(|kept| dominates(kept, &added)) {
        return;
    }
    all.retain(|kept| !dominates(&added, kept));
    all.push(added);
}

/// Rows of kept rollups of `channel` that start before `before` are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    pub channel: ChannelId,
    pub before: i64,
}

/// A set of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetEntry {
    pub number: u64,
    pub order: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CatalogEntry {
    pub number: u64,
    /// Bytes that count; what lies behind them was not finished.
    pub length: u64,
    pub frames: u64,
    pub salt: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// For the next set or catalog.
    pub next_number: u64,
    pub next_order: u64,
    pub next_series: u64,
    /// Log segments before this one are in blocks.
    pub log_floor: u64,
    pub catalog: CatalogEntry,
    pub sets: Vec<SetEntry>,
    pub tombstones: Vec<Tombstone>,
    /// Sets of rollups that outlive their samples. They hold no blocks.
    pub kept: Vec<SetEntry>,
    pub floors: Vec<Floor>,
}

fn put_sets(sets: &[SetEntry], out: &mut Vec<u8>) {
    put_varint(out, sets.len() as u64);
    for set in sets {
        put_varint(out, set.number);
        put_varint(out, set.order);
    }
}

fn take_sets(reader: &mut Reader<'_>) -> Result<Vec<SetEntry>, CodecError> {
    let mut sets = Vec::new();
    for _ in 0..reader.length()? {
        sets.push(SetEntry {
            number: reader.varint()?,
            order: reader.varint()?,
        });
    }
    Ok(sets)
}

impl Manifest {
    /// All sets, those of kept rollups among them.
    pub fn all_sets(&self) -> impl Iterator<Item = &SetEntry> {
        self.sets.iter().chain(&self.kept)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for number in [
            self.next_number,
            self.next_order,
            self.next_series,
            self.log_floor,
            self.catalog.number,
            self.catalog.length,
            self.catalog.frames,
        ] {
            put_varint(&mut body, number);
        }
        body.extend_from_slice(&self.catalog.salt.to_le_bytes());
        put_sets(&self.sets, &mut body);
        put_varint(&mut body, self.tombstones.len() as u64);
        for tombstone in &self.tombstones {
            body.extend_from_slice(tombstone.channel.0.as_bytes());
            put_signed(&mut body, tombstone.before);
            put_varint(&mut body, tombstone.order);
        }
        put_sets(&self.kept, &mut body);
        put_varint(&mut body, self.floors.len() as u64);
        for floor in &self.floors {
            body.extend_from_slice(floor.channel.0.as_bytes());
            put_signed(&mut body, floor.before);
        }

        let mut copy = Vec::with_capacity(body.len() + 24);
        copy.extend_from_slice(MAGIC);
        copy.extend_from_slice(&FORMAT.to_le_bytes());
        copy.extend_from_slice(&(body.len() as u32).to_le_bytes());
        copy.extend_from_slice(&body);
        let crc = crc32c::crc32c(&copy);
        copy.extend_from_slice(&crc.to_le_bytes());
        copy.extend_from_within(..);
        copy
    }

    fn decode_copy(copy: &[u8]) -> Result<Self, CodecError> {
        let (covered, crc) = copy.split_last_chunk::<4>().ok_or(CodecError::Short)?;
        if crc32c::crc32c(covered) != u32::from_le_bytes(*crc) {
            return Err(CodecError::Invalid("wrong checksum"));
        }
        let mut reader = Reader::new(covered);
        if reader.array::<8>()? != *MAGIC {
            return Err(CodecError::Invalid("no manifest"));
        }
        let format = reader.u32()?;
        if format > FORMAT {
            return Err(CodecError::Newer {
                found: format,
                known: FORMAT,
            });
        }
        if reader.u32()? as usize != reader.remaining() {
            return Err(CodecError::Invalid("wrong length"));
        }
        let mut manifest = Self {
            next_number: reader.varint()?,
            next_order: reader.varint()?,
            next_series: reader.varint()?,
            log_floor: reader.varint()?,
            catalog: CatalogEntry {
                number: reader.varint()?,
                length: reader.varint()?,
                frames: reader.varint()?,
                salt: reader.u64()?,
            },
            sets: take_sets(&mut reader)?,
            ..Self::default()
        };
        for _ in 0..reader.length()? {
            manifest.tombstones.push(Tombstone {
                channel: ChannelId(Uuid::from_bytes(reader.array()?)),
                before: reader.signed()?,
                order: reader.varint()?,
            });
        }
        if format >= 3 {
            manifest.kept = take_sets(&mut reader)?;
            for _ in 0..reader.length()? {
                manifest.floors.push(Floor {
                    channel: ChannelId(Uuid::from_bytes(reader.array()?)),
                    before: reader.signed()?,
                });
            }
        }
        Ok(manifest)
    }

    /// The first whole copy; whether the other is damaged.
    fn decode(bytes: &[u8]) -> Result<(Self, bool), CodecError> {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let (first, second) = (Self::decode_copy(first), Self::decode_copy(second));
        match (first, second) {
            (Err(newer @ CodecError::Newer { .. }), _)
            | (_, Err(newer @ CodecError::Newer { .. })) => Err(newer),
            (Ok(manifest), second) => Ok((manifest, second.is_err())),
            (Err(_), Ok(manifest)) => Ok((manifest, true)),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The manifest on `disk`, if there is one.
    pub fn read(disk: &dyn Disk, damages: &Arc<DamageLog>) -> Result<Option<Self>, TelemetryError> {
        let bytes = match disk.open(NAME).and_then(|file| read_all(&*file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("cannot read the manifest", &error)),
        };
        match Self::decode(&bytes) {
            Ok((manifest, damaged)) => {
                if damaged {
                    damages.report(NAME, 0, "one of its two copies is damaged");
                }
                Ok(Some(manifest))
            }
            Err(CodecError::Newer { found, known }) => Err(TelemetryError::Newer { found, known }),
            Err(error) => Err(TelemetryError::Damaged {
                file: NAME.to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    /// Writes the draft of this manifest. All files that it names must be durable, except for their names in the
    /// folder: the folder is synced here. Until [`Self::replace`] nothing has changed.
    pub fn write_draft(&self, disk: &dyn Disk) -> Result<(), TelemetryError> {
        let cannot = |error: std::io::Error| failed("cannot write the manifest", &error);
        let draft = disk.create(DRAFT).map_err(cannot)?;
        draft.write_all_at(&self.encode(), 0).map_err(cannot)?;
        draft.sync().map_err(cannot)?;
        disk.sync_folder().map_err(cannot)
    }

    /// Puts the draft in the place of the manifest before, at once. If this fails, either may be found after a crash.
    pub fn replace(disk: &dyn Disk) -> Result<(), TelemetryError> {
        let cannot = |error: std::io::Error| failed("cannot replace the manifest", &error);
        disk.rename(DRAFT, NAME).map_err(cannot)?;
        disk.sync_folder().map_err(cannot)
    }

    /// Both steps.
    pub fn write(&self, disk: &dyn Disk) -> Result<(), TelemetryError> {
        self.write_draft(disk)?;
        Self::replace(disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            next_number: 7,
            next_order: 5,
            next_series: 300,
            log_floor: 9,
            catalog: CatalogEntry {
                number: 6,
                length: 1234,
                frames: 3,
                salt: u64::MAX,
            },
            sets: vec![
                SetEntry {
                    number: 4,
                    order: 2,
                },
                SetEntry {
                    number: 5,
                    order: 4,
                },
            ],
            tombstones: vec![Tombstone {
                channel: ChannelId(Uuid::from_u128(3)),
                before: -5,
                order: 4,
            }],
            kept: vec![SetEntry {
                number: 6,
                order: 6,
            }],
            floors: vec![Floor {
                channel: ChannelId(Uuid::from_u128(3)),
                before: -9,
            }],
        }
    }

    #[test]
    fn any_flipped_bit_leaves_one_whole_copy() {
        let whole = manifest().encode();
        assert_eq!(Manifest::decode(&whole), Ok((manifest(), false)));
        for byte in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[byte] ^= 1 << bit;
                assert_eq!(Manifest::decode(&damaged), Ok((manifest(), true)));
            }
        }
    }

    #[test]
    fn a_newer_manifest_is_called_newer() {
        let mut bytes = manifest().encode();
        bytes.truncate(bytes.len() / 2);
        bytes[8] = 4;
        let end = bytes.len() - 4;
        let crc = crc32c::crc32c(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
        bytes.extend_from_within(..);
        assert_eq!(
            Manifest::decode(&bytes),
            Err(CodecError::Newer { found: 4, known: 3 })
        );
    }
}
