//! Connections on which devices publish, one value a request, served by `io_uring`.
//!
//! For such a request the system calls cost more than all the rest. A ring takes the reads and writes of many connections
//! in one call. It takes plain publishes only: the first other request gives its connection back to the port.

mod answer;
mod head;
mod lane;
mod seats;
mod session;
mod wakes;
mod wire;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};

use self::head::{Head, Reading};
use self::lane::Lane;
use super::connection::Connection;
use super::doors::Doors;
use super::silent::Place;
use super::socket::{Guards, Socket};

/// Connections that wait for a thread at most; further ones are served without.
const WAITING: usize = 1_024;
/// Cores for each thread: it only carries bytes and reads short bodies, and shares a call among more connections where
/// there are few threads.
const CORES_A_THREAD: usize = 4;

/// Threads that serve connections by `io_uring`. They end when this is dropped, and their connections with them.
pub struct Rings {
    lanes: Vec<mpsc::Sender<Arrival>>,
    /// Connections that came so far.
    came: AtomicUsize,
}

impl Rings {
    /// Starts the threads, one for every four cores. Called inside a Tokio runtime, whose timers they use.
    ///
    /// # Errors
    /// The system has no `io_uring` or does not let this process use it, as in many containers; or it has no thread.
    pub fn start() -> io::Result<Arc<Self>> {
        let cores = std::thread::available_parallelism()?.get();
        let lanes = (0..cores.div_ceil(CORES_A_THREAD))
            .map(|number| {
                let (sender, arrivals) = mpsc::channel(WAITING);
                Lane::start(number, arrivals)?;
                Ok(sender)
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Arc::new(Self {
            lanes,
            came: AtomicUsize::new(0),
        }))
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.lanes.len()
    }

    /// How many connections were handed to them so far.
    pub fn connections(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }

    /// Hands a connection to one of the threads. `Some`: that has too many waiting, and the connection is back.
    pub(super) fn give(&self, arrival: Arrival) -> Option<Arrival> {
        let number = self.came.fetch_add(1, Ordering::Relaxed);
        let Some(lane) = self.lanes.get(number % self.lanes.len().max(1)) else {
            return Some(arrival);
        };
        match lane.try_send(arrival) {
            Ok(()) => None,
            Err(TrySendError::Full(arrival) | TrySendError::Closed(arrival)) => Some(arrival),
        }
    }
}

/// A connection on its way to a thread, or back.
pub struct Arrival {
    connection: Connection,
    stream: std::net::TcpStream,
    guards: Guards,
    place: Place,
    /// What was read of its next request.
    unread: Bytes,
}

impl Arrival {
    /// Takes the socket of `connection` from Tokio. Nothing of it was read yet.
    pub(super) fn new(connection: Connection, socket: Socket, place: Place) -> io::Result<Self> {
        let Socket { stream, guards, .. } = socket;
        Ok(Self {
            connection,
            stream: stream.into_std()?,
            guards,
            place,
            unread: Bytes::new(),
        })
    }

    /// Serves it without a ring.
    pub(super) async fn serve_here(self) {
        let stream = match tokio::net::TcpStream::from_std(self.stream) {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%error, "a connection ended early"),
        };
        let socket = Socket::with_unread(stream, self.guards, self.unread);
        self.connection
            .serve_http(socket, false, None, self.place)
            .await;
    }
}

/// Whether a connection that begins with these bytes is one for a ring.
pub(super) fn is_for_rings(begin: &[u8], doors: &Doors) -> bool {
    match Head::read(begin) {
        Reading::Whole(head) => doors.shortcut(&head.request).is_some(),
        Reading::Part | Reading::Other => false,
    }
}
