//! What a record holds.

use serde::{Deserialize, Serialize};

/// How the body of a message is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentType {
    #[default]
    SenmlJson,
    SenmlCbor,
}

impl ContentType {
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::SenmlJson => "application/senml+json",
            Self::SenmlCbor => "application/senml+cbor",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::SenmlJson => 1,
            Self::SenmlCbor => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::SenmlJson),
            2 => Some(Self::SenmlCbor),
            _ => None,
        }
    }
}

/// Which of the device's channels a message is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Destination {
    #[default]
    Data,
    /// The agent's own state. Dropped if there is no such channel.
    Control,
}

/// One message, encoded for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolMessage {
    pub destination: Destination,
    /// Elements joined by `/`; empty if none.
    pub subtopic: String,
    pub content_type: ContentType,
    /// Source time of its newest sample, nanoseconds since the epoch.
    pub newest_ns: i64,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The spool reached its limit and gave up its oldest records.
    SpoolFull,
    /// The disk refused writes and memory ran out.
    MemoryFull,
    /// Records on disk were damaged.
    Damaged,
    /// The platform refuses the message for good.
    Refused,
}

/// Records that are lost. Itself a record, so that the loss is known for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub from: u64,
    pub to: u64,
    pub records: u64,
    pub reason: GapReason,
    /// When the loss was noticed.
    pub at_ns: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredRecord {
    Message(SpoolMessage),
    Gap(Gap),
}

const KIND_MESSAGE: u8 = 1;
const KIND_GAP: u8 = 2;
const KIND_CONTROL_MESSAGE: u8 = 3;

impl StoredRecord {
    pub(crate) const fn is_kind(kind: u8) -> bool {
        matches!(kind, KIND_MESSAGE | KIND_GAP | KIND_CONTROL_MESSAGE)
    }

    /// Kind and payload.
    pub(crate) fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Message(message) => {
                let subtopic = message.subtopic.as_bytes();
                let length = u16::try_from(subtopic.len()).unwrap_or(u16::MAX);
                let mut out = Vec::with_capacity(subtopic.len() + message.body.len() + 11);
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(&subtopic[..usize::from(length)]);
                out.push(message.content_type.code());
                out.extend_from_slice(&message.newest_ns.to_le_bytes());
                out.extend_from_slice(&message.body);
                let kind = match message.destination {
                    Destination::Data => KIND_MESSAGE,
                    Destination::Control => KIND_CONTROL_MESSAGE,
                };
                (kind, out)
            }
            // A struct of numbers and a word always becomes JSON.
            Self::Gap(gap) => (KIND_GAP, serde_json::to_vec(gap).unwrap_or_default()),
        }
    }

    pub(crate) fn decode(kind: u8, payload: &[u8]) -> Option<Self> {
        match kind {
            KIND_MESSAGE | KIND_CONTROL_MESSAGE => {
                let (length, rest) = payload.split_first_chunk::<2>()?;
                let (subtopic, rest) =
                    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
                let (&content_type, rest) = rest.split_first()?;
                let (newest, body) = rest.split_first_chunk::<8>()?;
                Some(Self::Message(SpoolMessage {
                    destination: if kind == KIND_MESSAGE {
                        Destination::Data
                    } else {
                        Destination::Control
                    },
                    subtopic: String::from_utf8(subtopic.to_vec()).ok()?,
                    content_type: ContentType::from_code(content_type)?,
                    newest_ns: i64::from_le_bytes(*newest),
                    body: body.to_vec(),
                }))
            }
            KIND_GAP => serde_json::from_slice(payload).ok().map(Self::Gap),
            _ => None,
        }
    }
}
