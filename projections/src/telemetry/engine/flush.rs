//! From memory to sets of blocks, and the log shorter by that.

use std::sync::atomic::Ordering;

use super::retain::Dropped;
use super::rewrite::{Rewrite, Written};
use super::{Engine, Maintenance, NOTHING};
use crate::telemetry::blocks::Piece;
use crate::telemetry::catalog::Entry;
use crate::telemetry::columns::Columns;
use crate::telemetry::manifest::{CatalogEntry, Manifest, SetEntry, add_tombstone};
use crate::telemetry::state::Frozen;
use crate::telemetry::store::TelemetryError;

/// Samples of one series that a flush writes as they are.
const SMALL: usize = 256;

/// A catalog shorter than this is not worth writing anew.
const CATALOG_MIN: u64 = 4 << 20;

impl Engine {
    /// Writes what is in memory to a set of blocks. If it fails, all stays in memory and in the log, and the next
    /// call goes on with it. Answers whether there was anything to write.
    pub fn flush(&self) -> Result<bool, TelemetryError> {
        let mut maintenance = self.maintenance.lock();
        self.flush_with(&mut maintenance)
    }

    pub(super) fn flush_with(&self, maintenance: &mut Maintenance) -> Result<bool, TelemetryError> {
        let is_unfinished = self.state.read().frozen.is_some();
        if !is_unfinished && !self.freeze(maintenance)? {
            return Ok(false);
        }
        let Some(frozen) = self.state.read().frozen.clone() else {
            return Ok(false);
        };
        let number = maintenance.take_number();
        let flushed = self.flush_frozen(maintenance, &frozen, number);
        if flushed.is_err() && !maintenance.manifest_in_doubt {
            self.remove(Piece::Set(number));
        }
        flushed.map(|()| true)
    }

    fn flush_frozen(
        &self,
        maintenance: &mut Maintenance,
        frozen: &Frozen,
        number: u64,
    ) -> Result<(), TelemetryError> {
        let written = self.write_frozen(frozen, number)?;
        let mut manifest = maintenance.manifest.clone();
        manifest.catalog = self.write_catalog(maintenance, &frozen.entries, &[])?;
        manifest.log_floor = frozen.log_floor;
        if written.is_some() {
            manifest.sets.push(SetEntry {
                number,
                order: frozen.order,
            });
        }
        self.install_with_catalog(maintenance, manifest, &Dropped::default())?;
        self.state.write().flushed(written);
        (self.remove_segments)(frozen.log_floor);
        Ok(())
    }

    /// Writers go on in a new log segment and in empty heads.
    fn freeze(&self, maintenance: &mut Maintenance) -> Result<bool, TelemetryError> {
        let floor = {
            let mut commits = self.commits.lock();
            let floor = commits.log.rotate()?;
            let frozen = self.state.write().freeze(floor);
            self.log_bytes.store(0, Ordering::Relaxed);
            self.in_memory_since.store(NOTHING, Ordering::Relaxed);
            if frozen {
                return Ok(true);
            }
            floor
        };
        // Nothing in memory; the log may still hold droppings of retention, which the manifest knows as well.
        if floor > maintenance.manifest.log_floor {
            let manifest = Manifest {
                log_floor: floor,
                ..maintenance.manifest.clone()
            };
            self.install(maintenance, manifest)?;
            (self.remove_segments)(floor);
        }
        Ok(false)
    }

    fn write_frozen(&self, frozen: &Frozen, number: u64) -> Result<Written, TelemetryError> {
        let entry = SetEntry {
            number,
            order: frozen.order,
        };
        let mut rewrite = Rewrite::new(self, entry, self.config.block_samples, 1);
        // A series with more samples may get rollups.
        let most = SMALL.min(self.config.rollup_samples.saturating_sub(1));
        let mut few = Columns::default();
        for place in &frozen.series {
            // There may be very many of these. What retention drops meanwhile is clipped when it is read.
            if let Some(id) = frozen.few(*place, most, &mut few) {
                rewrite.add_sorted(id, &few)?;
                continue;
            }
            let (id, view) = {
                let state = self.state.read();
                let Some(series) = state.get(*place) else {
                    continue;
                };
                (series.id, state.frozen_view(*place))
            };
            rewrite.add(id, view)?;
        }
        rewrite.finish()
    }

