//! Hands the spool's records to the platform over MQTT 5, QoS 1.
//!
//! New records go first; what piled up during an outage follows beside them at a bounded rate, marked `hist=1`. A record
//! leaves the spool only on an acknowledgement that means "on disk": the platform says so in CONNACK with the user
//! property `durable-ack` = `puback`. From a broker that does not, an acknowledgement only opens the window.

mod bucket;
mod cursor;
mod end;
mod gap;
mod session;
mod set_aside;
mod window;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::{mpsc, watch};

use crate::backoff::Backoff;
use crate::clock::SharedClock;
use crate::endpoint::Endpoint;
use crate::sessions::Sessions;
use crate::spool::{AckSet, SpoolHandle};
use crate::status::{StatusBoard, UplinkState};

pub use bucket::TokenBucket;
pub use end::SessionEnd;

use session::Session;

const RECONNECT_MIN: Duration = Duration::from_millis(500);
const RECONNECT_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct UplinkConfig {
    pub mqtt: Endpoint,
    /// For an endpoint that speaks TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// The same for ever, so that a half-open older session is taken over.
    pub client_id: String,
    pub thing: String,
    pub key: String,
    pub data_channel: String,
    pub control_channel: Option<String>,
    /// Messages in flight; the platform's receive maximum counts where it is smaller.
    pub window: u16,
    pub keep_alive: Duration,
    /// Without an acknowledgement for so long the connection is dropped and the messages are sent again.
    pub ack_timeout: Duration,
    pub backfill_bytes_per_second: u64,
}

/// What outlives one connection.
#[derive(Default)]
pub(crate) struct Memory {
    /// Acknowledged, but not durably: not sent again by this process.
    pub(crate) confirmed: AckSet,
    /// How often the platform refused a record for its content.
    pub(crate) refusals: HashMap<u64, u8>,
}

/// Runs until `shutdown` turns true; then what is in flight has a second to be acknowledged. `refused` hears of
/// each refusal of the key or of a message, because the platform may have given the device another config; `sessions` counts
/// the connections that work.
pub async fn run_uplink(
    config: UplinkConfig,
    spool: SpoolHandle,
    clock: SharedClock,
    status: StatusBoard,
    refused: mpsc::Sender<()>,
    sessions: Sessions,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut backoff = Backoff::new(RECONNECT_MIN, RECONNECT_MAX);
    let mut memory = Memory::default();
    while !*shutdown.borrow() {
        status.announce(|board| board.uplink.state = UplinkState::Connecting);
        let session = Session {
            config: &config,
            spool: &spool,
            clock: &clock,
            status: &status,
            sessions: &sessions,
            refused: &refused,
            memory: &mut memory,
        };
        let (end, worked) = session.run(&mut shutdown).await;
        if worked {
            backoff.reset();
        }
        let state = match &end {
            SessionEnd::Stopped | SessionEnd::SpoolClosed => return,
            SessionEnd::Unauthorised(_) => UplinkState::Unauthorised,
            SessionEnd::Refused(_) => UplinkState::Refused,
            SessionEnd::Lost(_) => UplinkState::Disconnected,
        };
        if matches!(state, UplinkState::Unauthorised | UplinkState::Refused) {
            // Key or channel may have changed. A full queue means that the refusal is known.
            let _ = refused.try_send(());
        }
        tracing::warn!(reason = %end, "uplink ended");
        status.announce(|board| {
            board.uplink.state = state;
            board.uplink.in_flight = 0;
            board.uplink.error = Some(end.to_string());
        });
        tokio::select! {
            () = tokio::time::sleep(backoff.next_wait()) => {}
            _ = shutdown.changed() => {}
        }
    }
}
