//! The mutations, by area. Each carries an idempotency key; most an expected revision.

mod alarms;
mod channels;
mod edge_devices;
mod input_digest;
mod models;
mod rules;
mod things;
mod users;

use async_graphql::{Context, ID, InputObject, MergedObject, SimpleObject};
use tellee_actors::ids::Revision;

use self::input_digest::input_digest;
use super::context::caller;
use super::scalars::Long;
use crate::error::ApiError;
use crate::platform::Request;

#[derive(MergedObject, Default)]
pub struct Mutation(
    things::ThingMutations,
    channels::ChannelMutations,
    edge_devices::EdgeDeviceMutations,
    rules::RuleMutations,
    alarms::AlarmMutations,
    models::ModelMutations,
    users::UserMutations,
);

#[derive(Debug, Clone, InputObject)]
pub struct RemoveInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub id: ID,
    pub note: Option<String>,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct RemovedPayload {
    pub id: ID,
    pub revision: Long,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct RevisionPayload {
    pub id: ID,
    pub revision: Long,
}

/// A request with the client's key, the revision that it saw and its note.
fn request(
    ctx: &Context<'_>,
    idempotency_key: &str,
    expected_revision: Option<Long>,
    note: Option<String>,
) -> Result<Request, ApiError> {
    if note.as_ref().is_some_and(|note| note.len() > 4_096) {
        return Err(ApiError::invalid("note", "is longer than 4096 bytes"));
    }
    let expected = expected_revision.map(|revision| Revision(revision.0));
    Ok(Request::keyed(caller(ctx)?, idempotency_key)?
        .asking(input_digest(ctx)?)
        .expecting(expected)
        .with_note(note))
}

impl RemoveInput {
    fn request(&self, ctx: &Context<'_>) -> Result<Request, ApiError> {
        request(
            ctx,
            &self.idempotency_key,
            self.expected_revision,
            self.note.clone(),
        )
    }
}
