//! What clients may reach: things their channels, users those of their organisation.

use std::sync::Arc;

use tellee_actors::ids::{ChannelId, ThingId};

use super::{Broker, SignedIn};
use crate::caller::Caller;
use crate::identity::{Action, allows};
use crate::ingest::Publisher;
use crate::mqtt::registry::SessionHandle;
use crate::mqtt::topic;
use crate::platform::{Platform, user_id};

/// Users who sign in with a token. They read; they do not publish.
pub trait Users: Send + Sync + 'static {
    /// The user with this e-mail address and this token.
    fn by_token(&self, email: &str, token: &str) -> Option<Caller>;

    /// Whether the token and the rights that a user signed in with still stand.
    fn still(&self, caller: &Caller) -> bool;
}

impl Users for Platform {
    fn by_token(&self, email: &str, token: &str) -> Option<Caller> {
        let caller = self.caller(token).ok()?;
        (caller.user == user_id(email)).then_some(caller)
    }

    fn still(&self, caller: &Caller) -> bool {
        Self::still(self, caller).is_ok()
    }
}

impl Broker {
    /// Lets users in from now on.
    pub fn set_users(&self, users: Arc<dyn Users>) {
        // The first ones stay.
        let _ = self.users.set(users);
    }

    /// The user that signs in: user name is the e-mail address, password a token.
    pub(super) fn sign_in_user(&self, email: &str, password: &[u8]) -> Option<SignedIn> {
        let token = std::str::from_utf8(password).ok()?;
        let caller = self.users.get()?.by_token(email, token)?;
        allows(caller.role, Action::Read).then_some(SignedIn {
            publisher: Publisher {
                // Nothing is connected to it: a user has no channels to publish to.
                thing: ThingId(caller.user.0),
                organisation: caller.organisation,
            },
            key_hash: None,
            user: Some(caller),
        })
    }

    /// Whether the user's sign-in still stands; always for a thing.
    pub(super) fn user_stands(&self, user: Option<&Caller>) -> bool {
        let Some(caller) = user else { return true };
        self.users.get().is_some_and(|users| users.still(caller))
    }

    /// Whether the client may get what comes by the channel.
    pub(in crate::mqtt) fn may_use(&self, handle: &SessionHandle, channel: ChannelId) -> bool {
        match &handle.user {
            None => self.access.may_use(handle.thing, channel),
            Some(caller) => {
                self.access.channel_organisation(channel) == Some(caller.organisation)
                    && self.user_stands(Some(caller))
            }
        }
    }

    /// What a filter reaches, if the client may reach that: one channel, or, for users, `None`, which is all channels of
    /// the organisation.
    pub(super) fn reach(&self, handle: &SessionHandle, filter: &str) -> Option<Option<ChannelId>> {
        if let Some(channel) = topic::filter_channel(filter) {
            return self.may_use(handle, channel).then_some(Some(channel));
        }
        let across = handle.user.is_some() && !filter.starts_with('$');
        across.then_some(None)
    }
}
