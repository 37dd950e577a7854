//! The loop: read a page of the log, change the tables, then what is in memory, then tell those who wait.

use std::sync::Arc;
use std::time::Duration;

use tellee_actors::ids::Position;
use tellee_actors::store::database::{Database, WriteError};
use tellee_actors::store::{EventStore, StoreError};
use tokio::sync::watch;

use super::apply::{ApplyError, Batch, OnFailure, apply};
use super::projection;
use crate::access::Access;
use crate::alarms::Alarms;
use crate::watch::RuleBook;

/// Events in one transaction. Small enough that appends behind it in the writer's queue wait for milliseconds only.
const BATCH: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Follower {
    pub store: Arc<dyn EventStore>,
    pub database: Database,
    pub access: Arc<Access>,
    pub rules: Arc<RuleBook>,
    pub alarms: Alarms,
    /// Up to where the access snapshot and the rules have seen the log.
    pub in_memory: Position,
    /// Up to where all tables have.
    pub after: Position,
    pub reached: watch::Sender<Position>,
}

/// Why a step failed.
enum StepError {
    Store(StoreError),
    Gap,
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Follower {
    /// Takes in everything that is in the log now.
    pub(super) async fn catch_up(&mut self) -> Result<(), StoreError> {
        self.rewind().await?;
        loop {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(StepError::Gap) => self.rewind().await?,
                Err(StepError::Store(error)) => return Err(error),
            }
        }
    }

    /// Follows until told to stop or until the event store goes.
    pub(super) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let mut head = self.store.head();
        let mut pause = FIRST_PAUSE;
        loop {
            head.borrow_and_update();
            let step = tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                step = self.step() => step,
            };
            match step {
                Ok(true) => pause = FIRST_PAUSE,
                Ok(false) => {
                    pause = FIRST_PAUSE;
                    tokio::select! {
                        _ = stopping.wait_for(|stop| *stop) => return,
                        changed = head.changed() => if changed.is_err() { return },
                    }
                }
                Err(StepError::Store(StoreError::Closed)) => return,
                Err(error) => {
                    self.recover(error).await;
                    tokio::select! {
                        _ = stopping.wait_for(|stop| *stop) => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn recover(&mut self, error: StepError) {
        if let StepError::Store(error) = error {
            tracing::error!(%error, after = self.after.0, "the projections wait");
            return;
        }
        if let Err(error) = self.rewind().await {
            tracing::error!(%error, "the checkpoints of the projections cannot be read");
        }
    }

    /// Goes to where the slowest table is.
    async fn rewind(&mut self) -> Result<(), StoreError> {
        let positions = projection::status(&self.database).await?;
        let slowest = positions.iter().map(|status| status.position).min();
        self.after = slowest.unwrap_or(Position::START);
        self.reached.send_replace(self.after);
        Ok(())
    }

    /// Takes in one batch. False: there was none.
    async fn step(&mut self) -> Result<bool, StepError> {
        let recorded = self.store.read_all(self.after, BATCH).await?;
        let Some(batch) = Batch::decode(self.after, &recorded) else {
            return Ok(false);
        };
        let batch = Arc::new(batch);
        if let Err(error) = self.write(&batch, OnFailure::Fail).await {
            if matches!(&error, StepError::Store(StoreError::Failed(_))) {
                self.write(&batch, OnFailure::Skip).await?;
            } else {
                return Err(error);
            }
        }
        let fresh = batch.events_after(self.in_memory);
        self.access.apply(fresh);
        self.rules.apply(fresh);
        self.in_memory = self.in_memory.max(batch.end);
        self.alarms.advance(&batch).await?;
        self.after = batch.end;
        self.reached.send_replace(batch.end);
        Ok(true)
    }

    async fn write(&self, batch: &Arc<Batch>, on_failure: OnFailure) -> Result<(), StepError> {
        let batch = Arc::clone(batch);
        let written: Result<u64, WriteError<()>> = self
            .database
            .write(move |connection| {
                apply(connection, &batch, on_failure).map_err(|error| match error {
                    ApplyError::Gap { .. } => WriteError::Refused(()),
                    ApplyError::Sql(error) => error.into(),
                })
            })
            .await;
        match written {
            Ok(_) => Ok(()),
            Err(WriteError::Refused(())) => Err(StepError::Gap),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }
}
