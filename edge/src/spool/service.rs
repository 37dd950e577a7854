//! The spool on a thread of its own, because its work is blocking.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::SpoolError;
use super::disk::Disk;
use super::message::{SpoolMessage, StoredRecord};
use super::store::Spool;
use crate::clock::SharedClock;
use crate::status::{SpoolStatus, StatusBoard};

/// Longest wait of a record for the disk. What a power cut may cost.
const COMMIT_EVERY: Duration = Duration::from_millis(250);
const COMMIT_BYTES: usize = 256 * 1024;
const TRIM_EVERY: Duration = Duration::from_secs(1);
/// After a failed write.
const RETRY_EVERY: Duration = Duration::from_secs(1);
const COMMANDS: usize = 256;

/// What there is to send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visible {
    /// Last record that may be sent.
    pub upto: u64,
    /// Everything up to this is acknowledged.
    pub acknowledged_upto: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub seq: u64,
    pub record: StoredRecord,
}

enum Command {
    Append(SpoolMessage),
    Fetch {
        from: u64,
        upto: u64,
        reply: oneshot::Sender<Option<Fetched>>,
    },
    Acknowledge(u64),
    GiveUp(u64),
    Flush(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

/// Talks to the spool's thread.
#[derive(Clone)]
pub struct SpoolHandle {
    commands: mpsc::Sender<Command>,
    visible: watch::Receiver<Visible>,
}

impl SpoolHandle {
    /// Takes a message. Waits while the spool is behind.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn append(&self, message: SpoolMessage) -> Result<(), SpoolError> {
        self.send(Command::Append(message)).await
    }

    /// The first record of `from..=upto` that is not acknowledged.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn fetch(&self, from: u64, upto: u64) -> Result<Option<Fetched>, SpoolError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Fetch { from, upto, reply }).await?;
        answer.await.map_err(|_| SpoolError::Closed)
    }

    /// The platform has this record on its disk.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn acknowledge(&self, seq: u64) -> Result<(), SpoolError> {
        self.send(Command::Acknowledge(seq)).await
    }

    /// The platform will never take this record.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn give_up(&self, seq: u64) -> Result<(), SpoolError> {
        self.send(Command::GiveUp(seq)).await
    }

    /// Writes everything down now.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn flush(&self) -> Result<(), SpoolError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Flush(reply)).await?;
        answer.await.map_err(|_| SpoolError::Closed)
    }

    /// Writes everything down and ends the thread.
    ///
    /// # Errors
    /// [`SpoolError::Closed`] if it has ended before.
    pub async fn stop(&self) -> Result<(), SpoolError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Stop(reply)).await?;
        answer.await.map_err(|_| SpoolError::Closed)
    }

    /// Returns once the thread has ended.
    pub async fn closed(&self) {
        self.commands.closed().await;
    }

    pub fn visible(&self) -> watch::Receiver<Visible> {
        self.visible.clone()
    }

    async fn send(&self, command: Command) -> Result<(), SpoolError> {
        self.commands
            .send(command)
            .await
            .map_err(|_| SpoolError::Closed)
    }
}

/// The thread's side.
pub struct SpoolService<D> {
    spool: Spool<D>,
    commands: mpsc::Receiver<Command>,
    visible: watch::Sender<Visible>,
    clock: SharedClock,
    status: StatusBoard,
    commit_at: Option<Instant>,
    trim_at: Instant,
    oldest: Option<(u64, i64)>,
}

