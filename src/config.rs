//! The one configuration tree of `tellee serve`. Order: flag, environment, file, default.

mod keys;
mod layers;
mod show;
mod tls;
mod units;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tellee_actors::domain::channel::RollupRetention;

pub use layers::{ConfigError, Flags, load, variables};
pub use show::show;
pub use tls::Tls;
pub use units::{ByteSize, Span};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub data_dir: PathBuf,
    pub http: Http,
    pub mqtt: Mqtt,
    pub identity: Identity,
    pub stores: Stores,
    pub retention: Retention,
    pub ingest: Ingest,
    pub alarms: Alarms,
    pub entities: Entities,
    pub ml: Ml,
    pub cluster: Cluster,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub listen: SocketAddr,
    pub allow_remote: bool,
    pub max_body: ByteSize,
    pub max_connections: u32,
    pub allowed_origins: Vec<String>,
    pub io_uring: IoUring,
    pub tls: Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IoUring {
    Auto,
    Off,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    pub listen: SocketAddr,
    pub allow_remote: bool,
    pub max_packet: ByteSize,
    pub max_connections: u32,
    pub connect_timeout: Span,
    pub channel_backlog: ByteSize,
    pub node_backlog: ByteSize,
    pub tls: Tls,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub self_registration: bool,
    pub token_lifetime: Span,
    pub reveal_thing_keys: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventsProvider {
    Embedded,
    Eventstore,
    Cql,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TelemetryProvider {
    Embedded,
    Scylla,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stores {
    pub events: EventsProvider,
    pub telemetry: TelemetryProvider,
    pub cql: Cql,
    pub eventstore: Eventstore,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    pub rollups: RollupRetention,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cql {
    pub contact_points: Vec<String>,
    pub keyspace: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eventstore {
    pub url: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    pub node_budget: ByteSize,
    pub connection_budget: ByteSize,
    pub max_ahead: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarms {
    pub max_lateness: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entities {
    pub resident: u32,
    pub idle: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ml {
    pub enabled: bool,
    pub worker: PathBuf,
    pub libtorch: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    pub seeds: Vec<String>,
    pub node: String,
    pub listen: String,
    pub gossip: String,
    pub secret: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./tellee-data"),
            http: Http {
                listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
                allow_remote: false,
                max_body: ByteSize::mebibytes(1),
                max_connections: 10_000,
                allowed_origins: Vec::new(),
                io_uring: IoUring::Auto,
                tls: Tls::default(),
            },
            mqtt: Mqtt {
                listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
                allow_remote: false,
                max_packet: ByteSize::mebibytes(1),
                max_connections: 50_000,
                connect_timeout: Span::seconds(10),
                channel_backlog: ByteSize::mebibytes(1024),
                node_backlog: ByteSize::mebibytes(4096),
                tls: Tls::default(),
            },
            identity: Identity {
                self_registration: false,
                token_lifetime: Span::hours(24),
                reveal_thing_keys: true,
            },
            stores: Stores {
                events: EventsProvider::Embedded,
                telemetry: TelemetryProvider::Embedded,
                cql: Cql {
                    contact_points: Vec::new(),
                    keyspace: "tellee".to_owned(),
                },
                eventstore: Eventstore { url: String::new() },
            },
            retention: Retention {
                rollups: RollupRetention::AsSamples,
            },
            ingest: Ingest {
                node_budget: ByteSize::mebibytes(16),
                connection_budget: ByteSize::mebibytes(1),
                max_ahead: Span::seconds(600),
            },
            alarms: Alarms {
                max_lateness: Span::seconds(120),
            },
            entities: Entities {
                resident: 50_000,
                idle: Span::seconds(300),
            },
            ml: Ml {
                enabled: true,
                worker: PathBuf::new(),
                libtorch: PathBuf::new(),
            },
            cluster: Cluster {
                seeds: Vec::new(),
                node: String::new(),
                listen: "127.0.0.1:7700".to_owned(),
                gossip: "127.0.0.1:7701".to_owned(),
                secret: String::new(),
            },
        }
    }
}

impl Config {
    /// What no single key can say: combinations that do not work.
    fn validate(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, reason: &str| {
            Err(ConfigError::Invalid {
                key: key.to_owned(),
                reason: reason.to_owned(),
            })
        };
        if !self.http.listen.ip().is_loopback() && !self.http.allow_remote {
            return refuse(
                "http.listen",
                "is not a loopback address; use `http.tls`, or put TLS in front and set `http.allow_remote = true`",
            );
        }
        if !self.mqtt.listen.ip().is_loopback() && !self.mqtt.allow_remote {
            return refuse(
                "mqtt.listen",
                "is not a loopback address; use `mqtt.tls`, or put TLS in front and set `mqtt.allow_remote = true`",
            );
        }
        self.http.tls.validate("http")?;
        self.mqtt.tls.validate("mqtt")?;
        if self.stores.events != EventsProvider::Embedded {
            return refuse(
                "stores.events",
                "this version keeps events in the `embedded` store only",
            );
        }
        if self.stores.telemetry != TelemetryProvider::Embedded {
            return refuse(
                "stores.telemetry",
                "this version keeps telemetry in the `embedded` store only",
            );
        }
        if self.retention.rollups == RollupRetention::AsConfigured {
            return refuse(
                "retention.rollups",
                "must be `as_samples`, `days_30`, `year_1`, `years_5` or `forever`",
            );
        }
        if !self.cluster.seeds.is_empty() {
            return refuse("cluster.seeds", "this version runs on one node only");
        }
        if self.identity.token_lifetime < Span::seconds(60) {
            return refuse("identity.token_lifetime", "must be at least 1m");
        }
        if self.http.max_body < ByteSize::kibibytes(1)
            || self.http.max_body > ByteSize::mebibytes(64)
        {
            return refuse("http.max_body", "must lie between 1KiB and 64MiB");
        }
        if self.mqtt.max_packet < ByteSize::kibibytes(1)
            || self.mqtt.max_packet > ByteSize::mebibytes(64)
        {
            return refuse("mqtt.max_packet", "must lie between 1KiB and 64MiB");
        }
        if self.mqtt.channel_backlog < ByteSize::mebibytes(1)
            || self.mqtt.channel_backlog < self.mqtt.max_packet
        {
            return refuse(
                "mqtt.channel_backlog",
                "must be at least 1MiB and hold the largest packet",
            );
        }
        if self.mqtt.node_backlog < self.mqtt.channel_backlog {
            return refuse(
                "mqtt.node_backlog",
                "must be at least `mqtt.channel_backlog`",
            );
        }
        if self.ingest.connection_budget < self.mqtt.max_packet
            || self.ingest.connection_budget < self.http.max_body
        {
            return refuse(
                "ingest.connection_budget",
                "must hold the largest body and the largest packet",
            );
        }
        if self.ingest.node_budget < self.ingest.connection_budget {
            return refuse(
                "ingest.node_budget",
                "must be at least `ingest.connection_budget`",
            );
        }
        if self.ingest.max_ahead < Span::seconds(1) {
            return refuse(
                "ingest.max_ahead",
                "must be at least 1s: no two clocks agree",
            );
        }
        for (key, connections) in [
            ("http.max_connections", self.http.max_connections),
            ("mqtt.max_connections", self.mqtt.max_connections),
        ] {
            if connections == 0 {
                return refuse(key, "must be at least 1: nobody could connect");
            }
        }
        if self.entities.resident == 0 {
            return refuse("entities.resident", "must be at least 1");
        }
        Ok(())
    }
}
