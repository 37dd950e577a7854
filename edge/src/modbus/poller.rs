//! Polls the devices of one connection, for ever.

use std::sync::Arc;
use std::time::Duration;

use tellee_senml::Record;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_modbus::ExceptionCode;

use super::group::{Group, groups_of};
use super::plan::Block;
use super::transaction::{Answer, ReadError, Transactor};
use super::value::decode_value;
use crate::backoff::Backoff;
use crate::clock::SharedClock;
use crate::connection::{Connection, ConnectionError, Link};
use crate::sessions::Sessions;
use crate::status::{ConnectionStatus, DeviceStatus, LinkState, StatusBoard};

/// The values of one poll of one device that are worth sending. All have the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct PollReport {
    pub subtopic: Option<Arc<str>>,
    pub records: Vec<Record>,
}

struct PolledDevice {
    unit: u8,
    subtopic: Option<Arc<str>>,
    degrade_after: u32,
    probe_every: Duration,
    silent_polls: u32,
    /// While degraded: when to ask again.
    probe_at: Option<Instant>,
    status: DeviceStatus,
}

enum BlockOutcome {
    Read,
    /// This block failed; others may work.
    Failed,
    /// The unit is silent, or the link is down: no use to go on.
    Stop,
}

/// The poll loop of one connection.
pub struct Poller {
    id: String,
    transactor: Transactor,
    retries: u32,
    turnaround: Duration,
    backoff: Backoff,
    devices: Vec<PolledDevice>,
    groups: Vec<Group>,
    clock: SharedClock,
    status: StatusBoard,
    sessions: Sessions,
    /// Of `sessions`, at the last poll.
    sessions_seen: u64,
    link: LinkState,
}

impl Poller {
    /// # Errors
    /// If an address does not parse. A checked connection never gives one.
    pub fn new(
        connection: &Connection,
        clock: SharedClock,
        status: StatusBoard,
        sessions: Sessions,
    ) -> Result<Self, ConnectionError> {
        let Link::Tcp { host, port } = &connection.link;
        let address = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let timing = &connection.timing;
        let mut devices = Vec::new();
        let mut groups = Vec::new();
        for (index, device) in connection.devices.iter().enumerate() {
            groups.extend(groups_of(connection, device, index)?);
            devices.push(PolledDevice {
                unit: device.unit,
                subtopic: device.subtopic.as_deref().map(Arc::from),
                degrade_after: device.plan.degrade_after,
                probe_every: device.plan.probe_every,
                silent_polls: 0,
                probe_at: None,
                status: DeviceStatus {
                    unit: device.unit,
                    thing: device.thing.clone(),
                    ..DeviceStatus::default()
                },
            });
        }
        Ok(Self {
            id: connection.id.clone(),
            transactor: Transactor::new(address, timing.timeout),
            retries: timing.retries,
            turnaround: timing.turnaround,
            backoff: Backoff::new(timing.reconnect.min, timing.reconnect.max),
            devices,
            groups,
            clock,
            status,
            sessions_seen: sessions.begun(),
            sessions,
            link: LinkState::Connecting,
        })
    }

    /// Runs until `shutdown` turns true or nobody listens to `reports`.
    pub async fn run(
        mut self,
        reports: mpsc::Sender<PollReport>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        self.publish_status(None, true);
        let start = Instant::now();
        for group in &mut self.groups {
            group.due = start;
        }
        while !*shutdown.borrow() {
            let Some(next) = (0..self.groups.len()).min_by_key(|&index| self.groups[index].due)
            else {
                return;
            };
            tokio::select! {
                biased;
                changed = shutdown.changed() => if changed.is_err() { return } else { continue },
                () = sleep_until(self.groups[next].due) => {}
            }
            let polled = tokio::select! {
                biased;
                _ = shutdown.changed() => return,
                polled = self.poll(next) => polled,
            };
            self.reschedule(next);
            if let Some(report) = polled
                && reports.send(report).await.is_err()
            {
                return;
            }
        }
    }

