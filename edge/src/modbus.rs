//! Reading Modbus TCP: a transaction layer that trusts no answer, a planner of block reads, and the poll loop.

mod group;
mod plan;
mod poller;
mod transaction;
mod value;

pub use plan::{Block, Extent, plan_blocks};
pub use poller::{PollReport, Poller};
pub use transaction::{Answer, ReadError, Transactor};
pub use value::decode_value;
