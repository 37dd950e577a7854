//! From `db` or `bucket` to a channel.

use tellee_actors::ids::ChannelId;
use tellee_projections::access::ThingAccess;
use tellee_projections::registry::{ChannelFilter, Page};

use crate::error::{ApiError, ErrorCode};
use crate::rest::Rest;

/// Channels looked at for a name.
const LOOKED_AT: u32 = 1_000;

/// The channel that `text` names and `thing` is connected to: by id, or by name if no other such channel has the name. A
/// retention policy after `/`, as clients of InfluxDB 1.x add it, says nothing here: channels have their own retention.
///
/// What is no channel is refused like a foreign one.
pub async fn channel_of(
    rest: &Rest,
    thing: ThingAccess,
    text: &str,
) -> Result<ChannelId, ApiError> {
    let without_policy = text.rsplit_once('/').map(|(before, _)| before);
    let access = rest.platform.projections.access();
    for text in [Some(text), without_policy].into_iter().flatten() {
        if let Ok(channel) = text.parse::<ChannelId>() {
            return Some(channel)
                .filter(|channel| access.may_use(thing.thing, *channel))
                .ok_or_else(not_connected);
        }
    }
    for name in [Some(text), without_policy].into_iter().flatten() {
        if let Some(channel) = by_name(rest, thing, name).await? {
            return Ok(channel);
        }
    }
    Err(not_connected())
}

async fn by_name(
    rest: &Rest,
    thing: ThingAccess,
    name: &str,
) -> Result<Option<ChannelId>, ApiError> {
    let access = rest.platform.projections.access();
    let connected = access.thing_channels(thing.thing);
    let filter = ChannelFilter {
        name: Some(name.to_owned()),
        ids: Some(connected.to_vec()),
        ..ChannelFilter::default()
    };
    let registry = rest.platform.projections.registry();
    let found = registry
        .channels(thing.organisation, filter, Page::offset(0, LOOKED_AT))
        .await?;
    let mut named = found
        .rows
        .iter()
        .filter(|row| row.name == name && access.may_use(thing.thing, row.id));
    match (named.next(), named.next(), found.has_more) {
        (Some(only), None, false) => Ok(Some(only.id)),
        (None, _, false) => Ok(None),
        _ => {
            let reason = format!("`{name}` is the name of several channels; give the id of one");
            Err(ApiError::new(ErrorCode::InvalidInput, reason))
        }
    }
}

fn not_connected() -> ApiError {
    ApiError::new(
        ErrorCode::Forbidden,
        "the thing is not connected to this channel",
    )
}