    /// The next due time on the group's own grid. Polls that were missed are counted, not made up for.
    fn reschedule(&mut self, index: usize) {
        let now = Instant::now();
        let group = &mut self.groups[index];
        group.due += group.every;
        let mut missed = 0;
        while group.due < now {
            group.due += group.every;
            missed += 1;
        }
        self.devices[group.device].status.missed_polls += missed;
    }

    async fn poll(&mut self, index: usize) -> Option<PollReport> {
        self.heed_sessions();
        let device_index = self.groups[index].device;
        if self.devices[device_index]
            .probe_at
            .is_some_and(|probe_at| Instant::now() < probe_at)
        {
            return None;
        }
        if let Err(error) = self.transactor.connect().await {
            self.link_is_down(&error).await;
            return None;
        }
        if self.link != LinkState::Connected {
            self.link = LinkState::Connected;
            self.backoff.reset();
            self.publish_status(None, true);
        }
        let time = self.clock.now_ns();
        let (records, error) = self.poll_blocks(index, time).await;
        let group = &self.groups[index];
        let mut refused: Vec<String> = group
            .refused
            .iter()
            .map(|&(point, _)| group.points[point].name.clone())
            .collect();
        let device = &mut self.devices[device_index];
        refused.sort_unstable();
        let changed = device.status.error != error || device.status.refused_points != refused;
        device.status.refused_points = refused;
        device.status.error = error;
        self.publish_status(None, changed);
        let subtopic = self.devices[device_index].subtopic.clone();
        (!records.is_empty()).then_some(PollReport { subtopic, records })
    }

    /// Whatever stands is news to a platform that was away.
    fn heed_sessions(&mut self) {
        let begun = self.sessions.begun();
        if begun != self.sessions_seen {
            self.sessions_seen = begun;
            self.forget_all();
        }
    }

    fn forget_all(&mut self) {
        let points = self.groups.iter_mut().flat_map(|group| &mut group.points);
        points.for_each(|point| point.reporter.forget());
    }

    async fn poll_blocks(&mut self, index: usize, time: i64) -> (Vec<Record>, Option<String>) {
        self.ask_refused_again(index);
        let mut records = Vec::new();
        let mut error = None;
        let mut heard = false;
        let mut silent = false;
        // A stack, first block on top, because a refused block is replaced by its halves.
        let mut work: Vec<Block> = std::mem::take(&mut self.groups[index].blocks);
        work.reverse();
        let mut done = Vec::with_capacity(work.len());
        while let Some(block) = work.pop() {
            let outcome = self
                .read_with_retries(self.groups[index].device, &block)
                .await;
            let outcome = match outcome {
                Ok(answer) => {
                    heard = true;
                    self.collect(index, &block, &answer, time, &mut records);
                    BlockOutcome::Read
                }
                Err(ReadError::Exception(
                    ExceptionCode::IllegalDataAddress | ExceptionCode::IllegalDataValue,
                )) => {
                    heard = true;
                    if let Some((left, right)) = block.split(&self.groups[index].extents) {
                        work.extend([right, left]);
                    } else {
                        self.refuse(index, block.points[0]);
                    }
                    continue;
                }
                Err(fault) => {
                    let outcome = self.read_failed(index, &block, &fault);
                    error = Some(fault.to_string());
                    silent |= fault.is_silent_unit();
                    outcome
                }
            };
            done.push(block);
            if matches!(outcome, BlockOutcome::Stop) {
                break;
            }
        }
        work.reverse();
        done.extend(work);
        self.groups[index].blocks = done;
        self.judge(index, heard, silent);
        (records, error)
    }

    async fn read_with_retries(
        &mut self,
        device: usize,
        block: &Block,
    ) -> Result<Answer, ReadError> {
        let unit = self.devices[device].unit;
        // A degraded unit gets one try, so that it holds up its neighbours as little as possible.
        let tries = if self.devices[device].probe_at.is_some() {
            0
        } else {
            self.retries
        };
        let mut left = tries;
        loop {
            if !self.turnaround.is_zero() {
                sleep(self.turnaround).await;
            }
            let outcome = self
                .transactor
                .read(unit, block.area, block.start, block.count)
                .await;
            match outcome {
                Err(error) if error.is_retryable() && !error.is_unreachable() && left > 0 => {
                    left -= 1
                }
                outcome => return outcome,
            }
        }
    }