    /// Writes `news`, which the state holds as well, and `changes`, which it does not yet.
    pub(super) fn write_catalog(
        &self,
        maintenance: &mut Maintenance,
        news: &[Entry],
        changes: &[Entry],
    ) -> Result<CatalogEntry, TelemetryError> {
        let old = maintenance.manifest.catalog;
        if news.is_empty() && changes.is_empty() && !maintenance.catalog_in_doubt {
            return Ok(old);
        }
        let grown =
            old.length > CATALOG_MIN && old.length > maintenance.catalog_base.saturating_mul(4);
        if old.length > 0 && !grown && !maintenance.catalog_in_doubt {
            maintenance.catalog_in_doubt = true;
            return self.blocks.append_catalog(old, &[news, changes].concat());
        }
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|error| TelemetryError::Failed(error.to_string()))?;
        let fresh = CatalogEntry {
            number: maintenance.take_number(),
            length: 0,
            frames: 0,
            salt: u64::from_le_bytes(salt),
        };
        maintenance.catalog_in_doubt = true;
        let mut entries = self.state.read().catalog_entries();
        entries.extend_from_slice(changes);
        let written = self
            .blocks
            .append_catalog(fresh, &entries)
            .inspect_err(|_| self.remove(Piece::Catalog(fresh.number)))?;
        maintenance.catalog_base = written.length;
        Ok(written)
    }

    /// As [`Self::install_with`], where `manifest` may name a new catalog.
    pub(super) fn install_with_catalog(
        &self,
        maintenance: &mut Maintenance,
        manifest: Manifest,
        dropped: &Dropped,
    ) -> Result<(), TelemetryError> {
        let number = manifest.catalog.number;
        let installed = self.install_with(maintenance, manifest, dropped);
        let is_new = number != maintenance.manifest.catalog.number;
        if installed.is_err() && is_new && !maintenance.manifest_in_doubt {
            self.remove(Piece::Catalog(number));
        }
        installed
    }

    /// Makes `manifest` the truth, in the back end and here.
    pub(super) fn install(
        &self,
        maintenance: &mut Maintenance,
        manifest: Manifest,
    ) -> Result<(), TelemetryError> {
        self.install_with(maintenance, manifest, &Dropped::default())
    }

    /// As [`Self::install`], with `dropped` besides what the state says.
    fn install_with(
        &self,
        maintenance: &mut Maintenance,
        mut manifest: Manifest,
        dropped: &Dropped,
    ) -> Result<(), TelemetryError> {
        {
            let state = self.state.read();
            manifest.tombstones.clone_from(&state.tombstones);
            for added in &dropped.tombstones {
                add_tombstone(&mut manifest.tombstones, *added);
            }
            manifest.floors = state.kept.floors_with(&dropped.floors);
            manifest.next_order = state.next_order;
            manifest.next_series = state.next_series();
        }
        manifest.next_number = manifest.next_number.max(maintenance.manifest.next_number);
        self.blocks.draft(&manifest)?;
        maintenance.manifest_in_doubt = true;
        self.blocks.replace()?;
        maintenance.manifest_in_doubt = false;
        maintenance.catalog_in_doubt = false;
        let old = std::mem::replace(&mut maintenance.manifest, manifest);
        if old.catalog.number != maintenance.manifest.catalog.number && old.catalog.length > 0 {
            self.remove(Piece::Catalog(old.catalog.number));
        }
        Ok(())
    }

    /// Removes what no manifest names: what is not needed any more, or what an attempt that failed has left, so that
    /// attempts on a full disk do not fill it further. What fails now is tried again when the store is opened.
    pub(super) fn remove(&self, piece: Piece) {
        if let Err(error) = self.blocks.remove(piece) {
            tracing::warn!(?piece, %error, "cannot remove a part of the telemetry store that is not needed any more");
        }
    }
}

impl Maintenance {
    /// A number that nothing bears.
    pub(super) const fn take_number(&mut self) -> u64 {
        let number = self.manifest.next_number;
        self.manifest.next_number += 1;
        number
    }
}
