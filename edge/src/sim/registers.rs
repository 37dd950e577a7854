//! The register tables of the simulator and the requests on them.

use std::collections::BTreeMap;

use tokio_modbus::{ExceptionCode, Request, Response};

const MAX_READ_REGISTERS: u16 = 125;
const MAX_READ_BITS: u16 = 2000;

/// Only what is there can be read; holes answer "illegal data address", as real devices do.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    pub(crate) input: BTreeMap<u16, u16>,
    pub(crate) holding: BTreeMap<u16, u16>,
    pub(crate) coils: BTreeMap<u16, bool>,
    pub(crate) discrete: BTreeMap<u16, bool>,
}

impl Registers {
    /// Big-endian, high word first.
    pub(crate) fn set_input_f32(&mut self, address: u16, value: f64) {
        let bits = (value as f32).to_bits();
        self.input.insert(address, (bits >> 16) as u16);
        self.input.insert(address + 1, bits as u16);
    }

    pub(crate) fn set_input_u32(&mut self, address: u16, value: u32) {
        self.input.insert(address, (value >> 16) as u16);
        self.input.insert(address + 1, value as u16);
    }

    pub(crate) fn answer(&mut self, request: Request<'_>) -> Result<Response, ExceptionCode> {
        match request {
            Request::ReadCoils(start, count) => {
                read(&self.coils, start, count, MAX_READ_BITS).map(Response::ReadCoils)
            }
            Request::ReadDiscreteInputs(start, count) => {
                read(&self.discrete, start, count, MAX_READ_BITS).map(Response::ReadDiscreteInputs)
            }
            Request::ReadInputRegisters(start, count) => {
                read(&self.input, start, count, MAX_READ_REGISTERS)
                    .map(Response::ReadInputRegisters)
            }
            Request::ReadHoldingRegisters(start, count) => {
                read(&self.holding, start, count, MAX_READ_REGISTERS)
                    .map(Response::ReadHoldingRegisters)
            }
            Request::WriteSingleCoil(address, value) => {
                write(&mut self.coils, address, &[value])?;
                Ok(Response::WriteSingleCoil(address, value))
            }
            Request::WriteMultipleCoils(address, values) => {
                write(&mut self.coils, address, &values)?;
                let count =
                    u16::try_from(values.len()).map_err(|_| ExceptionCode::IllegalDataValue)?;
                Ok(Response::WriteMultipleCoils(address, count))
            }
            Request::WriteSingleRegister(address, value) => {
                write(&mut self.holding, address, &[value])?;
                Ok(Response::WriteSingleRegister(address, value))
            }
            Request::WriteMultipleRegisters(address, values) => {
                write(&mut self.holding, address, &values)?;
                let count =
                    u16::try_from(values.len()).map_err(|_| ExceptionCode::IllegalDataValue)?;
                Ok(Response::WriteMultipleRegisters(address, count))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }
}

fn read<T: Copy>(
    table: &BTreeMap<u16, T>,
    start: u16,
    count: u16,
    limit: u16,
) -> Result<Vec<T>, ExceptionCode> {
    if count == 0 || count > limit {
        return Err(ExceptionCode::IllegalDataValue);
    }
    let addresses = u32::from(start)..u32::from(start) + u32::from(count);
    addresses
        .map(|address| {
            u16::try_from(address)
                .ok()
                .and_then(|address| table.get(&address))
                .copied()
        })
        .collect::<Option<Vec<T>>>()
        .ok_or(ExceptionCode::IllegalDataAddress)
}

/// All or nothing.
fn write<T: Copy>(
    table: &mut BTreeMap<u16, T>,
    start: u16,
    values: &[T],
) -> Result<(), ExceptionCode> {
    let count = u16::try_from(values.len()).map_err(|_| ExceptionCode::IllegalDataValue)?;
    read(table, start, count, u16::MAX)?;
    for (address, value) in (start..).zip(values) {
        table.insert(address, *value);
    }
    Ok(())
}
