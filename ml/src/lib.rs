//! Models: trains them on telemetry, scores it live and raises predictive alarms.
//!
//! libtorch runs in a process of its own, `tellee-ml-worker`; this crate is the server's side of it, and the two modules
//! that both sides share: [`protocol`] and [`artifact`].

pub mod artifact;
pub mod protocol;

#[cfg(feature = "server")]
mod grid;
#[cfg(feature = "server")]
mod persistence;
#[cfg(feature = "server")]
mod window;
#[cfg(feature = "server")]
pub mod worker;
