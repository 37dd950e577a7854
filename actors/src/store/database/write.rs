//! The writer thread: group commit with a savepoint for each job.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Savepoint, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{DatabaseConfig, WriteError, open};
use crate::store::StoreError;

pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    queue_wait: Duration,
}

enum Request {
    Job(Box<dyn Job>),
    LimitPages(Option<u32>, oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// A job with its types erased. It is run at most once and finished exactly once.
trait Job: Send {
    /// Whether anyone still waits for it.
    fn is_wanted(&self) -> bool;
    /// Does the work. False: what it changed is to be undone.
    fn run(&mut self, savepoint: &Savepoint<'_>) -> bool;
    /// Called after the commit: `Ok` if what it changed is durable.
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
}

struct TypedJob<T, E, F, C> {
    work: Option<F>,
    committed: C,
    outcome: Option<Result<T, WriteError<E>>>,
    reply: oneshot::Sender<Result<T, WriteError<E>>>,
}

impl<T, E, F, C> Job for TypedJob<T, E, F, C>
where
    T: Send,
    E: Send,
    F: FnOnce(&Savepoint<'_>) -> Result<T, WriteError<E>> + Send,
    C: FnOnce(&T) + Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(&mut self, savepoint: &Savepoint<'_>) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(savepoint))).unwrap_or_else(|_| {
            Err(WriteError::Store(StoreError::Failed(
                "a write job panicked".to_owned(),
            )))
        });
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let Self {
            committed,
            outcome,
            reply,
            ..
        } = *self;
        let outcome = match (outcome, commit) {
            (Some(Ok(value)), Ok(())) => {
                // The changes are durable whatever the hook does, and the thread serves all.
                if catch_unwind(AssertUnwindSafe(|| committed(&value))).is_err() {
                    tracing::error!("the hook after a commit panicked");
                }
                Ok(value)
            }
            // It failed by itself, whatever became of the others.
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(WriteError::Store(error)),
            (None, Ok(())) => Err(WriteError::Store(StoreError::Closed)),
        };
        // The caller may have stopped waiting.
        drop(reply.send(outcome));
    }
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        config: &DatabaseConfig,
    ) -> Result<Self, StoreError> {
        let (requests, queue) = mpsc::channel(config.write_queue.max(1));
        let thread = WriterThread {
            connection,
            queue,
            group_limit: config.group_limit.max(1),
            group_time: config.group_time,
        };
        std::thread::Builder::new()
            .name("event-writer".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| {
                StoreError::Failed(format!("cannot start the writer thread: {error}"))
            })?;
        Ok(Self {
            requests,
            queue_wait: config.write_queue_wait,
        })
    }

    pub(super) async fn run<T, E, F, C>(&self, work: F, committed: C) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Savepoint<'_>) -> Result<T, WriteError<E>> + Send + 'static,
        C: FnOnce(&T) + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = TypedJob {
            work: Some(work),
            committed,
            outcome: None,
            reply,
        };
        self.enqueue(Request::Job(Box::new(job))).await?;
        answer
            .await
            .unwrap_or(Err(WriteError::Store(StoreError::Closed)))
    }

    pub(super) async fn limit_pages(&self, pages: Option<u32>) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Request::LimitPages(pages, reply)).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request::Close(reply)).await.is_err() {
            return Ok(());
        }
        answer.await.unwrap_or(Ok(()))
    }

    /// Requests that wait in the queue.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.requests.max_capacity() - self.requests.capacity()
    }

    async fn enqueue(&self, request: Request) -> Result<(), StoreError> {
        self.requests
            .send_timeout(request, self.queue_wait)
            .await
            .map_err(|error| match error {
                mpsc::error::SendTimeoutError::Timeout(_) => StoreError::Overloaded,
                mpsc::error::SendTimeoutError::Closed(_) => StoreError::Closed,
            })
    }
}

