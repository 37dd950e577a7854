//! What an append is, in the light of what is written: new, a repetition, or wrong. Pure, and the same for every provider.

use std::collections::HashSet;

use uuid::Uuid;

use super::{
    APPEND_BYTES_LIMIT, APPEND_LIMIT, Appended, EVENT_BYTES_LIMIT, EventLocation, ExpectedRevision,
    StoreError,
};
use crate::event::NewEvent;
use crate::ids::Revision;

/// The JSON of an event, ready to be written.
pub(super) struct Encoded {
    pub data: String,
    pub meta: String,
}

impl Encoded {
    pub(super) const fn bytes(&self) -> usize {
        self.data.len() + self.meta.len()
    }
}

/// Encodes `events` and refuses what is too much or too large, before anything waits in a queue.
pub(super) fn encode(events: &[NewEvent]) -> Result<Vec<Encoded>, StoreError> {
    if events.len() > APPEND_LIMIT {
        return Err(StoreError::TooMany {
            events: events.len(),
            limit: APPEND_LIMIT,
        });
    }
    let mut bytes = 0;
    let mut encoded = Vec::with_capacity(events.len());
    for event in events {
        let json = encode_one(event)?;
        bytes += json.bytes();
        if bytes > APPEND_BYTES_LIMIT {
            return Err(StoreError::TooLarge {
                bytes,
                limit: APPEND_BYTES_LIMIT,
            });
        }
        encoded.push(json);
    }
    Ok(encoded)
}

fn encode_one(event: &NewEvent) -> Result<Encoded, StoreError> {
    let unfit = |error: serde_json::Error| {
        StoreError::Failed(format!("event `{}` is no JSON: {error}", event.id))
    };
    let data = serde_json::to_string(&event.data).map_err(unfit)?;
    let meta = serde_json::to_string(&event.meta).map_err(unfit)?;
    let json = Encoded { data, meta };
    if json.bytes() > EVENT_BYTES_LIMIT {
        return Err(StoreError::TooLarge {
            bytes: json.bytes(),
            limit: EVENT_BYTES_LIMIT,
        });
    }
    Ok(json)
}

/// Says whether `ids`, of which `known` were found, may be written to `stream` at revision `actual`.
///
/// `Some` is the answer to a repetition, `None` means: write them behind `actual`.
pub(super) fn judge(
    stream: &str,
    expected: ExpectedRevision,
    actual: Revision,
    ids: &[Uuid],
    known: &[Option<EventLocation>],
) -> Result<Option<Appended>, StoreError> {
    let mut seen = HashSet::with_capacity(ids.len());
    if let Some(&id) = ids.iter().find(|&&id| !seen.insert(id)) {
        return Err(StoreError::IdTaken {
            id,
            stream: stream.to_owned(),
        });
    }
    let found = ids
        .iter()
        .zip(known)
        .find_map(|(&id, location)| location.as_ref().map(|location| (id, location)));
    let Some((id, first)) = found else {
        return match expected {
            ExpectedRevision::Exact(expected) if expected != actual => {
                Err(StoreError::WrongRevision {
                    stream: stream.to_owned(),
                    expected,
                    actual,
                })
            }
            _ => Ok(None),
        };
    };
    let repeated = known.iter().enumerate().all(|(index, location)| {
        location.as_ref().is_some_and(|location| {
            location.stream == stream && location.revision.0 == first.revision.0 + index as u64
        })
    });
    match known.last() {
        Some(Some(last)) if repeated => Ok(Some(Appended {
            revision: last.revision,
            position: last.position,
            duplicate: true,
        })),
        _ => Err(StoreError::IdTaken {
            id,
            stream: first.stream.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Position;

    fn at(stream: &str, revision: u64) -> Option<EventLocation> {
        Some(EventLocation {
            stream: stream.to_owned(),
            revision: Revision(revision),
            position: Position(revision * 10),
        })
    }

    fn ids(count: usize) -> Vec<Uuid> {
        (0..count).map(|_| Uuid::now_v7()).collect()
    }

    #[test]
    fn a_repetition_is_answered_whatever_revision_is_expected() {
        let answer = judge(
            "thing-1",
            ExpectedRevision::Exact(Revision(3)),
            Revision(9),
            &ids(2),
            &[at("thing-1", 4), at("thing-1", 5)],
        );
        assert_eq!(
            answer,
            Ok(Some(Appended {
                revision: Revision(5),
                position: Position(50),
                duplicate: true
            }))
        );
    }

    #[test]
    fn half_a_repetition_is_refused_from_either_side() {
        for known in [
            [at("thing-1", 4), None],
            [None, at("thing-1", 4)],
            [at("thing-1", 5), at("thing-1", 4)],
        ] {
            let answer = judge(
                "thing-1",
                ExpectedRevision::Any,
                Revision(9),
                &ids(2),
                &known,
            );
            assert!(
                matches!(answer, Err(StoreError::IdTaken { .. })),
                "{known:?} gave {answer:?}"
            );
        }
    }

    #[test]
    fn an_id_that_stands_twice_in_an_append_is_refused() {
        let id = Uuid::now_v7();
        let answer = judge(
            "thing-1",
            ExpectedRevision::Any,
            Revision(0),
            &[id, id],
            &[None, None],
        );
        assert_eq!(
            answer,
            Err(StoreError::IdTaken {
                id,
                stream: "thing-1".to_owned()
            })
        );
    }
}
