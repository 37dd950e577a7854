//! What each key means. `config show` prints it; a test keeps it complete.

/// One key of the configuration and its meaning.
pub struct Key {
    pub path: &'static str,
    pub meaning: &'static str,
}

const fn key(path: &'static str, meaning: &'static str) -> Key {
    Key { path, meaning }
}

pub const KEYS: &[Key] = &[
    key(
        "data_dir",
        "Folder of everything that is kept. Also `--data-dir`.",
    ),
    key(
        "http.listen",
        "Address of HTTP: REST, GraphQL, dashboard, MQTT over WebSocket. Port 0 takes a free one. Also `--http`.",
    ),
    key(
        "http.allow_remote",
        "Allow `listen` an address that is not loopback, without TLS. Put TLS in front first.",
    ),
    key("http.max_body", "Largest request body."),
    key(
        "http.max_connections",
        "Open HTTP connections at most; further ones wait.",
    ),
    key(
        "http.allowed_origins",
        "Origins, besides our own, whose pages may open the GraphQL WebSocket.",
    ),
    key(
        "http.io_uring",
        "`auto`: connections on which devices publish are served by `io_uring`, where the system lets us. `off`: never.",
    ),
    key(
        "http.tls.listen",
        "Address of HTTP over TLS, as in `0.0.0.0:8443`; any address is allowed. Empty: none. Port 0 takes a free one.",
    ),
    key(
        "http.tls.certificate",
        "PEM file of the server's certificate and those up to the root. Taken anew when it changes, and on SIGHUP.",
    ),
    key("http.tls.key", "PEM file of the certificate's private key."),
    key(
        "http.tls.client_ca",
        "PEM file of the authorities whose client certificates are taken. Empty: none are asked for.",
    ),
    key(
        "http.tls.client_revocations",
        "PEM file of revocation lists of those authorities.",
    ),
    key(
        "http.tls.require_client_certificate",
        "Refuse clients without a certificate.",
    ),
    key(
        "mqtt.listen",
        "Address of MQTT 3.1.1 and 5 over TCP. Port 0 takes a free one. Also `--mqtt`.",
    ),
    key(
        "mqtt.allow_remote",
        "Allow `listen` an address that is not loopback, without TLS. Put TLS in front first.",
    ),
    key("mqtt.max_packet", "Largest MQTT packet."),
    key("mqtt.max_connections", "Open MQTT connections at most."),
    key(
        "mqtt.connect_timeout",
        "How long a socket may stay silent before its CONNECT.",
    ),
    key(
        "mqtt.channel_backlog",
        "Bytes on disk of one channel's messages that wait for sessions that are away. Beyond it those furthest behind end.",
    ),
    key("mqtt.node_backlog", "The same over all channels."),
    key(
        "mqtt.tls.listen",
        "Address of MQTT over TLS, as in `0.0.0.0:8883`; any address is allowed. Empty: none. Port 0 takes a free one.",
    ),
    key(
        "mqtt.tls.certificate",
        "PEM file of the server's certificate and those up to the root. Taken anew when it changes, and on SIGHUP.",
    ),
    key("mqtt.tls.key", "PEM file of the certificate's private key."),
    key(
        "mqtt.tls.client_ca",
        "PEM file of the authorities whose client certificates are taken. Empty: none are asked for.",
    ),
    key(
        "mqtt.tls.client_revocations",
        "PEM file of revocation lists of those authorities.",
    ),
    key(
        "mqtt.tls.require_client_certificate",
        "Refuse clients without a certificate.",
    ),
    key(
        "identity.self_registration",
        "Let anyone make a user with `POST /users` and no token.",
    ),
    key(
        "identity.token_lifetime",
        "How long a user's token is valid.",
    ),
    key(
        "identity.reveal_thing_keys",
        "Show a thing's key with `GET /things/<id>`, as Mainflux does. Each reading is audited.",
    ),
    key("stores.events", "Where events are kept: `embedded`."),
    key("stores.telemetry", "Where telemetry is kept: `embedded`."),
    key(
        "stores.cql.contact_points",
        "Scylla or Cassandra nodes, as in `10.0.0.5:9042`.",
    ),
    key("stores.cql.keyspace", "Keyspace of the CQL stores."),
    key(
        "stores.eventstore.url",
        "Connection string of EventStoreDB, as in `esdb://10.0.0.6:2113?tls=true`.",
    ),
    key(
        "retention.rollups",
        "How long rollups are kept in channels that say nothing of it: `as_samples`, `days_30`, `year_1`, `years_5`, `forever`.",
    ),
    key(
        "ingest.node_budget",
        "Bytes of messages in flight on this node; beyond it publishers wait.",
    ),
    key(
        "ingest.connection_budget",
        "Bytes of messages in flight of one connection.",
    ),
    key(
        "ingest.max_ahead",
        "A sample further ahead of its receipt is kept as uncertain history and is never the newest one.",
    ),
    key(
        "alarms.max_lateness",
        "A sample older than this on arrival fills history and raises no alarm.",
    ),
    key(
        "entities.resident",
        "Entities (things, channels, ...) kept in memory at most.",
    ),
    key(
        "entities.idle",
        "An entity leaves memory after this time without a command.",
    ),
    key("ml.enabled", "Run models."),
    key(
        "ml.worker",
        "Program `tellee-ml-worker`; empty: beside this program.",
    ),
    key(
        "ml.libtorch",
        "Folder of libtorch; empty: `$LIBTORCH`, else the cache folder.",
    ),
    key(
        "cluster.seeds",
        "Gossip addresses of other nodes. Empty: this node is alone.",
    ),
    key("cluster.node", "Name of this node; empty: the host's name."),
    key("cluster.listen", "Address of the mesh between nodes (TCP)."),
    key("cluster.gossip", "Address of gossip between nodes (UDP)."),
    key(
        "cluster.secret",
        "What nodes prove to each other; the same on all.",
    ),
];

/// The meaning of `path`.
pub fn meaning(path: &str) -> Option<&'static str> {
    KEYS.iter()
        .find(|key| key.path == path)
        .map(|key| key.meaning)
}

/// The known key that is most like `path`.
pub fn nearest(path: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|key| (strsim::jaro_winkler(path, key.path), key.path))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, path)| path)
}
