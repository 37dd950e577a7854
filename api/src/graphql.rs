//! GraphQL: the schema, its limits, and the endpoint that serves it.

mod aggregates;
mod alarm;
mod alarm_rule;
mod answer_body;
mod channel;
mod column;
mod context;
mod device_type;
mod edge_device;
mod endpoint;
mod enums;
mod execute;
mod history;
mod limits;
mod model;
mod mutation;
mod page;
mod query;
mod rows;
mod rules;
mod scalars;
mod schema;
mod series;
mod socket;
mod subscription;
mod thing;
mod user;

pub use endpoint::{router, router_with};
pub use schema::{TelleeSchema, schema};
pub use socket::SocketLimits;
