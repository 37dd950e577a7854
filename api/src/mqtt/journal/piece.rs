//! Consecutive messages of one channel's log that lie in a file instead of in memory.

use tellee_actors::time::Timestamp;

use super::bytes::{Cursor, Read, put_i64, put_optional, put_varint};
use super::channel::Logged;

/// Where the frame of a piece lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of the file.
    pub file: u64,
    /// Of that file's checksums.
    pub salt: u64,
    pub offset: u64,
    /// Of the whole frame, in bytes.
    pub length: u32,
}

/// What is known of a piece without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The number of its first message.
    pub first: u64,
    pub last: u64,
    /// How many messages it holds.
    pub count: u32,
    /// Bytes that its messages take in memory, about.
    pub weight: u32,
    /// When the newest of them was received.
    pub newest: Timestamp,
    /// When all of them have expired; `None` if one never does.
    pub expires_by: Option<Timestamp>,
    pub place: Place,
}

impl Piece {
    /// `None` for no messages.
    pub fn of(messages: &[Logged], place: Place) -> Option<Self> {
        let (first, last) = (messages.first()?, messages.last()?);
        let weight: usize = messages.iter().map(Logged::weight).sum();
        let expiries = messages.iter().map(|logged| logged.message.expires_at);
        Some(Self {
            first: first.seq,
            last: last.seq,
            count: u32::try_from(messages.len()).unwrap_or(u32::MAX),
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
            newest: messages
                .iter()
                .map(|logged| logged.message.received_at)
                .max()?,
            expires_by: expiries
                .collect::<Option<Vec<Timestamp>>>()
                .and_then(|expiries| expiries.into_iter().max()),
            place,
        })
    }

    /// Whether nobody has to get any of it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_by.is_some_and(|expires_by| expires_by <= now)
    }
}

pub fn put_piece(out: &mut Vec<u8>, piece: &Piece) {
    put_varint(out, piece.first);
    put_varint(out, piece.last);
    put_varint(out, u64::from(piece.count));
    put_varint(out, u64::from(piece.weight));
    put_i64(out, piece.newest.0);
    put_optional(out, piece.expires_by, |out, at| put_i64(out, at.0));
    put_varint(out, piece.place.file);
    put_varint(out, piece.place.salt);
    put_varint(out, piece.place.offset);
    put_varint(out, u64::from(piece.place.length));
}

pub fn get_piece(cursor: &mut Cursor<'_>) -> Read<Piece> {
    Ok(Piece {
        first: cursor.varint()?,
        last: cursor.varint()?,
        count: cursor.u32()?,
        weight: cursor.u32()?,
        newest: Timestamp(cursor.i64()?),
        expires_by: cursor.optional(Cursor::i64)?.map(Timestamp),
        place: Place {
            file: cursor.varint()?,
            salt: cursor.varint()?,
            offset: cursor.varint()?,
            length: cursor.u32()?,
        },
    })
}
