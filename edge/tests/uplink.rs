//! The uplink alone, on a real spool, against the platform double.

#![allow(clippy::unwrap_used)]

#[path = "support/platform.rs"]
// Each test uses its part of it.
#[allow(dead_code)]
mod platform;

use std::sync::Arc;
use std::time::Duration;

use platform::{KEY, Platform, THING};
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use tellee_edge::clock::{SharedClock, SystemClock};
use tellee_edge::sessions::Sessions;
use tellee_edge::spool::{
    ContentType, Destination, FileDisk, Spool, SpoolHandle, SpoolLimits, SpoolMessage, SpoolService,
};
use tellee_edge::status::StatusBoard;
use tellee_edge::uplink::{UplinkConfig, run_uplink};
use tellee_senml::{Record, encode_json};
use tokio::sync::{mpsc, watch};

const HOUR_NS: i64 = 3_600_000_000_000;

struct Line {
    platform: Platform,
    spool: SpoolHandle,
    clock: SharedClock,
    status: StatusBoard,
    stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Line {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let status = StatusBoard::default();
        let disk = FileDisk::open(folder.path().join("spool")).unwrap();
        let spool = Spool::open(disk, SpoolLimits::default(), clock.now_ns()).unwrap();
        let spool = SpoolService::start(spool, clock.clone(), status.clone()).unwrap();
        let platform = Platform::start(String::new()).await;
        Self {
            platform,
            spool,
            clock,
            status,
            stop: watch::Sender::new(false),
            _folder: folder,
        }
    }

    fn connect(&self, backfill_bytes_per_second: u64, ack_timeout: Duration) {
        let config = UplinkConfig {
            mqtt: self.platform.mqtt.to_string().parse().unwrap(),
            tls: None,
            client_id: format!("tellee-edge-{THING}"),
            thing: THING.into(),
            key: KEY.into(),
            data_channel: "data-1".into(),
            control_channel: None,
            window: 16,
            keep_alive: Duration::from_secs(30),
            ack_timeout,
            backfill_bytes_per_second,
        };
        let (refused, _) = mpsc::channel(1);
        tokio::spawn(run_uplink(
            config,
            self.spool.clone(),
            self.clock.clone(),
            self.status.clone(),
            refused,
            Sessions::default(),
            self.stop.subscribe(),
        ));
    }

    async fn append(&self, name: &str, time: i64) {
        self.append_to(Destination::Data, name, time).await;
    }

    async fn append_to(&self, destination: Destination, name: &str, time: i64) {
        let message = SpoolMessage {
            destination,
            subtopic: "pump/1".into(),
            content_type: ContentType::SenmlJson,
            newest_ns: time,
            body: encode_json(&[Record::number(name, time, 1.0)]).unwrap(),
        };
        self.spool.append(message).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_samples_do_not_wait_for_history() {
    let line = Line::new().await;
    let now = line.clock.now_ns();
    for index in 0..200 {
        line.append("old", now - HOUR_NS + index).await;
    }
    line.spool.flush().await.unwrap();
    // Ten seconds and more for the backlog at this rate.
    line.connect(2_000, Duration::from_secs(10));
    line.platform
        .until("some history", |state| state.messages.len() > 5)
        .await;
    line.append("live", line.clock.now_ns()).await;
    let is_live = |message: &platform::Message| message.records[0].name == "live";
    line.platform
        .until("the live sample", |state| {
            state.messages.values().any(is_live)
        })
        .await;
    let state = line.platform.state.lock();
    assert!(
        state.messages.len() < 150,
        "{} messages came before",
        state.messages.len()
    );
    for message in state.messages.values() {
        assert_eq!(message.historical, !is_live(message));
        assert_eq!(message.topic, "channels/data-1/messages/pump/1");
    }
    line.stop.send_replace(true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_backlog_arrives_whole_and_is_trimmed() {
    let line = Line::new().await;
    let now = line.clock.now_ns();
    for index in 0..3_000 {
        line.append("old", now - HOUR_NS + index).await;
    }
    line.spool.flush().await.unwrap();
    line.connect(u64::MAX, Duration::from_secs(10));
    line.platform
        .until("all of it", |state| state.messages.len() == 3_000)
        .await;
    assert_eq!(line.platform.state.lock().missing(), Vec::<u64>::new());
    for _ in 0..500 {
        if line.status.read().spool.records == 0 {
            line.stop.send_replace(true);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not trimmed: {:?}", line.status.read().spool);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_does_not_acknowledge_gets_the_same_bytes_again() {
    let line = Line::new().await;
    line.platform.state.lock().acknowledge = false;
    line.connect(u64::MAX, Duration::from_secs(1));
    line.append("a", line.clock.now_ns()).await;
    line.platform
        .until("a redelivery", |state| state.redelivered > 0)
        .await;
    assert_eq!(line.status.read().spool.acknowledged_upto, 0);
    line.platform.state.lock().acknowledge = true;
    line.platform
        .until("another redelivery", |state| state.redelivered > 1)
        .await;
    line.stop.send_replace(true);
    assert_eq!(line.platform.state.lock().changed, Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_for_a_control_channel_that_is_not_there_are_passed_over() {
    let line = Line::new().await;
    line.connect(u64::MAX, Duration::from_secs(10));
    line.append_to(Destination::Control, "edge/x", line.clock.now_ns())
        .await;
    line.append("a", line.clock.now_ns()).await;
    line.platform
        .until("the data", |state| state.messages.contains_key(&2))
        .await;
    assert!(!line.platform.state.lock().messages.contains_key(&1));
    line.stop.send_replace(true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_refused_for_its_content_holds_up_no_other() {
    let line = Line::new().await;
    line.platform.state.lock().refuse =
        |seq| (seq % 2 == 0).then_some(PubAckReason::TopicNameInvalid);
    line.connect(u64::MAX, Duration::from_secs(10));
    for _ in 0..20 {
        line.append("a", line.clock.now_ns()).await;
    }
    line.platform
        .until("the good half", |state| state.messages.len() >= 10)
        .await;
    for _ in 0..1500 {
        if line.status.read().spool.refused_records >= 10 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(line.status.read().spool.refused_records, 10);
    let reason = line.status.read().uplink.error.unwrap_or_default();
    assert!(reason.contains("TopicNameInvalid"), "{reason}");
    line.stop.send_replace(true);
    assert_eq!(line.platform.state.lock().logins, 1);
}
