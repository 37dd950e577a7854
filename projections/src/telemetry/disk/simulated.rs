//! A disk in memory that forgets, at a crash, what was not synced: writes are lost or kept sector by sector, names
//! that were not synced come and go. It can also run full and break down after a given number of operations.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile};

const SECTOR: usize = 512;

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The power goes after so many changing operations; every later operation fails.
    pub crash_after: Option<u64>,
    /// Bytes that fit on the disk.
    pub capacity: Option<u64>,
    /// Syncs fail as long as this is set.
    pub sync_fails: bool,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Write {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Truncate(length) => contents.resize(*length, 0),
            Self::Bytes { offset, bytes } => {
                let end = offset + bytes.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Naming {
    Bind(String, usize),
    Unbind(String),
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Bind(name, inode) => names.insert(name.clone(), *inode),
            Self::Unbind(name) => names.remove(name),
        };
    }
}

#[derive(Debug, Default)]
struct World {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Each step changes the names at once: a rename binds and unbinds in one.
    unsynced_names: Vec<Vec<Naming>>,
    faults: Faults,
    operations: u64,
    random: u64,
}

impl World {
    /// Counts one changing operation; fails once the power is gone.
    fn step(&mut self) -> io::Result<()> {
        self.alive()?;
        self.operations += 1;
        self.alive()
    }

    fn alive(&self) -> io::Result<()> {
        if self
            .faults
            .crash_after
            .is_some_and(|limit| self.operations > limit)
        {
            return Err(io::Error::other("the simulated power is gone"));
        }
        Ok(())
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn used(&self) -> u64 {
        self.names
            .values()
            .map(|inode| self.inodes[*inode].now.len() as u64)
            .sum()
    }

    fn naming(&mut self, step: Vec<Naming>) {
        for naming in &step {
            naming.apply(&mut self.names);
        }
        self.unsynced_names.push(step);
    }

    fn inode_of(&self, name: &str) -> io::Result<usize> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Clones share the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    world: Arc<Mutex<World>>,
}

impl SimulatedDisk {
    pub fn new(seed: u64) -> Self {
        Self {
            world: Arc::new(Mutex::new(World {
                random: seed,
                ..World::default()
            })),
        }
    }

    pub fn set_faults(&self, faults: Faults) {
        let mut world = self.world.lock();
        world.operations = 0;
        world.faults = faults;
    }

    /// Changes what goes wrong, without counting operations anew.
    pub fn update_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.world.lock().faults);
    }

    /// Whether the power is gone.
    pub fn is_down(&self) -> bool {
        self.world.lock().alive().is_err()
    }

    /// Bytes in all files that have a name.
    pub fn used(&self) -> u64 {
        self.world.lock().used()
    }

    /// Changing operations since the faults were set.
    pub fn operations(&self) -> u64 {
        self.world.lock().operations
    }

    /// The disk as it is found after the power was cut and came back: of what was not synced, some got through.
    pub fn after_power_cut(&self) -> Self {
        let mut world = self.world.lock();
        let mut names = world.durable_names.clone();
        // As a journal would, some first ones get through; or, as nobody forbids, any.
        let first_ones = (world.random() % (world.unsynced_names.len() as u64 + 1)) as usize;
        let in_order = world.random().is_multiple_of(2);
        for (index, step) in world.unsynced_names.clone().iter().enumerate() {
            let got_through = if in_order {
                index < first_ones
            } else {
                world.random().is_multiple_of(2)
            };
            if got_through {
                step.iter().for_each(|naming| naming.apply(&mut names));
            }
        }
        let mut inodes = Vec::new();
        let mut after = BTreeMap::new();
        for (name, inode) in names {
            let contents = contents_after_power_cut(&mut world, inode);
            after.insert(name, inodes.len());
            inodes.push(Inode {
                now: contents.clone(),
                durable: contents,
                unsynced: Vec::new(),
            });
        }
        let random = world.random();
        Self {
            world: Arc::new(Mutex::new(World {
                inodes,
                names: after.clone(),
                durable_names: after,
                random,
                ..World::default()
            })),
        }
    }

    /// Inverts one bit of a file, where the medium holds it.
    pub fn flip_bit(&self, name: &str, byte: usize, bit: u8) {
        let mut world = self.world.lock();
        let Ok(inode) = world.inode_of(name) else {
            return;
        };
        let inode = &mut world.inodes[inode];
        for contents in [&mut inode.now, &mut inode.durable] {
            if let Some(byte) = contents.get_mut(byte) {
                *byte ^= 1 << (bit & 7);
            }
        }
    }
}

