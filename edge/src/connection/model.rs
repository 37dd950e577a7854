//! The fields of a connection, with their defaults and checks.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::subtopic::normalise;
use super::{ConnectionError, duration};

/// The shortest poll period.
pub(crate) const MIN_EVERY: Duration = Duration::from_millis(100);
const MAX_POINTS: usize = 10_000;

/// One link to a controller or gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    pub id: String,
    /// `modbus`.
    pub driver: String,
    pub link: Link,
    #[serde(default)]
    pub timing: Timing,
    #[serde(default)]
    pub defaults: Defaults,
    pub devices: Vec<Device>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Link {
    Tcp {
        host: String,
        #[serde(default = "modbus_port")]
        port: u16,
    },
}

const fn modbus_port() -> u16 {
    502
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// For one request, and for connecting.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Further tries of a request within one poll.
    pub retries: u32,
    /// Rest between two requests.
    #[serde(with = "duration")]
    pub turnaround: Duration,
    pub reconnect: Reconnect,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            retries: 1,
            turnaround: Duration::ZERO,
            reconnect: Reconnect::default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reconnect {
    #[serde(with = "duration")]
    pub min: Duration,
    #[serde(with = "duration")]
    pub max: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(1),
            max: Duration::from_secs(30),
        }
    }
}

/// What the points of a connection have where they say nothing themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    pub byte_order: ByteOrder,
    /// 0 or 1: what the first register is called in `area/number`.
    pub address_base: u16,
    #[serde(with = "duration")]
    pub every: Duration,
    pub report: Report,
    /// With `on_change`: a value is sent at least this often.
    #[serde(with = "duration")]
    pub heartbeat: Duration,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            byte_order: ByteOrder::Abcd,
            address_base: 0,
            every: Duration::from_secs(1),
            report: Report::EverySample,
            heartbeat: Duration::from_secs(60),
        }
    }
}

/// Which byte of a value comes first; A is the most significant of each four. Eight bytes follow the same rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ByteOrder {
    /// Big-endian, as the standard says.
    #[default]
    Abcd,
    /// Little-endian.
    Dcba,
    /// Big-endian words, bytes swapped within each.
    Badc,
    /// Little-endian words, bytes in order within each.
    Cdab,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// When the value moved by more than the deadband, and by heartbeat.
    OnChange,
    /// Every value read.
    EverySample,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Modbus unit id.
    pub unit: u8,
    /// The equipment's name in state reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thing: Option<String>,
    /// Of the messages; elements joined by `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtopic: Option<String>,
    #[serde(
        default,
        with = "duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub every: Option<Duration>,
    #[serde(default)]
    pub plan: Plan,
    pub points: Vec<Point>,
}

/// How points are gathered into requests, and how a silent device is treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// Registers of one request, 1 to 125. Requests for bits may have 16 times as many, up to 2000.
    pub max_registers: u16,
    pub max_gap: MaxGap,
    /// Polls without an answer before the device is only probed.
    pub degrade_after: u32,
    #[serde(with = "duration")]
    pub probe_every: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            max_registers: 125,
            max_gap: MaxGap::default(),
            degrade_after: 3,
            probe_every: Duration::from_secs(60),
        }
    }
}

/// How many unwanted registers may lie between two points of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MaxGap {
    Registers(u16),
    #[default]
    #[serde(with = "auto")]
    Auto,
}

impl MaxGap {
    /// A gap register costs two bytes, a request a round trip: over TCP, 50 registers are cheaper.
    pub const fn registers(self) -> u16 {
        match self {
            Self::Registers(registers) => registers,
            Self::Auto => 50,
        }
    }
}

/// The word `auto` for a unit variant of an untagged enum.
mod auto {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("auto")
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "auto" => Ok(()),
            other => Err(serde::de::Error::custom(format!(
                "`{other}` is neither a number nor `auto`"
            ))),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// A SenML name.
    pub name: String,
    /// `holding/100`, `input/3`, `coil/3`, `discrete/1`, or `40101`.
    pub at: String,
    /// `bool` for coils and discrete inputs, else `u16`, where absent.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PointType>,
    /// Registers of a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_order: Option<ByteOrder>,
    /// Reported value = raw × scale + offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(
        default,
        with = "duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub every: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadband: Option<Deadband>,
    #[serde(
        default,
        with = "duration::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub heartbeat: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointType {
    Bool,
    U16,
    I16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
    String,
}

/// How far a value must move before it counts as changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Deadband {
    /// In the point's unit.
    Absolute(f64),
    /// Of the last reported value.
    Percent { percent: f64 },
}

impl Point {
    pub fn kind_at(&self, address: Address) -> PointType {
        match self.kind {
            Some(kind) => kind,
            None if address.area.is_bits() => PointType::Bool,
            None => PointType::U16,
        }
    }

    /// Registers (or bits) that the point takes.
    pub fn width(&self, kind: PointType) -> u16 {
        match kind {
            PointType::Bool | PointType::U16 | PointType::I16 => 1,
            PointType::U32 | PointType::I32 | PointType::F32 => 2,
            PointType::U64 | PointType::I64 | PointType::F64 => 4,
            PointType::String => self.length.unwrap_or(0),
        }
    }
}

type Checked = Result<(), ConnectionError>;

fn fail(field: String, reason: impl Into<String>) -> Checked {
    Err(ConnectionError::field(field, reason))
}

