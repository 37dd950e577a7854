//! Connections that sign in and then stay silent: what each costs in memory, and how fast they are let in.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::process::per_second;
use crate::wire::{Wire, connect};
use crate::{Load, Problem};

/// Clients that sign in at the same time.
const AT_ONCE: usize = 32;
/// Memory of the first connections is the allocator's start, not the slope.
const WARM_UP: usize = 1_000;

/// `count` clients, half a second after the last one.
pub async fn run(load: &Load, count: usize) -> Result<Value, Problem> {
    let load = Arc::new(load.clone());
    let mut held = open(&load, 0..WARM_UP.min(count / 2)).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (warm, warm_rss) = (held.len(), load.process.rss_kib());
    let meter = load.process.meter();
    held.extend(open(&load, warm..count).await?);
    let (seconds, more) = (meter.seconds(), (held.len() - warm) as u64);
    let cpu = meter.cpu_us_per(more);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let rss = load.process.rss_kib();
    let slope = rss.saturating_sub(warm_rss) * 1024 / more.max(1);
    let resting = load.process.meter();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle_cpu = resting.cpu_us_per(5);
    drop(held);
    Ok(json!({
        "idle": count, "bytes_each": slope, "rss_kib": rss,
        "connects_per_second": per_second(more, seconds), "cpu_us_per_connect": cpu, "idle_cpu_us_per_second": idle_cpu,
    }))
}

async fn open(load: &Arc<Load>, places: std::ops::Range<usize>) -> Result<Vec<Wire>, Problem> {
    let mut opening = JoinSet::new();
    let mut held = Vec::with_capacity(places.len());
    for place in places {
        if opening.len() >= AT_ONCE
            && let Some(opened) = opening.join_next().await
        {
            held.push(opened??);
        }
        let load = Arc::clone(load);
        opening.spawn(async move {
            let stream = connect(load.address, place).await?;
            let client = format!("load-idle-{place}");
            let mut wire = Wire::open(stream, &client, load.key(place), 0).await?;
            if load.subscribers > 0 {
                let filter = format!("channels/{}/messages/#", load.channel);
                wire.subscribe(&filter, load.subscriber_qos).await?;
            }
            Ok::<_, Problem>(wire)
        });
    }
    while let Some(opened) = opening.join_next().await {
        held.push(opened??);
    }
    Ok(held)
}
