//! What the path of a message asks about access. Answered from memory, without waiting.

use tellee_actors::ids::{ChannelId, OrganisationId, ThingId};

/// A thing that may sign in, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThingAccess {
    pub thing: ThingId,
    pub organisation: OrganisationId,
}

/// The access snapshot as publishers and subscribers see it. Every answer is that of one moment.
pub trait AccessView: Send + Sync + 'static {
    /// The thing whose key has this SHA-256.
    fn thing_by_key_hash(&self, sha256: &[u8; 32]) -> Option<ThingAccess>;

    /// A thing that exists.
    fn thing(&self, thing: ThingId) -> Option<ThingAccess>;

    /// Whether the thing is connected to the channel.
    fn may_use(&self, thing: ThingId, channel: ChannelId) -> bool;

    /// Whose channel it is; `None` if there is no such channel.
    fn channel_organisation(&self, channel: ChannelId) -> Option<OrganisationId>;

    /// Grows with every change. As long as it stands, every answer above stands.
    fn epoch(&self) -> u64;
}
