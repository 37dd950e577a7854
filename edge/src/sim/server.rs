//! Modbus TCP on top of the register tables.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Response, SlaveRequest};

use super::registers::Registers;

const UNIT: u8 = 1;
const MAX_CONNECTIONS: usize = 64;

struct PlantService {
    registers: Arc<Mutex<Registers>>,
    /// Counts the connection.
    _permit: OwnedSemaphorePermit,
}

impl Service for PlantService {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: SlaveRequest<'static>) -> Self::Future {
        // 0 and 255 are what clients send to "the device itself" over TCP.
        if !matches!(request.slave, 0 | UNIT | 255) {
            return ready(Err(ExceptionCode::GatewayTargetDevice));
        }
        ready(self.registers.lock().answer(request.request))
    }
}

/// Connections above the limit are closed at once.
pub(crate) async fn serve(
    listener: TcpListener,
    registers: Arc<Mutex<Registers>>,
) -> io::Result<()> {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let on_connected = |stream: tokio::net::TcpStream, _| {
        let service = connections
            .clone()
            .try_acquire_owned()
            .ok()
            .map(|permit| PlantService {
                registers: registers.clone(),
                _permit: permit,
            });
        async move {
            // Small frames wait for nothing. A peer that is gone already is noticed by the next read.
            let _ = stream.set_nodelay(true);
            Ok(service.map(|service| (service, stream)))
        }
    };
    let on_error = |error| tracing::debug!(%error, "simulator connection ended");
    Server::new(listener).serve(&on_connected, on_error).await
}
