//! Publishes SenML over MQTT 3.1.1 as fast as the other end takes it, and says what that cost the other end.
//!
//! `mqtt_load --address HOST:PORT --pid PID --channel ID --keys FILE [--connections N] [--messages N] [--window N]
//! [--qos 0|1|2] [--subscribers N] [--idle N]`; a line of FILE is `user password`. Works against any broker, so that two can be
//! compared in one run. `--idle` opens that many connections instead, which say nothing more, and tells what each takes of
//! the other end's memory. Prints one JSON object.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Problem = Box<dyn std::error::Error + Send + Sync>;

const CONNACK: u8 = 0x20;
const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;
const SUBACK: u8 = 0x90;
const PINGRESP: u8 = 0xD0;

#[derive(Clone)]
struct Load {
    address: String,
    channel: String,
    messages: u64,
    window: u64,
    qos: u8,
}

/// A connection and what was read of it.
struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
}

fn text(into: &mut Vec<u8>, text: &str) {
    into.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    into.extend(text.as_bytes());
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut rest = body.len();
    loop {
        let digit = (rest % 128) as u8;
        rest /= 128;
        packet.push(if rest > 0 { digit | 0x80 } else { digit });
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

fn publish(topic: &str, qos: u8, id: u16, payload: &str, into: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    text(&mut body, topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload.as_bytes());
    into.extend(frame(0x30 | qos << 1, &body));
}

impl Wire {
    async fn open(
        address: &str,
        client: &str,
        user: &str,
        password: &str,
    ) -> Result<Self, Problem> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut wire = Self {
            stream,
            buffer: Vec::with_capacity(64 << 10),
            start: 0,
        };
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        body.extend([4, 0xC2, 0, 60]);
        text(&mut body, client);
        text(&mut body, user);
        text(&mut body, password);
        wire.stream.write_all(&frame(0x10, &body)).await?;
        let (kind, first) = wire.packet().await?;
        if kind != CONNACK || first.get(1) != Some(&0) {
            return Err(format!("CONNECT was refused: {first:?}").into());
        }
        Ok(wire)
    }

    /// The next whole packet that was read already.
    fn ready(&mut self) -> Option<(u8, std::ops::Range<usize>)> {
        let bytes = &self.buffer[self.start..];
        let kind = *bytes.first()?;
        let (mut length, mut shift, mut place) = (0_usize, 0, 1);
        loop {
            let digit = *bytes.get(place)?;
            length |= usize::from(digit & 0x7f) << shift;
            shift += 7;
            place += 1;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let body = self.start + place..self.start + place + length;
        if self.buffer.len() < body.end {
            return None;
        }
        self.start = body.end;
        Some((kind, body))
    }

    async fn fill(&mut self) -> Result<(), Problem> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(16 << 10);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the other end closed the connection".into()),
            _ => Ok(()),
        }
    }

    async fn packet(&mut self) -> Result<(u8, Vec<u8>), Problem> {
        loop {
            if let Some((kind, body)) = self.ready() {
                return Ok((kind, self.buffer[body].to_vec()));
            }
            self.fill().await?;
        }
    }
}

/// One SenML record; each has a source time of its own, so that none is a duplicate.
fn payload(connection: usize, number: u64) -> String {
    let time = 1_600_000_000_000 + u64::try_from(connection).unwrap_or(0) * 100_000_000 + number;
    format!(
        r#"[{{"n":"temperature","u":"Cel","t":{}.{:03},"v":{}.{:02}}}]"#,
        time / 1000,
        time % 1000,
        20 + number % 9,
        number % 100
    )
}

