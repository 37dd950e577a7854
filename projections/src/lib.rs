//! Read models and the telemetry store.

pub mod access;
pub mod alarms;
pub mod audit;
pub mod follower;
pub mod live;
pub mod rebuild;
pub mod registry;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod unknown_devices;
pub mod watch;

pub use access::Access;
pub use alarms::Alarms;
pub use audit::Audit;
pub use follower::{Projections, WaitError};
pub use registry::Registry;
pub use unknown_devices::UnknownDevices;
