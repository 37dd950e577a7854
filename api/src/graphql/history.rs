//! The past of entities: what changed, when, by whom; any revision, any time.

use async_graphql::{Context, ID, Json, Result, SimpleObject};
use serde_json::Value;
use tellee_actors::entity::history::{Moment, history, state_at};
use tellee_actors::entity::{Change as DomainChange, diff};
use tellee_actors::event::Who;
use tellee_actors::ids::{EntityId, Revision};
use tellee_actors::time::Timestamp;
use uuid::Uuid;

use super::context::{platform, who_name};
use super::enums::EntityKind;
use super::page::{PageInfo, cursor, first as bounded};
use super::scalars::{DateTime, Long};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::platform::Platform;

/// One change. `path` is a JSON pointer (RFC 6901) into the entity's state.
#[derive(Debug, Clone, SimpleObject)]
pub struct Change {
    pub path: String,
    pub before: Option<Json<Value>>,
    pub after: Option<Json<Value>>,
}

impl From<DomainChange> for Change {
    fn from(change: DomainChange) -> Self {
        Self {
            path: change.path,
            before: change.before.map(Json),
            after: change.after.map(Json),
        }
    }
}

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct HistoryEntry {
    pub entity: EntityKind,
    pub id: ID,
    pub revision: Long,
    pub at: DateTime,
    /// The event, as in `thing.updated`.
    #[graphql(name = "type")]
    pub event_type: String,
    /// Why, in the words of who did it.
    pub note: Option<String>,
    #[graphql(skip)]
    pub by: Who,
    #[graphql(skip)]
    pub entity_id: EntityId,
}

#[async_graphql::ComplexObject]
impl HistoryEntry {
    async fn who(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(who_name(ctx, &self.by).await?)
    }

    /// What the entity was called at that revision; none if its kind has no name.
    #[graphql(complexity = "5")]
    async fn name(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        if self.revision.0 == 0 {
            return Ok(None);
        }
        let state = state_of(platform(ctx)?, self.entity_id, self.revision.0).await?;
        Ok(name_in(&state))
    }

    /// What it changed, against the revision before.
    #[graphql(complexity = "10")]
    async fn changes(&self, ctx: &Context<'_>) -> Result<Vec<Change>> {
        let revision = self.revision.0;
        // An event that belongs to no entity, such as a reading of keys, changes nothing.
        if revision == 0 {
            return Ok(Vec::new());
        }
        Ok(diff_of(platform(ctx)?, self.entity_id, revision - 1, revision).await?)
    }
}

/// Where the kinds of entities keep what people call them.
const NAMES: [&str; 6] = [
    "/name",
    "/email",
    "/details/name",
    "/definition/name",
    "/config/name",
    "/external_id",
];

fn name_in(state: &Value) -> Option<String> {
    NAMES
        .iter()
        .filter_map(|path| state.pointer(path)?.as_str())
        .find(|name| !name.is_empty())
        .map(str::to_owned)
}

#[derive(SimpleObject)]
pub struct HistoryConnection {
    pub nodes: Vec<HistoryEntry>,
    pub page_info: PageInfo,
}

#[derive(SimpleObject)]
pub struct AuditConnection {
    pub nodes: Vec<HistoryEntry>,
    pub page_info: PageInfo,
}

/// An entity as it was.
#[derive(Debug, Clone, SimpleObject)]
pub struct EntitySnapshot {
    pub entity: EntityKind,
    pub id: ID,
    pub revision: Long,
    /// When that revision came to be.
    pub at: DateTime,
    /// Its state, secrets left out.
    pub state: Json<Value>,
}

/// The entity, if it is of the caller's organisation; removed ones too.
pub async fn owned(
    platform: &Platform,
    caller: &Caller,
    kind: EntityKind,
    id: &ID,
) -> Result<EntityId, ApiError> {
    let missing = || ApiError::not_found("such entity");
    let entity = EntityId::new(kind.into(), id.parse::<Uuid>().map_err(|_| missing())?);
    if entity.kind == tellee_actors::ids::EntityKind::User {
        caller.require(crate::identity::Action::ManageUsers)?;
    }
    if entity.kind == tellee_actors::ids::EntityKind::Alarm {
        platform.alarm(caller, entity.id.into()).await?;
        return Ok(entity);
    }
    let first = history(platform.events.as_ref(), entity, Revision::NONE, 1).await?;
    let created = first.first().ok_or_else(missing)?;
    let owner = created.meta.organisation;
    let own = entity == EntityId::from(caller.organisation) || owner == Some(caller.organisation);
    if own { Ok(entity) } else { Err(missing()) }
}

pub async fn history_of(
    platform: &Platform,
    entity: EntityId,
    first: i32,
    after: Option<String>,
) -> Result<HistoryConnection, ApiError> {
    let after = cursor::<u64>(after.as_deref())?.map_or(Revision::NONE, Revision);
    let limit = usize::try_from(bounded(first)?).unwrap_or(1);
    let mut events = history(platform.events.as_ref(), entity, after, limit + 1).await?;
    let more = events.len() > limit;
    events.truncate(limit);
    let end = events.last().map(|event| event.revision);
    let nodes = events.into_iter().map(|event| HistoryEntry {
        entity: entity.kind.into(),
        id: entity.id.to_string().into(),
        revision: Long(event.revision.0),
        at: DateTime(event.at),
        event_type: event.event_type,
        note: event.meta.note,
        by: event.meta.who,
        entity_id: entity,
    });
    Ok(HistoryConnection {
        nodes: nodes.collect(),
        page_info: PageInfo::new(more, end),
    })
}

pub async fn snapshot_at(
    platform: &Platform,
    entity: EntityId,
    revision: Option<Long>,
    time: Option<DateTime>,
) -> Result<Option<EntitySnapshot>, ApiError> {
    let moment = match (revision, time) {
        (Some(revision), None) => Moment::Revision(Revision(revision.0)),
        (None, Some(time)) => Moment::Time(time.0),
        _ => {
            return Err(ApiError::invalid(
                "revision",
                "give either `revision` or `time`",
            ));
        }
    };
    let store = platform.events.as_ref();
    let Some((revision, state)) = state_at(store, entity, moment).await? else {
        return Ok(None);
    };
    let last = history(store, entity, Revision(revision.0.saturating_sub(1)), 1).await?;
    let at = last.first().map_or(Timestamp(0), |event| event.at);
    Ok(Some(EntitySnapshot {
        entity: entity.kind.into(),
        id: entity.id.to_string().into(),
        revision: Long(revision.0),
        at: DateTime(at),
        state: Json(state),
    }))
}

/// What differs between two revisions; revision 0 is nothing.
pub async fn diff_of(
    platform: &Platform,
    entity: EntityId,
    from: u64,
    to: u64,
) -> Result<Vec<Change>, ApiError> {
    let before = state_of(platform, entity, from).await?;
    let after = state_of(platform, entity, to).await?;
    Ok(diff(&before, &after)
        .into_iter()
        .filter(|change| !OWN_COUNTERS.contains(&change.path.as_str()))
        .map(Change::from)
        .collect())
}

/// Where an edge device counts its own revisions: between two revisions they always differ, and say nothing.
const OWN_COUNTERS: [&str; 2] = ["/revision", "/config_revision"];

async fn state_of(platform: &Platform, entity: EntityId, revision: u64) -> Result<Value, ApiError> {
    if revision == 0 {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let moment = Moment::Revision(Revision(revision));
    let found = state_at(platform.events.as_ref(), entity, moment).await?;
    let (_, state) = found.ok_or_else(|| ApiError::not_found(&format!("revision {revision}")))?;
    Ok(state)
}
