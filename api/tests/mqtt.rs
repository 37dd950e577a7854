//! The MQTT listener and the path of a message, over real sockets.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "mqtt/backlog.rs"]
mod backlog;
#[path = "mqtt/budgets.rs"]
mod budgets;
#[path = "mqtt/certificates.rs"]
mod certificates;
#[path = "mqtt/conformance.rs"]
mod conformance;
#[path = "mqtt/connecting.rs"]
mod connecting;
#[path = "mqtt/delivery.rs"]
mod delivery;
#[path = "mqtt/exchanges.rs"]
mod exchanges;
#[path = "mqtt/statements/first_packet.rs"]
mod first_packet;
#[path = "mqtt/grants.rs"]
mod grants;
#[path = "mqtt/hostile.rs"]
mod hostile;
#[path = "mqtt/ingest.rs"]
mod ingest;
#[path = "mqtt/statements/packets_of_3.rs"]
mod packets_of_3;
#[path = "mqtt/statements/packets_of_5.rs"]
mod packets_of_5;
#[path = "mqtt/peers.rs"]
mod peers;
#[path = "mqtt/publishing.rs"]
mod publishing;
#[path = "mqtt/raw.rs"]
mod raw;
#[path = "mqtt/regressions.rs"]
mod regressions;
#[path = "mqtt/restart.rs"]
mod restart;
#[path = "mqtt/sessions.rs"]
mod sessions;
#[path = "mqtt/shared.rs"]
mod shared;
#[path = "mqtt/slow_journal.rs"]
mod slow_journal;
#[path = "mqtt/statements.rs"]
mod statements;
#[path = "mqtt/support.rs"]
mod support;
#[path = "mqtt/tls.rs"]
mod tls;
#[path = "mqtt/websocket.rs"]
mod websocket;
