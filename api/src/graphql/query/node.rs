//! Who asks, and whom.

use async_graphql::{Context, Object, Result, SimpleObject};

use crate::error::ApiError;
use crate::graphql::context::{caller, platform};
use crate::graphql::scalars::DateTime;
use crate::graphql::user::{Organisation, Viewer};

/// What runs here.
#[derive(Debug, Clone, SimpleObject)]
pub struct Server {
    pub version: String,
    pub node: String,
    pub time: DateTime,
    pub ml: MlStatus,
}

/// Whether models can run. `state`: ABSENT (no worker or no libtorch), STARTING, READY, BACKING_OFF, BROKEN.
#[derive(Debug, Clone, SimpleObject)]
pub struct MlStatus {
    pub state: String,
    pub reason: Option<String>,
}

#[derive(Default)]
pub struct NodeQueries;

#[Object]
impl NodeQueries {
    /// Who asks.
    async fn me(&self, ctx: &Context<'_>) -> Result<Viewer> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let registry = platform.projections.registry();
        let user = registry
            .user(caller.organisation, caller.user)
            .await
            .map_err(ApiError::from)?;
        let user = user.ok_or_else(ApiError::unauthenticated)?;
        let organisation = registry
            .organisation(caller.organisation)
            .await
            .map_err(ApiError::from)?;
        let organisation = organisation.ok_or_else(ApiError::unauthenticated)?;
        Ok(Viewer {
            id: user.id.to_string().into(),
            email: user.email,
            role: user.role.into(),
            organisation: Organisation::from(organisation),
            platform_administrator: user.platform_administrator,
        })
    }

    async fn server(&self, ctx: &Context<'_>) -> Result<Server> {
        let platform = platform(ctx)?;
        let (state, reason) = platform.ml_state();
        Ok(Server {
            version: platform.build.version.to_owned(),
            node: platform.node.clone(),
            time: DateTime(platform.clock.now()),
            ml: MlStatus {
                state: state.to_owned(),
                reason,
            },
        })
    }
}
