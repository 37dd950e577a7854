//! The domain of Tellee: pure aggregates, the entity shell that runs them and the event store that keeps them.

pub mod command;
pub mod domain;
pub mod entity;
pub mod event;
pub mod ids;
pub mod store;
pub mod time;
