//! The same messages over HTTP: one request at a time on each kept connection.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::process::per_second;
use crate::wire::connect;
use crate::{Load, Problem, payload};

pub async fn run(load: &Load) -> Result<Value, Problem> {
    let mut streams = Vec::new();
    for place in 0..load.connections {
        let stream = connect(load.address, place).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let meter = load.process.meter();
    let mut posting = JoinSet::new();
    for (place, stream) in streams.into_iter().enumerate() {
        posting.spawn(poster(load.clone(), place, stream));
    }
    while let Some(ended) = posting.join_next().await {
        ended??;
    }
    let seconds = meter.seconds();
    let total = load.messages * load.connections as u64;
    Ok(json!({
        "connections": load.connections, "messages": total, "seconds": seconds,
        "per_second": per_second(total, seconds), "cpu_us_per_message": meter.cpu_us_per(total),
        "rss_kib": load.process.rss_kib(),
    }))
}

async fn poster(load: Load, connection: usize, mut stream: TcpStream) -> Result<(), Problem> {
    let (_, key) = load.key(connection);
    let head = format!(
        "POST /channels/{}/messages HTTP/1.1\r\nHost: {}\r\nAuthorization: Thing {key}\r\n\
         Content-Type: application/senml+json\r\nContent-Length: ",
        load.channel, load.address
    );
    let mut buffer = Vec::with_capacity(4 << 10);
    for number in 0..load.messages {
        let body = payload(connection, load.start + number);
        let request = format!("{head}{}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await?;
        answer(&mut stream, &mut buffer).await?;
    }
    Ok(())
}

/// Reads one answer; anything but 202 is a failure.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Problem> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&buffer[..end])?;
        if !head.starts_with("HTTP/1.1 202") {
            return Err(format!("refused: {head}").into());
        }
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(Ok(0), |(_, value)| value.trim().parse::<usize>())?;
        let whole = end + 4 + length;
        while buffer.len() < whole {
            if stream.read_buf(buffer).await? == 0 {
                return Err("the answer is cut off".into());
            }
        }
        return Ok(());
    }
}
