//! The points of one device that are polled together.

use std::time::Duration;

use tokio::time::Instant;

use super::plan::{Block, Extent, plan_around, plan_blocks};
use crate::connection::{
    Address, ByteOrder, Connection, ConnectionError, Device, Point, PointType,
};
use crate::report::Reporter;

pub(super) struct PolledPoint {
    pub(super) name: String,
    pub(super) unit: Option<String>,
    pub(super) kind: PointType,
    pub(super) order: ByteOrder,
    pub(super) scale: Option<f64>,
    pub(super) offset: Option<f64>,
    pub(super) reporter: Reporter,
    /// How long it was last left alone after a refusal; none if it was read since.
    pub(super) refusal_wait: Option<Duration>,
}

/// The points of one device that share a period.
pub(super) struct Group {
    pub(super) device: usize,
    pub(super) every: Duration,
    pub(super) due: Instant,
    pub(super) extents: Vec<Extent>,
    pub(super) points: Vec<PolledPoint>,
    pub(super) blocks: Vec<Block>,
    /// Points whose address the device refused, and when to ask again.
    pub(super) refused: Vec<(usize, Instant)>,
    /// When to try joined reads again, because a refused one was cut or a refused point is read again.
    pub(super) join_at: Option<Instant>,
    pub(super) join_wait: Option<Duration>,
    max_registers: u16,
    max_gap: u16,
}

impl Group {
    /// The pause after one of `last`: from one poll, doubled to `longest`. A refusal may pass at once or stay for ever.
    fn longer_wait(&self, last: Option<Duration>, longest: Duration) -> Duration {
        last.map_or(self.every, |last| last * 2).min(longest)
    }

    pub(super) fn refuse(&mut self, point: usize, now: Instant, longest: Duration) {
        let wait = self.longer_wait(self.points[point].refusal_wait, longest);
        let polled = &mut self.points[point];
        polled.refusal_wait = Some(wait);
        polled.reporter.forget();
        self.refused.push((point, now + wait));
    }

    /// Plans the reads anew if it is time, around the points that are refused. Whether it did.
    pub(super) fn join(&mut self, now: Instant) -> bool {
        if self.join_at.is_none_or(|join_at| now < join_at) {
            return false;
        }
        self.join_at = None;
        let refused: Vec<usize> = self.refused.iter().map(|&(point, _)| point).collect();
        self.blocks = plan_around(&self.extents, &refused, self.max_registers, self.max_gap);
        true
    }

    /// After a poll: when to join reads next.
    pub(super) fn plan_join(&mut self, outcome: JoinOutcome, now: Instant, longest: Duration) {
        if outcome.was_cut {
            let wait = self.longer_wait(self.join_wait, longest);
            self.join_wait = Some(wait);
            self.join_at = Some(now + wait);
        } else if outcome.readmitted {
            self.join_at = Some(now);
        } else if outcome.was_joined {
            self.join_wait = None;
        }
    }
}

/// What one poll says of its reads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct JoinOutcome {
    pub(super) was_joined: bool,
    pub(super) was_cut: bool,
    /// A point that was refused is read again.
    pub(super) readmitted: bool,
}

/// One group per period, with its block reads planned. `index` is the device's.
pub(super) fn groups_of(
    connection: &Connection,
    device: &Device,
    index: usize,
) -> Result<Vec<Group>, ConnectionError> {
    let mut groups: Vec<Group> = Vec::new();
    let start = Instant::now();
    for (point_index, point) in device.points.iter().enumerate() {
        let every = point
            .every
            .or(device.every)
            .unwrap_or(connection.defaults.every);
        let (extent, polled) = polled_point(connection, point).map_err(|reason| {
            ConnectionError::field(
                format!(
                    "{}.devices[{index}].points[{point_index}].at",
                    connection.id
                ),
                reason,
            )
        })?;
        let position = groups
            .iter()
            .position(|group| group.every == every)
            .unwrap_or_else(|| {
                groups.push(Group {
                    device: index,
                    every,
                    due: start,
                    extents: Vec::new(),
                    points: Vec::new(),
                    blocks: Vec::new(),
                    refused: Vec::new(),
                    join_at: None,
                    join_wait: None,
                    max_registers: device.plan.max_registers,
                    max_gap: device.plan.max_gap.registers(),
                });
                groups.len() - 1
            });
        groups[position].extents.push(extent);
        groups[position].points.push(polled);
    }
    for group in &mut groups {
        group.blocks = plan_blocks(&group.extents, group.max_registers, group.max_gap);
    }
    Ok(groups)
}

fn polled_point(connection: &Connection, point: &Point) -> Result<(Extent, PolledPoint), String> {
    let defaults = &connection.defaults;
    let address = Address::parse(&point.at, defaults.address_base)?;
    let kind = point.kind_at(address);
    let extent = Extent {
        area: address.area,
        start: address.offset,
        width: point.width(kind),
    };
    let polled = PolledPoint {
        name: point.name.clone(),
        unit: point.unit.clone(),
        kind,
        order: point.byte_order.unwrap_or(defaults.byte_order),
        scale: point.scale,
        offset: point.offset,
        reporter: Reporter::new(
            point.report.unwrap_or(defaults.report),
            point.deadband,
            point.heartbeat.unwrap_or(defaults.heartbeat),
        ),
        refusal_wait: None,
    };
    Ok((extent, polled))
}
