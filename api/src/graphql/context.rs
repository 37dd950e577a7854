//! What resolvers find in the context of a request.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID};
use tellee_actors::event::Who;
use tellee_actors::ids::UserId;

use super::aggregates::AggregateBatches;
use super::rows::Rows;
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

/// Rows by id, read in batches.
pub fn rows<'context>(ctx: &Context<'context>) -> Result<&'context DataLoader<Rows>, ApiError> {
    ctx.data::<DataLoader<Rows>>()
        .map_err(|error| ApiError::internal(&error.message))
}

/// Aggregates, asked of the store in batches.
pub fn aggregates<'context>(
    ctx: &Context<'context>,
) -> Result<&'context AggregateBatches, ApiError> {
    ctx.data::<AggregateBatches>()
        .map_err(|error| ApiError::internal(&error.message))
}

/// How events name who caused them, for people.
pub async fn who_name(ctx: &Context<'_>, who: &Who) -> Result<String, ApiError> {
    Ok(match who {
        Who::User(user) => name_of(&user_names(ctx, [*user]).await?, *user),
        Who::Thing(thing) => match rows(ctx)?.load_one(*thing).await? {
            Some(row) => row.name,
            None => format!("thing {thing}"),
        },
        Who::System(part) => part.clone(),
    })
}

/// The e-mail addresses of users of the caller's organisation.
pub async fn user_names(
    ctx: &Context<'_>,
    users: impl IntoIterator<Item = UserId>,
) -> Result<HashMap<UserId, String>, ApiError> {
    rows(ctx)?.load_many(users).await
}

pub fn name_of(names: &HashMap<UserId, String>, user: UserId) -> String {
    names
        .get(&user)
        .cloned()
        .unwrap_or_else(|| "a user of another organisation".to_owned())
}
