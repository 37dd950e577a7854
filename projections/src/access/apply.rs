//! Events into the access snapshot.

use std::sync::Arc;

use tellee_actors::domain::secret::SealedKey;
use tellee_actors::domain::{channel, thing, user};
use tellee_actors::ids::{ChannelId, OrganisationId, ThingId, UserId};

use super::shards::Edit;
use super::{Access, ChannelEntry, ThingEntry, UserAccess, Writer};
use crate::follower::{DecodedEvent, DomainEvent};

const fn entry_of(organisation: OrganisationId, details: &channel::Details) -> ChannelEntry {
    ChannelEntry {
        organisation,
        retention: details.retention,
        rollup_retention: details.rollup_retention,
    }
}

impl Access {
    /// Takes in `events`, which no earlier call had, and announces a new epoch if they changed anything.
    pub(crate) fn apply(&self, events: &[DecodedEvent]) {
        let mut writer = self.writer.lock();
        let mut changes = Changes::of(self, &mut writer);
        for event in events {
            changes.event(event);
        }
        if changes.publish() {
            self.announce();
        }
    }

    pub(super) fn change(&self, make: impl FnOnce(&mut Changes<'_>)) {
        let mut writer = self.writer.lock();
        let mut changes = Changes::of(self, &mut writer);
        make(&mut changes);
        if changes.publish() {
            self.announce();
        }
    }
}

/// What a batch of events changes, published as one.
pub(super) struct Changes<'a> {
    things: Edit<'a, ThingId, ThingEntry>,
    keys: Edit<'a, [u8; 32], Arc<[ThingId]>>,
    connections: Edit<'a, ThingId, Arc<[ChannelId]>>,
    channels: Edit<'a, ChannelId, ChannelEntry>,
    users: Edit<'a, UserId, UserAccess>,
    writer: &'a mut Writer,
}

impl<'a> Changes<'a> {
    fn of(access: &'a Access, writer: &'a mut Writer) -> Self {
        Self {
            things: access.things.edit(),
            keys: access.keys.edit(),
            connections: access.connections.edit(),
            channels: access.channels.edit(),
            users: access.users.edit(),
            writer,
        }
    }

    /// Grants that go are gone first; what becomes possible comes last.
    fn publish(self) -> bool {
        let users = self.users.publish();
        let keys = self.keys.publish();
        let things = self.things.publish();
        let connections = self.connections.publish();
        let channels = self.channels.publish();
        users | keys | things | connections | channels
    }

    fn event(&mut self, event: &DecodedEvent) {
        let id = event.entity.id;
        match &event.event {
            DomainEvent::Thing(event) => self.thing_event(ThingId(id), event),
            DomainEvent::Channel(event) => self.channel_event(ChannelId(id), event),
            DomainEvent::User(event) => self.user_event(UserId(id), event),
            _ => {}
        }
    }

    fn thing_event(&mut self, thing: ThingId, event: &thing::Event) {
        match event {
            thing::Event::Created {
                organisation,
                key,
                details,
            } => {
                self.put_thing(thing, *organisation, key, details.device_type);
            }
            thing::Event::Updated { details } | thing::Event::RolledBack { details, .. } => {
                let Some(entry) = self.things.get(&thing) else {
                    return;
                };
                if entry.device_type != details.device_type {
                    self.things.insert(
                        thing,
                        ThingEntry {
                            device_type: details.device_type,
                            ..entry
                        },
                    );
                }
            }
            thing::Event::KeyChanged { key } => {
                let Some(entry) = self.things.get(&thing) else {
                    return;
                };
                self.put_thing(thing, entry.organisation, key, entry.device_type);
            }
            thing::Event::Removed {} => {
                if let Some(entry) = self.things.remove(&thing) {
                    self.drop_key(thing, entry.key);
                }
                let channels = self.connections.remove(&thing).unwrap_or_default();
                for channel in channels.iter() {
                    if let Some(members) = self.writer.members.get_mut(channel) {
                        members.remove(&thing);
                    }
                }
            }
        }
    }

    pub(super) fn put_thing(
        &mut self,
        thing: ThingId,
        organisation: OrganisationId,
        key: &SealedKey,
        device_type: Option<super::DeviceTypeId>,
    ) {
        let key = parse_sha256(&key.hash);
        if let Some(before) = self.things.get(&thing)
            && before.key != key
        {
            self.drop_key(thing, before.key);
        }
        self.things.insert(
            thing,
            ThingEntry {
                organisation,
                key,
                device_type,
            },
        );
        let Some(key) = key else { return };
        let holders = self.keys.get(&key).unwrap_or_default();
        if holders.contains(&thing) {
            return;
        }
        let mut holders: Vec<ThingId> = holders.iter().copied().chain([thing]).collect();
        holders.sort_unstable();
        self.keys.insert(key, holders.into());
    }

