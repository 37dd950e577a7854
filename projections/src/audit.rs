//! The audit time line: who did what to which entity, newest first.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Error, OptionalExtension, Row, params, params_from_iter};
use tellee_actors::domain::{
    alarm, alarm_rule, channel, device_type, edge_device, model, thing, user,
};
use tellee_actors::event::Who;
use tellee_actors::ids::{EntityId, OrganisationId, Position, Revision};
use tellee_actors::store::StoreError;
use tellee_actors::store::database::Database;
use tellee_actors::time::Timestamp;

use crate::follower::sql::{
    get_id, get_json, get_optional_id, get_position, get_revision, get_stamp, get_word, to_json,
};
use crate::follower::{DecodedEvent, DomainEvent, Projection};
use crate::registry::PAGE_LIMIT;

/// The event that says whose keys a person saw: `{"things": [ids]}`.
pub const KEYS_REVEALED: &str = "thing.keys_revealed";
/// Streams of such events; the id of the organisation follows.
const KEY_REVEALS: &str = "key_reveals-";

/// The stream of an organisation's readings of keys. It is no entity's: to read a key is no new revision of the thing.
pub fn key_reveals_stream(organisation: OrganisationId) -> String {
    format!("{KEY_REVEALS}{organisation}")
}

pub(crate) fn organisation_of_key_reveals(stream: &str) -> Option<OrganisationId> {
    stream.strip_prefix(KEY_REVEALS)?.parse().ok()
}

/// `audit_entities` says which organisation an entity belongs to, since only its first event does.
pub(crate) const PROJECTION: Projection = Projection {
    name: "audit",
    version: 2,
    tables: &["audit", "audit_entities"],
    schema: "
CREATE TABLE audit (
    position INTEGER PRIMARY KEY, organisation BLOB, at INTEGER NOT NULL, kind TEXT NOT NULL, entity BLOB NOT NULL,
    revision INTEGER NOT NULL, event_type TEXT NOT NULL, who TEXT NOT NULL, note TEXT
) STRICT;
CREATE INDEX audit_organisation ON audit (organisation, position);
CREATE INDEX audit_entity ON audit (entity, position);
CREATE TABLE audit_entities (
    kind TEXT NOT NULL, entity BLOB NOT NULL, organisation BLOB NOT NULL, PRIMARY KEY (kind, entity)
) STRICT, WITHOUT ROWID;
",
    apply,
};

/// One line of the audit time line.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// The cursor.
    pub position: Position,
    pub at: Timestamp,
    pub entity: EntityId,
    pub revision: Revision,
    /// As in `thing.created`.
    pub event_type: String,
    pub who: Who,
    pub note: Option<String>,
}

/// Which lines, newest first. Every given part must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    pub entity: Option<EntityId>,
    /// Inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
    /// Only lines before this position.
    pub before: Option<Position>,
    /// At most [`PAGE_LIMIT`].
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AuditListing {
    pub rows: Vec<AuditEntry>,
    pub has_more: bool,
}

/// Reads the audit time line. Clones share it.
#[derive(Debug, Clone)]
pub struct Audit {
    database: Database,
}

impl Audit {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    /// What happened within `organisation`.
    pub async fn entries(
        &self,
        organisation: OrganisationId,
        query: AuditQuery,
    ) -> Result<AuditListing, StoreError> {
        let limit = query.limit.min(PAGE_LIMIT) as usize;
        let mut rows = self
            .database
            .read(move |connection| entries(connection, organisation, &query))
            .await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(AuditListing { rows, has_more })
    }
}

fn entries(
    connection: &Connection,
    organisation: OrganisationId,
    query: &AuditQuery,
) -> Result<Vec<AuditEntry>, Error> {
    let mut sql = "SELECT * FROM audit WHERE organisation = ?".to_owned();
    let mut values = vec![SqlValue::Blob(organisation.0.as_bytes().to_vec())];
    if let Some(entity) = query.entity {
        sql.push_str(" AND kind = ? AND entity = ?");
        values.push(SqlValue::Text(entity.kind.as_str().to_owned()));
        values.push(SqlValue::Blob(entity.id.as_bytes().to_vec()));
    }
    if let Some(from) = query.from {
        sql.push_str(" AND at >= ?");
        values.push(SqlValue::Integer(from.0));
    }
    if let Some(to) = query.to {
        sql.push_str(" AND at < ?");
        values.push(SqlValue::Integer(to.0));
    }
    if let Some(before) = query.before {
        sql.push_str(" AND position < ?");
        values.push(SqlValue::Integer(before.0.cast_signed()));
    }
    sql.push_str(" ORDER BY position DESC LIMIT ?");
    values.push(SqlValue::Integer(
        i64::from(query.limit.min(PAGE_LIMIT)) + 1,
    ));
    connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(&values), entry)?
        .collect()
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, Error> {
    Ok(AuditEntry {
        position: get_position(row, "position")?,
        at: get_stamp(row, "at")?,
        entity: EntityId::new(get_word(row, "kind")?, get_id(row, "entity")?),
        revision: get_revision(row, "revision")?,
        event_type: row.get("event_type")?,
        who: get_json(row, "who")?,
        note: row.get("note")?,
    })
}

