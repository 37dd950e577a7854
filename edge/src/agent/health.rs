//! Shows the status: on stderr, in a file, and as series on the control channel.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;
use tellee_senml::{Record, Value, encode_json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::SharedClock;
use crate::config::StatusOutput;
use crate::spool::{ContentType, Destination, SpoolHandle, SpoolMessage};
use crate::status::{Status, StatusBoard};

/// Changes that follow each other closely make one report.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    version: &'static str,
    #[serde(flatten)]
    status: &'a Status,
}

/// Reports once per period and after each change of state.
pub(super) async fn report(output: StatusOutput, board: StatusBoard) {
    let mut ticks = interval(output.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = board.changed() => {}
        }
        report_once(&output, &board);
        sleep(SETTLE).await;
    }
}

pub(super) fn report_once(output: &StatusOutput, board: &StatusBoard) {
    let status = board.read();
    let line = Line {
        event: "status",
        version: env!("CARGO_PKG_VERSION"),
        status: &status,
    };
    let Ok(text) = serde_json::to_string(&line) else {
        return;
    };
    // Without stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
    let Some(path) = &output.file else {
        return;
    };
    let temporary = path.with_extension("tmp");
    let written =
        fs::write(&temporary, format!("{text}\n")).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "status file not written");
    }
}

/// Puts the agent's own figures into the spool, for the control channel.
pub(super) async fn publish(
    spool: SpoolHandle,
    board: StatusBoard,
    clock: SharedClock,
    every: Duration,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, when nothing is known yet.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let now_ns = clock.now_ns();
        let Ok(body) = encode_json(&figures(&board.read(), now_ns)) else {
            continue;
        };
        let message = SpoolMessage {
            destination: Destination::Control,
            subtopic: String::new(),
            content_type: ContentType::SenmlJson,
            newest_ns: now_ns,
            body,
        };
        if spool.append(message).await.is_err() {
            return;
        }
    }
}

fn figures(status: &Status, now_ns: i64) -> Vec<Record> {
    let mut records = vec![
        Record::number("edge/spool_records", now_ns, status.spool.records as f64),
        Record::number("edge/spool_bytes", now_ns, status.spool.bytes as f64),
        Record::number(
            "edge/dropped_records",
            now_ns,
            status.spool.dropped_records as f64,
        ),
        Record::number(
            "edge/oldest_age",
            now_ns,
            status.spool.oldest_age_s.unwrap_or(0) as f64,
        ),
    ];
    for (id, connection) in &status.connections {
        let failed: u64 = connection
            .devices
            .iter()
            .map(|device| device.failed_reads)
            .sum();
        let degraded = connection.devices.iter().any(|device| device.degraded);
        let prefix = format!("edge/{}", series_name(id));
        records.push(Record::number(
            format!("{prefix}/failed_reads"),
            now_ns,
            failed as f64,
        ));
        records.push(Record {
            value: Some(Value::Boolean(degraded)),
            ..Record::number(format!("{prefix}/degraded"), now_ns, 0.0)
        });
    }
    records
}

/// A connection's id may hold any character, a series' name may not.
fn series_name(id: &str) -> String {
    id.chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::ConnectionStatus;

    #[test]
    fn figures_are_valid_senml_whatever_the_connection_is_called() {
        let mut status = Status::default();
        status
            .connections
            .insert("Kessel 7 / Süd".into(), ConnectionStatus::default());
        let body = encode_json(&figures(&status, 1_700_000_000_000_000_000)).unwrap();
        assert!(
            String::from_utf8(body)
                .unwrap()
                .contains("edge/Kessel_7___S_d/degraded")
        );
    }
}
