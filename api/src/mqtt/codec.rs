//! MQTT 3.1.1 and MQTT 5 on the wire, as a server reads and writes them. No I/O.
//!
//! A frame is cut from the input first ([`take_frame`]), bounded by a size limit, then read by [`decode()`]; what a
//! server sends is written by [`encode()`]. Every rule of the specifications about the form of a packet is checked here;
//! rules about the order of packets belong to the connection.

mod decode;
mod encode;
mod error;
mod packet;
mod properties;
mod reader;
mod reason;

pub use decode::{Frame, answer_version, decode, decode_connect, take_frame};
pub use encode::{encode, publish_size};
pub use error::DecodeError;
pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterOptions, Outgoing, Packet, Publish,
    PublishHeader, QoS, RetainHandling, SubAck, Subscribe, Unsubscribe, Version, Will,
};
pub use properties::{MessageProperties, Properties};
pub use reason::Reason;

#[cfg(test)]
mod tests;
