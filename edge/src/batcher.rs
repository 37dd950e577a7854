//! Gathers what the pollers read into messages and hands them to the spool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tellee_senml::{Record, encode_cbor, encode_json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::modbus::PollReport;
use crate::spool::{ContentType, Destination, SpoolError, SpoolHandle, SpoolMessage};

/// How long a record waits for company.
const LINGER: Duration = Duration::from_millis(200);
const MAX_RECORDS: usize = 500;

/// Runs until every sender of `reports` is gone, then hands over what is left.
///
/// # Errors
/// If the spool is closed.
pub async fn run_batcher(
    mut reports: mpsc::Receiver<PollReport>,
    spool: SpoolHandle,
    content_type: ContentType,
) -> Result<(), SpoolError> {
    let mut waiting: BTreeMap<Option<Arc<str>>, Vec<Record>> = BTreeMap::new();
    let mut due: Option<Instant> = None;
    loop {
        let wake_at = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            report = reports.recv() => {
                let Some(PollReport { subtopic, records }) = report else { break };
                let gathered = waiting.entry(subtopic.clone()).or_default();
                gathered.extend(records);
                due.get_or_insert_with(|| Instant::now() + LINGER);
                if gathered.len() >= MAX_RECORDS {
                    let records = std::mem::take(gathered);
                    hand_over(&spool, subtopic, records, content_type).await?;
                }
            }
            () = sleep_until(wake_at) => {
                due = None;
                for (subtopic, records) in std::mem::take(&mut waiting) {
                    hand_over(&spool, subtopic, records, content_type).await?;
                }
            }
        }
    }
    for (subtopic, records) in waiting {
        hand_over(&spool, subtopic, records, content_type).await?;
    }
    Ok(())
}

async fn hand_over(
    spool: &SpoolHandle,
    subtopic: Option<Arc<str>>,
    records: Vec<Record>,
    content_type: ContentType,
) -> Result<(), SpoolError> {
    for part in records.chunks(MAX_RECORDS) {
        let encoded = match content_type {
            ContentType::SenmlJson => encode_json(part),
            ContentType::SenmlCbor => encode_cbor(part),
        };
        let body = match encoded {
            Ok(body) => body,
            Err(error) => {
                // A clock before 1978: such times cannot be told from relative ones.
                tracing::error!(%error, "samples dropped: not expressible as SenML");
                continue;
            }
        };
        let newest_ns = part
            .iter()
            .filter_map(|record| record.time)
            .max()
            .unwrap_or(0);
        let subtopic = subtopic.as_deref().unwrap_or_default().to_owned();
        spool
            .append(SpoolMessage {
                destination: Destination::Data,
                subtopic,
                content_type,
                newest_ns,
                body,
            })
            .await?;
    }
    Ok(())
}
