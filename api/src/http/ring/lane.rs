//! One thread with a ring, and the connections on it.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use compio::driver::ProactorBuilder;
use compio::runtime::{Runtime, RuntimeBuilder};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Arrival;
use super::answer::Answers;
use super::seats::Seats;
use super::session;
use super::wakes::Wakes;

/// Entries of the ring's queue; a full one is handed over before its time.
const ENTRIES: u32 = 1_024;
/// Tasks that run before the ring is looked at again: all of those that a commit has woken.
const TASKS_A_TURN: usize = 1_024;
const SECOND: Duration = Duration::from_secs(1);

/// What the connections of one thread share.
pub struct Lane {
    pub seats: Rc<Seats>,
    pub wakes: Arc<Wakes>,
    pub answers: RefCell<Answers>,
    pub tokio: Handle,
}

impl Lane {
    /// Starts the thread. It ends when `arrivals` has.
    pub fn start(number: usize, arrivals: mpsc::Receiver<Arrival>) -> io::Result<()> {
        let tokio = Handle::try_current().map_err(io::Error::other)?;
        let (started, outcome) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name(format!("http-ring-{number}"))
            .spawn(move || {
                let _timers = tokio.enter();
                match ring() {
                    Ok(runtime) => {
                        // Whoever started this waits for it.
                        let _ = started.send(Ok(()));
                        runtime.block_on(run(arrivals, tokio.clone()));
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                    }
                }
            })?;
        outcome.recv().map_err(io::Error::other)?
    }

    /// A second has passed.
    fn turn(&self) {
        self.seats.turn();
        self.answers.borrow_mut().turn();
    }
}

/// A runtime with a ring that works.
fn ring() -> io::Result<Runtime> {
    let mut ring = ProactorBuilder::new();
    // Completions are taken in when the thread looks, not by interrupting it.
    ring.capacity(ENTRIES).coop_taskrun(true).taskrun_flag(true);
    RuntimeBuilder::new()
        .with_proactor(ring)
        .event_interval(TASKS_A_TURN)
        .build()
}

async fn run(mut arrivals: mpsc::Receiver<Arrival>, tokio: Handle) {
    let lane = Rc::new(Lane {
        seats: Rc::default(),
        wakes: Arc::default(),
        answers: RefCell::new(Answers::new()),
        tokio,
    });
    compio::runtime::spawn(Arc::clone(&lane.wakes).carry()).detach();
    compio::runtime::spawn(seconds(Rc::clone(&lane))).detach();
    while let Some(arrival) = arrivals.recv().await {
        compio::runtime::spawn(session::serve(Rc::clone(&lane), arrival)).detach();
    }
}

async fn seconds(lane: Rc<Lane>) {
    loop {
        compio::time::sleep(SECOND).await;
        lane.turn();
    }
}
