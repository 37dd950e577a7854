//! The access projection: who may do what, in memory, for the hot path. Reads take no lock and no actor hop.

mod apply;
mod load;
mod shards;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tellee_actors::domain::channel::{RetentionClass, RollupRetention};
use tellee_actors::domain::user::Role;
use tellee_actors::ids::{ChannelId, DeviceTypeId, OrganisationId, ThingId, UserId};
use tokio::sync::watch;

use self::shards::Shards;

/// A thing that may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThingAccess {
    pub thing: ThingId,
    pub organisation: OrganisationId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelAccess {
    pub channel: ChannelId,
    pub organisation: OrganisationId,
    pub retention: RetentionClass,
    pub rollup_retention: RollupRetention,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserAccess {
    pub user: UserId,
    pub organisation: OrganisationId,
    pub role: Role,
    pub platform_administrator: bool,
    pub disabled: bool,
    /// Tokens of an earlier epoch are void.
    pub session_epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChannelEntry {
    organisation: OrganisationId,
    retention: RetentionClass,
    rollup_retention: RollupRetention,
}

impl ChannelEntry {
    const fn of(self, channel: ChannelId) -> ChannelAccess {
        ChannelAccess {
            channel,
            organisation: self.organisation,
            retention: self.retention,
            rollup_retention: self.rollup_retention,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct ThingEntry {
    organisation: OrganisationId,
    /// `None` if the hash in the event was no SHA-256: nobody can sign in as this thing.
    key: Option<[u8; 32]>,
    device_type: Option<DeviceTypeId>,
}

/// What only the writer needs.
#[derive(Default)]
struct Writer {
    /// Things by channel, to undo a channel's connections as a whole.
    members: HashMap<ChannelId, HashSet<ThingId>>,
}

/// Follows the event log; one writer, any number of readers.
pub struct Access {
    things: Shards<ThingId, ThingEntry>,
    /// Sorted. More than one thing only where a client chose the same key twice; the one with the lowest id has it.
    keys: Shards<[u8; 32], Arc<[ThingId]>>,
    /// Sorted. Kept apart from the things, since a connection may come before its thing.
    connections: Shards<ThingId, Arc<[ChannelId]>>,
    channels: Shards<ChannelId, ChannelEntry>,
    users: Shards<UserId, UserAccess>,
    writer: Mutex<Writer>,
    epoch: AtomicU64,
    changed: watch::Sender<u64>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            things: Shards::new(),
            keys: Shards::new(),
            connections: Shards::new(),
            channels: Shards::new(),
            users: Shards::new(),
            writer: Mutex::default(),
            epoch: AtomicU64::new(0),
            changed: watch::Sender::new(0),
        }
    }
}

impl Access {
    /// The thing whose key has this SHA-256.
    pub fn thing_by_key_hash(&self, sha256: &[u8; 32]) -> Option<ThingAccess> {
        let thing = self.keys.with(sha256, |things| things.first().copied())??;
        self.thing(thing)
    }

    pub fn thing(&self, thing: ThingId) -> Option<ThingAccess> {
        self.things.with(&thing, |entry| ThingAccess {
            thing,
            organisation: entry.organisation,
        })
    }

    /// Whether the key with this SHA-256 is that of `thing`.
    pub fn is_key_of(&self, thing: ThingId, sha256: &[u8; 32]) -> bool {
        self.things
            .with(&thing, |entry| entry.key.as_ref() == Some(sha256))
            .unwrap_or(false)
    }

    /// Whether `thing` is connected to `channel`, and both are of one organisation.
    pub fn may_use(&self, thing: ThingId, channel: ChannelId) -> bool {
        let connected = self
            .connections
            .with(&thing, |channels| channels.binary_search(&channel).is_ok())
            .unwrap_or(false);
        if !connected {
            return false;
        }
        let Some(organisation) = self.channel_organisation(channel) else {
            return false;
        };
        self.things
            .with(&thing, |entry| entry.organisation == organisation)
            .unwrap_or(false)
    }

    pub fn channel_organisation(&self, channel: ChannelId) -> Option<OrganisationId> {
        self.channels.with(&channel, |entry| entry.organisation)
    }

    pub fn channel(&self, channel: ChannelId) -> Option<ChannelAccess> {
        self.channels.with(&channel, |entry| entry.of(channel))
    }

    /// The channels that `thing` is connected to, in order of id.
    pub fn thing_channels(&self, thing: ThingId) -> Arc<[ChannelId]> {
        self.connections.get(&thing).unwrap_or_default()
    }

    pub fn thing_device_type(&self, thing: ThingId) -> Option<DeviceTypeId> {
        self.things.with(&thing, |entry| entry.device_type)?
    }

    pub fn user(&self, user: UserId) -> Option<UserAccess> {
        self.users.get(&user)
    }

    /// All channels, in no order: for retention.
    pub fn channels(&self) -> Vec<ChannelAccess> {
        let mut all = Vec::new();
        self.channels
            .for_each(|&channel, entry| all.push(entry.of(channel)));
        all
    }

    /// The things of `organisation`, or of one of its device types, in order of id.
    pub fn things_of(
        &self,
        organisation: OrganisationId,
        device_type: Option<DeviceTypeId>,
    ) -> Vec<ThingId> {
        let mut found = Vec::new();
        self.things.for_each(|&thing, entry| {
            let wanted = device_type.is_none_or(|wanted| entry.device_type == Some(wanted));
            if wanted && entry.organisation == organisation {
                found.push(thing);
            }
        });
        found.sort_unstable();
        found
    }

    /// Grows with each change. A session that saw an older epoch checks its grants again.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Wakes on each change of the epoch.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn announce(&self) {
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        self.changed.send_replace(epoch);
    }
}
