//! What the agent knows of itself: one record, kept by its parts, shown on stderr and in a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Status {
    pub bootstrap: BootstrapStatus,
    pub connections: BTreeMap<String, ConnectionStatus>,
    pub spool: SpoolStatus,
    pub uplink: UplinkStatus,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BootstrapState {
    #[default]
    Pending,
    /// The platform gave a config.
    Configured,
    /// The platform cannot be reached; the last good config is in use, if there is one.
    Unreachable,
    /// 404: the platform does not know this device.
    UnknownDevice,
    /// 401 or 403: the external key is wrong.
    WrongKey,
    /// The platform gave a config that cannot be used.
    BadConfig,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BootstrapStatus {
    pub state: BootstrapState,
    pub external_id: String,
    pub thing: Option<String>,
    pub channel: Option<String>,
    /// The config in use is the one kept on disk.
    pub from_disk: bool,
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    #[default]
    Connecting,
    Connected,
    Unreachable,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionStatus {
    pub state: LinkState,
    pub error: Option<String>,
    pub devices: Vec<DeviceStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeviceStatus {
    pub unit: u8,
    pub thing: Option<String>,
    /// Only probed, because it did not answer.
    pub degraded: bool,
    pub reads: u64,
    pub failed_reads: u64,
    /// Polls that came too late to be made up for.
    pub missed_polls: u64,
    /// Values that were no finite number or no text.
    pub unusable_values: u64,
    /// Points whose address the device refuses.
    pub refused_points: Vec<String>,
    pub error: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpoolStatus {
    pub records: u64,
    pub bytes: u64,
    /// Records held in memory because the disk refuses them.
    pub memory_records: u64,
    pub dropped_records: u64,
    pub refused_records: u64,
    pub damaged_segments: u64,
    pub next_seq: u64,
    pub acknowledged_upto: u64,
    /// Age of the oldest record that is not acknowledged.
    pub oldest_age_s: Option<u64>,
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UplinkState {
    #[default]
    Waiting,
    Connecting,
    Connected,
    Disconnected,
    /// The platform refuses the thing's key.
    Unauthorised,
    /// The platform refuses the messages.
    Refused,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UplinkStatus {
    pub state: UplinkState,
    /// Whether the platform's acknowledgement means that the message is on its disk. Without it nothing is trimmed but
    /// by the spool's limit.
    pub durable_acknowledgement: bool,
    pub sent: u64,
    pub sent_historical: u64,
    pub acknowledged: u64,
    pub in_flight: usize,
    pub error: Option<String>,
}

/// Where the parts write and the reporter reads.
#[derive(Debug, Default, Clone)]
pub struct StatusBoard {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    status: Mutex<Status>,
    changed: Notify,
}

impl StatusBoard {
    pub fn read(&self) -> Status {
        self.inner.status.lock().clone()
    }

    /// For counters.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.inner.status.lock());
    }

    /// For states: also wakes the reporter.
    pub fn announce(&self, change: impl FnOnce(&mut Status)) {
        self.update(change);
        self.inner.changed.notify_one();
    }

    /// Waits for the next [`announce`](Self::announce).
    pub async fn changed(&self) {
        self.inner.changed.notified().await;
    }
}
