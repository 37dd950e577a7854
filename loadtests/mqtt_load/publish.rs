//! Publishers with a window of unacknowledged messages, and subscribers that count what reaches them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::process::per_second;
use crate::wire::{PINGRESP, PUBACK, PUBCOMP, PUBREC, PUBREL, Wire, connect, frame, publish};
use crate::{Load, Problem, payload};

const KEEP_ALIVE_SECONDS: u16 = 60;
/// How long the last deliveries may take after the last acknowledgement.
const DELIVERY_PATIENCE: Duration = Duration::from_secs(30);

pub async fn run(load: &Load) -> Result<Value, Problem> {
    let received = Arc::new(AtomicU64::new(0));
    let mut listening = JoinSet::new();
    let filter = format!("channels/{}/messages/#", load.channel);
    for place in 0..load.subscribers {
        let stream = connect(load.address, place).await?;
        let mut wire = Wire::open(
            stream,
            &format!("load-sub-{place}"),
            load.key(place),
            KEEP_ALIVE_SECONDS,
        )
        .await?;
        wire.subscribe(&filter, load.subscriber_qos).await?;
        listening.spawn(subscriber(wire, Arc::clone(&received)));
    }
    let mut wires = Vec::new();
    for place in 0..load.connections {
        let stream = connect(load.address, place).await?;
        let client = format!("load-pub-{place}");
        wires.push(Wire::open(stream, &client, load.key(place), KEEP_ALIVE_SECONDS).await?);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;

    let meter = load.process.meter();
    let mut publishing = JoinSet::new();
    for (place, wire) in wires.into_iter().enumerate() {
        publishing.spawn(publisher(load.clone(), place, wire));
    }
    while let Some(ended) = publishing.join_next().await {
        ended??;
    }
    let seconds = meter.seconds();
    let total = load.messages * load.connections as u64;
    let wanted = total * load.subscribers as u64;
    let patience = Instant::now();
    let mut delivered = received.load(Ordering::Relaxed);
    while delivered < wanted && patience.elapsed() < DELIVERY_PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
        delivered = received.load(Ordering::Relaxed);
    }
    Ok(json!({
        "connections": load.connections, "window": load.window, "qos": load.qos, "subscribers": load.subscribers,
        "messages": total, "seconds": seconds, "per_second": per_second(total, seconds),
        "cpu_us_per_message": meter.cpu_us_per(total), "rss_kib": load.process.rss_kib(),
        "wanted": wanted, "delivered": delivered, "delivered_per_second": per_second(delivered, meter.seconds()),
        "cpu_us_per_delivery": if delivered > 0 { json!(meter.cpu_us_per(delivered)) } else { Value::Null },
    }))
}

async fn publisher(load: Load, connection: usize, mut wire: Wire) -> Result<(), Problem> {
    let topic = format!("channels/{}/messages", load.channel);
    let (mut sent, mut acknowledged) = (0_u64, 0_u64);
    let mut out = Vec::new();
    while acknowledged < load.messages {
        while sent < load.messages && sent - acknowledged < load.window {
            let id = (sent % 65_535 + 1) as u16;
            publish(
                &topic,
                load.qos,
                id,
                &payload(connection, load.start + sent),
                &mut out,
            );
            sent += 1;
        }
        if load.qos == 0 {
            // The answer to a ping says that all before it was taken.
            out.extend([0xC0, 0]);
        }
        loop {
            wire.stream.write_all(&out).await?;
            out.clear();
            wire.fill().await?;
            let before = acknowledged;
            while let Some((kind, body)) = wire.ready() {
                match kind {
                    PUBACK | PUBCOMP => acknowledged += 1,
                    PUBREC => out.extend(frame(PUBREL, wire.bytes(body))),
                    PINGRESP => acknowledged = sent,
                    _ => {}
                }
            }
            if acknowledged > before {
                break;
            }
        }
    }
    Ok(())
}

async fn subscriber(mut wire: Wire, received: Arc<AtomicU64>) -> Result<(), Problem> {
    let mut out = Vec::new();
    loop {
        wire.fill().await?;
        let mut count = 0;
        while let Some((kind, body)) = wire.ready() {
            let bytes = wire.bytes(body);
            if kind & 0xF0 == 0x30 {
                count += 1;
                if let Some(id) = packet_id(kind, bytes) {
                    let answer = if kind & 6 == 2 { PUBACK } else { PUBREC };
                    out.extend([answer, 2, id[0], id[1]]);
                }
            } else if kind == PUBREL {
                out.extend(frame(PUBCOMP, bytes));
            }
        }
        received.fetch_add(count, Ordering::Relaxed);
        if !out.is_empty() {
            wire.stream.write_all(&out).await?;
            out.clear();
        }
    }
}

/// The packet identifier of a PUBLISH; `None` at QoS 0.
fn packet_id(kind: u8, body: &[u8]) -> Option<[u8; 2]> {
    if kind & 6 == 0 {
        return None;
    }
    let topic = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
    Some([*body.get(topic + 2)?, *body.get(topic + 3)?])
}
