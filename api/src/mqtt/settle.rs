//! What becomes of a message that a client sent.

use std::sync::Arc;
use std::time::Duration;

use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;
use tokio::time::Instant;

use super::broker::{Broker, Incoming};
use super::codec::{Publish, Reason, Version};
use super::journal::{Position, Reservation};
use crate::ingest::{IngestError, Publisher};

/// What is known of a message before it is stored.
#[derive(Debug, Clone, Copy)]
pub enum Taking {
    /// Nothing.
    Plain,
    /// A QoS 2 message that is known at this time for good once the position is durable. Stored twice, it is the same
    /// samples.
    Known {
        received_at: Timestamp,
        position: Position,
    },
    /// A QoS 2 message that was taken before and awaits its release.
    Duplicate,
}

/// What became of a message from the client.
pub struct Settled {
    pub publish: Publish,
    pub outcome: Outcome,
    /// Room in the journal, until the message is in it.
    pub room: Option<Reservation>,
}

pub enum Outcome {
    Stored {
        channel: ChannelId,
        received_at: Timestamp,
    },
    /// A QoS 2 message that was taken before and awaits its release.
    Duplicate,
    Refused(Refusal),
}

pub struct Refusal {
    pub reason: Reason,
    pub text: String,
    /// The same message may be taken later.
    pub retryable: bool,
}

/// Stores one message. Waits while the store is overloaded, up to the configured patience.
pub async fn settle(
    broker: Arc<Broker>,
    publisher: Publisher,
    origin: u64,
    version: Version,
    publish: Publish,
    taking: Taking,
    room: Option<Reservation>,
) -> Settled {
    let received_at = match taking {
        Taking::Duplicate => {
            return Settled {
                publish,
                outcome: Outcome::Duplicate,
                room,
            };
        }
        Taking::Plain => None,
        Taking::Known {
            received_at,
            position,
        } => {
            broker.journal().reached(position).await;
            Some(received_at)
        }
    };
    let outcome = store(&broker, publisher, origin, version, &publish, received_at).await;
    Settled {
        publish,
        outcome,
        room,
    }
}

async fn store(
    broker: &Broker,
    publisher: Publisher,
    origin: u64,
    version: Version,
    publish: &Publish,
    received_at: Option<Timestamp>,
) -> Outcome {
    let claims_text = publish
        .properties
        .as_ref()
        .is_some_and(|properties| properties.is_text == Some(true));
    if claims_text && std::str::from_utf8(&publish.payload).is_err() {
        return refusal(
            Reason::PAYLOAD_FORMAT_INVALID,
            "the payload is not the UTF-8 that it says it is".to_owned(),
        );
    }
    let incoming = Incoming::of_publish(publish, origin);
    let patience = Duration::from_secs(broker.config().overload_patience_seconds);
    let since = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match broker
            .store(publisher, &incoming, received_at, version == Version::V3)
            .await
        {
            Ok((channel, published)) => {
                return Outcome::Stored {
                    channel,
                    received_at: published.received_at(),
                };
            }
            Err(None) => {
                return refusal(
                    Reason::NOT_AUTHORISED,
                    "the topic belongs to no channel".to_owned(),
                );
            }
            Err(Some(IngestError::Overloaded)) if since.elapsed() < patience => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(500));
            }
            Err(Some(error)) => {
                return Outcome::Refused(Refusal {
                    reason: Reason(error.mqtt_reason()),
                    retryable: error.is_retryable(),
                    text: error.to_string(),
                });
            }
        }
    }
}

const fn refusal(reason: Reason, text: String) -> Outcome {
    Outcome::Refused(Refusal {
        reason,
        text,
        retryable: false,
    })
}
