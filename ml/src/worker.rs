//! The worker process as the server sees it: started, watched, restarted.

mod backoff;
mod process;
mod supervisor;

pub use backoff::RestartPolicy;
pub use process::{CallError, Launch, Process, StartError};
pub use supervisor::{Supervisor, WorkerHandle, WorkerState};