impl<D: Disk> SpoolService<D> {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the thread or its timer cannot be made.
    pub fn start(
        spool: Spool<D>,
        clock: SharedClock,
        status: StatusBoard,
    ) -> Result<SpoolHandle, SpoolError> {
        let fault = |source| SpoolError::Io {
            name: "thread".into(),
            source,
        };
        let (sender, commands) = mpsc::channel(COMMANDS);
        let visible = watch::Sender::new(Visible {
            upto: spool.visible_upto(),
            acknowledged_upto: spool.acknowledged().upto(),
        });
        let handle = SpoolHandle {
            commands: sender,
            visible: visible.subscribe(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(fault)?;
        std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || {
                runtime.block_on(async move {
                    let service = Self {
                        spool,
                        commands,
                        visible,
                        clock,
                        status,
                        commit_at: None,
                        trim_at: Instant::now() + TRIM_EVERY,
                        oldest: None,
                    };
                    service.run().await;
                });
            })
            .map_err(fault)?;
        Ok(handle)
    }

    async fn run(mut self) {
        self.publish();
        loop {
            let wake = self
                .commit_at
                .map_or(self.trim_at, |commit_at| commit_at.min(self.trim_at));
            let command = tokio::select! {
                biased;
                command = self.commands.recv() => Some(command),
                () = tokio::time::sleep_until(wake) => None,
            };
            match command {
                None => {}
                Some(None) => return self.finish(),
                Some(Some(Command::Stop(reply))) => {
                    self.finish();
                    // Whoever asked may be gone.
                    let _ = reply.send(());
                    return;
                }
                Some(Some(command)) => self.handle(command),
            }
            self.work_due();
        }
    }

    fn handle(&mut self, command: Command) {
        let now_ns = self.clock.now_ns();
        match command {
            Command::Append(message) => {
                self.spool.append(&StoredRecord::Message(message), now_ns);
                self.commit_at
                    .get_or_insert_with(|| Instant::now() + COMMIT_EVERY);
                if self.spool.pending_bytes() >= COMMIT_BYTES && self.spool.status().error.is_none()
                {
                    self.commit_at = Some(Instant::now());
                }
            }
            Command::Fetch { from, upto, reply } => {
                let fetched = self
                    .spool
                    .fetch(from, upto, now_ns)
                    .unwrap_or_else(|error| {
                        tracing::warn!(%error, "spool cannot be read");
                        None
                    });
                // A session that ended meanwhile fetches again in the next.
                let _ = reply.send(fetched.map(|(seq, record)| Fetched { seq, record }));
            }
            Command::Acknowledge(seq) => self.spool.acknowledge(seq),
            Command::GiveUp(seq) => self.spool.give_up(seq, now_ns),
            Command::Flush(reply) => {
                self.commit();
                // Whoever asked may be gone.
                let _ = reply.send(());
            }
            Command::Stop(_) => {}
        }
    }

    fn work_due(&mut self) {
        let now = Instant::now();
        if self.commit_at.is_some_and(|commit_at| commit_at <= now) {
            self.commit();
        }
        if self.trim_at <= now {
            self.trim_at = now + TRIM_EVERY;
            if let Err(error) = self.spool.trim() {
                tracing::warn!(%error, "acknowledged position not written");
            }
            self.publish();
        }
    }

    fn commit(&mut self) {
        let had_error = self.spool.status().error.is_some();
        match self.spool.commit(self.clock.now_ns()) {
            Ok(()) => {
                self.commit_at = None;
                if had_error {
                    tracing::info!("spool writes to disk again");
                }
            }
            Err(error) => {
                self.commit_at = Some(Instant::now() + RETRY_EVERY);
                if !had_error {
                    tracing::error!(%error, "disk refuses the spool; records stay in memory");
                }
            }
        }
        self.publish();
    }

    fn finish(&mut self) {
        let now_ns = self.clock.now_ns();
        if let Err(error) = self.spool.commit(now_ns) {
            tracing::error!(%error, "records in memory are lost");
        }
        if let Err(error) = self.spool.trim() {
            tracing::warn!(%error, "acknowledged position not written");
        }
        self.publish();
    }

    fn publish(&mut self) {
        let upto = self.spool.visible_upto();
        let acknowledged_upto = self.spool.acknowledged().upto();
        self.visible.send_if_modified(|visible| {
            let changed = *visible
                != Visible {
                    upto,
                    acknowledged_upto,
                };
            *visible = Visible {
                upto,
                acknowledged_upto,
            };
            changed
        });
        let mut status = self.spool.status();
        status.oldest_age_s = self.oldest_age(&status);
        self.status.update(|board| board.spool = status);
    }

    fn oldest_age(&mut self, status: &SpoolStatus) -> Option<u64> {
        if status.records == 0 {
            return None;
        }
        let now_ns = self.clock.now_ns();
        let first = status.acknowledged_upto + 1;
        if self.oldest.is_none_or(|(seq, _)| seq != first) {
            let (_, record) = self.spool.fetch(first, u64::MAX, now_ns).ok()??;
            let at_ns = match record {
                StoredRecord::Message(message) => message.newest_ns,
                StoredRecord::Gap(gap) => gap.at_ns,
            };
            self.oldest = Some((first, at_ns));
        }
        let (_, at_ns) = self.oldest?;
        u64::try_from(now_ns.saturating_sub(at_ns) / 1_000_000_000).ok()
    }
}
