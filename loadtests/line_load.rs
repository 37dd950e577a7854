//! Sends measured values over HTTP as fast as the other end takes them, and says how fast that was.
//!
//! `line_load --address HOST:PORT --path PATH [--connections N] [--batch N] [--series N] [--points N] [--step-ms N]
//! [--start SECONDS] [--values decimal|full] [--seconds N] [--authorization TEXT] [--senml CHANNEL-PATH]`
//!
//! Line protocol to any server that takes it at PATH, or with `--senml true` one SenML record a request; with
//! `--csv true` the same values as `series,seconds,value` on stdout, for servers that take rows. Values are those of
//! the same series and time in every form. Prints one JSON object.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone)]
struct Load {
    address: String,
    path: String,
    authorization: Option<String>,
    connections: usize,
    batch: usize,
    series: usize,
    points: u64,
    step_ms: u64,
    start: u64,
    full_entropy: bool,
    senml: bool,
    limit: Option<Duration>,
}

/// One series: its beginning of a line, and where its noise stands.
struct Series {
    number: usize,
    head: String,
    noise: u64,
}

impl Series {
    fn new(number: usize) -> Self {
        let (unit, sensor) = (number / 10, number % 10);
        Self {
            number,
            head: format!(
                "messages,channel=c{unit:08x}-4b1d-4d6a-9f31-0242ac120002,name=sensor{sensor:04},publisher=p{unit:08x}-4b1d-4d6a-9f31-0242ac120002 value="
            ),
            noise: (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    /// Evenly spread from 0 to 1 (xorshift64).
    fn random(&mut self) -> f64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        (self.noise >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A slow wave with a little noise, rounded to two decimals as sensors are; or all bits of noise.
    fn value(&mut self, load: &Load, step: u64) -> f64 {
        if load.full_entropy {
            return self.random() * 1000.0;
        }
        let seconds = (step * load.step_ms) as f64 / 1000.0;
        let wave = 220.0 + 10.0 * (seconds / 600.0 + self.number as f64).sin();
        ((wave + 0.2 * (self.random() - 0.5)) * 100.0).round() / 100.0
    }
}

#[derive(Default)]
struct Sent {
    points: u64,
    latencies_us: Vec<u32>,
}

struct Client {
    stream: TcpStream,
    head: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    fn open(load: &Load) -> Result<Self, Problem> {
        let stream = TcpStream::connect(&load.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut head = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", load.path, load.address);
        if let Some(value) = &load.authorization {
            let _ = write!(head, "Authorization: {value}\r\n");
        }
        if load.senml {
            head.push_str("Content-Type: application/senml+json\r\n");
        }
        Ok(Self {
            stream,
            head,
            request: Vec::new(),
            answer: vec![0; 16 * 1024],
        })
    }

    /// Sends `body` and waits for 202 or 204.
    fn send(&mut self, body: &str) -> Result<Duration, Problem> {
        self.request.clear();
        self.request.extend_from_slice(self.head.as_bytes());
        write!(self.request, "Content-Length: {}\r\n\r\n", body.len())?;
        self.request.extend_from_slice(body.as_bytes());
        let begin = Instant::now();
        self.stream.write_all(&self.request)?;
        let mut length = 0;
        loop {
            let read = self.stream.read(&mut self.answer[length..])?;
            if read == 0 {
                return Err("the other end closed the connection".into());
            }
            length += read;
            let answer = &self.answer[..length];
            if answer.windows(4).any(|end| end == b"\r\n\r\n") {
                if !answer.starts_with(b"HTTP/1.1 204") && !answer.starts_with(b"HTTP/1.1 202") {
                    return Err(String::from_utf8_lossy(answer).into_owned().into());
                }
                return Ok(begin.elapsed());
            }
            if length == self.answer.len() {
                return Err("the answer is too long".into());
            }
        }
    }
}

fn connection(load: &Load, place: usize, begin: Instant) -> Result<Sent, Problem> {
    let mut client = Client::open(load)?;
    let mut series: Vec<Series> = (place..load.series)
        .step_by(load.connections)
        .map(Series::new)
        .collect();
    let mut sent = Sent::default();
    let mut body = String::with_capacity(load.batch * 160);
    let mut lines = 0;
    for step in 0..load.points {
        let millis = load.start * 1000 + step * load.step_ms;
        for series in &mut series {
            let value = series.value(load, step);
            if load.senml {
                let (number, seconds, rest) = (series.number, millis / 1000, millis % 1000);
                write!(
                    body,
                    r#"[{{"n":"sensor{number}","t":{seconds}.{rest:03},"v":{value}}}]"#
                )?;
            } else {
                writeln!(body, "{}{value} {}", series.head, millis / 1000)?;
            }
            lines += 1;
            if lines == load.batch {
                flush(&mut client, &mut body, &mut lines, &mut sent)?;
                if load.limit.is_some_and(|limit| begin.elapsed() >= limit) {
                    return Ok(sent);
                }
            }
        }
    }
    if lines > 0 {
        flush(&mut client, &mut body, &mut lines, &mut sent)?;
    }
    Ok(sent)
}

fn flush(
    client: &mut Client,
    body: &mut String,
    lines: &mut usize,
    sent: &mut Sent,
) -> Result<(), Problem> {
    let latency = client.send(body)?;
    sent.points += *lines as u64;
    sent.latencies_us
        .push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    body.clear();
    *lines = 0;
    Ok(())
}

fn write_csv(load: &Load) -> Result<(), Problem> {
    let mut series: Vec<Series> = (0..load.series).map(Series::new).collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    for step in 0..load.points {
        let seconds = load.start + step * load.step_ms / 1000;
        for series in &mut series {
            let value = series.value(load, step);
            writeln!(out, "{},{seconds},{value}", series.number)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn arguments() -> Result<BTreeMap<String, String>, Problem> {
    let mut found = BTreeMap::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let name = name
            .strip_prefix("--")
            .ok_or_else(|| format!("`{name}` is no option"))?;
        let value = arguments
            .next()
            .ok_or_else(|| format!("--{name} needs a value"))?;
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

fn run() -> Result<Option<String>, Problem> {
    let arguments = arguments()?;
    let text = |name: &str| arguments.get(name).cloned();
    let number = |name: &str, default: u64| match arguments.get(name) {
        Some(text) => text
            .parse()
            .map_err(|_| Problem::from(format!("--{name}: no number"))),
        None => Ok(default),
    };
    let load = Load {
        address: text("address").unwrap_or_default(),
        path: text("path").unwrap_or_default(),
        authorization: text("authorization"),
        connections: usize::try_from(number("connections", 1)?.max(1))?,
        batch: usize::try_from(number("batch", 5_000)?.max(1))?,
        series: usize::try_from(number("series", 100)?.max(1))?,
        points: number("points", 1_000)?,
        step_ms: number("step-ms", 1_000)?.max(1),
        start: number("start", 1_600_000_000)?,
        full_entropy: text("values").as_deref() == Some("full"),
        senml: text("senml").as_deref() == Some("true"),
        limit: match number("seconds", 0)? {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        },
    };
    if text("csv").as_deref() == Some("true") {
        write_csv(&load)?;
        return Ok(None);
    }
    let begin = Instant::now();
    let results: Vec<Result<Sent, Problem>> = std::thread::scope(|scope| {
        let load = &load;
        let running: Vec<_> = (0..load.connections)
            .map(|place| scope.spawn(move || connection(load, place, begin)))
            .collect();
        let ended = running.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a connection's thread panicked".into()))
        });
        ended.collect()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let mut all = Sent::default();
    for sent in results {
        let sent = sent?;
        all.points += sent.points;
        all.latencies_us.extend(sent.latencies_us);
    }
    all.latencies_us.sort_unstable();
    let at = |share: f64| {
        let last = all.latencies_us.len().saturating_sub(1);
        all.latencies_us
            .get((last as f64 * share) as usize)
            .copied()
            .unwrap_or(0)
    };
    let requests = all.latencies_us.len();
    Ok(Some(format!(
        r#"{{"points":{},"requests":{requests},"seconds":{seconds:.3},"points_per_second":{:.0},"requests_per_second":{:.0},"p50_us":{},"p99_us":{}}}"#,
        all.points,
        all.points as f64 / seconds,
        requests as f64 / seconds,
        at(0.5),
        at(0.99),
    )))
}

fn main() -> ExitCode {
    match run() {
        Ok(Some(line)) => println!("{line}"),
        Ok(None) => {}
        Err(problem) => {
            eprintln!("line_load: {problem}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
