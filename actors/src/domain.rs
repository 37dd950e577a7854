//! The aggregates, pure: `decide` says what happens, `apply` says what it means. No I/O, no time of their own.

pub mod alarm;
pub mod alarm_rule;
pub mod channel;
pub mod device_type;
pub mod edge_device;
pub mod model;
pub mod organisation;
pub mod rejection;
pub mod secret;
pub mod thing;
pub mod user;

pub use rejection::Rejection;