struct WriterThread {
    connection: Connection,
    queue: mpsc::Receiver<Request>,
    group_limit: usize,
    group_time: Duration,
}

/// What to do once the group at hand is committed.
enum Next {
    Continue,
    Handle(Request),
}

impl WriterThread {
    fn run(mut self) {
        while let Some(request) = self.queue.blocking_recv() {
            let mut next = Next::Handle(request);
            while let Next::Handle(request) = next {
                next = match request {
                    Request::Job(first) => self.commit_group(first),
                    Request::LimitPages(pages, reply) => {
                        drop(reply.send(self.limit_pages(pages)));
                        Next::Continue
                    }
                    Request::Close(reply) => {
                        self.close(reply);
                        return;
                    }
                };
            }
        }
        if let Err(error) = checkpoint(&self.connection) {
            tracing::warn!(%error, "the write-ahead log stays beside the event store");
        }
    }

    /// Runs `first` and the jobs that wait behind it in one transaction, commits, and answers all of them.
    fn commit_group(&mut self, first: Box<dyn Job>) -> Next {
        let mut done = Vec::new();
        let mut next = Next::Continue;
        let outcome = match Transaction::new(&mut self.connection, TransactionBehavior::Immediate) {
            Ok(mut transaction) => {
                let began = Instant::now();
                let mut job = first;
                let ran = loop {
                    let ran = if job.is_wanted() {
                        run_job(&mut transaction, job.as_mut())
                    } else {
                        Ok(())
                    };
                    done.push(job);
                    if ran.is_err()
                        || done.len() >= self.group_limit
                        || began.elapsed() >= self.group_time
                    {
                        break ran;
                    }
                    match self.queue.try_recv() {
                        Ok(Request::Job(waiting)) => job = waiting,
                        Ok(other) => {
                            next = Next::Handle(other);
                            break ran;
                        }
                        Err(_) => break ran,
                    }
                };
                match ran {
                    Ok(()) => transaction.commit().map_err(StoreError::from),
                    Err(error) => {
                        // SQLite may have rolled back by itself; then there is nothing left to undo.
                        if let Err(error) = transaction.rollback() {
                            tracing::debug!(%error, "roll back after a failed group");
                        }
                        Err(error)
                    }
                }
            }
            Err(error) => {
                done.push(first);
                Err(StoreError::from(error))
            }
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, jobs = done.len(), "a group of writes was not kept");
        }
        for job in done {
            job.finish(outcome.clone());
        }
        next
    }

    fn limit_pages(&self, pages: Option<u32>) -> Result<(), StoreError> {
        self.connection.pragma_update(
            None,
            "max_page_count",
            pages.unwrap_or(open::NO_PAGE_LIMIT),
        )?;
        Ok(())
    }

    fn close(mut self, reply: oneshot::Sender<Result<(), StoreError>>) {
        // What was taken before the close stands before it in the queue; what came after is dropped and answered `Closed`.
        self.queue.close();
        while self.queue.try_recv().is_ok() {}
        let outcome = checkpoint(&self.connection).and_then(|()| {
            self.connection
                .close()
                .map_err(|(_, error)| StoreError::from(error))
        });
        drop(reply.send(outcome));
    }
}

/// Runs one job in a savepoint. An error means that the whole transaction is lost, not only this job.
fn run_job(transaction: &mut Transaction<'_>, job: &mut dyn Job) -> Result<(), StoreError> {
    let mut savepoint = transaction.savepoint()?;
    let keep = job.run(&savepoint);
    // After a full disk or an I/O error SQLite may have rolled the whole transaction back, silently.
    if savepoint.is_autocommit() {
        savepoint.set_drop_behavior(rusqlite::DropBehavior::Ignore);
        return Err(StoreError::DiskFull);
    }
    if !keep {
        savepoint.rollback()?;
    }
    savepoint.commit()?;
    Ok(())
}

fn checkpoint(connection: &Connection) -> Result<(), StoreError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
