//! The counters as Prometheus reads them, under the names `mqtt_…`.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::broker::Broker;
use super::metrics::Count;

/// Adds the broker's counters to `registry`. They are read when they are asked for.
pub fn register(broker: Arc<Broker>, registry: &mut Registry) {
    registry.register_collector(Box::new(Counters(broker)));
}

struct Counters(Arc<Broker>);

impl fmt::Debug for Counters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("mqtt::prometheus::Counters")
    }
}

impl Collector for Counters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = self.0.metrics();
        let queued_bytes = i64::try_from(self.0.queued_bytes()).unwrap_or(i64::MAX);
        let retained = i64::try_from(self.0.retained_messages()).unwrap_or(i64::MAX);
        gauge(
            &mut encoder,
            "mqtt_connected",
            "Clients that have signed in",
            of(&metrics.connected),
        )?;
        gauge(
            &mut encoder,
            "mqtt_sessions",
            "Sessions, connected or not",
            of(&metrics.sessions),
        )?;
        gauge(
            &mut encoder,
            "mqtt_queued_bytes",
            "Bytes that wait for subscribers",
            queued_bytes,
        )?;
        gauge(
            &mut encoder,
            "mqtt_in_flight_bytes",
            "Bytes read of clients and not stored, beyond the first 8 KiB of each connection",
            i64::try_from(self.0.in_flight_bytes()).unwrap_or(i64::MAX),
        )?;
        gauge(
            &mut encoder,
            "mqtt_retained_messages",
            "Retained messages",
            retained,
        )?;
        let logged_bytes = self.0.journal().read(|state| state.log_bytes());
        gauge(
            &mut encoder,
            "mqtt_logged_bytes",
            "Bytes of messages that wait for lasting sessions",
            i64::try_from(logged_bytes).unwrap_or(i64::MAX),
        )?;
        gauge(
            &mut encoder,
            "mqtt_logged_memory_bytes",
            "Bytes of messages that wait for lasting sessions and are held in memory",
            i64::try_from(self.0.journal().memory_bytes()).unwrap_or(i64::MAX),
        )?;
        let by_qos = |counts: &[Count; 3]| {
            ["0", "1", "2"]
                .into_iter()
                .zip(counts.each_ref().map(Count::get))
                .collect::<Vec<_>>()
        };
        family(
            &mut encoder,
            "mqtt_received",
            "Messages from clients",
            "qos",
            &by_qos(&metrics.received),
        )?;
        family(
            &mut encoder,
            "mqtt_sent",
            "Messages to clients",
            "qos",
            &by_qos(&metrics.sent),
        )?;
        let dropped = [
            ("queue_full", metrics.dropped_queue_full.get()),
            ("expired", metrics.dropped_expired.get()),
            ("too_large", metrics.dropped_too_large.get()),
            ("not_stored", metrics.dropped_not_stored.get()),
            (
                "retained",
                metrics.dropped_retained.get() + self.0.journal().refused_retained(),
            ),
            ("behind", metrics.dropped_behind.get()),
            ("damaged", metrics.dropped_damaged.get()),
            ("unclaimed", metrics.dropped_unclaimed.get()),
        ];
        family(
            &mut encoder,
            "mqtt_dropped",
            "Messages that were dropped",
            "reason",
            &dropped,
        )?;
        family(
            &mut encoder,
            "mqtt_shared",
            "Messages of share groups whose member ended before it acknowledged them",
            "state",
            &[("handed_over", metrics.handed_over.get())],
        )?;
        let refused = [
            ("connection", metrics.connections_refused.get()),
            ("handshake", metrics.handshakes_given_up.get()),
            ("tls_handshake", metrics.tls_handshakes_failed.get()),
            ("authentication", metrics.authentication_failures.get()),
            ("publish", metrics.publishes_refused.get()),
            ("subscribe", metrics.subscribes_refused.get()),
            ("protocol", metrics.protocol_errors.get()),
        ];
        family(
            &mut encoder,
            "mqtt_refused",
            "What clients were refused",
            "what",
            &refused,
        )?;
        let ended = [
            ("overrun", metrics.sessions_overrun.get()),
            ("taken_over", metrics.sessions_taken_over.get()),
            ("expired", metrics.sessions_expired.get()),
            ("revoked", metrics.sessions_revoked.get()),
        ];
        family(
            &mut encoder,
            "mqtt_ended",
            "Sessions and connections that the server ended",
            "reason",
            &ended,
        )?;
        let journal = [("failed", self.0.journal().failures())];
        family(
            &mut encoder,
            "mqtt_journal_writes",
            "Writes of the journal that were tried again",
            "state",
            &journal,
        )?;
        let once = [("accepted", metrics.connections_accepted.get())];
        family(
            &mut encoder,
            "mqtt_connections",
            "Sockets that were accepted",
            "state",
            &once,
        )?;
        family(
            &mut encoder,
            "mqtt_wills",
            "Wills",
            "state",
            &[("published", metrics.wills_published.get())],
        )
    }
}

fn of(count: &Count) -> i64 {
    i64::try_from(count.get()).unwrap_or(i64::MAX)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        ConstCounter::new(*count).encode(metric.encode_family(&[(label, *value)])?)?;
    }
    Ok(())
}
