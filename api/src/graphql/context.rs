//! What resolvers find in the context of a request.

use std::sync::Arc;

use async_graphql::{Context, ID};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::platform::Platform;

pub fn platform<'context>(ctx: &Context<'context>) -> Result<&'context Arc<Platform>, ApiError> {
    ctx.data::<Arc<Platform>>()
        .map_err(|error| ApiError::internal(&error.message))
}

/// The signed-in user.
pub fn caller<'context>(ctx: &Context<'context>) -> Result<&'context Caller, ApiError> {
    ctx.data::<Caller>()
        .map_err(|_| ApiError::unauthenticated())
}

/// An id of an input field. What is no id is the id of nothing.
pub fn id<I: std::str::FromStr>(id: &ID, field: &str) -> Result<I, ApiError> {
    id.parse()
        .map_err(|_| ApiError::invalid(field, format!("`{}` is no id", id.as_str())))
}

/// An id to look something up by: `None` if it is none.
pub fn look_up<I: std::str::FromStr>(id: &ID) -> Option<I> {
    id.parse().ok()
}

/// How events name who caused them, for people.
pub async fn who_name(
    platform: &Platform,
    caller: &Caller,
    who: &tellee_actors::event::Who,
) -> Result<String, ApiError> {
    use tellee_actors::event::Who;
    let registry = platform.projections.registry();
    Ok(match who {
        Who::User(user) => match registry.user(caller.organisation, *user).await? {
            Some(row) => row.email,
            None => "a user of another organisation".to_owned(),
        },
        Who::Thing(thing) => match registry.thing(caller.organisation, *thing).await? {
            Some(row) => row.name,
            None => format!("thing {thing}"),
        },
        Who::System(part) => part.clone(),
    })
}
