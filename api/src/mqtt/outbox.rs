//! Packets that must not reach the client before the journal is durable up to a position, in order.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::journal::Position;

#[derive(Debug)]
struct Part {
    position: Position,
    bytes: BytesMut,
}

/// What a connection is to write once it may. Empty, and out of the way, where the journal is not involved.
#[derive(Debug, Default)]
pub struct Outbox {
    parts: VecDeque<Part>,
    bytes: usize,
}

impl Outbox {
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Up to where the journal has to be durable for the first of them; `None` if nothing waits.
    pub fn awaits(&self) -> Option<Position> {
        self.parts.front().map(|part| part.position)
    }

    pub fn awaits_last(&self) -> Option<Position> {
        self.parts.back().map(|part| part.position)
    }

    /// Lets `write` append a packet to what waits for `position`, or to `output` if nothing has to wait.
    pub fn put(
        &mut self,
        position: Position,
        durable: impl FnOnce() -> Position,
        output: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut),
    ) {
        let Some(last) = self.parts.back_mut() else {
            if position == 0 || position <= durable() {
                return write(output);
            }
            return self.push(position, write);
        };
        if position > last.position {
            return self.push(position, write);
        }
        // It keeps its place behind those that wait already.
        let before = last.bytes.len();
        write(&mut last.bytes);
        self.bytes += last.bytes.len() - before;
    }

    fn push(&mut self, position: Position, write: impl FnOnce(&mut BytesMut)) {
        let mut bytes = BytesMut::new();
        write(&mut bytes);
        self.bytes += bytes.len();
        self.parts.push_back(Part { position, bytes });
    }

    /// Moves what may be written to `output`.
    pub fn release(&mut self, durable: Position, output: &mut BytesMut) {
        while let Some(part) = self.parts.pop_front_if(|part| part.position <= durable) {
            self.bytes -= part.bytes.len();
            output.extend_from_slice(&part.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(outbox: &mut Outbox, position: Position, output: &mut BytesMut, packet: &[u8]) {
        outbox.put(position, || 4, output, |out| out.extend_from_slice(packet));
    }

    #[test]
    fn packets_keep_their_order_behind_one_that_waits() {
        let (mut outbox, mut output) = (Outbox::default(), BytesMut::new());
        put(&mut outbox, 0, &mut output, b"a");
        put(&mut outbox, 4, &mut output, b"b");
        put(&mut outbox, 6, &mut output, b"c");
        put(&mut outbox, 0, &mut output, b"d");
        put(&mut outbox, 8, &mut output, b"e");
        assert_eq!((&output[..], outbox.bytes()), (b"ab".as_slice(), 3));
        outbox.release(7, &mut output);
        assert_eq!(&output[..], b"abcd");
        assert_eq!(outbox.awaits(), Some(8));
        outbox.release(8, &mut output);
        assert_eq!((&output[..], outbox.bytes()), (b"abcde".as_slice(), 0));
        assert_eq!(outbox.awaits(), None);
    }
}