/// The subtopics, as the platform keeps them, and names that were given before.
pub(crate) type Names<'c> = HashSet<(String, &'c str)>;

pub(crate) fn check_connection<'c>(
    path: &str,
    connection: &'c Connection,
    names: &mut Names<'c>,
) -> Checked {
    if connection.id.is_empty() || connection.id.len() > 128 {
        return fail(format!("{path}.id"), "must have 1 to 128 characters");
    }
    let Link::Tcp { host, .. } = &connection.link;
    if host.is_empty() {
        return fail(format!("{path}.link.host"), "is empty");
    }
    if connection.timing.timeout.is_zero() {
        return fail(
            format!("{path}.timing.timeout"),
            "must be longer than nothing",
        );
    }
    if connection.timing.retries > 10 {
        return fail(format!("{path}.timing.retries"), "must be at most 10");
    }
    if connection.timing.reconnect.min < Duration::from_millis(10) {
        return fail(
            format!("{path}.timing.reconnect.min"),
            "must be at least 10ms",
        );
    }
    if connection.defaults.address_base > 1 {
        return fail(format!("{path}.defaults.address_base"), "must be 0 or 1");
    }
    check_every(
        format!("{path}.defaults.every"),
        Some(connection.defaults.every),
    )?;
    let points: usize = connection
        .devices
        .iter()
        .map(|device| device.points.len())
        .sum();
    if points > MAX_POINTS {
        return fail(
            format!("{path}.devices"),
            format!("more than {MAX_POINTS} points"),
        );
    }
    for (index, device) in connection.devices.iter().enumerate() {
        check_device(
            &format!("{path}.devices[{index}]"),
            connection,
            device,
            names,
        )?;
    }
    Ok(())
}

fn check_device<'c>(
    path: &str,
    connection: &Connection,
    device: &'c Device,
    names: &mut Names<'c>,
) -> Checked {
    if !(1..=125).contains(&device.plan.max_registers) {
        return fail(format!("{path}.plan.max_registers"), "must be 1 to 125");
    }
    if device.plan.degrade_after == 0 {
        return fail(format!("{path}.plan.degrade_after"), "must be at least 1");
    }
    if device.plan.probe_every < MIN_EVERY {
        return fail(format!("{path}.plan.probe_every"), "must be at least 100ms");
    }
    check_every(format!("{path}.every"), device.every)?;
    let subtopic = match device.subtopic.as_deref().map(normalise).transpose() {
        Ok(subtopic) => subtopic.unwrap_or_default(),
        Err(reason) => return fail(format!("{path}.subtopic"), reason),
    };
    for (index, point) in device.points.iter().enumerate() {
        let point_path = format!("{path}.points[{index}]");
        check_point(&point_path, connection, device, point)?;
        if !names.insert((subtopic.clone(), point.name.as_str())) {
            return fail(
                format!("{point_path}.name"),
                format!("`{}` is given twice under one subtopic", point.name),
            );
        }
    }
    Ok(())
}

fn check_every(field: String, every: Option<Duration>) -> Checked {
    match every {
        Some(every) if every < MIN_EVERY => fail(field, "must be at least 100ms"),
        _ => Ok(()),
    }
}

fn check_point(path: &str, connection: &Connection, device: &Device, point: &Point) -> Checked {
    if point.name.len() > 256 {
        return fail(format!("{path}.name"), "is longer than 256 bytes");
    }
    if let Err(kind) = tellee_senml::check_name(&point.name) {
        return fail(format!("{path}.name"), kind.to_string());
    }
    let address = match Address::parse(&point.at, connection.defaults.address_base) {
        Ok(address) => address,
        Err(reason) => return fail(format!("{path}.at"), reason),
    };
    let kind = point.kind_at(address);
    if address.area.is_bits() != (kind == PointType::Bool) {
        return fail(
            format!("{path}.type"),
            "coils and discrete inputs are `bool`, registers are not",
        );
    }
    if (kind == PointType::String) != point.length.is_some() {
        return fail(
            format!("{path}.length"),
            "a string needs its length in registers, others have none",
        );
    }
    let width = point.width(kind);
    if !(1..=device.plan.max_registers).contains(&width) {
        return fail(
            format!("{path}.length"),
            format!("must be 1 to {}", device.plan.max_registers),
        );
    }
    if u32::from(address.offset) + u32::from(width) > 65_536 {
        return fail(format!("{path}.at"), "reaches beyond the last register");
    }
    if point
        .scale
        .is_some_and(|scale| scale == 0.0 || !scale.is_finite())
    {
        return fail(format!("{path}.scale"), "must be finite and not 0");
    }
    if point.offset.is_some_and(|offset| !offset.is_finite()) {
        return fail(format!("{path}.offset"), "must be finite");
    }
    if (point.scale.is_some() || point.offset.is_some())
        && matches!(kind, PointType::Bool | PointType::String)
    {
        return fail(format!("{path}.scale"), "numbers only");
    }
    if let Some(Deadband::Absolute(width) | Deadband::Percent { percent: width }) = point.deadband
        && !(width >= 0.0 && width.is_finite())
    {
        return fail(
            format!("{path}.deadband"),
            "must be finite and not negative",
        );
    }
    if point.unit.as_ref().is_some_and(|unit| unit.len() > 64) {
        return fail(format!("{path}.unit"), "is longer than 64 bytes");
    }
    check_every(format!("{path}.every"), point.every)
}
