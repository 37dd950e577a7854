//! The past of entities, and who did what.

use async_graphql::{Context, ID, Object, Result};
use tellee_actors::ids::Position;
use tellee_projections::audit::AuditQuery;

use crate::error::ApiError;
use crate::graphql::context::{caller, platform};
use crate::graphql::enums::EntityKind;
use crate::graphql::history::{
    AuditConnection, Change, EntitySnapshot, HistoryConnection, HistoryEntry, diff_of, history_of,
    owned, snapshot_at,
};
use crate::graphql::page::{PageInfo, first as bounded};
use crate::graphql::scalars::{DateTime, Long};

#[derive(Default)]
pub struct HistoryQueries;

#[Object]
impl HistoryQueries {
    /// Changes of one entity, oldest first, with what each changed.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn history(
        &self,
        ctx: &Context<'_>,
        entity: EntityKind,
        id: ID,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
    ) -> Result<HistoryConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let entity = owned(platform, caller, entity, &id).await?;
        Ok(history_of(platform, entity, first, after).await?)
    }

    /// The entity as it was; give one of revision and time.
    #[graphql(complexity = "20")]
    async fn entity_at(
        &self,
        ctx: &Context<'_>,
        entity: EntityKind,
        id: ID,
        revision: Option<Long>,
        time: Option<DateTime>,
    ) -> Result<Option<EntitySnapshot>> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let entity = owned(platform, caller, entity, &id).await?;
        Ok(snapshot_at(platform, entity, revision, time).await?)
    }

    /// What differs between two revisions; revision 0 is nothing.
    #[graphql(complexity = "20")]
    async fn diff(
        &self,
        ctx: &Context<'_>,
        entity: EntityKind,
        id: ID,
        from: Long,
        to: Long,
    ) -> Result<Vec<Change>> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let entity = owned(platform, caller, entity, &id).await?;
        Ok(diff_of(platform, entity, from.0, to.0).await?)
    }

    /// Who did what, newest first, over all entities of the organisation.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn audit(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        from: Option<DateTime>,
        to: Option<DateTime>,
    ) -> Result<AuditConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let query = AuditQuery {
            entity: None,
            from: from.map(|from| from.0),
            to: to.map(|to| to.0),
            before: crate::graphql::page::cursor::<u64>(after.as_deref())?.map(Position),
            limit: bounded(first)?,
        };
        let listing = platform
            .projections
            .audit()
            .entries(caller.organisation, query)
            .await;
        let listing = listing.map_err(ApiError::from)?;
        let end = listing.rows.last().map(|row| row.position);
        let nodes = listing.rows.into_iter().map(|row| HistoryEntry {
            entity: row.entity.kind.into(),
            id: row.entity.id.to_string().into(),
            revision: Long(row.revision.0),
            at: DateTime(row.at),
            event_type: row.event_type,
            note: row.note,
            by: row.who,
            entity_id: row.entity,
        });
        Ok(AuditConnection {
            nodes: nodes.collect(),
            page_info: PageInfo::new(listing.has_more, end),
        })
    }
}
