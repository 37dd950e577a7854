//! Which models there are: the seam to the read model of the registry.

mod registry;

use std::collections::HashMap;

use async_trait::async_trait;
use tellee_actors::domain::model::{Definition, State, Version};
use tellee_actors::ids::{AlarmId, ModelId, OrganisationId, ThingId};
use tellee_actors::time::Timestamp;
use tokio::sync::watch;

pub use self::registry::RegistryModels;

/// A model as the registry knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    pub id: ModelId,
    pub organisation: OrganisationId,
    pub definition: Definition,
    pub versions: Vec<Version>,
    /// The number of the version that scores.
    pub live: Option<u32>,
    /// Its thing was not removed: without it there is nothing to score.
    pub thing_exists: bool,
}

/// An alarm of a model whose condition is abnormal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingAlarm {
    pub id: AlarmId,
    pub organisation: OrganisationId,
    pub occurrence: u64,
    /// The source time of the window that raised it.
    pub raised_by: Timestamp,
}

impl ModelEntry {
    /// Out of the state of the aggregate; `None` if the model does not exist or was removed.
    pub fn from_state(id: ModelId, state: State) -> Option<Self> {
        if !state.exists || state.removed {
            return None;
        }
        Some(Self {
            id,
            organisation: state.organisation?,
            definition: state.definition?,
            versions: state.versions,
            live: state.live,
            thing_exists: true,
        })
    }

    /// The version that scores.
    pub fn live_version(&self) -> Option<&Version> {
        let live = self.live?;
        self.versions.iter().find(|version| version.version == live)
    }

    /// The number of the version that is registered next.
    pub fn next_version(&self) -> u32 {
        self.versions
            .iter()
            .map(|version| version.version)
            .max()
            .unwrap_or(0)
            .saturating_add(1)
    }
}

/// Why the models cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the models cannot be read: {0}")]
pub struct ModelsError(pub String);

/// The models of the registry, for reading.
#[async_trait]
pub trait ModelsView: Send + Sync + 'static {
    /// All models that are not removed.
    async fn models(&self) -> Result<Vec<ModelEntry>, ModelsError>;

    /// One model, if it exists.
    async fn model(&self, id: ModelId) -> Result<Option<ModelEntry>, ModelsError>;

    /// The alarms of models that stand, whether their models are still there or not.
    async fn standing_alarms(&self) -> Result<Vec<StandingAlarm>, ModelsError>;

    /// What engineers call the series of a thing, by the name of the series. Those without a title are left out.
    async fn titles(
        &self,
        organisation: OrganisationId,
        thing: ThingId,
    ) -> Result<HashMap<String, String>, ModelsError>;

    /// Changes whenever a model may have changed. More often than needed is well, late is not.
    fn changed(&self) -> watch::Receiver<u64>;
}
