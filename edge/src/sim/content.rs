//! The bootstrap content that maps the simulator's registers to points.

use std::time::Duration;

use super::replay::Recording;
use super::{SimError, SimKind};
use crate::connection::{
    ByteOrder, Connection, Defaults, Device, Link, MaxGap, Plan, Point, PointType, Reconnect,
    Report, Timing,
};

/// The content `{"connections":[…]}` under which the edge agent polls a simulator at `host:port`, once per `every`.
///
/// # Errors
/// If a recording cannot be read.
pub fn edge_content(
    kind: &SimKind,
    host: &str,
    port: u16,
    every: Duration,
) -> Result<serde_json::Value, SimError> {
    let (id, mut points) = match kind {
        SimKind::Pump => ("pump-sim", pump_points()),
        SimKind::Csv(path) => ("replay-sim", recording_points(&Recording::load(path)?)),
    };
    let flag = if *kind == SimKind::Pump {
        "running"
    } else {
        "playing"
    };
    points.push(point(flag, "discrete/0".into(), PointType::Bool, None));
    let connection = Connection {
        id: id.into(),
        driver: "modbus".into(),
        link: Link::Tcp {
            host: host.into(),
            port,
        },
        timing: Timing {
            reconnect: Reconnect {
                min: Duration::from_millis(500),
                max: Duration::from_secs(10),
            },
            ..Timing::default()
        },
        defaults: Defaults {
            every,
            report: Report::EverySample,
            byte_order: ByteOrder::Abcd,
            ..Defaults::default()
        },
        devices: vec![Device {
            unit: 1,
            thing: None,
            subtopic: None,
            every: None,
            plan: Plan {
                max_gap: MaxGap::Auto,
                ..Plan::default()
            },
            points,
        }],
    };
    Ok(serde_json::json!({ "connections": [connection] }))
}

fn pump_points() -> Vec<Point> {
    (0..)
        .zip(super::tags::pump_tags())
        .map(|(index, tag): (u16, _)| {
            point(
                &tag.name,
                format!("input/{}", index * 2),
                PointType::F32,
                tag.unit,
            )
        })
        .collect()
}

fn recording_points(recording: &Recording) -> Vec<Point> {
    (0..)
        .zip(&recording.columns)
        .map(|(index, column): (u16, _)| {
            let unit = column.unit.map(str::to_owned);
            point(
                &column.name,
                format!("input/{}", index * 2),
                PointType::F32,
                unit,
            )
        })
        .collect()
}

fn point(name: &str, at: String, kind: PointType, unit: Option<String>) -> Point {
    Point {
        name: name.into(),
        at,
        kind: Some(kind),
        length: None,
        byte_order: None,
        scale: None,
        offset: None,
        unit,
        every: None,
        report: if kind == PointType::Bool {
            Some(Report::OnChange)
        } else {
            None
        },
        deadband: None,
        heartbeat: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::connections_from_json;

    #[test]
    fn the_content_is_one_that_the_agent_takes() {
        let content =
            edge_content(&SimKind::Pump, "127.0.0.1", 5020, Duration::from_secs(1)).unwrap();
        let connections = connections_from_json(&content.to_string()).unwrap();
        assert_eq!(connections[0].devices[0].points.len(), 14);
    }
}
