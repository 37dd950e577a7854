//! The points of one device that are polled together.

use std::time::Duration;

use tokio::time::Instant;

use super::plan::{Block, Extent, plan_blocks};
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
                });
                groups.len() - 1
            });
        groups[position].extents.push(extent);
        groups[position].points.push(polled);
    }
    for group in &mut groups {
        group.blocks = plan_blocks(
            &group.extents,
            device.plan.max_registers,
            device.plan.max_gap.registers(),
        );
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
    };
    Ok((extent, polled))
}