async fn publisher(load: Load, connection: usize, mut wire: Wire) -> Result<(), Problem> {
    let topic = format!("channels/{}/messages", load.channel);
    let (mut sent, mut acknowledged) = (0_u64, 0_u64);
    let mut out = Vec::new();
    while acknowledged < load.messages {
        while sent < load.messages && sent - acknowledged < load.window {
            let id = (sent % 65_535 + 1) as u16;
            publish(&topic, load.qos, id, &payload(connection, sent), &mut out);
            sent += 1;
        }
        if load.qos == 0 {
            // The answer to a ping says that all before it was taken.
            out.extend([0xC0, 0]);
        }
        wire.stream.write_all(&out).await?;
        out.clear();
        loop {
            wire.fill().await?;
            let before = acknowledged;
            while let Some((kind, body)) = wire.ready() {
                match kind {
                    PUBACK | PUBCOMP => acknowledged += 1,
                    PUBREC => {
                        out.extend([PUBREL, 2]);
                        out.extend(&wire.buffer[body.start..body.start + 2]);
                    }
                    PINGRESP => acknowledged = sent,
                    _ => {}
                }
            }
            if acknowledged > before || !out.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

async fn subscriber(load: Load, mut wire: Wire, received: Arc<AtomicU64>) -> Result<(), Problem> {
    let mut body = vec![0, 1];
    text(&mut body, &format!("channels/{}/messages/#", load.channel));
    body.push(0);
    wire.stream.write_all(&frame(0x82, &body)).await?;
    let (kind, answer) = wire.packet().await?;
    if kind != SUBACK || answer.get(2) == Some(&0x80) {
        return Err("SUBSCRIBE was refused".into());
    }
    loop {
        wire.fill().await?;
        let mut count = 0;
        while let Some((kind, _)) = wire.ready() {
            count += u64::from(kind & 0xF0 == 0x30);
        }
        received.fetch_add(count, Ordering::Relaxed);
    }
}

/// CPU seconds of a process; /proc counts in hundredths.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |place: usize| {
        fields
            .get(place)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn arguments() -> Result<BTreeMap<String, String>, Problem> {
    let mut found = BTreeMap::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let name = name
            .strip_prefix("--")
            .ok_or_else(|| format!("`{name}` is no option"))?
            .to_owned();
        let value = arguments
            .next()
            .ok_or_else(|| format!("--{name} needs a value"))?;
        found.insert(name, value);
    }
    Ok(found)
}

/// What `count` connections that say nothing take of the other end's memory.
async fn stand_idle(
    address: &str,
    count: usize,
    keys: &[(&str, &str)],
    pid: u32,
) -> Result<String, Problem> {
    let before = rss_kib(pid);
    let mut wires = Vec::with_capacity(count);
    for place in 0..count {
        let (user, password) = keys[place % keys.len()];
        let mut wire = Wire::open(address, &format!("load-idle-{place}"), user, password).await?;
        // Its own memory is small too: the machine is shared with the other end.
        wire.buffer = Vec::new();
        wires.push(wire);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let bytes = rss_kib(pid).saturating_sub(before) * 1024;
    let each = bytes as f64 / count as f64;
    drop(wires);
    Ok(format!(
        r#"{{"idle":{count},"bytes_each":{each:.0},"rss_kib":{}}}"#,
        before + bytes / 1024
    ))
}

async fn run() -> Result<String, Problem> {
    let arguments = arguments()?;
    let text = |name: &str| {
        arguments
            .get(name)
            .cloned()
            .ok_or_else(|| Problem::from(format!("--{name} is missing")))
    };
    let number = |name: &str, default: u64| match arguments.get(name) {
        Some(text) => text
            .parse::<u64>()
            .map_err(|_| Problem::from(format!("--{name}: no number"))),
        None => Ok(default),
    };
    let load = Load {
        address: text("address")?,
        channel: text("channel")?,
        messages: number("messages", 2_000)?,
        window: number("window", 20)?.max(1),
        qos: u8::try_from(number("qos", 1)?.min(2))?,
    };
    let pid = u32::try_from(number("pid", 0)?)?;
    let connections = usize::try_from(number("connections", 50)?)?;
    let subscribers = usize::try_from(number("subscribers", 0)?)?;
    let keys = std::fs::read_to_string(text("keys")?)?;
    let keys: Vec<(&str, &str)> = keys
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    if keys.is_empty() {
        return Err("--keys: no line `user password`".into());
    }

    let idle = usize::try_from(number("idle", 0)?)?;
    if idle > 0 {
        return stand_idle(&load.address, idle, &keys, pid).await;
    }

    let received = Arc::new(AtomicU64::new(0));
    let mut listening = JoinSet::new();
    for place in 0..subscribers {
        let (user, password) = keys[place % keys.len()];
        let wire = Wire::open(&load.address, &format!("load-sub-{place}"), user, password).await?;
        listening.spawn(subscriber(load.clone(), wire, Arc::clone(&received)));
    }
    let mut wires = Vec::new();
    for place in 0..connections {
        let (user, password) = keys[place % keys.len()];
        wires.push(Wire::open(&load.address, &format!("load-pub-{place}"), user, password).await?);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;

    let (cpu, begin) = (cpu_seconds(pid), Instant::now());
    let mut publishing = JoinSet::new();
    for (place, wire) in wires.into_iter().enumerate() {
        publishing.spawn(publisher(load.clone(), place, wire));
    }
    while let Some(ended) = publishing.join_next().await {
        ended??;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let total = load.messages * connections as u64;
    let wanted = total * subscribers as u64;
    let patience = Instant::now();
    while received.load(Ordering::Relaxed) < wanted && patience.elapsed() < Duration::from_secs(30)
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let cpu = cpu_seconds(pid) - cpu;
    Ok(format!(
        r#"{{"connections":{connections},"window":{},"qos":{},"messages":{total},"seconds":{seconds:.3},"per_second":{:.0},"cpu_us_per_message":{:.1},"rss_kib":{},"delivered":{},"wanted":{wanted}}}"#,
        load.window,
        load.qos,
        total as f64 / seconds,
        cpu * 1e6 / total as f64,
        rss_kib(pid),
        received.load(Ordering::Relaxed),
    ))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("mqtt_load: {problem}");
            ExitCode::FAILURE
        }
    }
}
