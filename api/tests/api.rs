//! REST, GraphQL and the HTTP port of a whole node in this process, over real sockets.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "api/aggregates.rs"]
mod aggregates;
#[path = "api/bootstrap.rs"]
mod bootstrap;
#[path = "api/client.rs"]
mod client;
#[path = "api/graphql.rs"]
mod graphql;
#[path = "api/line_protocol.rs"]
mod line_protocol;
#[path = "api/lookups.rs"]
mod lookups;
#[path = "api/messages.rs"]
mod messages;
#[path = "api/node.rs"]
mod node;
#[path = "api/organisation.rs"]
mod organisation;
#[path = "api/port.rs"]
mod port;
#[path = "api/provision.rs"]
mod provision;
#[path = "api/ring.rs"]
mod ring;
#[path = "api/schema.rs"]
mod schema;
#[path = "api/sockets.rs"]
mod sockets;
#[path = "api/subscriptions.rs"]
mod subscriptions;
#[path = "api/users.rs"]
mod users;
#[path = "api/walls.rs"]
mod walls;
#[path = "api/wire.rs"]
mod wire;