fn apply(connection: &Connection, event: &DecodedEvent) -> Result<(), Error> {
    let organisation = match organisation_of(event) {
        Some(organisation) if matches!(event.event, DomainEvent::KeysRevealed { .. }) => {
            Some(organisation)
        }
        Some(organisation) => {
            connection
                .prepare_cached("INSERT OR REPLACE INTO audit_entities VALUES (?1, ?2, ?3)")?
                .execute(params![
                    event.entity.kind.as_str(),
                    event.entity.id.as_bytes(),
                    organisation.0.as_bytes()
                ])?;
            Some(organisation)
        }
        None => connection
            .prepare_cached(
                "SELECT organisation FROM audit_entities WHERE kind = ?1 AND entity = ?2",
            )?
            .query_row(
                params![event.entity.kind.as_str(), event.entity.id.as_bytes()],
                |row| get_optional_id::<OrganisationId>(row, "organisation"),
            )
            .optional()?
            .flatten()
            .or(event.meta.organisation),
    };
    connection
        .prepare_cached("INSERT OR REPLACE INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            event.position.0.cast_signed(),
            organisation
                .as_ref()
                .map(|organisation| organisation.0.as_bytes()),
            event.at.0,
            event.entity.kind.as_str(),
            event.entity.id.as_bytes(),
            event.revision.0.cast_signed(),
            event.event_type,
            to_json(&event.meta.who)?,
            event.meta.note,
        ])?;
    Ok(())
}

/// The organisation that the event itself names as the entity's.
const fn organisation_of(event: &DecodedEvent) -> Option<OrganisationId> {
    match &event.event {
        DomainEvent::Organisation(_) => Some(OrganisationId(event.entity.id)),
        DomainEvent::User(user::Event::Created { organisation, .. })
        | DomainEvent::Thing(thing::Event::Created { organisation, .. })
        | DomainEvent::Channel(channel::Event::Created { organisation, .. })
        | DomainEvent::DeviceType(device_type::Event::Created { organisation, .. })
        | DomainEvent::EdgeDevice(edge_device::Event::Registered { organisation, .. })
        | DomainEvent::AlarmRule(alarm_rule::Event::Created { organisation, .. })
        | DomainEvent::Model(model::Event::Created { organisation, .. }) => Some(*organisation),
        DomainEvent::Alarm(alarm::Event::Activated { source, .. }) => Some(source.organisation),
        DomainEvent::KeysRevealed { .. } => event.meta.organisation,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tellee_actors::domain::channel;
    use tellee_actors::ids::ThingId;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn the_time_line_of_an_organisation_is_newest_first_and_behind_its_wall() {
        let world = World::new().await;
        let (ours, theirs) = (
            world.organisation("ours").await,
            world.organisation("theirs").await,
        );
        let channel = world.channel(ours, "data").await;
        world.clock.advance(std::time::Duration::from_secs(60));
        let from = world.clock_now();
        let thing = ThingId::generate();
        world.connect(channel, thing).await;
        let last = world.thing(theirs, "pump", json!({})).await;
        let removed = DomainEvent::Channel(channel::Event::Removed {});
        world.happen(channel, removed).await;
        let audit = world.projections.audit();
        let all = audit
            .entries(
                ours,
                AuditQuery {
                    limit: 10,
                    ..AuditQuery::default()
                },
            )
            .await
            .unwrap();
        let types: Vec<_> = all
            .rows
            .iter()
            .map(|entry| entry.event_type.as_str())
            .collect();
        let expected = [
            "channel.removed",
            "channel.thing_connected",
            "channel.created",
            "organisation.created",
        ];
        assert_eq!(types, expected);
        assert!(
            all.rows
                .iter()
                .all(|entry| entry.entity != EntityId::from(last))
        );

        let query = AuditQuery {
            from: Some(from),
            limit: 1,
            ..AuditQuery::default()
        };
        let page = audit.entries(ours, query.clone()).await.unwrap();
        assert_eq!(
            (page.rows[0].event_type.as_str(), page.has_more),
            ("channel.removed", true)
        );
        let before = Some(page.rows[0].position);
        let page = audit
            .entries(ours, AuditQuery { before, ..query })
            .await
            .unwrap();
        assert_eq!(
            (page.rows[0].event_type.as_str(), page.has_more),
            ("channel.thing_connected", false)
        );
        let query = AuditQuery {
            entity: Some(channel.into()),
            to: Some(from),
            limit: 10,
            ..AuditQuery::default()
        };
        let page = audit.entries(ours, query).await.unwrap();
        assert_eq!(
            page.rows
                .iter()
                .map(|entry| entry.revision.0)
                .collect::<Vec<_>>(),
            [1]
        );
    }

    #[tokio::test]
    async fn a_reading_of_keys_stands_on_the_time_line_and_is_not_skipped() {
        let world = World::new().await;
        let ours = world.organisation("ours").await;
        let pump = world.thing(ours, "pump", json!({})).await;
        for things in [json!([pump]), json!([pump, ThingId::generate()])] {
            world.reveal_keys(ours, things).await;
        }
        let query = AuditQuery {
            limit: 2,
            ..AuditQuery::default()
        };
        let page = world
            .projections
            .audit()
            .entries(ours, query)
            .await
            .unwrap();
        let lines: Vec<_> = page
            .rows
            .iter()
            .map(|row| (row.entity, row.revision.0, row.note.as_deref()))
            .collect();
        let expected = [
            (EntityId::from(ours), 0, Some("the keys of 2 things")),
            (EntityId::from(pump), 0, None),
        ];
        assert_eq!(lines, expected);
        assert!(page.rows.iter().all(|row| row.event_type == KEYS_REVEALED));
        assert!(world.projections.skipped(10).await.unwrap().is_empty());
    }
}
