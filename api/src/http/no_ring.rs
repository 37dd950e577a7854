//! Where the system has no `io_uring`, all connections are served alike.

use std::io;
use std::sync::Arc;

use super::connection::Connection;
use super::doors::Doors;
use super::silent::Place;
use super::socket::Socket;

/// None can be made.
pub enum Rings {}

impl Rings {
    /// # Errors
    /// Always.
    pub fn start() -> io::Result<Arc<Self>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn threads(&self) -> usize {
        match *self {}
    }

    pub fn connections(&self) -> usize {
        match *self {}
    }

    pub fn give(&self, _arrival: Arrival) -> Option<Arrival> {
        match *self {}
    }
}

pub enum Arrival {}

impl Arrival {
    pub fn new(_connection: Connection, _socket: Socket, _place: Place) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[allow(clippy::unused_async)]
    pub async fn serve_here(self) {
        match self {}
    }
}

pub const fn is_for_rings(_begin: &[u8], _doors: &Doors) -> bool {
    false
}
