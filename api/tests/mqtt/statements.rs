//! Normative statements of MQTT 5 and 3.1.1 by their ids, as far as one packet shows them: what is sent, and what the
//! server has to answer. Statements that take an exchange have tests of their own in the other files.

use super::raw::text;

/// What the server has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// MQTT 5: DISCONNECT with this reason; 3.1.1: the connection is closed.
    End(u8),
    /// CONNACK with this code, then closed.
    Refused(u8),
    /// Closed without an answer.
    Closed,
    /// This packet begins the answer.
    Answer(Vec<u8>),
    /// Nothing but that it stays.
    Stays,
}

/// Ids, what it is, packet, expectation.
pub type Statement = (&'static str, &'static str, Vec<u8>, Expect);

pub fn string(bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, bytes);
    body
}