fn contents_after_power_cut(world: &mut World, inode: usize) -> Vec<u8> {
    let mut contents = world.inodes[inode].durable.clone();
    let unsynced = std::mem::take(&mut world.inodes[inode].unsynced);
    // 0: nothing got through; 1: all did; else each sector for itself.
    let fate = world.random() % 4;
    for write in &unsynced {
        match (fate, write) {
            (0, _) => {}
            (1, _) => write.apply(&mut contents),
            (_, Write::Truncate(_)) => {
                if world.random().is_multiple_of(2) {
                    write.apply(&mut contents);
                }
            }
            (_, Write::Bytes { offset, bytes }) => {
                let mut start = 0;
                while start < bytes.len() {
                    let end = ((offset + start) / SECTOR + 1) * SECTOR - offset;
                    let end = end.min(bytes.len());
                    if world.random().is_multiple_of(2) {
                        let sector = Write::Bytes {
                            offset: offset + start,
                            bytes: bytes[start..end].to_vec(),
                        };
                        sector.apply(&mut contents);
                    }
                    start = end;
                }
            }
        }
    }
    world.inodes[inode].unsynced = unsynced;
    contents
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let world = self.world.lock();
        world.alive()?;
        Ok(world.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world.lock();
        world.step()?;
        let inode = world.inodes.len();
        world.inodes.push(Inode::default());
        world.naming(vec![Naming::Bind(name.to_owned(), inode)]);
        Ok(Arc::new(SimulatedFile {
            world: Arc::clone(&self.world),
            inode,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let world = self.world.lock();
        world.alive()?;
        let inode = world.inode_of(name)?;
        Ok(Arc::new(SimulatedFile {
            world: Arc::clone(&self.world),
            inode,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world.lock();
        world.step()?;
        let inode = world.inode_of(from)?;
        world.naming(vec![
            Naming::Bind(to.to_owned(), inode),
            Naming::Unbind(from.to_owned()),
        ]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world.lock();
        world.step()?;
        world.inode_of(name)?;
        world.naming(vec![Naming::Unbind(name.to_owned())]);
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut world = self.world.lock();
        world.step()?;
        if world.faults.sync_fails {
            return Err(io::Error::other("the simulated sync failed"));
        }
        world.durable_names = world.names.clone();
        world.unsynced_names.clear();
        Ok(())
    }

    fn link_to(&self, _name: &str, _target: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct SimulatedFile {
    world: Arc<Mutex<World>>,
    inode: usize,
}

impl SimulatedFile {
    fn write(&self, world: &mut World, write: Write) {
        let inode = &mut world.inodes[self.inode];
        write.apply(&mut inode.now);
        inode.unsynced.push(write);
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        let world = self.world.lock();
        world.alive()?;
        Ok(world.inodes[self.inode].now.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let world = self.world.lock();
        world.alive()?;
        let contents = &world.inodes[self.inode].now;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = start
            .checked_add(buffer.len())
            .and_then(|end| contents.get(start..end));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.world.lock();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let alive = world.step();
        let grown =
            (offset + bytes.len()).saturating_sub(world.inodes[self.inode].now.len()) as u64;
        let room = world
            .faults
            .capacity
            .map(|capacity| capacity.saturating_sub(world.used()));
        if alive.is_ok() && room.is_some_and(|room| grown > room) {
            // As a real disk does: what fits is written, then the error comes.
            let fits = bytes.len() - (grown - room.unwrap_or(0)) as usize;
            self.write(
                &mut world,
                Write::Bytes {
                    offset,
                    bytes: bytes[..fits].to_vec(),
                },
            );
            return Err(io::ErrorKind::StorageFull.into());
        }
        // A write that the power cut hits may still get through in part.
        self.write(
            &mut world,
            Write::Bytes {
                offset,
                bytes: bytes.to_vec(),
            },
        );
        alive
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut world = self.world.lock();
        world.step()?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.write(&mut world, Write::Truncate(length));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.world.lock();
        world.step()?;
        if world.faults.sync_fails {
            return Err(io::Error::other("the simulated sync failed"));
        }
        let inode = &mut world.inodes[self.inode];
        inode.durable = inode.now.clone();
        inode.unsynced.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_synced_is_sure_to_outlive_a_power_cut() {
        let mut lost = 0;
        for seed in 0..64 {
            let disk = SimulatedDisk::new(seed);
            let file = disk.create("a").unwrap();
            file.write_all_at(b"durable", 0).unwrap();
            file.sync().unwrap();
            disk.sync_folder().unwrap();
            file.write_all_at(b"perhaps", 7).unwrap();
            let after = disk.after_power_cut();
            let contents = super::super::read_all(&*after.open("a").unwrap()).unwrap();
            assert_eq!(&contents[..7], b"durable");
            lost += usize::from(contents.len() == 7);
        }
        assert!(lost > 0 && lost < 64, "{lost}");
    }

    #[test]
    fn a_full_disk_says_so() {
        let disk = SimulatedDisk::new(1);
        disk.set_faults(Faults {
            capacity: Some(4),
            ..Faults::default()
        });
        let file = disk.create("a").unwrap();
        file.write_all_at(b"1234", 0).unwrap();
        assert_eq!(
            file.write_all_at(b"5", 4).map_err(|error| error.kind()),
            Err(io::ErrorKind::StorageFull)
        );
        file.write_all_at(b"4321", 0).unwrap();
    }
}