    fn collect(
        &mut self,
        index: usize,
        block: &Block,
        answer: &Answer,
        time: i64,
        records: &mut Vec<Record>,
    ) {
        let group = &mut self.groups[index];
        let status = &mut self.devices[group.device].status;
        status.reads += 1;
        for &point_index in &block.points {
            let extent = group.extents[point_index];
            let point = &mut group.points[point_index];
            let value = answer
                .slice(
                    usize::from(extent.start - block.start),
                    usize::from(extent.width),
                )
                .and_then(|registers| {
                    decode_value(
                        &registers,
                        point.kind,
                        point.order,
                        point.scale,
                        point.offset,
                    )
                });
            let Some(value) = value else {
                status.unusable_values += 1;
                point.reporter.forget();
                continue;
            };
            if point.reporter.accept(time, &value) {
                records.push(Record {
                    name: point.name.clone(),
                    unit: point.unit.clone(),
                    time: Some(time),
                    value: Some(value),
                    sum: None,
                    update_time: None,
                });
            }
        }
    }

    /// A unit that answered anything in this poll is alive; one that said nothing too often is only probed.
    fn judge(&mut self, index: usize, heard: bool, silent: bool) {
        let device = &mut self.devices[self.groups[index].device];
        if heard {
            device.silent_polls = 0;
            device.probe_at = None;
            device.status.degraded = false;
        } else if silent {
            device.silent_polls += 1;
            if device.silent_polls >= device.degrade_after {
                device.probe_at = Some(Instant::now() + device.probe_every);
                device.status.degraded = true;
            }
        }
    }

    fn read_failed(&mut self, index: usize, block: &Block, error: &ReadError) -> BlockOutcome {
        let group = &mut self.groups[index];
        for &point in &block.points {
            group.points[point].reporter.forget();
        }
        self.devices[group.device].status.failed_reads += 1;
        // Another block of the same unit would only wait for as long, or meet the same broken link.
        let is_hopeless = error.is_unreachable()
            || matches!(
                error,
                ReadError::Timeout(_)
                    | ReadError::Transport(_)
                    | ReadError::Exception(
                        ExceptionCode::GatewayPathUnavailable | ExceptionCode::GatewayTargetDevice
                    )
            );
        if is_hopeless {
            BlockOutcome::Stop
        } else {
            BlockOutcome::Failed
        }
    }

    fn refuse(&mut self, index: usize, point: usize) {
        let group = &mut self.groups[index];
        let device = &mut self.devices[group.device];
        device.status.failed_reads += 1;
        group.points[point].reporter.forget();
        group
            .refused
            .push((point, Instant::now() + device.probe_every));
    }

    /// Gives refused points whose time has come a block of their own.
    fn ask_refused_again(&mut self, index: usize) {
        let now = Instant::now();
        let group = &mut self.groups[index];
        let Group {
            refused,
            blocks,
            extents,
            ..
        } = group;
        refused.retain(|&(point, ask_at)| {
            if now < ask_at {
                return true;
            }
            let extent = extents[point];
            blocks.push(Block {
                area: extent.area,
                start: extent.start,
                count: extent.width,
                points: vec![point],
            });
            false
        });
    }

    async fn link_is_down(&mut self, error: &ReadError) {
        let changed = self.link != LinkState::Unreachable;
        self.link = LinkState::Unreachable;
        self.forget_all();
        self.publish_status(Some(error.to_string()), changed);
        sleep(self.backoff.next_wait()).await;
    }

    fn publish_status(&self, error: Option<String>, announce: bool) {
        let devices = self
            .devices
            .iter()
            .map(|device| device.status.clone())
            .collect();
        let status = ConnectionStatus {
            state: self.link,
            error,
            devices,
        };
        let change = |board: &mut crate::status::Status| {
            board.connections.insert(self.id.clone(), status);
        };
        if announce {
            self.status.announce(change)
        } else {
            self.status.update(change)
        }
    }
}
