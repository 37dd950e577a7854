//! The aggregates, pure: `decide` says what happens, `apply` says what it means. No I/O, no time of their own.

mod event_names;
mod presence;
mod validate;

#[cfg(test)]
mod testing;

pub mod alarm;
pub mod alarm_rule;
pub mod alarm_watch;
pub mod channel;
pub mod device_type;
pub mod edge_device;
pub mod limits;
pub mod model;
pub mod organisation;
pub mod rejection;
pub mod secret;
pub mod thing;
pub mod user;

pub use alarm::Alarm;
pub use alarm_rule::AlarmRule;
pub use channel::Channel;
pub use device_type::DeviceType;
pub use edge_device::EdgeDevice;
pub use model::Model;
pub use organisation::Organisation;
pub use rejection::Rejection;
pub use thing::Thing;
pub use user::User;
