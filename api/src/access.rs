//! The access projection as the path of messages sees it.

use tellee_actors::ids::{ChannelId, OrganisationId, ThingId};
use tellee_projections::Access;

use crate::ingest::{AccessView, ThingAccess};

impl AccessView for Access {
    fn thing_by_key_hash(&self, sha256: &[u8; 32]) -> Option<ThingAccess> {
        Self::thing_by_key_hash(self, sha256).map(|found| ThingAccess {
            thing: found.thing,
            organisation: found.organisation,
        })
    }

    fn thing(&self, thing: ThingId) -> Option<ThingAccess> {
        Self::thing(self, thing).map(|found| ThingAccess {
            thing: found.thing,
            organisation: found.organisation,
        })
    }

    fn may_use(&self, thing: ThingId, channel: ChannelId) -> bool {
        Self::may_use(self, thing, channel)
    }

    fn channel_organisation(&self, channel: ChannelId) -> Option<OrganisationId> {
        Self::channel_organisation(self, channel)
    }

    fn epoch(&self) -> u64 {
        Self::epoch(self)
    }
}
