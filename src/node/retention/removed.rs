//! What removed channels have left: telemetry, and retained messages. That a channel is removed, its own events say; that
//! it is not among those that are known might have other reasons.

use std::collections::HashSet;

use tellee_actors::ids::{ChannelId, EntityId, Revision};
use tellee_actors::store::{EventStore, StoreError};
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::Retention;

use super::Upkeep;

const REMOVED: &str = "channel.removed";
const PAGE: usize = 1_000;

/// The removed channels that were seen in this run. No channel comes back.
#[derive(Default)]
pub struct Removed {
    channels: HashSet<ChannelId>,
}

impl Removed {
    /// Forgets retained messages of removed channels, and answers what of their telemetry is to go: all.
    pub async fn look(&mut self, upkeep: &Upkeep, living: &HashSet<ChannelId>) -> Vec<Retention> {
        let mut left = match upkeep.telemetry.channels().await {
            Ok(channels) => channels,
            Err(error) => {
                tracing::warn!(%error, "the channels of the telemetry store cannot be listed");
                return Vec::new();
            }
        };
        left.extend(upkeep.broker.retained_channels());
        left.retain(|channel| !living.contains(channel));
        self.learn(&left, &*upkeep.events).await;
        let gone = |channel| self.channels.contains(&channel);
        let messages = upkeep.broker.forget_retained(gone);
        if messages > 0 {
            tracing::info!(
                messages,
                "retained messages of removed channels were dropped"
            );
        }
        let gone = left.into_iter().filter(|channel| gone(*channel));
        gone.map(|channel| Retention {
            channel,
            samples_before: Timestamp::MAX,
            rollups_before: Timestamp::MAX,
        })
        .collect()
    }

    async fn learn(&mut self, left: &[ChannelId], events: &dyn EventStore) {
        for channel in left {
            if self.channels.contains(channel) {
                continue;
            }
            match is_removed(events, *channel).await {
                Ok(true) => {
                    self.channels.insert(*channel);
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%channel, %error, "the events of a channel cannot be read");
                }
            }
        }
    }
}

async fn is_removed(events: &dyn EventStore, channel: ChannelId) -> Result<bool, StoreError> {
    let stream = EntityId::from(channel).stream();
    let mut after = Revision(0);
    loop {
        let page = events.read_stream(&stream, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(false);
        };
        if page.iter().any(|event| event.event_type == REMOVED) {
            return Ok(true);
        }
        after = last.revision;
    }
}

#[cfg(test)]
mod tests {
    use tellee_actors::event::{EventMeta, NewEvent, Who};
    use tellee_actors::ids::CommandId;
    use tellee_actors::store::ExpectedRevision;

    use super::*;
    use crate::node::open_events;

    fn event(event_type: &str) -> NewEvent {
        let command = CommandId::generate();
        NewEvent {
            id: command.event_id(0),
            event_type: event_type.to_owned(),
            schema: 1,
            data: serde_json::json!({}),
            meta: EventMeta {
                who: Who::System("test".to_owned()),
                organisation: None,
                command,
                input: None,
                note: None,
            },
            at: Timestamp(0),
        }
    }

    #[tokio::test]
    async fn only_channels_whose_events_say_so_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (_database, events) = open_events(&folder.path().join("events.db")).await.unwrap();
        let [removed, lives, unknown] = [0; 3].map(|_| ChannelId::generate());
        for (channel, types) in [
            (removed, &["channel.created", REMOVED][..]),
            (lives, &["channel.created"]),
        ] {
            let stream = EntityId::from(channel).stream();
            let appended = events.append(
                &stream,
                ExpectedRevision::Any,
                types.iter().map(|name| event(name)).collect(),
            );
            appended.await.unwrap();
        }
        let mut seen = Removed::default();
        seen.learn(&[removed, lives, unknown], &events).await;
        assert_eq!(seen.channels, HashSet::from([removed]));
    }
}
