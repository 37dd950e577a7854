//! GraphQL: the schema, its limits, and the endpoint that serves it.

mod alarm;
mod alarm_rule;
mod channel;
mod codes;
mod context;
mod device_type;
mod edge_device;
mod endpoint;
mod enums;
mod history;
mod model;
mod mutation;
mod page;
mod query;
mod rules;
mod scalars;
mod schema;
mod series;
mod subscription;
mod thing;
mod user;

pub use endpoint::router;
pub use schema::{TelleeSchema, schema};
