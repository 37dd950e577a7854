//! Framing and codec: no panic, no frame over the limit, and the same frames however the bytes are cut.

use bytes::BytesMut;
use tellee_api::mqtt::codec::{Version, decode, decode_connect, take_frame};
use tellee_api::mqtt::connection::Connection;

const MAXIMUM_PACKET: usize = 4096;

/// The first byte chooses the version and whether the input comes whole or byte by byte.
pub fn mqtt_packets(input: &[u8]) {
    let Some((how, stream)) = input.split_first() else {
        return;
    };
    let version = if how & 1 == 0 {
        Version::V3
    } else {
        Version::V5
    };
    let whole = read(stream, version, stream.len().max(1));
    let in_pieces = read(stream, version, usize::from(how >> 1).max(1));
    assert_eq!(
        whole, in_pieces,
        "how the bytes were cut changed what was read"
    );
}

/// What came of a stream that arrives in pieces of `size` bytes: one line a packet, to the first that ends it.
fn read(stream: &[u8], version: Version, size: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let mut buffer = BytesMut::new();
    let mut connection = Connection::new(version, 8, 4, true);
    for piece in stream.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            let frame = match take_frame(&mut buffer, MAXIMUM_PACKET) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("{error:?}"));
                    return seen;
                }
            };
            if seen.is_empty() {
                match decode_connect(frame) {
                    Ok(connect) => seen.push(format!("{connect:?}")),
                    Err(error) => {
                        // A stream that starts with anything else is read on, to see the other packets too.
                        seen.push(format!("{error:?}"));
                    }
                }
                continue;
            }
            match decode(frame, version).and_then(|packet| connection.receive(packet)) {
                Ok(step) => seen.push(format!("{step:?}")),
                Err(error) => {
                    seen.push(format!("{error:?}"));
                    return seen;
                }
            }
        }
    }
    seen
}