    fn drop_key(&mut self, thing: ThingId, key: Option<[u8; 32]>) {
        let Some(key) = key else { return };
        let Some(holders) = self.keys.get(&key) else {
            return;
        };
        let others: Arc<[ThingId]> = holders
            .iter()
            .copied()
            .filter(|&holder| holder != thing)
            .collect();
        if others.is_empty() {
            self.keys.remove(&key);
        } else {
            self.keys.insert(key, others);
        }
    }

    fn channel_event(&mut self, channel: ChannelId, event: &channel::Event) {
        match event {
            channel::Event::Created {
                organisation,
                details,
            } => {
                self.put_channel(channel, entry_of(*organisation, details));
            }
            channel::Event::Updated { details } => self.change(channel, details),
            channel::Event::RolledBack {
                details, things, ..
            } => {
                self.change(channel, details);
                let before = self
                    .writer
                    .members
                    .get(&channel)
                    .cloned()
                    .unwrap_or_default();
                for &gone in before.iter().filter(|thing| !things.contains(thing)) {
                    self.disconnect(channel, gone);
                }
                for &thing in things {
                    self.connect(channel, thing);
                }
            }
            channel::Event::ThingConnected { thing } => self.connect(channel, *thing),
            channel::Event::ThingDisconnected { thing } => self.disconnect(channel, *thing),
            channel::Event::Removed {} => {
                self.channels.remove(&channel);
                let members = self.writer.members.remove(&channel).unwrap_or_default();
                for thing in members {
                    self.disconnect(channel, thing);
                }
            }
        }
    }

    pub(super) fn put_channel(&mut self, channel: ChannelId, entry: ChannelEntry) {
        self.channels.insert(channel, entry);
    }

    fn change(&mut self, channel: ChannelId, details: &channel::Details) {
        let Some(before) = self.channels.get(&channel) else {
            return;
        };
        let entry = entry_of(before.organisation, details);
        if before != entry {
            self.put_channel(channel, entry);
        }
    }

    pub(super) fn connect(&mut self, channel: ChannelId, thing: ThingId) {
        self.writer
            .members
            .entry(channel)
            .or_default()
            .insert(thing);
        let channels = self.connections.get(&thing).unwrap_or_default();
        let Err(place) = channels.binary_search(&channel) else {
            return;
        };
        let (before, after) = channels.split_at(place);
        self.connections.insert(
            thing,
            before
                .iter()
                .copied()
                .chain([channel])
                .chain(after.iter().copied())
                .collect(),
        );
    }

    fn disconnect(&mut self, channel: ChannelId, thing: ThingId) {
        if let Some(members) = self.writer.members.get_mut(&channel) {
            members.remove(&thing);
        }
        let Some(channels) = self.connections.get(&thing) else {
            return;
        };
        let others: Arc<[ChannelId]> = channels
            .iter()
            .copied()
            .filter(|&other| other != channel)
            .collect();
        if others.is_empty() {
            self.connections.remove(&thing);
        } else {
            self.connections.insert(thing, others);
        }
    }

    fn user_event(&mut self, user: UserId, event: &user::Event) {
        if let user::Event::Created {
            organisation,
            role,
            platform_administrator,
            ..
        } = event
        {
            self.put_user(UserAccess {
                user,
                organisation: *organisation,
                role: *role,
                platform_administrator: *platform_administrator,
                disabled: false,
                session_epoch: 0,
            });
            return;
        }
        let Some(mut access) = self.users.get(&user) else {
            return;
        };
        match event {
            user::Event::Created { .. } | user::Event::MetadataUpdated { .. } => return,
            user::Event::PasswordChanged { .. } | user::Event::SessionsEnded {} => {
                access.session_epoch += 1
            }
            user::Event::Disabled {} => {
                access.session_epoch += 1;
                access.disabled = true;
            }
            user::Event::Enabled {} => access.disabled = false,
            user::Event::RoleChanged { role } => access.role = *role,
        }
        self.put_user(access);
    }

    pub(super) fn put_user(&mut self, access: UserAccess) {
        self.users.insert(access.user, access);
    }
}

fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}
