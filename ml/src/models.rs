//! Which models there are: the seam to the read model of the registry.

mod registry;

use async_trait::async_trait;
use tellee_actors::domain::model::{Definition, State, Version};
use tellee_actors::ids::{ModelId, OrganisationId};
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

    /// Changes whenever a model may have changed. More often than needed is well, late is not.
    fn changed(&self) -> watch::Receiver<u64>;
}
