//! The models as the registry of this node shows them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tellee_actors::domain::thing::Tag;
use tellee_actors::ids::{ModelId, OrganisationId, ThingId};
use tellee_actors::store::StoreError;
use tellee_projections::Projections;
use tellee_projections::registry::{ModelRow, PAGE_LIMIT, Page};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{ModelEntry, ModelsError, ModelsView, StandingAlarm};

/// How soon a change of the registry is seen.
const LOOK: Duration = Duration::from_millis(500);
/// More models than this are not run.
const MAX_MODELS: usize = 10_000;

/// Reads the models from the registry and looks for changes whenever the projections have moved on.
pub struct RegistryModels {
    projections: Projections,
    changes: watch::Receiver<u64>,
    watching: JoinHandle<()>,
}

impl RegistryModels {
    /// Begins to watch. Ends when it is dropped.
    pub fn start(projections: Projections) -> Arc<Self> {
        let (sender, changes) = watch::channel(0);
        let watching = tokio::spawn(follow(projections.clone(), sender));
        Arc::new(Self {
            projections,
            changes,
            watching,
        })
    }
}

impl Drop for RegistryModels {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Tells of a change when the rows differ from those last seen. Telemetry and alarms move the projections on too.
async fn follow(projections: Projections, changes: watch::Sender<u64>) {
    let mut seen_at = None;
    let mut seen: Option<Vec<ModelEntry>> = None;
    loop {
        let reached = projections.reached();
        if seen_at != Some(reached)
            && let Ok(entries) = read(&projections).await
        {
            seen_at = Some(reached);
            if seen.as_ref() != Some(&entries) {
                seen = Some(entries);
                changes.send_modify(|change| *change += 1);
            }
        }
        sleep(LOOK).await;
    }
}

async fn read(projections: &Projections) -> Result<Vec<ModelEntry>, StoreError> {
    let mut entries = Vec::new();
    let mut after = None;
    loop {
        let page = Page::after(after, PAGE_LIMIT);
        let listing = projections.registry().all_models(page).await?;
        let access = projections.access();
        entries.extend(listing.rows.into_iter().map(|row| {
            let thing_exists = access.thing(row.definition.thing).is_some();
            entry(row, thing_exists)
        }));
        after = listing.end;
        if !listing.has_more || after.is_none() || entries.len() >= MAX_MODELS {
            return Ok(entries);
        }
    }
}

fn entry(row: ModelRow, thing_exists: bool) -> ModelEntry {
    ModelEntry {
        id: row.id,
        organisation: row.organisation,
        definition: row.definition,
        versions: row.versions,
        live: row.live,
        thing_exists,
    }
}

fn unreadable(error: &StoreError) -> ModelsError {
    ModelsError(error.to_string())
}

#[async_trait]
impl ModelsView for RegistryModels {
    async fn models(&self) -> Result<Vec<ModelEntry>, ModelsError> {
        read(&self.projections)
            .await
            .map_err(|error| unreadable(&error))
    }

    async fn model(&self, id: ModelId) -> Result<Option<ModelEntry>, ModelsError> {
        let entries = self.models().await?;
        Ok(entries.into_iter().find(|entry| entry.id == id))
    }

    async fn standing_alarms(&self) -> Result<Vec<StandingAlarm>, ModelsError> {
        let rows = self.projections.alarms().standing_scores().await;
        let rows = rows.map_err(|error| unreadable(&error))?;
        let standing = rows.into_iter().filter_map(|row| {
            Some(StandingAlarm {
                id: row.id,
                organisation: row.organisation,
                occurrence: row.state.occurrence,
                raised_by: row.state.activation?.source_time,
            })
        });
        Ok(standing.collect())
    }

    async fn titles(
        &self,
        organisation: OrganisationId,
        thing: ThingId,
    ) -> Result<HashMap<String, String>, ModelsError> {
        let registry = self.projections.registry();
        let row = registry.thing(organisation, thing).await;
        let Some(row) = row.map_err(|error| unreadable(&error))? else {
            return Ok(HashMap::new());
        };
        let mut tags: Vec<Tag> = Vec::new();
        if let Some(device_type) = row.device_type {
            let found = registry.device_type(organisation, device_type).await;
            let found = found.map_err(|error| unreadable(&error))?;
            tags.extend(found.into_iter().flat_map(|found| found.tags));
        }
        // The thing's own tags come last and count.
        tags.extend(row.tags);
        let titled = tags.into_iter().filter(|tag| !tag.title.is_empty());
        Ok(titled.map(|tag| (tag.series, tag.title)).collect())
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tellee_actors::domain::model::{Definition, Event};
    use tellee_actors::event::{EventMeta, NewEvent, Who};
    use tellee_actors::ids::{CommandId, EntityId, OrganisationId, ThingId};
    use tellee_actors::store::database::DatabaseConfig;
    use tellee_actors::store::embedded::EmbeddedEventStore;
    use tellee_actors::store::{EventStore, ExpectedRevision};
    use tellee_actors::time::{SystemClock, Timestamp};

    use super::*;

    async fn append(store: &dyn EventStore, model: ModelId, event_type: &str, event: &Event) {
        let command = CommandId::generate();
        let event = NewEvent {
            id: command.event_id(0),
            event_type: event_type.to_owned(),
            schema: 1,
            data: serde_json::to_value(event).unwrap_or(json!(null)),
            meta: EventMeta {
                who: Who::System("test".into()),
                organisation: None,
                command,
                note: None,
                input: None,
            },
            at: Timestamp(1),
        };
        let stream = EntityId::from(model).stream();
        store
            .append(&stream, ExpectedRevision::Any, vec![event])
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_model_that_is_made_or_removed_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            EmbeddedEventStore::open(&folder.path().join("events.db"), DatabaseConfig::default())
                .await
                .unwrap();
        let database = store.database().clone();
        let store = Arc::new(store);
        let clock = Arc::new(SystemClock::default());
        let projections = Projections::start(store.clone(), database, clock)
            .await
            .unwrap();
        let models = RegistryModels::start(projections.clone());
        let mut changed = models.changed();

        let id = ModelId::generate();
        let created = Event::Created {
            organisation: OrganisationId::generate(),
            definition: Definition {
                name: "Pump".into(),
                thing: ThingId::generate(),
                signals: vec![],
                sample_period_ms: 1_000,
                window: 4,
                score_series: "score".into(),
                persistence: 1,
            },
        };
        append(store.as_ref(), id, "model.created", &created).await;
        let patience = Duration::from_secs(30);
        loop {
            if models.model(id).await.unwrap().is_some() {
                break;
            }
            tokio::time::timeout(patience, changed.changed())
                .await
                .unwrap()
                .unwrap();
        }
        changed.mark_unchanged();
        append(store.as_ref(), id, "model.removed", &Event::Removed {}).await;
        tokio::time::timeout(patience, changed.changed())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(models.model(id).await.unwrap(), None);
        projections.stop().await;
    }
}
