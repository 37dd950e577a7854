//! One request, one answer, and no trust in either end of the wire.
//!
//! The client underneath has traps: after a timeout every later answer belongs to an earlier question; a short answer is
//! handed on as if it were whole; the end of a stream shows up as a stale error number. So a connection survives only a
//! complete, matching answer (an exception of the device counts as one). Everything else, a cancelled call included,
//! drops it.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::slave::SlaveContext;
use tokio_modbus::{ExceptionCode, Request, Response, Slave};

use crate::connection::Area;

/// Why a read gave no values.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot connect to `{address}`: {source}")]
    Connect { address: String, source: io::Error },
    #[error("cannot connect to `{address}` within {within:?}")]
    ConnectTimeout { address: String, within: Duration },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("connection lost: {0}")]
    Transport(io::Error),
    #[error("answer does not match the request: {0}")]
    Mismatch(String),
    #[error("answer has {got} values instead of {expected}")]
    WrongLength { expected: usize, got: usize },
    #[error("device answered: {0}")]
    Exception(ExceptionCode),
}

impl ReadError {
    /// Whether the same request may succeed at once on a fresh connection.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::Exception(_))
    }

    /// Whether the device was not reached at all, in contrast to an answer that was wrong.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::ConnectTimeout { .. })
    }

    /// Whether the unit behind the link says nothing, though the link itself may work.
    pub const fn is_silent_unit(&self) -> bool {
        matches!(
            self,
            Self::Timeout(_)
                | Self::Exception(
                    ExceptionCode::GatewayPathUnavailable
                        | ExceptionCode::GatewayTargetDevice
                        | ExceptionCode::ServerDeviceFailure
                )
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Bits(Vec<bool>),
    Registers(Vec<u16>),
}

impl Answer {
    /// The registers of a value; a bit counts as a register of 0 or 1. `None` if the answer does not reach so far.
    pub fn slice(&self, from: usize, width: usize) -> Option<Vec<u16>> {
        let to = from.checked_add(width)?;
        match self {
            Self::Bits(bits) => Some(
                bits.get(from..to)?
                    .iter()
                    .map(|&bit| u16::from(bit))
                    .collect(),
            ),
            Self::Registers(registers) => registers.get(from..to).map(<[u16]>::to_vec),
        }
    }
}

/// Owns the connection to one host.
pub struct Transactor {
    address: String,
    timeout: Duration,
    context: Option<Context>,
}

impl Transactor {
    pub const fn new(address: String, timeout: Duration) -> Self {
        Self {
            address,
            timeout,
            context: None,
        }
    }

    pub const fn is_connected(&self) -> bool {
        self.context.is_some()
    }

    pub fn disconnect(&mut self) {
        self.context = None;
    }

    /// # Errors
    /// [`ReadError::Connect`] or [`ReadError::ConnectTimeout`].
    pub async fn connect(&mut self) -> Result<(), ReadError> {
        if self.context.is_none() {
            self.context = Some(self.open().await?);
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<Context, ReadError> {
        let fault = |source| ReadError::Connect {
            address: self.address.clone(),
            source,
        };
        let Ok(connected) = timeout(self.timeout, TcpStream::connect(&self.address)).await else {
            return Err(ReadError::ConnectTimeout {
                address: self.address.clone(),
                within: self.timeout,
            });
        };
        let stream = connected.map_err(fault)?;
        stream.set_nodelay(true).map_err(fault)?;
        Ok(tcp::attach(stream))
    }

    /// Reads `count` registers or bits. Dropping the future drops the connection.
    ///
    /// # Errors
    /// Any [`ReadError`]. The connection is kept only after [`ReadError::Exception`].
    pub async fn read(
        &mut self,
        unit: u8,
        area: Area,
        start: u16,
        count: u16,
    ) -> Result<Answer, ReadError> {
        // Out of its place while the call runs, so that no way out but a whole answer keeps it.
        let mut context = match self.context.take() {
            Some(context) => context,
            None => self.open().await?,
        };
        let request = match area {
            Area::Coil => Request::ReadCoils(start, count),
            Area::Discrete => Request::ReadDiscreteInputs(start, count),
            Area::Input => Request::ReadInputRegisters(start, count),
            Area::Holding => Request::ReadHoldingRegisters(start, count),
        };
        context.set_slave(Slave(unit));
        let Ok(outcome) = timeout(self.timeout, context.call(request)).await else {
            return Err(ReadError::Timeout(self.timeout));
        };
        let response = match outcome {
            Ok(Ok(response)) => response,
            Ok(Err(exception)) => {
                self.context = Some(context);
                return Err(ReadError::Exception(exception));
            }
            // The kind of a transport error says nothing: the end of the stream may come as any.
            Err(tokio_modbus::Error::Transport(error)) => return Err(ReadError::Transport(error)),
            Err(tokio_modbus::Error::Protocol(error)) => {
                return Err(ReadError::Mismatch(error.to_string()));
            }
        };
        let answer = check(area, usize::from(count), response)?;
        self.context = Some(context);
        Ok(answer)
    }
}

fn check(area: Area, expected: usize, response: Response) -> Result<Answer, ReadError> {
    match (area, response) {
        (Area::Coil, Response::ReadCoils(mut bits))
        | (Area::Discrete, Response::ReadDiscreteInputs(mut bits)) => {
            // Bits come in whole bytes.
            let padded = expected.div_ceil(8) * 8;
            if bits.len() != padded && bits.len() != expected {
                return Err(ReadError::WrongLength {
                    expected,
                    got: bits.len(),
                });
            }
            bits.truncate(expected);
            Ok(Answer::Bits(bits))
        }
        (Area::Input, Response::ReadInputRegisters(registers))
        | (Area::Holding, Response::ReadHoldingRegisters(registers)) => {
            if registers.len() != expected {
                return Err(ReadError::WrongLength {
                    expected,
                    got: registers.len(),
                });
            }
            Ok(Answer::Registers(registers))
        }
        (_, other) => Err(ReadError::Mismatch(format!(
            "unexpected answer of kind {:?}",
            other.function_code()
        ))),
    }
}
